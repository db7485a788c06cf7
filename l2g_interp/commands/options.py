"""Options that the commands of ``l2g-interp`` share, in the groups that their help shows.

Imports nothing slow: ``l2g-interp --help`` reads this file.
"""

from __future__ import annotations

import click
import cloup

from l2g_core.console import (
    PATH,
    cluster_option,
    device_option,
    overwrite_option,
    resume_option,
    workers_option,
)
from l2g_interp.attributions import METHODS

SENSITIVITIES = ("standard", "sensitive")  # of l2g_interp.motifs.modisco.discover, which is slow to import
DEFAULT_DATABASES = ("jaspar-insects", "core-promoter")

_MODEL = (
    "Checkpoint folder, its id on the Hugging Face Hub, or package.module:function that returns a torch module (which "
    "runs that code). Repeat it for folds: their mean is explained, with the spread between them."
)
_how_to_open = (
    cloup.option(
        "--model-output",
        help="Of a model with several outputs, or with positions: counts, profile, a name or an index, with :mean or "
        ":sum where there are positions; comma-separated. (--output is the file to write.)",
    ),
    cloup.option(
        "--layout",
        type=click.Choice(["channels-first", "channels-last"]),
        help="The model takes (batch, 4, length) or (batch, length, 4).  [default: the one that it takes, the first if "
        "both]",
    ),
    cloup.option(
        "--strands",
        type=click.Choice(["model", "forward", "both"]),
        default="model",
        show_default=True,
        help="Explain what the model predicts, or one strand (half the cost), or the mean of both.",
    ),
    device_option,
)
model_options = cloup.option_group(
    "Model", cloup.option("--model", required=True, multiple=True, help=_MODEL), *_how_to_open
)
known_model_options = cloup.option_group(  # of commands that may have a run, which says how its model was opened
    "Model",
    cloup.option("--model", multiple=True, help=f"{_MODEL}  [default: the run's, if it is a folder here]"),
    *_how_to_open,
)
sequence_options = cloup.option_group(
    "Sequences",
    cloup.option("--fasta", type=PATH, help="Sequences, plain or gzipped."),
    cloup.option("--bed", type=PATH, help="BED or narrowPeak, instead of --fasta; needs --genome."),
    cloup.option("--genome", type=PATH, help="Genome FASTA that --bed refers to, plain or bgzipped."),
    cloup.option(
        "--width", type=click.IntRange(1), help="With --bed: this many bp around each summit (narrowPeak) or centre."
    ),
    cloup.option(
        "--on-edge",
        type=click.Choice(["drop", "refuse"]),
        default="drop",
        show_default=True,
        help="With --bed: what to do about intervals beyond a chromosome's end, or on none of the genome's.",
    ),
)
attribution_options = cloup.option_group(
    "Attribution",
    cloup.option(
        "--targets",
        help="Outputs to explain, comma-separated: names, patterns ('H3K*'), differences (dev-hk).  [default: all]",
    ),
    cloup.option(
        "--references",
        type=click.IntRange(1),
        default=100,
        show_default=True,
        help="Dinucleotide shuffles per sequence; at most, with --stability.",
    ),
    cloup.option(
        "--stability",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Take only as many references as a sequence needs: until its contributions to each target are expected to "
        "correlate as much as this with those from a fresh draw.",
    ),
    cloup.option(
        "--control-variate",
        is_flag=True,
        help="Take out the noise of which bases the drawn references happen to have at each position.",
    ),
    cloup.option(
        "--controls",
        type=click.IntRange(0),
        help="Shuffled sequences to explain, too: hits must exceed what they reach.  [default: as many, 200 at most]",
    ),
    cloup.option("--seed", type=int, default=0, show_default=True, help="Seed of the shuffles."),
    cloup.option("--method", type=click.Choice(list(METHODS)), default="deep_lift_shap", show_default=True),
    cloup.option("--batch-size", type=click.IntRange(1), help="Rows per forward pass.  [default: sized to the memory]"),
    cloup.option("--strict", is_flag=True, help="Fail where the contributions do not add up, instead of warning."),
    cloup.option(
        "--on-missing",
        type=click.Choice(["raise", "warn"]),
        default="raise",
        show_default=True,
        help="What deep_lift_shap does about a torch function without a rule: refuse it, or treat it as linear and "
        "note that in the result.",
    ),
)
cluster_options = cloup.option_group("Cluster", cluster_option, workers_option)
motif_options = cloup.option_group(
    "Motifs",
    cloup.option(
        "--sensitivity",
        type=click.Choice(["auto", *SENSITIVITIES]),
        default="auto",
        show_default=True,
        help="TF-MoDISco's settings: sensitive ones find more in up to about 1,000 sequences, but mixtures in many.",
    ),
    cloup.option(
        "--min-seqlets",
        type=click.IntRange(1),
        help="Drop motifs with fewer seqlets.  [default: 20 with the sensitive settings, 30 with the standard ones]",
    ),
    cloup.option(
        "--max-seqlets",
        type=click.IntRange(100),
        default=20000,
        show_default=True,
        help="Cluster at most this many seqlets of each sign.",
    ),
)
database_option = cloup.option(
    "--database",
    "databases",
    multiple=True,
    default=DEFAULT_DATABASES,
    show_default=True,
    help="Name (see 'l2g-interp databases') or file (MEME, JASPAR, HOMER, HOCOMOCO, TRANSFAC); repeat for more.",
)
motif_dir_option = cloup.option(
    "--motif-dir", type=PATH, help="Folder with your own copies of the databases; otherwise they are downloaded once."
)
match_options = cloup.option_group(
    "Naming",
    database_option,
    motif_dir_option,
    cloup.option(
        "--matches", "n_matches", type=click.IntRange(1), default=5, show_default=True, help="Matches kept per motif."
    ),
    cloup.option(
        "--expressed",
        "genes",
        type=PATH,
        help="File with the genes that your cells express, one a line: other factors are dimmed and name a motif last.",
    ),
)
backgrounds_option = cloup.option(
    "--backgrounds",
    type=click.IntRange(10),
    default=100,
    show_default=True,
    help="Shuffled sequences to plant each motif into.",
)
copies_option = cloup.option(
    "--copies", default="1,2,3", show_default=True, help="How many copies to plant, comma-separated."
)
hit_options = cloup.option_group(
    "Hits",
    cloup.option(
        "--floor",
        type=click.FloatRange(0, 1, max_open=True),
        help="Likeness of a named hit, for all motifs.  [default: each motif's own, measured on the run]",
    ),
    cloup.option(
        "--quantile",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.05,
        show_default=True,
        help="Share of a motif's own seqlets that may be less alike than what still counts as resembling it.",
    ),
)
planting_options = cloup.option_group(
    "Planting",
    backgrounds_option,
    copies_option,
    cloup.option("--seed", type=int, default=0, show_default=True, help="Seed of backgrounds, positions and letters."),
    cloup.option("--batch-size", type=click.IntRange(1), help="Rows per forward pass.  [default: 64]"),
    device_option,
)
run_folder_options = cloup.option_group(
    "Run",
    cloup.option(
        "--model",
        required=True,
        multiple=True,
        help="The model that the run was attributed with, given in the same way; all of its folds.",
    ),
    cloup.option("--run", "folder", required=True, type=PATH, help="Folder that the other commands wrote."),
    cloup.option("--other-model", is_flag=True, help="Allow a model other than the run's, with a warning."),
)
report_options = cloup.option_group(
    "Report",
    cloup.option(
        "--observed",
        type=PATH,
        help="TSV with a column 'id' and one of measured values per target, to plot predicted against observed.",
    ),
    cloup.option(
        "--tracks",
        type=click.IntRange(0),
        default=20,
        show_default=True,
        help="How many sequences per target to draw contribution tracks of, the strongest first.",
    ),
    cloup.option(
        "--sequence",
        "sequences",
        multiple=True,
        help="Id of a sequence to draw before the strongest; repeatable.",
    ),
    cloup.option("--title", default="Motif report", show_default=True),
)


def output_options(help_text: str, *more, required: bool = True, resumable: bool = False):
    """``--output`` and what to do if it exists already."""
    rule = [resume_option, overwrite_option] if resumable else [overwrite_option]
    return cloup.option_group(
        "Output", cloup.option("--output", required=required, type=PATH, help=help_text), *more, *rule
    )
