"""How often is a hit's name right? Callers side by side, on planted sites of the published network and an oracle.

    python benchmarks/hits.py --data ../shared/data --output runs/hits
    python benchmarks/hits.py --output runs/hits --demo results      (a folder of 'l2g-interp demo')

The network explains its strongest held-out enhancers, shuffled ones, and planted sites: a consensus each in a shuffled
enhancer of its own. A planted site counts where the network uses it: where its contributions sum to what one in five
shuffled sequences reaches in some window, and planting it raised the prediction by half of that at least. *Right*: a
named hit of the motif's family lies on the site; *wrong*: only hits of other names do; *missing*: the share of sites on
which a named hit lies when all motifs of the family are left out, so that any name is wrong. The oracle is a network
whose motifs are known by construction.

The first table tells, for each target and caller: what share of all contribution lies in named hits, and what share of
the contribution that stands out of shuffled sequences; how many sequences have a named hit; and these three rates.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import earlier_hits
import numpy as np
import torch
from real_run import TARGETS, run

import motif_db
from l2g_core.cli import main as l2g
from l2g_core.dna import Sequences, one_hot
from l2g_interp import attribute, discover_motifs, match_motifs, read_attributions, write_attributions
from l2g_interp.demo.made_up import PLANTED as DEMO_PLANTED
from l2g_interp.effects.backgrounds import draw_backgrounds, draw_rows
from l2g_interp.models import open_model
from l2g_interp.motifs.hits import Calibration, calibrate, find_hits, overlap, profiles
from l2g_interp.motifs.library import build_library
from l2g_interp.motifs.modisco.discover import options_for
from l2g_interp.motifs.naming import called, names_of, significant
from l2g_interp.motifs.standing_out import strongest_windows
from l2g_interp.motifs.unexplained import bars_of, explain, is_named, shares
from l2g_interp.records.attributions_file import read_controls
from l2g_interp.records.types import ARRAYS, Attributions, Hit, Match, Pattern, TargetAttributions
from motif_db.elements import consensus_ppm

# What the DeepSTARR paper found its network to use, as consensus, and which names are right for it.
PLANTED = {
    "AP-1": ("TGASTCA", r"AP-1"),
    "GATA": ("WGATAAS", r"GATA"),
    "twist": ("CATATG", r"\btwi\b|E-box"),
    "GAGA": ("GAGAGAG", r"GAGA|GAF|Trl"),
    "SREBP": ("TCACGCGA", r"SREBP"),
    "ETS": ("ACCGGAAGT", r"ETS|Ets|Eip74EF|pnt|aop"),
    "STAT": ("TTCCCGGAA", r"STAT"),
    "DRE": ("TATCGATA", r"DRE|Dref|BEAF"),
    "Ohler1": ("YGGTCACACTR", r"Ohler1|M1BP"),
    "E-box": ("AWCAGCTGWT", r"E-box"),
    "Ohler6": ("KTYRGTATWTTT", r"Ohler6"),
    "Ohler7": ("KNNCAKCNCTRNY", r"Ohler7"),
}
MARGIN = 10  # bp that planted sites keep from the ends
Caller = Callable[[Attributions, str], list[Hit]]  # attributions, and the names to leave out ("" for none)


@dataclass(frozen=True)
class Site:
    """A planted site, and for which targets the network uses it."""

    row: int
    start: int
    end: int
    motif: str
    used: tuple[str, ...]


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Folder with deepstarr/.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for what is computed once.")
@click.option("--split", default="test", show_default=True)
@click.option("--top", default=500, show_default=True, help="Strongest sequences per target.")
@click.option("--references", default=10, show_default=True)
@click.option("--each", default=145, show_default=True, help="Planted sites of each motif.")
@click.option("--seed", default=1, show_default=True, help="Of controls and planted sites.")
@click.option("--demo", type=click.Path(exists=True, path_type=Path), help="Folder of 'l2g-interp demo', instead.")
def main(data: Path | None, output: Path, demo: Path | None, **given: Any) -> None:
    """Print the tables."""
    output.mkdir(parents=True, exist_ok=True)
    if demo:
        demo_table(demo)
    if data:
        network_tables(data, output, **given)
        oracle_table(given["references"], given["seed"])


def network_tables(data: Path, output: Path, **given: Any) -> None:
    """The published network on the strongest sequences of a split."""
    explained, controls, planted, before, truth = explain_network(data, output, **given)
    sites = used_sites(planted, before, truth, controls)
    print_used(sites)
    motifs = [m for name in ("jaspar-insects", "core-promoter") for m in motif_db.load(name)]
    callers = callers_of(explained, controls, motifs)
    print_header()
    for title, caller in callers.items():
        print_rates(title, caller, explained, controls, planted, sites)
    print_each_motif(callers["motifs compete"], planted, sites)


def explain_network(
    data: Path, output: Path, split: str, top: int, references: int, each: int, seed: int
) -> tuple[Attributions, Attributions, Attributions, np.ndarray, list[tuple[int, int, int, str]]]:
    """Attributions of the strongest sequences, of controls and of planted sites, kept in the folder."""
    stem, kinds = f"{split}.{top}.{references}.{each}.{seed}", ("h5", "controls.h5", "planted.h5", "npz")
    names = [output / f"{stem}.{kind}" for kind in kinds]
    truth_file = names[3].with_suffix(".json")
    if not truth_file.exists():
        run(l2g, "import-deepstarr", data / "deepstarr" / "deepstarr.model.h5", "--output", output / "model")
        sequences = strongest(data, split, top)
        model = open_model(str(output / "model"), Sequences(["x"], sequences[:1], "x"), "model", None).module
        codes = one_hot(sequences, len(sequences[0]))
        controls = draw_backgrounds(codes[draw_rows(len(codes), min(500, len(codes)), seed)], seed).one_hot
        backgrounds, planted, truth = plant(codes, each, seed)
        for path, these in zip(names, (codes, controls, planted), strict=False):
            write_attributions(path, attribute(model, these, n_references=references, seed=seed, progress=True))
        before = attribute(model, backgrounds, n_references=1, method="input_x_gradient", progress=True)
        np.savez(names[3], before=np.stack([before[t].prediction for t in TARGETS], axis=1))
        truth_file.write_text(json.dumps(truth))
    explained, controls, planted = (read_attributions(path) for path in names[:3])
    return explained, controls, planted, np.load(names[3])["before"], json.loads(truth_file.read_text())


def strongest(data: Path, split: str, top: int) -> list[str]:
    """The sequences with the highest published predictions of either target, each once."""
    with gzip.open(data / "deepstarr" / "activity.tsv.gz", "rt") as handle:
        rows = [row for row in csv.DictReader(handle, delimiter="\t") if row["split"] == split]
    order = [row for t in TARGETS for row in sorted(rows, key=lambda row: -float(row[f"published_{t}"]))[:top]]
    return list(dict.fromkeys(row["sequence"] for row in order))


def plant(codes: np.ndarray, each: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int, int, str]]]:
    """Shuffled sequences, the same with one site each, and row, start, end and motif of the sites."""
    rng = np.random.default_rng(seed)
    n, length = each * len(PLANTED), codes.shape[2]
    backgrounds = draw_backgrounds(codes[rng.integers(0, len(codes), n)], seed).one_hot
    planted, truth = backgrounds.copy(), []
    for row in range(n):
        name = list(PLANTED)[row // each]
        ppm = consensus_ppm(PLANTED[name][0], 1.0)
        letters = np.array([rng.choice(4, p=column / column.sum()) for column in ppm.T])
        letters = 3 - letters[::-1] if rng.random() < 0.5 else letters
        start = int(rng.integers(MARGIN, length - len(letters) - MARGIN))
        planted[row, :, start : start + len(letters)] = np.eye(4, dtype=np.int8)[letters].T
        truth.append((row, start, start + len(letters), name))
    return backgrounds, planted, truth


def used_sites(
    planted: Attributions, before: np.ndarray, truth: Sequence[tuple[int, int, int, str]], controls: Attributions
) -> list[Site]:
    """The planted sites with the targets for which the network uses them."""
    widths = sorted({end - start for _, start, end, _ in truth})
    least = {t: strongest_windows(profiles(controls, t), widths) for t in TARGETS}
    values = {t: profiles(planted, t) for t in TARGETS}
    sites = []
    for row, start, end, motif in truth:
        used = []
        for i, target in enumerate(TARGETS):
            total = float(values[target][row][start:end].sum())
            raised = float(planted[target].prediction[row] - before[row, i])
            if total >= least[target][1, end - start] and raised >= 0.5 * total:
                used.append(target)
        sites.append(Site(row, start, end, motif, tuple(used)))
    return sites


def callers_of(explained: Attributions, controls: Attributions, motifs: Sequence[motif_db.Motif]) -> dict[str, Caller]:
    """The callers to compare: before, before on more patterns, and motifs that compete."""
    callers: dict[str, Caller] = {}
    settings = {"before": "standard", "before, sensitive TF-MoDISco": "sensitive", "motifs compete": "auto"}
    for title, sensitivity in settings.items():
        options = options_for(len(explained), sensitivity)
        patterns = [p for found in discover_motifs(explained, options=options).patterns.values() for p in found]
        matches = match_motifs(patterns, motifs)
        callers[title] = earlier(explained, patterns, matches)
    library = build_library(patterns, motifs, names_of(matches))
    callers["motifs compete"] = competing(calibrate(explained, library, controls=controls))
    return callers


def earlier(explained: Attributions, patterns: Sequence[Pattern], matches: Sequence[Match]) -> Caller:
    """The caller before: each pattern by itself, called by its first match."""
    ordered = sorted((m for m in matches if significant(replace(m, likeness=1.0))), key=lambda m: -m.p_value)
    names = {(m.target, m.pattern): f"{called(m)} {m.family}" for m in ordered}
    thresholds = earlier_hits.thresholds_of(explained, patterns)

    def call(attributions: Attributions, without: str) -> list[Hit]:
        left = [p for p in patterns if not (without and re.search(without, names.get((p.target, p.name), "")))]
        return earlier_hits.call_hits(attributions, left, names, thresholds)

    return call


def competing(found: Calibration) -> Caller:
    def call(attributions: Attributions, without: str) -> list[Hit]:
        kept = [not (without and re.search(without, everything_called(entry))) for entry in found.library]
        names = {(t, entry.label(t)): everything_called(entry) for entry in found.library for t in attributions.targets}
        library = [entry for entry, keep in zip(found.library, kept, strict=True) if keep]
        floors = replace(found.floors, first=found.floors.first[kept], second=found.floors.second[kept])
        contribution = {t: found.contribution[t] for t in attributions.targets}
        less = replace(found, library=library, floors=floors, contribution=contribution)
        hits = [hit for block in find_hits(attributions, less) for hit in block]
        return [replace(hit, name=names[hit.target, hit.pattern] if hit.name else "") for hit in hits]

    return call


def everything_called(entry) -> str:
    """Name and family of a motif, by which it is right or left out."""
    return f"{entry.name} {entry.family}"


def print_header() -> None:
    columns = ("caller", "target", "contribution in hits", "of what stands out", "sequences with a name", "right",
               "wrong", "missing named wrong")  # fmt: skip
    click.echo(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")


def print_rates(
    title: str, caller: Caller, explained: Attributions, controls: Attributions, planted: Attributions,
    sites: Sequence[Site],
) -> None:  # fmt: skip
    on_sites, hits = caller(planted, ""), caller(explained, "")
    missing = wrong_when_missing(caller, planted, sites)
    for target in TARGETS:
        covered = coverage(hits, explained, controls, target)
        used = [site for site in sites if target in site.used]
        right, wrong = judged(on_sites, used, target)
        numbers = (*covered, sum(right.values()) / len(used), sum(wrong.values()) / len(used), missing[target])
        click.echo(f"| {title} | {target} | {' | '.join(f'{x:.2f}' for x in numbers)} |")


def coverage(
    hits: Sequence[Hit], explained: Attributions, controls: Attributions, target: str
) -> tuple[float, float, float]:
    """Shares: of all contribution in named hits, of what stands out, and of sequences with one."""
    mine = [h for h in hits if h.target == target]
    values = np.stack(profiles(explained, target))
    inside = np.zeros(values.shape, dtype=bool)
    for hit in mine:
        if is_named(hit):
            inside[hit.row, hit.start : hit.end] = True
    bars = bars_of(explained, controls, target, len(explained))
    rows, _ = explain(values, explained.lengths, mine, bars, target, explained.ids)
    of_rows = shares(rows)
    return float(values[inside].sum() / values.sum()), of_rows["named"], of_rows["sequences_with_a_name"]


def judged(hits: Sequence[Hit], sites: Sequence[Site], target: str) -> tuple[Counter, Counter]:
    """Sites by motif on which a named hit of the right family lies, and on which only others do."""
    by_row: dict[int, list[Hit]] = {}
    for hit in hits:
        if hit.target == target and is_named(hit):
            by_row.setdefault(hit.row, []).append(hit)
    right, wrong = Counter(), Counter()
    for site in sites:
        on = [h for h in by_row.get(site.row, []) if overlap(site.start, site.end, h.start, h.end)]
        good = any(re.search(PLANTED[site.motif][1], hit.name) for hit in on)
        right[site.motif] += good
        wrong[site.motif] += bool(on) and not good
    return right, wrong


def wrong_when_missing(caller: Caller, planted: Attributions, sites: Sequence[Site]) -> Mapping[str, float]:
    """The share of used sites with a named hit when their own motif is left out."""
    named, used = Counter(), Counter()
    for motif, (_, family) in PLANTED.items():
        mine = [site for site in sites if site.motif == motif]
        part = rows_of(planted, [site.row for site in mine])
        hits = caller(part, family)
        for target in TARGETS:
            here = [replace(site, row=i) for i, site in enumerate(mine) if target in site.used]
            used[target] += len(here)
            right, wrong = judged(hits, here, target)
            named[target] += sum(right.values()) + sum(wrong.values())
    return {target: named[target] / used[target] for target in TARGETS}


def rows_of(attributions: Attributions, rows: Sequence[int]) -> Attributions:
    by_target = {
        t: TargetAttributions(part.one_hot[rows], **{key: getattr(part, key)[rows] for key in ARRAYS})
        for t, part in attributions.by_target.items()
    }
    ids = [attributions.ids[row] for row in rows]
    return Attributions(ids, attributions.one_hot[rows], attributions.lengths[rows], by_target)


def print_used(sites: Sequence[Site]) -> None:
    told = ", ".join(f"{sum(t in site.used for site in sites)} for {t}" for t in TARGETS)
    click.echo(f"{len(sites)} planted sites; the network uses {told}\n")


def print_each_motif(caller: Caller, planted: Attributions, sites: Sequence[Site]) -> None:
    hits = caller(planted, "")
    click.echo("\n| motif | " + " | ".join(f"{t}: used | right | wrong" for t in TARGETS) + " |\n" + "|---" * 7 + "|")
    for motif in PLANTED:
        cells = []
        for target in TARGETS:
            used = [site for site in sites if site.motif == motif and target in site.used]
            right, wrong = judged(hits, used, target)
            cells += [len(used), right[motif], wrong[motif]]
        click.echo(f"| {motif} | {' | '.join(map(str, cells))} |")


def demo_table(folder: Path) -> None:
    """The demo's own run: sites that were planted, for the target that each motif drives."""
    attributions = read_attributions(folder / "attributions.h5")
    controls = read_controls(folder / "attributions.h5")
    row_of = {name: row for row, name in enumerate(attributions.ids)}
    driven = {motif.label: motif for motif in DEMO_PLANTED}
    sites = []
    for line in (folder / "planted.bed").read_text().splitlines():
        name, start, end, label = line.split("\t")
        sites.append((row_of[name], int(start), int(end), label))
    motifs = [m for name in ("jaspar-insects", "core-promoter") for m in motif_db.load(name)]
    accepted = {
        label: "|".join(rf"\b{re.escape(n)}" for n in (*motif.names, *extra(label))) for label, motif in driven.items()
    }
    print_found(
        callers_of(attributions, controls, motifs), attributions,
        {target: [s for s in sites if driven[s[3]].target == target] for target in attributions.targets}, accepted,
    )  # fmt: skip


