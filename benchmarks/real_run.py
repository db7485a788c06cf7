"""The real job: the published DeepSTARR network on the strongest test enhancers, through every stage of ``l2g-interp``.

    python benchmarks/real_run.py --data ../shared/data --output runs/deepstarr

Takes the test sequences with the highest predicted dev and those with the highest predicted hk, explains both targets
against 100 references, compares the motifs with both databases of the paper (or with the default ones), plants them,
finds their hits, and prints the table of its Figures 8 and 9 with that evidence, how much of what stands out has a
name, and the time of each stage. Run it again with --resume after an interruption.
"""

from __future__ import annotations

import csv
import gzip
import time
from pathlib import Path

import click

from l2g_core.cli import main as l2g
from l2g_interp.cli import main as l2g_interp
from l2g_interp.commands.options import DEFAULT_DATABASES
from l2g_interp.exports import pattern_rows
from l2g_interp.run_folder import read_run

TARGETS = ("dev", "hk")


@click.command()
@click.option(
    "--data", required=True, type=click.Path(exists=True, path_type=Path), help="Folder with deepstarr/ and motifs/."
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Run folder to write.")
@click.option("--top", default=500, show_default=True, help="Sequences to take per target.")
@click.option("--references", default=100, show_default=True)
@click.option("--default-databases", is_flag=True, help="Those of 'l2g-interp run' instead of the paper's.")
@click.option("--resume", is_flag=True)
def main(data: Path, output: Path, top: int, references: int, default_databases: bool, resume: bool) -> None:
    """Run the job and print the motifs found and the seconds taken."""
    output.mkdir(parents=True, exist_ok=True)
    fasta, observed, checkpoint = output / "strongest.fa", output / "observed.tsv", output / "model"
    n = write_inputs(data / "deepstarr" / "activity.tsv.gz", fasta, observed, top)
    run(l2g, "import-deepstarr", data / "deepstarr" / "deepstarr.model.h5", "--output", checkpoint)
    databases = DEFAULT_DATABASES if default_databases else ("onthefly", "flyfactorsurvey")
    named = [option for name in databases for option in ("--database", name)]
    attributions, matches = output / "attributions.h5", output / "matches.tsv"
    stages: dict[str, list[object]] = {
        "attribute": ["--model", checkpoint, "--fasta", fasta, "--references", references, "--output", attributions],
        "motifs": ["--attributions", attributions, "--output", output],
        "match": ["--motifs", output, "--motif-dir", data / "motifs", *named, "--output", matches],
        "validate": ["--model", checkpoint, "--run", output],
        "hits": ["--run", output],
        "report": ["--run", output, "--observed", observed, "--output", output / "report.html"],
    }
    stages["attribute"] += ["--resume"] if resume else []
    seconds = {name: timed(name, *options) for name, options in stages.items()}
    print_table(output)
    told = ", ".join(f"{name} {took:.1f}" for name, took in seconds.items())
    click.echo(f"{n} sequences, {references} references; seconds: {told}; in all {sum(seconds.values()):.0f}")


def timed(*arguments: object) -> float:
    start = time.monotonic()
    run(l2g_interp, *arguments)
    return time.monotonic() - start


def run(program: click.Group, *arguments: object) -> None:
    program.main([str(a) for a in arguments], standalone_mode=False)


def write_inputs(table: Path, fasta: Path, observed: Path, top: int) -> int:
    """The strongest test sequences by the published predictions, each once, and their measured activities."""
    with gzip.open(table, "rt") as handle:
        rows = [row for row in csv.DictReader(handle, delimiter="\t") if row["split"] == "test"]
    chosen: dict[str, dict[str, str]] = {}
    for target in TARGETS:
        strongest = sorted(rows, key=lambda row: -float(row[f"published_{target}"]))[:top]
        chosen |= {f"test_{row['h5_index']}": row for row in strongest}
    fasta.write_text("".join(f">{name}\n{row['sequence']}\n" for name, row in chosen.items()))
    lines = ["\t".join((name, *(row[t] for t in TARGETS))) for name, row in chosen.items()]
    observed.write_text("\n".join(("\t".join(("id", *TARGETS)), *lines)) + "\n")
    return len(chosen)


def print_table(output: Path) -> None:
    """Every pattern with its best match and what is known of it, and the completeness of each target."""
    found = read_run(output)
    for target, numbers in found.provenance["steps"]["attribute"]["targets"].items():
        click.echo(f"{target}: completeness error {numbers['completeness_error']:.1e}")
    step = found.provenance["steps"]["hits"]
    for target, part in step["explained"].items():
        told = f"{part['named']:.2f} of what stands out is named, in {part['sequences_with_a_name']:.2f} of them"
        click.echo(f"{target}: {told}; missing named wrong {step['missing_named_wrong'][target]:.2f}")
    click.echo("| | pattern | seqlets | name | database | q | one copy: effect | control | excess | hits |")
    click.echo("|---" * 10 + "|")
    patterns = [p for of_target in found.patterns.values() for p in of_target]
    for r in pattern_rows(patterns, found.matches, found.effects, found.hits):
        effect = f"{r.effect:+.2f} [{r.effect_low:+.2f}, {r.effect_high:+.2f}]"
        excess = f"{r.excess:+.2f} [{r.excess_low:+.2f}, {r.excess_high:+.2f}]"
        cells = (r.target, r.consensus, r.n_seqlets, r.name, r.database, f"{r.q_value:.1e}", effect,
                 f"{r.control:+.2f}", excess, r.n_hits)  # fmt: skip
        click.echo(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
