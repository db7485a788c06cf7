"""Import this first to import from ``tests/support``: benchmarks measure the models that the tests check."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
