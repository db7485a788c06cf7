"""Array shapes are checked in tests, and only there: every function of the three packages is typed by jaxtyping."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import hypothesis
import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: threads of their own would only wait for each other
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    os.environ["GOMP_SPINCOUNT"] = "1000"  # of those that take two threads all the same
hypothesis.settings.register_profile("whole", max_examples=10_000)  # of tests/fuzz, once in a while
_hook = install_import_hook(["l2g_core", "l2g_interp", "motif_db"], "beartype.beartype")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole", action="store_true", help="Many faults, not the few that are always tried (tests/faults)."
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data, which is not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("needs the real data in ../shared/data, which is not here")
    return SHARED


@pytest.fixture(scope="session")
def activity(shared: Path):
    """Real S2 enhancers with measured activities and the published network's predictions."""
    import pandas as pd

    with gzip.open(shared / "deepstarr" / "activity.tsv.gz", "rt") as handle:
        return pd.read_csv(handle, sep="\t")
