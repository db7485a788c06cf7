"""What constraints.txt installs, asked of the package index: every pin is there, and none was withdrawn (PEP 592).

Known holes are asked for by a step of the GitHub workflow (pip-audit), whose service CI here cannot reach.
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)


def problems(pins: list[str], *options: str) -> list[str]:
    """What pip says against installing exactly these, without their dependencies."""
    told = pip("install", "--dry-run", "--ignore-installed", "--no-deps", "--progress-bar", "off", *options, *pins)
    lines = [line for line in (told.stdout + told.stderr).splitlines() if re.search("yanked|^ERROR", line)]
    return lines or ([told.stderr] if told.returncode else [])


def pins() -> dict[str, str]:
    """The lines of constraints.txt by name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [line.partition("#")[0].strip() for line in lines]
    return {canonicalize_name(Requirement(line).name): line for line in found if line}


@pytest.mark.slow
def test_no_pin_was_withdrawn(request: pytest.FixtureRequest) -> None:
    """Those of the direct dependencies; all of them with ``--whole``, which takes minutes."""
    if pip("index", "versions", "pip").returncode:
        pytest.skip("no package index can be reached")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]} - {"torch"}  # 200 MB
    chosen = pins() if request.config.getoption("--whole") else {name: pins()[name] for name in direct}
    assert problems(sorted(chosen.values())) == []


@pytest.mark.parametrize("yanked", [False, True])
def test_a_withdrawn_version_is_told(tmp_path: Path, yanked: bool) -> None:
    """An index with one package, as PEP 503 and 592 describe it."""
    folder = tmp_path / "simple" / "planted"
    folder.mkdir(parents=True)
    wheel = folder / "planted-1.0-py3-none-any.whl"
    files = {
        "planted-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n",
        "planted-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        rows = []
        for name, content in files.items():
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
            rows.append(f"{name},sha256={digest},{len(content)}\n")
        archive.writestr("planted-1.0.dist-info/RECORD", "".join(rows) + "planted-1.0.dist-info/RECORD,,\n")
    mark = ' data-yanked="a hole"' if yanked else ""
    (folder / "index.html").write_text(f'<!DOCTYPE html><a href="{wheel.name}"{mark}>{wheel.name}</a>')
    found = problems(["planted==1.0"], "--isolated", "--index-url", (tmp_path / "simple").as_uri())
    assert bool(found) == yanked
    assert not yanked or "a hole" in " ".join(found) or "yanked" in found[0]
