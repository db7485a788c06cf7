"""``l2g-interp variants``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from l2g_core.console import PATH, result, writable_folder
from l2g_interp.commands.options import model_options, output_options


@cloup.command()
@model_options
@cloup.option_group(
    "Variants",
    cloup.option("--vcf", type=PATH, help="VCF (4.1 to 4.5), plain or bgzipped, or BCF; needs --genome."),
    cloup.option("--genome", type=PATH, help="Genome FASTA that --vcf refers to, plain or bgzipped."),
    cloup.option(
        "--variants",
        "table",
        type=PATH,
        help="TSV with columns id, position (counted from 1), ref and alt, instead of --vcf; needs --fasta.",
    ),
    cloup.option("--fasta", type=PATH, help="Sequences that --variants refers to by their ids."),
    cloup.option("--length", type=click.IntRange(2), help="Of the windows (bp).  [default: what the model reads]"),
    cloup.option("--targets", help="Outputs to score, as for 'attribute'.  [default: the run's, or all]"),
)
@cloup.option_group(
    "Comparison",
    cloup.option(
        "--random",
        "n_random",
        type=click.IntRange(0),
        default=100,
        show_default=True,
        help="Random changes of the same kind and length in the same window to compare each variant with; 0 for none, "
        "which is a hundred times as fast.",
    ),
    cloup.option("--seed", type=int, default=0, show_default=True, help="Seed of the random changes."),
    cloup.option("--batch-size", type=click.IntRange(1), help="Windows per forward pass.  [default: 128]"),
)
@cloup.option_group(
    "Motifs",
    cloup.option("--run", "run", type=PATH, help="Run folder whose motifs to look for, made with the same model."),
    cloup.option(
        "--strongest",
        type=click.IntRange(0),
        default=100,
        show_default=True,
        help="How many variants to explain with the run's motifs, and to show in the page.",
    ),
)
@output_options("Folder to write.", resumable=True)
@click.pass_obj
def variants(shown: bool, output: Path, targets: str | None, **given: Any) -> None:
    """What variants do to the predictions, and which motifs they make or break.

    \b
        l2g-interp variants --model CKPT --vcf snps.vcf.gz --genome dm6.fa --run results --output snps
        l2g-interp variants --model CKPT --variants changes.tsv --fasta enhancers.fa --output changes
    """
    from l2g_interp.pipeline.variant_tables import PAGE
    from l2g_interp.pipeline.variants import VariantInput, VariantOptions, variant_files

    files = VariantInput(*(given[name] for name in ("vcf", "genome", "table", "fasta")))
    files.check()
    options = VariantOptions(
        targets=tuple(map(str.strip, targets.split(","))) if targets else None,
        **{name: given[name] for name in ("length", "n_random", "seed", "batch_size", "strongest", "strands")},
    )
    how = {name: given[name] for name in ("run", "model_output", "layout", "device", "resume", "overwrite")}
    variant_files(given["model"], files, writable_folder(output), options, **how, shown=shown)
    result(output, f"open {output / PAGE}")
