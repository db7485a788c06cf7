"""``l2g evaluate`` and ``l2g export``: how good a checkpoint is on labelled sequences, as scores and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from l2g_core.commands.options import print_score
from l2g_core.console import PATH, device_option, overwrite_option, progress, together, writable_file

if TYPE_CHECKING:
    from l2g_core.datasets import Labelled
    from l2g_core.evaluation.evaluate import Evaluation
    from l2g_core.model.checkpoint import SequenceModel
    from l2g_core.runs.identity import Identity

evaluation_options = together(
    click.option("--model", required=True, type=PATH, help="Checkpoint folder, or its id on the Hugging Face Hub."),
    click.option(
        "--table", required=True, type=PATH, help="Sequences and labels, or a data set's name, as for l2g finetune."
    ),
    click.option("--data-dir", type=PATH, help="If --table is a data set's name: the folder or file that has it."),
    click.option("--split", type=click.Choice(["train", "val", "test", "all"]), default="test", show_default=True),
    click.option("--metric", help="pcc, mcc, f1, accuracy, auroc, ...  [default: the task's own]"),
    click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True),
    click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="The seed that drew the validation split, if the table has none.",
    ),
    device_option,
    overwrite_option,
)


@click.command()
@evaluation_options
@click.option("--output", type=PATH, help="JSON to write: the scores and what they mean.")
@click.pass_obj
def evaluate(shown: bool, output: Path | None, overwrite: bool, **given: Any) -> None:
    """Score a model on labelled sequences.

    One line per target: split, target, metric, score, and, if the table has training rows, what a ridge regression on
    6-mer counts of these reaches on the same rows.
    """
    from l2g_core.runs.files import read_json, write_json
    from l2g_core.runs.identity import claim

    question = _opened(**given)
    if output is None:
        _print_scores(question.answer(shown).as_json(), question)
        return
    with claim(writable_file(output), question.identity("l2g evaluate"), [output], overwrite=overwrite) as claimed:
        if not claimed.finished:
            write_json(output, question.answer(shown).as_json())
        _print_scores(read_json(output, "l2g evaluate"), question)


def _print_scores(found: dict[str, Any], question: _Question) -> None:
    kmers = question.kmers(found["metric"])
    for target, score in found["scores"].items():
        print_score(found["split"], target, found["metric"], score, kmers)


@click.command()
@evaluation_options
@click.option(
    "--output", required=True, type=PATH, help="File to write: .png, .svg or .pdf draws, .tsv has a row per sequence."
)
@click.pass_obj
def export(shown: bool, output: Path, overwrite: bool, **given: Any) -> None:
    """Compare predictions with observed values, as a picture or as a table.

    \b
    Regression: predicted against observed, a panel per target.
    Classification: the confusion matrix.
    Several labels per sequence: ROC curves.
    """
    from l2g_core.evaluation.evaluate import write_predictions
    from l2g_core.evaluation.plots import draw_evaluation, picture_format
    from l2g_core.runs.identity import claim

    as_table = writable_file(output).suffix.lower() == ".tsv"
    if not as_table:
        picture_format(output)
    question = _opened(**given)
    with claim(output, question.identity("l2g export"), [output], overwrite=overwrite) as claimed:
        if not claimed.finished:
            (write_predictions if as_table else draw_evaluation)(question.answer(shown), output)


@dataclass(frozen=True)
class _Question:
    """A model and the rows to score it on."""

    folder: Path
    network: SequenceModel
    data: Labelled
    split: str
    metric: str | None
    batch_size: int

    def identity(self, kind: str) -> Identity:
        from l2g_core.model.checkpoint import checkpoint_files
        from l2g_core.runs.identity import Identity

        rows = {"sha256": self.data.sha256, "splits": self.data.split_source}
        files = checkpoint_files(self.folder)
        return Identity(kind, {"model": files, "data": rows, "split": self.split, "metric": self.metric})

    def kmers(self, metric: str) -> dict[str, dict[str, float | None]]:
        """What 6-mer counts reach on the same rows."""
        from l2g_core.evaluation.kmers import kmer_scores

        return kmer_scores(self.data, (self.split,), self.network.config.task, metric)

    def answer(self, shown: bool) -> Evaluation:
        from l2g_core.console import out_of_memory_explained
        from l2g_core.evaluation.evaluate import evaluate as run

        rows = len(self.data) if self.split == "all" else self.data.splits.count(self.split)
        n_batches = -(-rows // self.batch_size)
        with out_of_memory_explained("--batch-size"):
            return run(
                self.network, self.data, self.split, self.metric, self.batch_size,
                track=lambda starts: progress(starts, "predicting (batches)", n_batches, shown),
            )  # fmt: skip


def _opened(
    *,
    model: Path,
    table: Path,
    data_dir: Path | None,
    split: str,
    metric: str | None,
    batch_size: int,
    seed: int,
    device: str | None,
) -> _Question:
    from l2g_core.datasets import open_dataset
    from l2g_core.evaluation.labels import columns_of
    from l2g_core.evaluation.predict import default_device
    from l2g_core.model.checkpoint import load
    from l2g_core.model.hub import local

    model = local(model)
    network = load(model)
    columns, classes = columns_of(network.targets, network.config.task)
    data = open_dataset(str(table), data_dir=data_dir, targets=columns, seed=seed, classes=classes)
    network.to(device or default_device())
    return _Question(model, network, data, split, metric, batch_size)
