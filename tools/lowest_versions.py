"""Run the quick tests with the lowest version of every dependency: ``python tools/lowest_versions.py``.

Makes a virtual environment, installs exactly the lower bounds that pyproject.toml states for the package and its
extras (but the large ones), the test tools as constraints.txt has them and the newest of everything that these bring,
then runs ``pytest`` without the house rules and the docs, whose tools need newer packages. Needs ``packaging``.
``--environment FOLDER`` keeps the environment and uses it again; what follows ``--`` is handed to pytest.

torch is the one exception: what is installed is the version of constraints.txt, because older builds are gigabytes.
That 2.11 is enough was checked by listing every name of torch in the three packages (each ``torch.`` or ``F.`` with
what follows) and the release that brought it. The youngest are ``torch.compiler.set_stance`` (2.6),
``torch.OutOfMemoryError`` (2.5), fused optimizers on CPUs (2.4) and ``torch.amp.GradScaler`` (2.3). The rules of
DeepLIFT name torch functions in strings and skip those that a release does not have.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
AS_PINNED = "torch"  # see above
TOOLS = ("test", "docs")  # extras of tools, which only developers run
LARGE = ("mpnet",)  # extras of hundreds of megabytes, which have one version
HOUSE = ("import-linter", "pyright", "ruff")  # tools of the house rules
WITHOUT = ("test_house.py", "test_docs.py")
# Old releases use what newer releases of their own dependencies have deprecated; that is no fault of this project.
OLD_AGE = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")


def requirements() -> tuple[list[Requirement], list[Requirement]]:
    """What the package and its extras need, and what only the tests need (without the house rules and the docs)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    used = [name for name in extras if name not in TOOLS + LARGE]
    needed = [*project["dependencies"], *(line for name in used for line in extras[name])]
    own = canonicalize_name(project["name"])
    parsed = ([Requirement(line) for line in lines] for lines in (needed, extras["test"]))
    needed, tools = ([r for r in part if canonicalize_name(r.name) not in (own, *HOUSE)] for part in parsed)
    return needed, tools


def floor(requirement: Requirement) -> str:
    """The version after ``>=``.

    Raises
    ------
    ValueError
        There is none.
    """
    found = [part.version for part in requirement.specifier if part.operator in (">=", "==")]
    if len(found) != 1:
        raise ValueError(f"pyproject.toml: {requirement} states no lowest version; write e.g. {requirement.name}>=1.0")
    return found[0]


def pins() -> dict[str, str]:
    """The versions of constraints.txt, by normalised name."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line and line[0] != "#"]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def constraints() -> list[str]:
    """Lines for ``pip install -c``: the floors, and the tests' own tools as pinned."""
    needed, tools = requirements()
    pinned = pins()
    versions = {canonicalize_name(r.name): pinned[canonicalize_name(r.name)] for r in tools}
    versions |= {canonicalize_name(r.name): floor(r) for r in needed}
    versions[AS_PINNED] = pinned[AS_PINNED]
    return [f"{name}=={version}" for name, version in sorted(versions.items())]


def install(python: Path, scratch: Path) -> int:
    """Install exactly those versions; pip's exit status."""
    listed = scratch / "lowest.txt"
    listed.write_text("\n".join(constraints()) + "\n")
    sys.stdout.write(listed.read_text())
    sys.stdout.flush()
    needed, tools = requirements()
    wanted = [str(requirement) for requirement in (*needed, *tools)]
    return subprocess.run([python, "-m", "pip", "install", "-c", listed, "-e", ROOT, *wanted]).returncode


def test(python: Path, arguments: list[str]) -> int:
    """Run the quick tests; pytest's exit status."""
    quiet = [argument for name in OLD_AGE for argument in ("-W", f"ignore::{name}")]
    left_out = [f"--ignore=tests/end_to_end/{name}" for name in WITHOUT]
    return subprocess.run([python, "-m", "pytest", *quiet, *left_out, *arguments], cwd=ROOT).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environment", type=Path, help="keep the environment in this folder [a temporary one]")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="l2g-lowest-") as scratch:
        folder = given.environment or Path(scratch) / "environment"
        python = folder / "bin" / "python"
        if not python.exists():
            venv.create(folder, with_pip=True)
        return install(python, Path(scratch)) or test(python, given.pytest)


if __name__ == "__main__":
    sys.exit(main())
