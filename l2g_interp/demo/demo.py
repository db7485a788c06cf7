"""The demo: the whole pipeline on synthetic DNA with known motifs (ground truth), so that it can check itself.

Train on planted motifs -> attribute new sequences -> find and name motifs -> compare with what was planted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from l2g_core.console import announce
from l2g_core.dna import Sequences, checked
from l2g_interp import pipeline
from l2g_interp.demo.made_up import PLANTED, Planted, PlantedSet, make_planted_sequences
from l2g_interp.motifs.tomtom import best_matches
from l2g_interp.records.types import Match, Pattern
from l2g_interp.run_folder import ATTRIBUTIONS, EFFECTS, HITS, MATCHES, REPORT, record

if TYPE_CHECKING:
    from l2g_core.datasets import Labelled

log = logging.getLogger(__name__)
DATABASES = ("jaspar-insects", "core-promoter")
LENGTH = 150  # bp; this and the sizes below are chosen for five minutes on two cores
N_TRAIN, N_VALIDATION, N_EXPLAINED = 2200, 200, 500
EPOCHS, N_REFERENCES, TOKENS, LAYERS, WIDTH = 8, 15, 20, 2, 16
MIN_SEQLETS = 30


@dataclass(frozen=True)
class Recovery:
    """How a planted motif was recovered: the pattern that was found on its sites, and the name it was given.

    ``share``: the fraction of the pattern's seqlets that cover a planted site.
    """

    planted: Planted
    n_sites: int
    pattern: str
    n_seqlets: int
    share: float
    name: str
    q_value: float

    @property
    def recovered(self) -> bool:
        """Whether it was found and given a right name."""
        return self.name.startswith(self.planted.names)


def run_demo(folder: Path, seed: int = 0, shown: bool = True, *, resume: bool = False, overwrite: bool = False) -> bool:
    """Run the demo into ``folder``; print which planted motifs were recovered, and return whether all were.

    Parameters
    ----------
    seed
        Of sequences, training and shuffles.
    shown
        Show progress.
    resume, overwrite
        What to do if ``folder`` holds an earlier demo: each stage applies the rule of `l2g_core.runs.identity`.

    Raises
    ------
    InputError
        A stage refuses what ``folder`` holds.
    """
    checkpoint, attributions, report = folder / "model", folder / ATTRIBUTIONS, folder / REPORT
    truth = make_planted_sequences(N_EXPLAINED, LENGTH, seed + 1)
    made: dict[str, Any] = {}

    def match() -> None:
        made["matches"] = pipeline.match_files(folder, DATABASES, folder / MATCHES, overwrite=overwrite)

    def discover() -> None:
        made["patterns"] = pipeline.discover_files(
            attributions, folder, min_seqlets=MIN_SEQLETS, resume=resume, overwrite=overwrite, shown=shown
        )

    def write() -> None:
        made["recovered"] = [recovery(p, truth, made["patterns"][p.target], made["matches"]) for p in PLANTED]
        write_demo_report(folder, report, made["recovered"], overwrite)

    stages = {
        "train": lambda: train_model(checkpoint, seed, shown, resume, overwrite),
        "attribute": lambda: explain(
            checkpoint, write_truth(truth, folder), attributions, seed, shown, resume, overwrite
        ),
        "motifs": discover,
        "match": match,
        "validate and hits": lambda: gather_evidence(checkpoint, folder, seed, shown, overwrite),
        "report": write,
    }
    announce(log, stages, report)
    show(made["recovered"], report)
    return all(r.recovered for r in made["recovered"])


def train_model(checkpoint: Path, seed: int, shown: bool, resume: bool, overwrite: bool) -> None:
    """A narrow UNet and two layers of MiniLM, trained on planted sequences."""
    import torch

    from l2g_core.finetune.options import FinetuneOptions
    from l2g_core.finetune.stage import finetune
    from l2g_core.model.config import L2GConfig
    from l2g_core.model.l2g import L2G

    planted = training_set(seed)
    torch.manual_seed(seed)
    config = L2GConfig(
        planted.targets,
        LENGTH,
        units="planted activity",
        embedder_width=WIDTH,
        target_tokens=TOKENS,
        backbone="minilm",
        backbone_layers=LAYERS,
    )
    options = FinetuneOptions(
        epochs=EPOCHS, batch_size=32, learning_rate=2e-5, new_learning_rate=2e-3, warmup_epochs=1.0, seed=seed
    )
    checkpoint.mkdir(parents=True, exist_ok=True)
    finetune(L2G(config), planted, checkpoint, options, shown=shown, resume=resume, overwrite=overwrite)


def training_set(seed: int) -> Labelled:
    """Planted sequences with their activities, for training and validation."""
    from l2g_core.datasets import Labelled

    n = N_TRAIN + N_VALIDATION
    made = make_planted_sequences(n, LENGTH, seed)
    data = checked([f"train_{i}" for i in range(n)], made.sequences, source="planted sequences")
    labels = np.stack(list(made.activities.values()), axis=1).astype(np.float32)
    splits = ["train"] * N_TRAIN + ["val"] * N_VALIDATION
    return Labelled(data, tuple(made.activities), labels, splits, "drawn apart", f"planted with seed {seed}")


def write_truth(truth: PlantedSet, folder: Path) -> Sequences:
    """The sequences to explain as FASTA, their activities and the planted sites as tables."""
    ids = [f"planted_{i}" for i in range(len(truth.sequences))]
    fasta = "".join(f">{name}\n{sequence}\n" for name, sequence in zip(ids, truth.sequences, strict=True))
    (folder / "sequences.fa").write_text(fasta, encoding="utf-8")
    rows = ["\t".join((ids[row], str(start), str(start + len(m.consensus)), m.label)) for row, start, m in truth.sites]
    (folder / "planted.bed").write_text("\n".join(rows) + "\n", encoding="utf-8")
    header = "\t".join(("id", *truth.activities))
    values = zip(ids, *truth.activities.values(), strict=True)
    lines = ["\t".join((name, *(f"{v:.4f}" for v in row))) for name, *row in values]
    (folder / "observed.tsv").write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return checked(ids, truth.sequences, source=str(folder / "sequences.fa"))


def explain(
    checkpoint: Path, data: Sequences, output: Path, seed: int, shown: bool, resume: bool, overwrite: bool
) -> None:  # fmt: skip
    """Attribute with fewer references than usual and on one strand only, to save time."""
    from l2g_interp.models import open_model

    options = pipeline.AttributeOptions(n_references=N_REFERENCES, seed=seed, strands="forward")
    model = open_model(str(checkpoint), data, options.strands)
    pipeline.attribute_file(model, data, output, options, shown=shown, resume=resume, overwrite=overwrite)


def gather_evidence(checkpoint: Path, folder: Path, seed: int, shown: bool, overwrite: bool) -> None:
    """What the motifs do by themselves, and where they occur."""
    from l2g_interp.effects.validate import ValidateOptions

    options = ValidateOptions(seed=seed)
    table = folder / HITS
    pipeline.validate_files(str(checkpoint), folder, folder / EFFECTS, options, overwrite=overwrite, shown=shown)
    pipeline.hit_files(folder, table, table.with_suffix(".bed"), overwrite=overwrite, shown=shown)


def recovery(planted: Planted, truth: PlantedSet, patterns: Sequence[Pattern], matches: Sequence[Match]) -> Recovery:
    """The pattern with the largest share of seqlets on sites of the planted motif, and its name.

    There is none if less than half of each pattern's seqlets are on such sites.
    """
    sites = {(row, start) for row, start, motif in truth.sites if motif is planted}
    width = len(planted.consensus)
    shares = [_share_on_sites(pattern, sites, width) for pattern in patterns]
    if not shares or max(shares) < 0.5:
        return Recovery(planted, len(sites), "none", 0, max(shares, default=0.0), "", float("nan"))
    best = patterns[int(np.argmax(shares))]
    match = best_matches(matches).get((best.target, best.name))
    name, q_value = (match.label, match.q_value) if match else ("", float("nan"))
    return Recovery(planted, len(sites), best.name, best.n_seqlets, max(shares), name, q_value)


def record_recoveries(folder: Path, found: Sequence[Recovery]) -> None:
    """Record the comparison with the ground truth in ``run.json``, which the report shows."""
    rows = [
        {
            "planted": r.planted.label,
            "consensus": r.planted.consensus,
            "target": r.planted.target,
            "sites": r.n_sites,
            "pattern": r.pattern,
            "seqlets": r.n_seqlets,
            "seqlets on planted sites": f"{r.share:.0%}",
            "named": r.name or "not named",
        }
        for r in found
    ]
    record(folder, "demo", {"planted motifs": rows, "recovered": sum(r.recovered for r in found)})


def write_demo_report(folder: Path, output: Path, found: Sequence[Recovery], overwrite: bool) -> None:
    """Record what was recovered in ``run.json``, which the report shows, and write the report."""
    record_recoveries(folder, found)
    title = "Demo: motifs planted in random DNA"
    pipeline.report_file(folder, output, observed=folder / "observed.tsv", title=title, overwrite=overwrite)


def show(found: Sequence[Recovery], report: Path) -> None:
    """Print what was recovered and where the report is."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Planted motifs and how they were recovered")
    for column in ("planted", "site", "target", "seqlets", "on sites", "named", "q", ""):
        table.add_column(column)
    for r in found:
        table.add_row(
            r.planted.label,
            r.planted.consensus,
            r.planted.target,
            str(r.n_seqlets),
            f"{r.share:.0%}",
            r.name,
            f"{r.q_value:.1e}",
            "recovered" if r.recovered else "MISSED",
        )
    console = Console(width=100)
    console.print(table)
    console.print(f"{sum(r.recovered for r in found)} of {len(found)} planted motifs recovered. Open {report}")


def _share_on_sites(pattern: Pattern, sites: set[tuple[int, int]], width: int) -> float:
    seqlets = pattern.seqlets
    spans = zip(seqlets.example.tolist(), seqlets.start.tolist(), seqlets.end.tolist(), strict=True)
    covered = [any((row, s) in sites for s in range(start, end - width + 1)) for row, start, end in spans]
    return float(np.mean(covered))
