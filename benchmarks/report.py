"""How long a report takes and how large it is: ``python benchmarks/report.py`` (made-up patterns, nothing to fetch)."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from l2g_interp.motifs.matrices import normalised
from l2g_interp.records.attributions_file import write_attributions
from l2g_interp.records.types import Attributions, Effect, Hit, Match, Pattern, Run, Seqlets, TargetAttributions
from l2g_interp.report import write_report

WIDTH, MATCH_WIDTH, MATCHES, DATABASE_MOTIFS = 30, 12, 5, 200


@click.command()
@click.option("--patterns", default=50, show_default=True, help="Patterns in all, over two targets.")
@click.option("--tracks", default=20, show_default=True, help="Tracks per target.")
@click.option("--sequences", default=1000, show_default=True)
@click.option("--length", default=249, show_default=True)
@click.option("--seqlets", default=300, show_default=True, help="Seqlets per pattern.")
@click.option("--hits", default=600, show_default=True, help="Hits per pattern; 0 for a run without.")
@click.option("--effects/--no-effects", default=True, show_default=True, help="Doses of one to three copies.")
@click.option("--output", type=click.Path(path_type=Path), help="Keep the report here.")
def main(
    patterns: int,
    tracks: int,
    sequences: int,
    length: int,
    seqlets: int,
    hits: int,
    effects: bool,
    output: Path | None,
) -> None:
    """Write the report of a made-up run and print its time and size."""
    with tempfile.TemporaryDirectory() as folder:
        run = with_evidence(made_up_run(Path(folder), patterns, sequences, length, seqlets), sequences, hits, effects)
        report = output or Path(folder) / "report.html"
        begun = time.perf_counter()
        write_report(report, run, n_tracks=tracks)
        seconds = time.perf_counter() - begun
        size = report.stat().st_size / 1e6
    what = f"{patterns} patterns, 2 x {tracks} tracks of {length} bp, {sequences} sequences, "
    what += f"{hits} hits per pattern, {'effects' if effects else 'no effects'}"
    click.echo(f"{what}: {seconds:.2f} s, {size:.1f} MB")


def made_up_run(folder: Path, patterns: int, sequences: int, length: int, seqlets: int) -> Run:
    """Noise with as many patterns as asked for, half for each target, five matches each."""
    rng = np.random.default_rng(0)
    one_hot = np.eye(4, dtype=np.int8)[rng.integers(0, 4, (sequences, length))].transpose(0, 2, 1).copy()
    by_target = {target: _target(one_hot, rng) for target in ("dev", "hk")}
    path = folder / "attributions.h5"
    ids = [f"sequence_{i}" for i in range(sequences)]
    write_attributions(path, Attributions(ids, one_hot, np.full(sequences, length), by_target))
    found: dict[str, list[Pattern]] = {"dev": [], "hk": []}
    for i in range(patterns):
        target = ("dev", "hk")[i % 2]
        found[target].append(_pattern(target, len(found[target]), sequences, length, seqlets, rng))
    everything = [pattern for of_target in found.values() for pattern in of_target]
    matches = [
        _match(pattern, rank, int(rng.integers(DATABASE_MOTIFS)))
        for pattern in everything
        for rank in range(1, MATCHES + 1)
    ]
    motifs = {("db", f"m{i}"): normalised(rng.random((4, MATCH_WIDTH)) ** 4) for i in range(DATABASE_MOTIFS)}
    observed = {target: by_target[target].prediction + 1.0 for target in by_target}
    return Run(path, found, matches, motifs, {"made up": True}, observed=observed)


def _target(one_hot: np.ndarray, rng: np.random.Generator) -> TargetAttributions:
    n, _, length = one_hot.shape
    numbers = [rng.random(n).astype(np.float32) for _ in range(4)]
    scores = rng.normal(0, 0.1, one_hot.shape).astype(np.float32)
    return TargetAttributions(
        one_hot, scores, numbers[0], -numbers[1], numbers[2] * 1e-6, np.zeros((n, length), np.float32), numbers[3]
    )


def _pattern(target: str, number: int, n: int, length: int, seqlets: int, rng: np.random.Generator) -> Pattern:
    ppm = normalised(rng.random((4, WIDTH)) ** 4)
    starts = rng.integers(0, length - WIDTH, seqlets)
    where = Seqlets(rng.integers(0, n, seqlets), starts, starts + WIDTH, rng.random(seqlets) < 0.5)
    return Pattern(target, f"pos_patterns.pattern_{number}", "+", ppm, ppm * 0.2, ppm * 0.3 - 0.1, where)


def with_evidence(run: Run, sequences: int, hits: int, effects: bool) -> Run:
    """The run with as many hits per pattern, and with effects of one to three copies."""
    rng = np.random.default_rng(1)
    patterns = [pattern for of_target in run.patterns.values() for pattern in of_target]
    return replace(
        run,
        hits=[hit for pattern in patterns for hit in _hits(pattern, sequences, hits, rng)],
        effects=[_effect(pattern, copies) for pattern in patterns for copies in (1, 2, 3) if effects],
    )


def _hits(pattern: Pattern, sequences: int, n: int, rng: np.random.Generator) -> list[Hit]:
    last = int(pattern.seqlets.end.max())
    places = zip(rng.integers(0, sequences, n).tolist(), rng.integers(0, last - WIDTH, n).tolist(), strict=True)
    return [
        Hit(
            pattern.target, pattern.name, pattern.sign, row, f"sequence_{row}", start, start + WIDTH,
            "+-"[i % 2], 0.9, 1.0, i % 2,
        )
        for i, (row, start) in enumerate(places)
    ]  # fmt: skip


def _effect(pattern: Pattern, copies: int) -> Effect:
    return Effect(
        pattern.target, pattern.name, pattern.sign, copies, 100, copies, copies - 0.2, copies + 0.2,
        0.0, -0.1, 0.1, copies, copies - 0.3, copies + 0.3,
    )  # fmt: skip


def _match(pattern: Pattern, rank: int, motif: int) -> Match:
    return Match(
        pattern.target, pattern.name, pattern.sign, pattern.n_seqlets, rank, f"m{motif}", f"motif {motif}",
        f"factor {motif}", "db", rank * 1e-5, rank * 1e-2, "+-"[rank % 2], rank, 9,
    )  # fmt: skip


if __name__ == "__main__":
    main()
