"""The script behind the table of architectures: right rows, refused ones, and no row computed twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "zoo.py"


def rows(output: Path, *only: str) -> tuple[str, dict[str, dict]]:
    """What the script prints, and its rows by name."""
    command = [sys.executable, str(SCRIPT), "--output", str(output), "--repeats", "1", "--no-peer"]
    command += [word for name in only for word in ("--only", name)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, {row["name"]: row for row in map(json.loads, output.read_text().splitlines())}


@pytest.mark.slow
def test_a_row_is_right_or_says_why_it_is_refused(tmp_path: Path) -> None:
    wanted = ("Puffin", "Hyena", "DanQ", "ALBERT", "Mixture of experts")
    printed, found = rows(tmp_path / "rows.jsonl", *wanted)
    assert set(found) == set(wanted)
    assert "argmax" in found.pop("Mixture of experts")["refused"]
    for row in found.values():
        assert row["float32"] < 1e-4
        assert row["float64"] < 1e-12
        assert row["seconds"] > row["ideal"] > 0
    assert "5 rows: 4 right, 1 refused, 0 wrong in silence" in printed
    printed, again = rows(tmp_path / "rows.jsonl", "Puffin")
    assert {name: row for name, row in again.items() if name not in ("Puffin", "Mixture of experts")} == {
        name: row for name, row in found.items() if name != "Puffin"
    }
