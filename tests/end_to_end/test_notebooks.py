"""The notebooks: they run as they are, use what is public only, and keep small outputs that tell of no machine."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
README = FOLDER.parent / "README.md"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))
LARGEST = 400_000  # bytes of a notebook with its outputs
OURS = ("l2g_core", "l2g_interp", "motif_db")
PICTURES = {"image/png", "image/svg+xml"}
OF_A_MACHINE = re.compile(r"(?<![\w.:/])(?:/(?:home|Users|root|work|tmp|usr|opt|var|mnt)/|[A-Z]:\\)")


def opened(name: str) -> NotebookNode:
    return nbformat.read(FOLDER / name, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook: NotebookNode) -> str:
    """Everything that its cells show as text."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    shown = [output.text for output in outputs if output.output_type == "stream"]
    for output in outputs:
        shown += [str(content) for kind, content in output.get("data", {}).items() if kind not in PICTURES]
    return "\n".join(shown)


def public_modules() -> set[str]:
    """Those that the README promises: the backquoted names of its paragraph on what is public."""
    (paragraph,) = re.findall(r"^Public are .*?\n\n", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return {name for name in re.findall(r"`([\w.]+)`", paragraph) if name.split(".")[0] in OURS}


def imports(source: str) -> set[tuple[str, str]]:
    """(module, name) of every import of ours; the name is empty for ``import module``."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "", alias.name) for alias in node.names}
    return {(module, name) for module, name in found if module.split(".")[0] in OURS}


def test_there_are_notebooks() -> None:
    assert len(NAMES) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_only_public_names_are_imported(name: str) -> None:
    used = {pair for cell in code_cells(opened(name)) for pair in imports(cell.source)}
    assert used, f"{name} shows nothing of ours"
    public = public_modules()
    for module, imported in used:
        assert module in public, f"{name} imports {module}, which the README does not call public"
        assert not imported.startswith("_")
        promised = getattr(importlib.import_module(module), "__all__", [imported])
        assert not imported or imported in promised, f"{name}: {module}.__all__ lacks {imported}"


def test_what_the_readme_calls_public_is_there() -> None:
    modules = public_modules()
    assert {"l2g_interp", "l2g_core.dna", "motif_db"} <= modules
    for module in modules:
        importlib.import_module(module)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_kept_and_small(name: str) -> None:
    notebook = opened(name)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run it: notebooks/run_all.py"
    kinds = {kind for cell in cells for output in cell.outputs for kind in output.get("data", {})}
    assert kinds & PICTURES
    assert (FOLDER / name).stat().st_size < LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_outputs_tell_of_no_machine_time_or_trouble(name: str) -> None:
    notebook = opened(name)
    for cell in code_cells(notebook):
        assert not cell.metadata, "timings or settings of an editor were stored"
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text
    shown = printed(notebook)
    assert "Warning" not in shown
    assert "\r" not in shown, "the remains of a progress bar"
    everything = shown + "".join(cell.source for cell in notebook.cells)
    assert OF_A_MACHINE.search(everything) is None


def kinds(cell) -> list[str]:
    """What kinds of output follow one another; how often a printed text is cut up depends on the machine."""
    return [kind for kind, _ in groupby(output.output_type for output in cell.outputs)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_without_an_error_or_a_warning(name: str, tmp_path: Path) -> None:
    """By the command that contributors use; in a process of its own, for kernels bring event loops and sockets."""
    command = (sys.executable, str(FOLDER / "run_all.py"), "--output", str(tmp_path), name)
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    fresh = nbformat.read(tmp_path / name, as_version=4)
    assert [cell.source for cell in fresh.cells] == [cell.source for cell in opened(name).cells]
    for cell, stored in zip(code_cells(fresh), code_cells(opened(name)), strict=True):
        assert kinds(cell) == kinds(stored), cell.source
        assert not [o.text for o in cell.outputs if o.get("name") == "stderr"]
