"""Real measurements: 50,518 variants of the *lac* promoter (Kinney et al. 2010), and the sites that are known in it.

``pip download --no-deps mavenn --dest build`` then ``python benchmarks/lac.py --data build/mavenn-*.whl``

The data are in the package mavenn (MIT, Tareen et al. 2022), which is read as a file and not imported: it needs
tensorflow. A small network learns the bin (0 to 9) that a cell with each 75-bp variant was sorted into. Held-out
variants tell how well its differences from the wild type are those measured; contributions and single changes of the
wild type, where it says activity comes from: the sites of CRP and RNA polymerase.
"""

from __future__ import annotations

import gzip
import io
import time
import zipfile
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from l2g_core.dna import one_hot
from l2g_interp import attribute
from l2g_interp.attributions.mutagenesis import agreement, mutants_of

INSIDE_WHEEL = "mavenn/examples/datasets/sortseq_data.csv.gz"
WILD_TYPE = "AATTAATGTGAGTTAGCTCACTCATTAGGCACCCCAGGCTTTACACTTTATGCTTCCGGCTCGTATGTTGTGTGG"
FIRST = -75  # of the wild type, from the start of transcription
SITES = {  # positions as Kinney et al. 2010 (PNAS, figure 1) count them, first and last included
    "CRP": ((-74, -49),),
    "RNA polymerase, -35 and -10": ((-36, -31), (-12, -7)),
}
TALLEST = 10  # positions that lose most


