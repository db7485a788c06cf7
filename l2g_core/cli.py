"""The ``l2g`` command: train models on DNA and predict with them. Slow imports wait until a command needs them."""

from __future__ import annotations

import click

from l2g_core.commands.align import align
from l2g_core.commands.data import datasets, fetch
from l2g_core.commands.evaluate import evaluate, export
from l2g_core.commands.experiments import experiments
from l2g_core.commands.finetune import finetune
from l2g_core.commands.import_deepstarr import import_deepstarr
from l2g_core.commands.predict import predict
from l2g_core.commands.push import push
from l2g_core.commands.search import search
from l2g_core.commands.train import train
from l2g_core.commands.tune import tune
from l2g_core.console import Program, set_up_logging


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="l2g-interp")
@click.option("--quiet", is_flag=True, help="Show only warnings and errors.")
@click.pass_context
def main(ctx: click.Context, quiet: bool) -> None:
    """Train Language-to-Genome models on DNA, and predict with them.

    \b
    A first model from a table with columns 'sequence' and one per measured value:
        l2g finetune activity.tsv --output model --backbone minilm
        l2g predict --model model --fasta enhancers.fa --output predictions.tsv
    Then explain it:  l2g-interp run --model model --fasta enhancers.fa --output report
    """
    ctx.obj = not quiet
    set_up_logging(verbose=not quiet)


for command in (
    datasets, fetch, experiments, train, tune, search, align, finetune, evaluate, export, import_deepstarr, predict,
    push,
):  # fmt: skip
    main.add_command(command)
