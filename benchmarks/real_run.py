"""The real job: the published DeepSTARR network on the strongest test enhancers, through ``l2g-interp run``.

    python benchmarks/real_run.py --data ../shared/data --output runs/deepstarr

Takes the test sequences with the highest predicted dev and those with the highest predicted hk, explains both targets
against 100 references, compares the motifs with both databases of the paper, and prints the table of its Figures 8
and 9 with the time of each stage. Run it again with --resume after an interruption.
"""

from __future__ import annotations

import csv
import gzip
import json
import time
from pathlib import Path

import click

from l2g_core.cli import main as l2g
from l2g_interp.cli import main as l2g_interp
from l2g_interp.records import Match, read_table
from l2g_interp.tomtom import SIGNIFICANT_Q

TARGETS = ("dev", "hk")


@click.command()
@click.option(
    "--data", required=True, type=click.Path(exists=True, path_type=Path), help="Folder with deepstarr/ and motifs/."
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Run folder to write.")
@click.option("--top", default=500, show_default=True, help="Sequences to take per target.")
@click.option("--references", default=100, show_default=True)
@click.option("--core-promoter", is_flag=True, help="Search the shipped core-promoter elements too.")
@click.option("--resume", is_flag=True)
def main(data: Path, output: Path, top: int, references: int, core_promoter: bool, resume: bool) -> None:
    """Run the job and print the motifs found and the seconds taken."""
    output.mkdir(parents=True, exist_ok=True)
    fasta, observed, checkpoint = output / "strongest.fa", output / "observed.tsv", output / "model"
    n = write_inputs(data / "deepstarr" / "activity.tsv.gz", fasta, observed, top)
    run(l2g, "import-deepstarr", data / "deepstarr" / "deepstarr.model.h5", "--output", checkpoint)
    start = time.monotonic()
    attributions = output / "attributions.h5"
    resumed = ["--resume"] if resume else []
    run(l2g_interp, "attribute", "--model", checkpoint, "--fasta", fasta, "--references", references,
        "--output", attributions, *resumed)  # fmt: skip
    attributed = time.monotonic()
    databases = ("onthefly", "flyfactorsurvey", *(["core-promoter"] if core_promoter else []))
    named = [option for name in databases for option in ("--database", name)]
    run(l2g_interp, "motifs", "--attributions", attributions, "--output", output)
    run(
        l2g_interp,
        "match",
        "--motifs",
        output,
        "--motif-dir",
        data / "motifs",
        *named,
        "--output",
        output / "matches.tsv",
    )
    run(l2g_interp, "report", "--run", output, "--observed", observed, "--output", output / "report.html")
    print_table(output)
    whole = time.monotonic() - start
    click.echo(f"{n} sequences, {references} references: attribution {attributed - start:.0f} s, in all {whole:.0f} s")


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
    """Every pattern with its best match, and the completeness of each target."""
    steps = json.loads((output / "run.json").read_text())["steps"]
    for target, numbers in steps["attribute"]["targets"].items():
        click.echo(f"{target}: completeness error {numbers['completeness_error']:.1e}")
    click.echo("| target | pattern | seqlets | nearest | database | q |\n|---|---|---|---|---|---|")
    for m in read_table(output / "matches.tsv", Match, "l2g-interp match"):
        if m.rank == 1:
            q = f"{m.q_value:.1e}" + ("" if m.q_value <= SIGNIFICANT_Q else " (not significant)")
            click.echo(f"| {m.target} | {m.pattern} | {m.n_seqlets} | {m.label} | {m.database} | {q} |")


if __name__ == "__main__":
    main()