class Promoter(nn.Module):
    """A convolution of the width of a site, one that combines, and dense layers: 75 bp to the bin."""

    targets = ("bin",)

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(4, 32, 11, padding=5), nn.BatchNorm1d(32), nn.ReLU(),
            nn.Conv1d(32, 32, 5, padding=2), nn.BatchNorm1d(32), nn.ReLU(), nn.MaxPool1d(3),
        )  # fmt: skip
        self.dense = nn.Sequential(nn.Linear(32 * 25, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.convolutions(x).flatten(1))


def read_measurements(path: Path) -> pd.DataFrame:
    """Columns ``set``, ``x`` (75 bp) and ``bin``, the mean bin of the reads; from the package or the table in it."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            content = gzip.decompress(wheel.read(INSIDE_WHEEL))
    else:
        content = gzip.decompress(path.read_bytes())
    table = pd.read_csv(io.BytesIO(content))
    counts = table.filter(regex=r"^ct_\d+$")
    bins = counts.columns.str.removeprefix("ct_").astype(int).to_numpy()
    return table.assign(bin=(counts.to_numpy() @ bins) / counts.to_numpy().sum(axis=1))


def trained(x: Tensor, y: Tensor, held_out: tuple[Tensor, Tensor], epochs: int, seed: int) -> Promoter:
    """The epoch that does best on the validation rows."""
    torch.manual_seed(seed)
    model, best, kept = Promoter(), -1.0, {}
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, epochs * -(-len(x) // 256))
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(x)).split(256):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x[rows].float())[:, 0], y[rows]).backward()
            optimizer.step()
            schedule.step()
        found = correlation(predicted(model, held_out[0]), held_out[1].numpy())
        if found > best:
            best, kept = found, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return model.eval()


def predicted(model: nn.Module, x: Tensor) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        return torch.cat([model(some.float())[:, 0] for some in x.split(1024)]).numpy()


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def interval(first: np.ndarray, second: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % of bootstrap resamples of the rows."""
    rng = np.random.default_rng(seed)
    drawn = [correlation(first[rows], second[rows]) for rows in rng.integers(len(first), size=(1000, len(first)))]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def within(places: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Which bases of the wild type lie there."""
    positions = np.arange(len(WILD_TYPE)) + FIRST
    return np.any([(positions >= first) & (positions <= last) for first, last in places], axis=0)


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="mavenn-*.whl, or the table.")
@click.option("--epochs", default=8, show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Networks, each trained from another seed.")
@click.option("--references", default=100, show_default=True)
def main(data: Path, epochs: int, seeds: int, references: int) -> None:
    """Print correlations with the measurements, and shares of the known sites."""
    torch.set_num_threads(1)
    table = read_measurements(data)
    rows = {name: pd.DataFrame(table[table["set"] == name]) for name in ("training", "validation", "test")}
    x = {name: torch.from_numpy(one_hot(part["x"].tolist())) for name, part in rows.items()}
    y = {name: torch.tensor(np.array(part["bin"]), dtype=torch.float32) for name, part in rows.items()}
    wild_type = torch.from_numpy(one_hot([WILD_TYPE]))
    far = (table["x"].map(differs) / len(WILD_TYPE)).mean()
    print(f"{len(table):,} variants, {far:.0%} of the bases changed; {', '.join(f'{len(x[n]):,} {n}' for n in x)}")
    begun = time.perf_counter()
    models = [
        trained(x["training"], y["training"], (x["validation"], y["validation"]), epochs, seed) for seed in range(seeds)
    ]
    print(f"{seeds} networks trained in {time.perf_counter() - begun:.0f} s, one thread")

    mean = np.mean([predicted(model, x["test"]) for model in models], axis=0)
    own = float(np.mean([predicted(model, wild_type) for model in models]))
    measured = y["test"].numpy()
    low, high = interval(mean - own, measured)
    each = [correlation(predicted(model, x["test"]), measured) for model in models]
    print(
        f"{len(measured):,} held-out variants, predicted difference from the wild type and measured bin: "
        f"r {correlation(mean - own, measured):.3f} [{low:.3f}, {high:.3f}], of single networks {min(each):.3f} to "
        f"{max(each):.3f}"
    )

    mutants = [mutants_of(model, wild_type[0], [0]) for model in models]
    assert not any(each.refused for each in mutants), "computed by plain batches"
    difference = np.mean([each.outputs[0] - each.own[0] for each in mutants], axis=0)
    found = attribute(models, wild_type.numpy(), n_references=references, ids=["lac"])["bin"]
    report(difference, found.contributions[0].sum(0))
    measured_effects(difference, pd.concat([rows["training"], rows["validation"]]), rows["test"])


def report(difference: np.ndarray, contributions: np.ndarray) -> None:
    """Shares of what single changes and contributions put into the known sites."""
    there = one_hot([WILD_TYPE])[0].astype(bool)
    effect = np.abs(difference).sum(0) / 3
    assert not difference[there].any()
    print(f"\n{'':34}{'of the bases':>14}{'single changes':>16}{'contributions':>15}")
    every = np.zeros(len(WILD_TYPE), dtype=bool)
    for name, places in SITES.items():
        inside = within(places)
        every |= inside
        print(line(name, inside, effect, contributions))
    print(line("all of them", every, effect, contributions))
    tallest = {
        name: np.argsort(-values)[:TALLEST]
        for name, values in (("changes", effect), ("contributions", np.abs(contributions)))
    }
    for name, rows in tallest.items():
        print(f"of the {TALLEST} strongest {name}, {int(every[rows].sum())} lie in the sites")
    agreed = agreement(contributions, difference)
    print(
        f"contributions and single changes of the wild type: r {agreed.pearson:.2f} "
        f"[{agreed.pearson_low:.2f}, {agreed.pearson_high:.2f}], of ranks {agreed.spearman:.2f}"
    )


def line(name: str, inside: np.ndarray, effect: np.ndarray, contributions: np.ndarray) -> str:
    shares = [values[inside].sum() / values.sum() for values in (effect, np.abs(contributions))]
    return f"{name:34}{inside.mean():>14.0%}{shares[0]:>16.0%}{shares[1]:>15.0%}"


def differs(letters: str) -> int:
    return sum(a != b for a, b in zip(letters, WILD_TYPE, strict=True))


def measured_effects(difference: np.ndarray, *parts: pd.DataFrame) -> None:
    """The single changes beside what the measurements say of each base: the mean bin with it less that without it."""
    there = one_hot([WILD_TYPE])[0].astype(bool)
    for name, part in zip(("training and validation", "test"), parts, strict=True):
        x, y = one_hot(part["x"].tolist()).astype(float), np.array(part["bin"])
        sums, counts = np.einsum("nbl,n->bl", x, y), x.sum(0)
        means = sums / np.maximum(counts, 1)
        effect = means - (means * there).sum(0)
        usable = ~there & (counts >= 20)
        r = correlation(difference[usable], effect[usable])
        low, high = interval(difference[usable], effect[usable])
        print(
            f"beside the measured mean effect of each base, {int(usable.sum())} single changes, {name} rows: ", end=""
        )
        print(f"r {r:.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
