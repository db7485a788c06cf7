"""Options that the commands of ``l2g-interp`` share. Imports nothing heavy: ``l2g-interp --help`` reads this file."""

from __future__ import annotations

from pathlib import Path

import click

from l2g_core.console import device_option, together
from l2g_interp.attributions import METHODS

DEFAULT_DATABASES = ("jaspar-insects", "core-promoter")


PATH = click.Path(path_type=Path)


attribute_options = together(
    click.option(
        "--model", required=True, help="Checkpoint folder, or package.module:function that returns a torch module."
    ),
    click.option("--fasta", type=PATH, help="Sequences, plain or gzipped."),
    click.option("--bed", type=PATH, help="Intervals instead of --fasta; needs --genome."),
    click.option("--genome", type=PATH, help="Genome FASTA to cut --bed out of, plain or bgzipped."),
    click.option("--width", type=click.IntRange(1), help="With --bed: so many bp around each interval's centre."),
    click.option("--targets", help="Outputs to explain, comma-separated.  [default: all]"),
    click.option(
        "--references",
        type=click.IntRange(1),
        default=100,
        show_default=True,
        help="Dinucleotide shuffles per sequence.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Draws the shuffles."),
    click.option("--method", type=click.Choice(list(METHODS)), default="deep_lift_shap", show_default=True),
    click.option(
        "--strands",
        type=click.Choice(["model", "forward", "both"]),
        default="model",
        show_default=True,
        help="Explain what the model predicts, or one strand (half the cost), or the mean of both.",
    ),
    click.option("--batch-size", type=click.IntRange(1), help="Rows per forward pass.  [default: sized to the memory]"),
    device_option,
    click.option(
        "--on-missing",
        type=click.Choice(["raise", "warn"]),
        default="raise",
        show_default=True,
        help="What deep_lift_shap does about a torch function without a rule: refuse it, or treat it as linear and "
        "say so in the result.",
    ),
    click.option("--resume", is_flag=True, help="Go on with a run that was stopped or killed."),
)


motif_options = together(
    click.option(
        "--min-seqlets", type=click.IntRange(1), default=30, show_default=True, help="Drop motifs with fewer seqlets."
    ),
    click.option(
        "--max-seqlets",
        type=click.IntRange(100),
        default=20000,
        show_default=True,
        help="Cluster at most so many seqlets of a sign.",
    ),
)


match_options = together(
    click.option(
        "--database",
        "databases",
        multiple=True,
        default=DEFAULT_DATABASES,
        show_default=True,
        help="Name (see 'l2g-interp databases') or MEME, JASPAR or TRANSFAC file; repeat for more.",
    ),
    click.option(
        "--motif-dir",
        type=PATH,
        help="Folder with your own copies of the databases; otherwise they are downloaded once.",
    ),
    click.option(
        "--matches",
        "n_matches",
        type=click.IntRange(1),
        default=5,
        show_default=True,
        help="Matches to keep per motif.",
    ),
)


validate_options = together(
    click.option(
        "--backgrounds",
        type=click.IntRange(10),
        default=100,
        show_default=True,
        help="Shuffled sequences to plant each motif into.",
    ),
    click.option("--copies", default="1,2,3", show_default=True, help="How many copies to plant, comma-separated."),
)


quantile_option = click.option(
    "--quantile",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.05,
    show_default=True,
    help="Hits: share of a motif's own seqlets that may lie below each of its thresholds.",
)


planting_options = together(
    validate_options,
    click.option("--seed", type=int, default=0, show_default=True, help="Draws backgrounds, positions and letters."),
    click.option("--batch-size", type=click.IntRange(1), help="Rows per forward pass.  [default: 64]"),
    device_option,
)


report_options = together(
    click.option(
        "--observed",
        type=PATH,
        help="TSV with a column 'id' and measured values by target: predicted against observed.",
    ),
    click.option(
        "--tracks",
        type=click.IntRange(0),
        default=20,
        show_default=True,
        help="Contribution tracks of the strongest sequences per target.",
    ),
    click.option(
        "--sequence",
        "sequences",
        multiple=True,
        help="Id of a sequence to draw before the strongest; may be given several times.",
    ),
    click.option("--title", default="Motif report", show_default=True),
)
