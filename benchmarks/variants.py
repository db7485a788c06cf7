"""Are variants scored fast, and are the motifs that they break named rightly?

    python benchmarks/variants.py --demo FOLDER
    python benchmarks/variants.py --oracle
    python benchmarks/variants.py --model CHECKPOINT

``--demo``: the trained network and the planted sites of 'l2g-interp demo --output FOLDER'. Of SNVs in a planted site
that move the prediction by a quarter of what a site is worth or more, how many are told as that motif, with the sign of
the difference; of SNVs outside all sites, how many are given a motif at all (chance sites are made and broken there,
too), and how many wrongly: the prediction moves by less than half of what is told. ``--oracle``: the same with a
network that counts exact sites, as in the tests. ``--model``: seconds for SNVs in random DNA, predictions only.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import with_test_support  # noqa: F401  (first: the imports below need it)
from counting_model import Counter
from evidence_run import evidence_run
from variant_truth import AROUND, broken_sites, outside_sites, pattern_of

from l2g_core.dna import one_hot, read_fasta
from l2g_interp.attributions.targets import prepare
from l2g_interp.models import open_model
from l2g_interp.motifs.naming import family
from l2g_interp.pipeline.variant_motifs import RunMotifs, motifs_of_run
from l2g_interp.pipeline.variants import VariantInput, VariantOptions, variant_files
from l2g_interp.variants import MotifChange, ScoreOptions, Variant
from l2g_interp.variants.changes import Letters, letters_of
from l2g_interp.variants.motifs import explain_alleles, motif_changes
from l2g_interp.variants.score import place, scores_of

PLANTED_AS = {"twi": "E-box"}  # by which family it is named
MOVED = 0.25  # a site of the demo is worth about 1


@click.command()
@click.option("--demo", type=click.Path(path_type=Path), help="What 'l2g-interp demo' wrote.")
@click.option("--oracle", "exact", is_flag=True, help="The network that counts exact sites.")
@click.option("--model", help="A checkpoint, such as 'l2g import-deepstarr' writes, to measure the speed of.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--n", default=100, show_default=True, help="With --demo: SNVs in sites, and as many outside.")
@click.option("--snvs", default=10_000, show_default=True, help="With --model.")
@click.option("--random", "n_random", default=0, show_default=True, help="With --model: random changes of each.")
def main(demo: Path | None, exact: bool, model: str | None, seeds: int, n: int, snvs: int, n_random: int) -> None:
    """Print what is asked for: see the docstring of this script."""
    if demo:
        naming(demo, seeds, n)
    if exact:
        oracle(seeds)
    if model:
        speed(model, snvs, n_random)


def explained(
    network, targets: list[str], motifs: RunMotifs, letters: Letters, length: int, variants: list[Variant]
) -> list[tuple[np.ndarray, list[MotifChange]]]:
    """For each variant, the differences of the targets and all motifs that it makes or breaks."""
    placed = [place(v, letters, length) for v in variants]
    assert not any(each.reason for each in placed)
    difference = scores_of(network, list(range(len(targets))), placed, ScoreOptions(n_random=0)).difference
    calibration, found = motifs.calibration(), []
    for part in explain_alleles(network, targets, placed, motifs.settings(), 0):
        here = slice(len(found), len(found) + len(part.reference))
        changes, _ = motif_changes(part, calibration, placed[here], difference[here], targets)
        rows = range(len(part.reference))
        found += [(difference[here][row], [c for t in targets for c in changes[row, t]]) for row in rows]
    return found


def oracle(seeds: int) -> None:
    """Exact sites: the share of broken ones that are named with the right sign, and of other changes with a name."""
    with TemporaryDirectory() as folder:
        run = evidence_run(Path(folder))
        motifs, letters = motifs_of_run(run), letters_of(read_fasta(run / "x.fa"))
        for seed in range(seeds):
            truth, network = broken_sites(seed), Counter().eval()
            inside = explained(network, ["act", "rep"], motifs, letters, 90, [v for v, _ in truth])
            outside = explained(network, ["act", "rep"], motifs, letters, 90, outside_sites(seed))
            right = [
                any((c.target, c.pattern) == pattern_of(motif) and c.change * c.difference > 0 for c in changes)
                for (_, motif), (_, changes) in zip(truth, inside, strict=True)
            ]
            false = [bool(changes) for _, changes in outside]
            print(
                f"seed {seed}: named {np.mean(right):.1%} of {len(right)}, false {np.mean(false):.1%} of {len(false)}"
            )


def naming(folder: Path, seeds: int, n: int) -> None:
    """A trained network: planted sites, and changes outside them."""
    data = read_fasta(folder / "sequences.fa")
    model, motifs, letters = open_model(str(folder / "model"), data), motifs_of_run(folder), letters_of(data)
    network, names = prepare(model.module, one_hot(data.sequences[:1]))
    with (folder / "planted.bed").open(newline="") as handle:
        sites = [(row[0], int(row[1]), int(row[2]), row[3]) for row in csv.reader(handle, delimiter="\t")]
    print("seed  in sites  moving  right  outside  told  false")
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        chosen = [sites[i] for i in rng.choice(len(sites), n, replace=False)]
        inside = [_snv(rng, letters, name, int(rng.integers(a, b))) for name, a, b, _ in chosen]
        found = explained(network, list(names), motifs, letters, data.longest, inside)
        moving = [np.abs(difference).max() >= MOVED for difference, _ in found]
        right = [
            any(family(c.name) == PLANTED_AS.get(site[3], site[3]) and c.change * c.difference > 0 for c in changes)
            for site, (_, changes) in zip(chosen, found, strict=True)
        ]
        outside = explained(network, list(names), motifs, letters, data.longest, _outside(rng, letters, sites, n))
        told = [bool(changes) for _, changes in outside]
        false = [any(abs(c.difference) < abs(c.change) / 2 for c in changes) for _, changes in outside]
        print(
            f"{seed:4}  {n:8}  {sum(moving):6}  {np.mean(np.array(right)[moving]):5.1%}  {n:7}  {np.mean(told):4.0%}  "
            f"{np.mean(false):5.1%}",
            flush=True,
        )


def _snv(rng: np.random.Generator, letters: Letters, name: str, at: int) -> Variant:
    there = letters.cut(name, at, at + 1)
    return Variant(name, at + 1, ".", there, str(rng.choice([base for base in "ACGT" if base != there])))


def _outside(
    rng: np.random.Generator, letters: Letters, sites: list[tuple[str, int, int, str]], n: int
) -> list[Variant]:
    """SNVs that lie in no planted site, nor beside one."""
    names, found = list(letters.sizes), []
    while len(found) < n:
        name = names[int(rng.integers(len(names)))]
        at = int(rng.integers(letters.sizes[name]))
        if not any(site == name and a - AROUND <= at < b + AROUND for site, a, b, _ in sites):
            found.append(_snv(rng, letters, name, at))
    return found


def speed(model: str, n: int, n_random: int) -> None:
    """Seconds for a VCF of SNVs in random DNA, files and all."""
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("ACGT"), 1_000_000))
    rows = [
        f"c\t{p + 1}\t.\t{text[p]}\t{'A' if text[p] != 'A' else 'G'}\t.\t.\t.\n" for p in rng.integers(1000, 999_000, n)
    ]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "g.fa").write_text(f">c\n{text}\n")
        (folder / "v.vcf").write_text(
            "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(rows)
        )
        (folder / "out").mkdir()
        began = time.perf_counter()
        given = VariantInput(folder / "v.vcf", folder / "g.fa")
        variant_files(model, given, folder / "out", VariantOptions(n_random=n_random), shown=False)
        print(f"{n} SNVs, {n_random} random changes each: {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
