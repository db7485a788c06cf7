"""The experiments that come with the package: their names and files, read without slow imports."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError

FOLDER = Path(__file__).parent
ABOUT, PAPER = "about", "paper"


def experiments() -> dict[str, dict[str, Any]]:
    """The experiments by name, each with the content of its file."""
    paths = sorted(FOLDER.glob("*.toml"), key=lambda path: path.stem.lower())
    return {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in paths}


def file_of(experiment: str | Path) -> Path:
    """The file of an experiment, by name or path.

    Raises
    ------
    InputError
        There is none; the message suggests the nearest name.
    """
    path = Path(experiment)
    if path.suffix == ".toml":
        if not path.is_file():
            raise InputError(f"{path}: no such file; 'l2g experiments' lists those that come with the package")
        return path
    names = [known.stem for known in FOLDER.glob("*.toml")]
    if str(experiment) in names:
        return FOLDER / f"{experiment}.toml"
    near = difflib.get_close_matches(str(experiment), names, 1, 0.5)
    meant = f"; did you mean {near[0]!r}" if near else ""
    raise InputError(
        f"no experiment {str(experiment)!r}{meant}; 'l2g experiments' lists them, and the name of a file ends in .toml"
    )