def extra(label: str) -> tuple[str, ...]:
    """The demo's twist site is an E-box."""
    return ("E-box",) if label == "twi" else ()


def oracle_table(references: int, seed: int) -> None:
    """A network whose motifs are known: sites are the places where its detectors fire."""
    torch.manual_seed(seed)
    oracle = Oracle()
    codes = oracle_sequences(seed)
    controls = draw_backgrounds(codes[draw_rows(len(codes), 200, seed)], seed).one_hot
    explained, shuffled = (attribute(oracle, each, n_references=references, seed=seed) for each in (codes, controls))
    motifs = [m for name in ("jaspar-insects", "core-promoter") for m in motif_db.load(name)]
    sites = {target: oracle.sites(codes, target) for target in oracle.targets}
    accepted = {name: PLANTED[name][1] for name in ORACLE}
    click.echo("\nOracle network:")
    print_found(callers_of(explained, shuffled, motifs), explained, sites, accepted)


ORACLE = {"AP-1": "a", "GATA": "a", "STAT": "a", "DRE": "b", "Ohler1": "b", "Ohler6": "b"}  # motif: target


class Oracle(torch.nn.Module):
    """Per target the sum over its motifs of how far each site exceeds a threshold, on both strands."""

    targets = ("a", "b")

    def __init__(self) -> None:
        super().__init__()
        self.detectors = torch.nn.ModuleDict()
        for name in ORACLE:
            weights = np.log2(consensus_ppm(PLANTED[name][0], 0.9) * 4)
            both = np.stack([weights, weights[::-1, ::-1]])
            detector = torch.nn.Conv1d(4, 2, weights.shape[1])
            detector.weight.data = torch.tensor(both, dtype=torch.float32)
            detector.bias.data = torch.full((2,), -0.7 * float(weights.max(axis=0).sum()))
            self.detectors[name] = detector

    def fired(self, one_hot: torch.Tensor, name: str) -> torch.Tensor:
        return torch.relu(self.detectors[name](one_hot))

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        total = {
            t: sum(self.fired(one_hot, n).sum((1, 2)) for n, of in ORACLE.items() if of == t) for t in self.targets
        }
        return (
            torch.tanh(torch.stack([total[t] for t in self.targets], 1) / 20) * 5
        )  # a whole that is not its parts' sum

    def sites(self, codes: np.ndarray, target: str) -> list[tuple[int, int, int, str]]:
        """Row, start, end and motif of every place where a detector of the target fires."""
        found = []
        for name in (n for n, of in ORACLE.items() if of == target):
            fired = self.fired(torch.from_numpy(codes).float(), name).amax(1)
            width = self.detectors[name].kernel_size[0]
            found += [(r, s, s + width, name) for r, s in torch.nonzero(fired > 0.2 * fired.max()).tolist()]
        return found


