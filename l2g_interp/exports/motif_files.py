"""Patterns as files for other tools and for people: one MEME or HOMER file, and logos as pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from l2g_core.errors import InputError
from l2g_core.runs.files import atomic_write
from l2g_interp.drawing.logo import draw_logo, logo_svg, value_range
from l2g_interp.exports.names import Ranked, file_stem, identifier, label
from l2g_interp.motifs.matrices import consensus, information_logo, normalised, reverse_complement, trimmed
from l2g_interp.motifs.naming import best_name, ranked_matches
from l2g_interp.records.tables import write_table
from l2g_interp.records.types import Match, Pattern
from motif_db import Motif, motif_text

MEME_HEAD = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25
"""
DPI = 200


@dataclass(frozen=True)
class LogoFile:
    """A row of ``logos.tsv``: which picture shows what, with the names as they are written."""

    file: str
    target: str
    pattern: str
    name: str
    kind: str


def write_meme(patterns: Sequence[Pattern], matches: Iterable[Match], path: str | Path) -> None:
    """Write the base frequencies of patterns, trimmed, as a MEME file for any motif tool.

    ``MOTIF dev.pos_patterns.pattern_0 GATA_(srp)``: target and pattern in ASCII, then what the pattern is called, if a
    match is significant.

    Parameters
    ----------
    patterns, matches
        The patterns to write, and the matches that name them.
    path
        The file to write.

    Raises
    ------
    InputError
        No patterns: no tool reads a MEME file without motifs.
    """
    if not patterns:
        raise InputError(f"{path}: there is no pattern to write; lower --min-seqlets of 'l2g-interp motifs'")
    ranked = ranked_matches(matches)
    with atomic_write(path) as unfinished:
        text = MEME_HEAD + "".join(_meme(pattern, label(pattern, ranked)) for pattern in patterns)
        unfinished.write_text(text, encoding="ascii", newline="\n")


def write_homer(patterns: Sequence[Pattern], matches: Iterable[Match], path: str | Path) -> None:
    """Write the base frequencies of patterns, trimmed, as a HOMER motif file; parameters and errors of `write_meme`.

    A motif is called ``GATA_(srp)/dev.pos_patterns.pattern_0``, or by target and pattern where it has no name.
    """
    if not patterns:
        raise InputError(f"{path}: there is no pattern to write; lower --min-seqlets of 'l2g-interp motifs'")
    ranked = ranked_matches(matches)
    motifs = [
        Motif("/".join(filter(None, (label(p, ranked), identifier(p)))), "", "", _frequencies(p)) for p in patterns
    ]
    with atomic_write(path) as unfinished:
        unfinished.write_text(motif_text(motifs, "homer"), encoding="ascii", newline="\n")


def write_logos(patterns: Sequence[Pattern], matches: Iterable[Match], folder: str | Path) -> list[Path]:
    """Write every logo of every pattern as SVG and PNG, and ``logos.tsv``, which says what they show.

    Kinds: ``cwm`` (contributions), ``cwm_reverse`` (of the other strand), ``hcwm`` (hypothetical contributions) and
    ``bits`` (base frequencies), all trimmed. A file is called by target, name and pattern, such as
    ``dev.AP-1_kay.pos_patterns.pattern_0.cwm.svg``, with every letter that could make a path replaced.

    Parameters
    ----------
    patterns, matches
        The patterns to draw, and the matches that name them.
    folder
        Where to write; made if missing.

    Returns
    -------
    list of pathlib.Path
        Every file written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ranked = ranked_matches(matches)
    rows, paths = [], []
    for pattern, stem in zip(patterns, _stems(patterns, ranked), strict=True):
        name = best_name(pattern, ranked.get((pattern.target, pattern.name), []))
        for kind, heights in _logos(trimmed(pattern)):
            for path in _write_logo(folder / f"{stem}.{kind}", heights, f"{kind} of {consensus(trimmed(pattern).ppm)}"):
                paths.append(path)
                rows.append(LogoFile(path.name, pattern.target, pattern.name, name, kind))
    write_table(folder / "logos.tsv", rows, LogoFile)
    return [*paths, folder / "logos.tsv"]


def _stems(patterns: Iterable[Pattern], ranked: Ranked) -> list[str]:
    """A file name for every pattern; numbered where two differ in case only, which some disks take for the same."""
    seen: Counter[str] = Counter()
    stems = []
    for stem in (file_stem(pattern, ranked) for pattern in patterns):
        seen[stem.lower()] += 1
        number = seen[stem.lower()]
        stems.append(stem if number == 1 else f"{stem}~{number}")
    return stems


def _meme(pattern: Pattern, alternative: str) -> str:
    ppm = _frequencies(pattern)
    lines = "".join("  ".join(f"{value:.6f}" for value in column) + "\n" for column in ppm.T)
    head = f"letter-probability matrix: alength= 4 w= {ppm.shape[1]} nsites= {pattern.n_seqlets} E= 0"
    return f"\nMOTIF {identifier(pattern)} {alternative}".rstrip() + f"\n{head}\n{lines}"


def _frequencies(pattern: Pattern) -> Float[np.ndarray, "4 width"]:
    return normalised(trimmed(pattern).ppm.astype(np.float64))


def _logos(core: Pattern) -> Iterator[tuple[str, Float[np.ndarray, "4 width"]]]:
    yield "cwm", core.cwm
    yield "cwm_reverse", reverse_complement(core.cwm)
    yield "hcwm", core.hcwm
    yield "bits", information_logo(core.ppm)


def _write_logo(stem: Path, heights: Float[np.ndarray, "4 width"], what: str) -> list[Path]:
    svg, png = stem.with_name(stem.name + ".svg"), stem.with_name(stem.name + ".png")
    with atomic_write(svg) as unfinished:
        unfinished.write_text(logo_svg(heights, what, height=120, pitch=30), encoding="utf-8")
    with atomic_write(png) as unfinished:
        _draw_png(heights, unfinished)
    return [svg, png]


def _draw_png(heights: Float[np.ndarray, "4 width"], path: Path) -> None:
    """As the SVG: letters and the zero line only. No pyplot, which would keep every figure in memory."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.3 * heights.shape[1], 1.2))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    draw_logo(heights, ax=axes)
    axes.set_ylim(*value_range(heights))
    axes.set_axis_off()
    axes.axhline(0, color="#888", linewidth=0.5)
    figure.savefig(path, format="png", dpi=DPI)
