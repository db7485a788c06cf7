"""The house rules, checked by their tools: style, types, and who may import whom."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
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


PLANTED = [  # contract, where a forbidden import is planted, what is imported
    ("import nothing of ours", "l2g_core/dna.py", "motif_db"),
    ("takes of l2g_core only", "motif_db/motif.py", "l2g_core.errors"),
    ("takes of l2g_core only", "l2g_interp/motifs/hits.py", "l2g_core.model.checkpoint"),
    ("the floors of l2g_core", "l2g_core/model/config.py", "l2g_core.training.loop"),
    ("the floors of l2g_interp", "l2g_interp/records/types.py", "l2g_interp.motifs.matrices"),
    ("click is known", "l2g_interp/pipeline/attribute.py", "click"),
    ("captum has one adapter", "l2g_interp/attributions/attribute.py", "captum.attr"),
    ("memelite has one adapter", "l2g_interp/motifs/naming.py", "memelite"),
    ("modiscolite has one adapter", "l2g_interp/motifs/modisco/run.py", "modiscolite"),
    ("ray has one adapter", "l2g_core/tune/trial.py", "ray.tune"),
    ("transformers has one adapter", "l2g_core/model/l2g.py", "transformers"),
    ("peft has one adapter", "l2g_core/model/l2g.py", "peft"),
    ("ot has one adapter", "l2g_core/align/stage.py", "ot"),
    ("logomaker has one adapter", "l2g_interp/report/charts.py", "logomaker"),
    ("jinja2 has one adapter", "l2g_interp/report/write.py", "jinja2"),
    ("pyBigWig has one adapter", "l2g_interp/exports/tables.py", "pyBigWig"),
    ("dinuc_shuf has one adapter", "l2g_interp/effects/backgrounds.py", "dinuc_shuf"),
    ("pyjaspar has one adapter", "motif_db/database.py", "pyjaspar"),
    ("pyfaidx has one adapter", "l2g_core/datasets/fasta.py", "pyfaidx"),
    ("pysam has one adapter", "l2g_interp/variants/table.py", "pysam"),
    ("filelock has one adapter", "l2g_core/tune/trial.py", "filelock"),
    ("huggingface_hub has one adapter", "l2g_core/model/l2g.py", "huggingface_hub"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three packages and their contracts, to plant into."""
    folder = tmp_path_factory.mktemp("house")
    for package in ("l2g_core", "l2g_interp", "motif_db"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)


def test_every_contract_has_a_planted_import() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        assert any(name in contract["name"] for name, *_ in PLANTED), contract["name"]


@pytest.mark.slow
@pytest.mark.parametrize(("contract", "file", "module"), PLANTED)
def test_a_forbidden_import_is_refused(copy: Path, contract: str, file: str, module: str) -> None:
    path = copy / file
    before = path.read_text()
    try:
        path.write_text(before + f"\n\ndef planted() -> None:\n    import {module}  # noqa\n")
        refused = lint_imports(copy)
    finally:
        path.write_text(before)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert any("BROKEN" in line and contract in line for line in refused.stdout.splitlines()), refused.stdout
    assert module.split(".")[0] in refused.stdout


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