def oracle_sequences(seed: int, n: int = 500, length: int = 200) -> np.ndarray:
    """Random DNA; each motif is in two of five sequences, drawn from its PPM, on either strand."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, length))
    for slot, name in enumerate(ORACLE):
        ppm = consensus_ppm(PLANTED[name][0], 0.95)
        for row in np.flatnonzero(rng.random(n) < 0.4):
            letters = np.array([rng.choice(4, p=column / column.sum()) for column in ppm.T])
            letters = 3 - letters[::-1] if rng.random() < 0.5 else letters
            start = 10 + slot * 30 + int(rng.integers(0, 15))
            codes[row, start : start + len(letters)] = letters
    return np.eye(4, dtype=np.int8)[codes].transpose(0, 2, 1).copy()


def print_found(
    callers: Mapping[str, Caller], explained: Attributions, sites: Mapping[str, Sequence[tuple[int, int, int, str]]],
    accepted: Mapping[str, str],
) -> None:  # fmt: skip
    """For each caller and target: sites found with a right name, and hits on a site of their motif."""
    columns = ("caller", "target", "sites", "found, named", "found, both tiers", "named hits", "of these on a site")
    click.echo(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for title, caller in callers.items():
        every = caller(explained, "")
        for target, truth in sites.items():
            hits = [h for h in every if h.target == target and h.name]
            named = [h for h in hits if is_named(h)]
            found = [np.mean([on_any(site, each, accepted) for site in truth]) for each in (named, hits)]
            right = np.mean([any(on_any(site, [h], accepted) for site in truth if site[0] == h.row) for h in named])
            cells = (len(truth), *(f"{x:.2f}" for x in found), len(named), f"{right:.2f}")
            click.echo(f"| {title} | {target} | {' | '.join(map(str, cells))} |")


def on_any(site: tuple[int, int, int, str], hits: Sequence[Hit], accepted: Mapping[str, str]) -> bool:
    row, start, end, motif = site
    return any(
        h.row == row and overlap(start, end, h.start, h.end) and bool(re.search(accepted[motif], h.name)) for h in hits
    )


if __name__ == "__main__":
    main()
