"""The ``l2g-interp`` command. Heavy imports wait until a command needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from l2g_core.console import Program, device_option, set_up_logging, together, writable_file, writable_folder
from l2g_core.errors import InputError
from l2g_interp.attributions import METHODS

DEFAULT_DATABASES = ("jaspar-insects", "core-promoter")
EXPORT_FORMATS = ("npz", "chrombpnet", "bigwig", "bed", "meme", "tables", "logos")  # those of exports/command.py
PATH = click.Path(path_type=Path)


class InterpProgram(Program):
    def is_user_error(self, error: Exception) -> bool:
        from motif_db import MotifError

        return isinstance(error, MotifError) or super().is_user_error(error)


@click.group(cls=InterpProgram, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="l2g-interp")
@click.option("--quiet", is_flag=True, help="Say nothing but warnings and errors.")
@click.pass_context
def main(ctx: click.Context, quiet: bool) -> None:
    """Explain a DNA model: which bases drive its predictions, which motifs recur in them, which factors they are.

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
        l2g-interp report --run results --output results/report.html
    No data at hand:  l2g-interp demo --output demo
    """
    ctx.obj = not quiet
    set_up_logging(verbose=not quiet)


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


@main.command()
@attribute_options
@click.option("--output", required=True, type=PATH, help="attributions.h5 to write.")
@click.pass_obj
def attribute(shown: bool, output: Path, **given: Any) -> None:
    """Contribution of every base to each prediction, with the proof that they add up."""
    _attribute(writable_file(output), shown, given)


@main.command()
@click.option("--attributions", required=True, type=PATH, help="attributions.h5 of 'l2g-interp attribute'.")
@click.option("--output", required=True, type=PATH, help="Folder for motifs.TARGET.h5 (TF-MoDISco's own layout).")
@motif_options
@click.pass_obj
def motifs(shown: bool, attributions: Path, output: Path, min_seqlets: int, max_seqlets: int) -> None:
    """Motifs that recur in the contributions, by TF-MoDISco."""
    _motifs(attributions, writable_folder(output), min_seqlets, max_seqlets, shown)


@main.command()
@click.option("--motifs", "folder", required=True, type=PATH, help="Folder of 'l2g-interp motifs'.")
@match_options
@click.option("--output", required=True, type=PATH, help="matches.tsv to write.")
def match(folder: Path, databases: tuple[str, ...], motif_dir: Path | None, n_matches: int, output: Path) -> None:
    """Known factors that the motifs resemble, by TOMTOM."""
    from l2g_interp.pipeline import match_files

    match_files(folder, databases, writable_file(output), motif_dir=motif_dir, n_matches=n_matches)


@main.command()
@click.option("--model", required=True, help="The model that the run was attributed with, given in the same way.")
@click.option("--run", "folder", required=True, type=PATH, help="Folder that the other commands wrote.")
@planting_options
@click.option(
    "--randomised", is_flag=True, help="Also check that contributions vanish when the weights are drawn anew."
)
@click.option("--other-model", is_flag=True, help="Take a model other than that of the run, with a warning.")
@click.option("--output", type=PATH, help="Table to write.  [default: validation.tsv in the run's folder]")
@click.pass_obj
def validate(shown: bool, folder: Path, output: Path | None, **given: Any) -> None:
    """What each motif does by itself: planted into shuffled sequences, beside a scrambled control."""
    from l2g_interp.run_folder import EFFECTS

    _validate(folder, writable_file(output) if output else folder / EFFECTS, given, shown)


@main.command()
@click.option("--model", required=True, help="The model that the run was attributed with, given in the same way.")
@click.option("--run", "folder", required=True, type=PATH, help="Folder that the other commands wrote.")
@click.option("--motif", "wanted", multiple=True, required=True, help="Id, or word of a name, such as Trl; repeatable.")
@click.option(
    "--database", "databases", multiple=True, default=DEFAULT_DATABASES, show_default=True, help="As for 'match'."
)
@click.option("--motif-dir", type=PATH, help="Folder with your own copies of the databases.")
@planting_options
@click.option("--other-model", is_flag=True, help="Take a model other than that of the run, with a warning.")
@click.option("--output", type=PATH, help="Table to write.  [default: planted.tsv in the run's folder]")
@click.pass_obj
def plant(
    shown: bool,
    folder: Path,
    wanted: tuple[str, ...],
    databases: tuple[str, ...],
    motif_dir: Path | None,
    output: Path | None,
    **given: Any,
) -> None:
    """What known motifs do that the run did not find: planted into shuffled sequences, as 'validate' does.

    \b
        l2g-interp plant --model CKPT --run results --motif Trl --motif twi
    """
    import motif_db
    from l2g_interp.evidence import named, plant_files

    known = [motif for name in databases for motif in motif_db.load(name, motif_dir=motif_dir)]
    motifs = {(motif.database, motif.id): motif for name in wanted for motif in named(known, name)}  # each once
    table = writable_file(output) if output else folder / "planted.tsv"
    insisted = {"device": given["device"], "other_model": given["other_model"], "shown": shown}
    effects = plant_files(given["model"], folder, list(motifs.values()), table, _planting(given), **insisted)
    fewest = min((e.copies for e in effects), default=0)
    for e in effects:
        if e.copies == fewest:
            interval = f"{e.excess:+.3f} [{e.excess_low:+.3f}, {e.excess_high:+.3f}]"
            click.echo(f"{e.target}\t{e.pattern}\t{interval} beyond control, with {e.copies} planted")
    click.echo(table)


@main.command()
@click.option("--run", "folder", required=True, type=PATH, help="Folder that the other commands wrote.")
@quantile_option
@click.option("--bed", type=PATH, help="BED file to write.  [default: hits.bed beside the table]")
@click.option("--output", type=PATH, help="Table to write.  [default: hits.tsv in the run's folder]")
@click.pass_obj
def hits(shown: bool, folder: Path, quantile: float, bed: Path | None, output: Path | None) -> None:
    """Where each motif occurs in the explained sequences, as a table and as BED."""
    from l2g_interp.run_folder import HITS

    table = writable_file(output) if output else folder / HITS
    _hits(folder, table, writable_file(bed) if bed else table.with_suffix(".bed"), quantile, shown)


@main.command()
@click.option("--run", "folder", required=True, type=PATH, help="Folder that the other commands wrote.")
@report_options
@click.option("--output", required=True, type=PATH, help="HTML file to write.")
def report(folder: Path, output: Path, **given: Any) -> None:
    """One HTML file that shows everything and opens offline."""
    _report(folder, writable_file(output), given)


@main.command()
@attribute_options
@motif_options
@match_options
@validate_options
@click.option("--no-validate", is_flag=True, help="Do not plant the motifs into shuffled sequences.")
@quantile_option
@report_options
@click.option("--output", required=True, type=PATH, help="Folder to write.")
@click.pass_obj
def run(
    shown: bool, output: Path, databases: tuple[str, ...], motif_dir: Path | None, n_matches: int, **given: Any
) -> None:
    """From a model and sequences to report.html: attribute, motifs, match, validate, hits and report."""
    from l2g_interp import pipeline, run_folder
    from motif_db import load

    for name in databases:  # find out now, not after the long part
        load(name, motif_dir=motif_dir)
    _doses(given["copies"])
    folder = writable_folder(output)
    attributions = folder / run_folder.ATTRIBUTIONS
    _attribute(attributions, shown, given)
    _motifs(attributions, folder, given["min_seqlets"], given["max_seqlets"], shown)
    pipeline.match_files(folder, databases, folder / run_folder.MATCHES, motif_dir=motif_dir, n_matches=n_matches)
    if not given["no_validate"]:
        _validate(folder, folder / run_folder.EFFECTS, given, shown)
    table = folder / run_folder.HITS
    _hits(folder, table, table.with_suffix(".bed"), given["quantile"], shown)
    _report(folder, folder / run_folder.REPORT, given)


@main.command()
@click.argument("sets", nargs=-1, required=True, metavar="A B [C]...")
@click.option("--names", help="What to call the sets, comma-separated.  [default: target or folder]")
@click.option("--title", default="Motifs compared", show_default=True)
@click.option("--tsv", type=PATH, help="Evidence as a table.  [default: --output with .tsv]")
@click.option("--output", type=PATH, default=Path("compare.html"), show_default=True, help="HTML file to write.")
def compare(sets: tuple[str, ...], names: str | None, title: str, tsv: Path | None, output: Path) -> None:
    """Motifs that runs or targets share, and those that one of them alone has.

    Each set is a run folder (all its targets together) or FOLDER:TARGET.

    \b
        l2g-interp compare results:dev results:hk --output compare.html
        l2g-interp compare l2g:dev deepstarr:dev --names L2G,DeepSTARR
    """
    from l2g_interp.compare import Pair, compare_motifs, pairs, read_sets, write_comparison
    from l2g_interp.records import write_table
    from l2g_interp.run_folder import command

    table = writable_file(tsv or writable_file(output).with_suffix(".tsv"))
    compared = compare_motifs(read_sets(sets, names.split(",") if names else []))
    write_table(table, pairs(compared), Pair)
    click.echo(f"{write_comparison(output, compared, title=title, command=command())}\n{table}")


@main.command()
@click.option("--run", type=PATH, help="Folder of 'l2g-interp run': for every format.")
@click.option("--attributions", type=PATH, help="attributions.h5 alone: for npz, chrombpnet and bigwig.")
@click.option("--target", help="Which target's.  [default: all; npz and chrombpnet hold one]")
@click.option("--pattern", help="bed, meme, tables, logos: only the patterns of this name, as in matches.tsv.")
@click.option("--genome", type=PATH, help="bigwig: genome FASTA, for the sizes of the chromosomes (its .fai).")
@click.option("--chrom-sizes", type=PATH, help="bigwig: table of chromosome and length, instead of --genome.")
@click.option("--format", "kind", type=click.Choice(EXPORT_FORMATS), default="npz", show_default=True)
@click.option(
    "--output", required=True, type=PATH, help="File (chrombpnet, bed, meme) or folder (the others) to write."
)
def export(kind: str, output: Path, chrom_sizes: Path | None, **given: Any) -> None:
    """Results in the layouts of other tools.

    \b
    npz         the pair that 'modisco motifs' takes
    chrombpnet  HDF5 that chrombpnet's tools and Fi-NeMo read
    bigwig      contribution of every base, for IGV and UCSC: contributions.TARGET.bw
    bed         the stretches (seqlets) of all motifs, on the genome
    meme        the motifs, for any motif tool
    tables      sequences.tsv, patterns.tsv (with effects and hits) and pairs.tsv
    logos       every logo as SVG and PNG, and logos.tsv, which says what they show

    bigwig needs, and bed uses, genome coordinates: attributions of '--bed' with '--genome' have them.
    """
    from l2g_interp.exports.command import Request, export

    for path in export(Request(kind, sizes=chrom_sizes, **given), output):
        click.echo(path)


@main.command()
def databases() -> None:
    """The motif databases that can be asked for by name."""
    from motif_db import available

    for entry in available().values():
        click.echo(
            f"{entry.name}\t{entry.count} motifs\t{entry.organism}\t{entry.kind}\t{entry.title}, {entry.licence}"
        )


@main.command()
@click.option("--output", required=True, type=PATH, help="Folder to write.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.pass_obj
def demo(shown: bool, output: Path, seed: int) -> None:
    """Everything on made-up DNA whose truth is known, in about five minutes on two cores; it checks itself.

    Plants known fly motifs into random DNA with two activities, trains a small L2G model on them (MiniLM, which
    comes as a Python package), explains it, names the motifs, and says which of the planted ones were recovered.
    """
    from l2g_interp.demo import run_demo

    if not run_demo(writable_folder(output), seed, shown):
        raise SystemExit(1)


def _attribute(output: Path, shown: bool, given: dict[str, Any]) -> None:
    from l2g_core.dna import read_bed, read_fasta
    from l2g_interp.models import open_model
    from l2g_interp.pipeline import AttributeOptions, attribute_file
    from l2g_interp.run_folder import record

    if (given["fasta"] is None) == (given["bed"] is None) or (given["bed"] is None) != (given["genome"] is None):
        raise InputError("give --fasta, or --bed together with --genome")
    data = read_fasta(given["fasta"]) if given["fasta"] else read_bed(given["bed"], given["genome"], given["width"])
    if data.n_ambiguous:
        click.echo(f"{data.source}: {data.n_ambiguous} letters other than A, C, G, T become empty columns", err=True)
    targets = tuple(given["targets"].split(",")) if given["targets"] else None
    options = AttributeOptions(
        targets,
        given["references"],
        given["seed"],
        given["method"],
        given["strands"],
        given["batch_size"],
        given["on_missing"],
    )
    model = open_model(given["model"], data, options.strands, given["device"])
    summary = attribute_file(model, data, output, options, resume=given["resume"], shown=shown)
    record(output.parent, "attribute", summary)


def _motifs(attributions: Path, folder: Path, min_seqlets: int, max_seqlets: int, shown: bool) -> None:
    from l2g_interp.modisco import ModiscoOptions
    from l2g_interp.pipeline import discover_files

    options = ModiscoOptions(max_seqlets_per_metacluster=max_seqlets)
    discover_files(attributions, folder, min_seqlets=min_seqlets, options=options, shown=shown)


def _doses(text: str) -> tuple[int, ...]:
    try:
        doses = tuple(int(number) for number in text.split(","))
    except ValueError as error:
        raise InputError(f"--copies {text}: give whole numbers, as 1,2,3") from error
    if min(doses) < 1 or len(set(doses)) < len(doses):
        raise InputError(f"--copies {text}: give different whole numbers from 1, as 1,2,3")
    return doses


def _planting(given: dict[str, Any]) -> Any:
    from l2g_interp.validate import ValidateOptions

    return ValidateOptions(given["backgrounds"], _doses(given["copies"]), given["seed"], given["batch_size"])


def _validate(folder: Path, output: Path, given: dict[str, Any], shown: bool) -> None:
    from l2g_interp.evidence import validate_files

    insisted = {key: given.get(key, False) for key in ("other_model", "randomised")}
    validate_files(given["model"], folder, output, _planting(given), device=given["device"], shown=shown, **insisted)


def _hits(folder: Path, output: Path, bed: Path, quantile: float, shown: bool) -> None:
    from l2g_interp.evidence import hit_files

    hit_files(folder, output, bed, quantile=quantile, shown=shown)


def _report(folder: Path, output: Path, given: dict[str, Any]) -> None:
    from l2g_interp.report import write_report
    from l2g_interp.run_folder import read_run

    run = read_run(folder, given["observed"])
    write_report(output, run, n_tracks=given["tracks"], title=given["title"], sequences=given["sequences"])
    click.echo(f"{output}")
