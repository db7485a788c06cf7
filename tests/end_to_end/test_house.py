"""The house rules, checked by their tools: style, types, and who may import whom."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_style() -> None:
    run(sys.executable, "-m", "ruff", "check")
    run(sys.executable, "-m", "ruff", "format", "--check")


def test_who_imports_whom() -> None:
    run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")


@pytest.mark.slow
def test_types() -> None:
    run(str(Path(sys.executable).parent / "pyright"), "--pythonpath", sys.executable)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (command,) = re.findall(r"^pip install .* && pytest .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text()


def test_no_pickle_is_loaded() -> None:
    loads = re.compile(r"torch\.load\(|pickle\.load|allow_pickle=True|joblib\.load")
    for package in ("l2g_core", "l2g_interp", "motif_db"):
        for path in (ROOT / package).rglob("*.py"):
            assert not loads.search(path.read_text()), path
