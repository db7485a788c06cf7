"""Self-contained HTML pages (one file, no network): template, style, script and policy, written atomically."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from l2g_core.errors import InputError
from l2g_core.runs.files import atomic_write
from l2g_interp.drawing.numbers import fixed, format_number, signed

PACKAGE = "l2g_interp.drawing"  # where the frame is


def render_page(
    template: str,
    package: str,
    *,
    title: str,
    navigation: Sequence[tuple[str, str]],
    style: str = "",
    script: str = "",
    **values: Any,
) -> str:
    """Fill in a template that extends ``frame.html``, the frame of every page.

    Parameters
    ----------
    template
        Its file name, looked for in the folder ``templates`` of the package, then in that of this one.
    package
        Name of a Python package, such as ``l2g_interp.report``.
    title
        The page's heading. Any text.
    navigation
        The sections: anchor and heading of each.
    style, script
        CSS, beside that of all pages, and JavaScript. The page's content security policy allows these and nothing else.
    values
        What the template shows. Text is escaped.
    """
    style = asset(PACKAGE, "page.css") + style
    framed = {"title": title, "navigation": navigation, "style": Markup(style), "script": Markup(script)}
    page = _environment((package, PACKAGE)).get_template(template)
    return page.render({**framed, "policy": _policy(style, script), **values})


def write_page(output: str | Path, text: str) -> Path:
    """Write a page atomically: complete or not at all.

    Raises
    ------
    InputError
        ``output`` is a folder, or in one that does not exist.
    OSError
        The disk is full, or fails; it names ``output``.
    """
    output = Path(output)
    check_output(output)
    with atomic_write(output) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    return output


def check_output(output: Path) -> None:
    """Fail before the slow part if no file can be written there."""
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"{output}: cannot be written; give a file name in a folder that exists")


def asset(package: str, name: str) -> str:
    """The text of a style sheet or script in a package's ``templates`` folder."""
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """A content security policy that allows the page's own style and script, and nothing else."""
    scripts = _hash(script) if script else "'none'"
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {scripts}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _environment(packages: Sequence[str]) -> Any:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=format_number, signed=signed, fixed=fixed)
    return environment
