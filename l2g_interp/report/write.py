"""Write the report: sections through templates into one HTML file that fetches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from l2g_interp.drawing.page import asset, check_output, render_page, write_page
from l2g_interp.motifs.naming import SIGNIFICANT_Q
from l2g_interp.records.types import COMPLETENESS_BOUND, Run
from l2g_interp.report.context import ReportOptions, load_context
from l2g_interp.report.sections import SECTIONS

PACKAGE = "l2g_interp.report"  # where the templates are


def write_report(
    output: str | Path,
    run: Run,
    *,
    n_tracks: int = 20,
    title: str = "Motif report",
    max_q: float = SIGNIFICANT_Q,
    completeness_bound: float = COMPLETENESS_BOUND,
    sequences: Sequence[str] = (),
) -> Path:
    """Write one self-contained HTML file that opens offline; the write is atomic.

    Parameters
    ----------
    output
        Where to write; an existing file is replaced.
    run
        The contents of a run folder. The attributions are read in parts: memory does not grow with their number.
    n_tracks
        Contribution tracks of the strongest sequences (by prediction) for each target.
    title
        The page's heading. Any text.
    max_q
        A match with at most this q-value names its pattern; others are shown as not significant.
    completeness_bound
        Completeness error, as a fraction of the output difference, above which the report warns.
    sequences
        Ids of sequences whose tracks are drawn for every target, before those of the strongest.

    Returns
    -------
    pathlib.Path
        ``output``.

    Raises
    ------
    InputError
        The attributions cannot be read, ``sequences`` names one that is not in them, or ``output`` cannot be written.
    """
    output = Path(output)
    options = ReportOptions(title, n_tracks, max_q, completeness_bound, sequences=tuple(sequences))
    check_output(output)
    return write_page(output, render(run, options))


def render(run: Run, options: ReportOptions) -> str:
    """The page as text."""
    context = load_context(run, options)
    built = {key: section.build(context) for key, section in SECTIONS.items()}
    return render_page(
        "page.html",
        PACKAGE,
        title=options.title,
        navigation=[(key, SECTIONS[key].title) for key, data in built.items() if data is not None],
        script=asset(PACKAGE, "report.js"),
        options=options,
        sections={key: (SECTIONS[key].title, data) for key, data in built.items() if data is not None},
    )
