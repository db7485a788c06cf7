"""Write the report: sections through templates into one HTML file that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from l2g_core.errors import InputError
from l2g_core.files import whole
from l2g_interp.naming import SIGNIFICANT_Q
from l2g_interp.records import Run
from l2g_interp.report.context import ReportOptions, load_context
from l2g_interp.report.sections import SECTIONS


def write_report(
    output: str | Path,
    run: Run,
    *,
    n_tracks: int = 20,
    title: str = "Motif report",
    max_q: float = SIGNIFICANT_Q,
    completeness_bound: float = 1e-3,
) -> Path:
    """Write one self-contained HTML file that opens offline, whole or not at all.

    Parameters
    ----------
    output
        Where to write; a file that is there is replaced.
    run
        The contents of a run folder. The attributions are read in parts: memory does not grow with their number.
    n_tracks
        Contribution tracks of the strongest sequences (by prediction) for each target.
    title
        The page's heading. Any text.
    max_q
        A match with at most this q-value names its pattern; others are shown as not significant.
    completeness_bound
        Completeness error, as a part of the output difference, above which the report warns.

    Returns
    -------
    pathlib.Path
        ``output``.

    Raises
    ------
    InputError
        The attributions cannot be read, or ``output`` cannot be written.
    """
    output = Path(output)
    options = ReportOptions(title, n_tracks, max_q, completeness_bound)
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"{output}: cannot be written; give a file name in a folder that exists")
    page = render(run, options)
    try:
        with whole(output) as unfinished:
            unfinished.write_text(page, encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); give a path in a writable folder") from error
    return output


def render(run: Run, options: ReportOptions) -> str:
    """The page as text."""
    context = load_context(run, options)
    built = {key: section.build(context) for key, section in SECTIONS.items()}
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            options=options,
            sections={key: (SECTIONS[key].title, data) for key, data in built.items() if data is not None},
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
        )
    )


def _policy(style: str, script: str) -> str:
    """A content security policy under which the page's own style and script run, and nothing else."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return files("l2g_interp.report").joinpath("templates", name).read_text(encoding="utf-8")


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("l2g_interp.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    return environment


def figure(value: float, digits: int = 3) -> str:
    """A number for people: few digits, a real minus sign, a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.{digits}g}".replace("-", "−")
