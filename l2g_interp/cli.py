"""The ``l2g-interp`` command. Slow imports wait until a command needs them."""

from __future__ import annotations

import click

from l2g_core.console import Program, set_up_logging
from l2g_interp.commands.attribute import attribute
from l2g_interp.commands.compare import compare
from l2g_interp.commands.demo import demo
from l2g_interp.commands.effects import plant, validate
from l2g_interp.commands.export import export
from l2g_interp.commands.motifs import databases, hits, match, motifs
from l2g_interp.commands.mutate import mutate
from l2g_interp.commands.pairs import pairs
from l2g_interp.commands.remove import remove
from l2g_interp.commands.report import report
from l2g_interp.commands.run import run
from l2g_interp.commands.sequence import sequence
from l2g_interp.commands.variants import variants


class InterpProgram(Program):
    """Also reports errors of `motif_db` as one line."""

    def is_user_error(self, error: Exception) -> bool:
        from motif_db import MotifError

        return isinstance(error, MotifError) or super().is_user_error(error)


@click.group(cls=InterpProgram, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="l2g-interp")
@click.option("--quiet", is_flag=True, help="Show only warnings and errors.")
@click.pass_context
def main(ctx: click.Context, quiet: bool) -> None:
    """Explain a DNA model: which bases drive its predictions, which motifs recur, which factors bind them.

    \b
    Everything at once, from a model and a FASTA file to report.html:
        l2g-interp run --model CKPT --fasta enhancers.fa --output results
    Stage by stage, each from the files of the one before:
        l2g-interp attribute --model CKPT --fasta enhancers.fa --output results/attributions.h5
        l2g-interp motifs --attributions results/attributions.h5 --output results
        l2g-interp match --motifs results --output results/matches.tsv
        l2g-interp validate --model CKPT --run results
        l2g-interp hits --run results
        l2g-interp plant --model CKPT --run results --motif Trl
        l2g-interp pairs --model CKPT --run results
        l2g-interp remove --model CKPT --run results
        l2g-interp variants --model CKPT --vcf snps.vcf --genome dm6.fa --run results --output snps
        l2g-interp mutate --run results --strongest 10
        l2g-interp sequence --run results --sequence chr2L:5000-5249 --output enhancer.html
        l2g-interp report --run results --output results/report.html
    No data at hand:  l2g-interp demo --output demo
    """
    ctx.obj = not quiet
    set_up_logging(verbose=not quiet)


for command in (
    run, attribute, motifs, match, validate, hits, plant, pairs, remove, variants, mutate, sequence, report, compare,
    export, databases, demo,
):  # fmt: skip
    main.add_command(command)
