"""Hits of the published DeepSTARR network: planted sites get their own names, and others hardly ever do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[3] / "benchmarks" / "hits.py"


def rows(text: str, first: str) -> dict[tuple[str, str], list[float]]:
    """The numbers of the rows that begin with a caller's name, by target."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {(c[0], c[1]): [float(x) for x in c[2:]] for c in cells if c[0] == first}


@pytest.mark.slow
def test_planted_sites_get_their_names(shared: Path, tmp_path: Path) -> None:
    """On sequences that no figure in the documentation is from. The limits leave room for few sequences."""
    options = ["--data", shared, "--output", tmp_path, "--split", "val", "--top", 80, "--each", 16, "--seed", 5]
    done = subprocess.run(
        [sys.executable, BENCHMARK, *map(str, options), "--references", "10"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    network, oracle = done.stdout.split("Oracle network:")
    new = rows(network, "motifs compete")
    for target in ("dev", "hk"):
        _, standing_out, with_name, right, wrong, missing = new["motifs compete", target]
        assert standing_out > 0.5
        assert with_name > 0.4  # few of the 80 strongest validation sequences are strong
        assert right > 0.6
        assert wrong < 0.15
        assert missing < 0.3
    for target in ("a", "b"):
        found, both, _, on_a_site = rows(oracle, "motifs compete")["motifs compete", target][1:]
        assert both >= found > 0.9
        assert on_a_site > 0.7
