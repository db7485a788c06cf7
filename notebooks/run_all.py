"""Run notebooks afresh and keep what they print and draw: ``python notebooks/run_all.py [NAME ...]``.

Every notebook runs in an empty folder of its own, in a kernel of this environment. ``--output`` writes the executed
copies elsewhere; without it the notebooks themselves are replaced, each only once it ran without an error.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
SECONDS_PER_CELL = 600


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="such as 01_quick_start.ipynb; all by default")
    parser.add_argument("--output", type=Path, help="folder for the executed copies, instead of replacing them")
    given = parser.parse_args(arguments)
    for path in [HERE / name for name in given.names] or sorted(HERE.glob("*.ipynb")):
        start = time.monotonic()
        notebook = execute(path)
        nbformat.write(notebook, (given.output or HERE) / path.name)
        print(f"{path.name}: {time.monotonic() - start:.0f} s", file=sys.stderr)


def execute(path: Path) -> NotebookNode:
    """The notebook with fresh outputs.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell raised what it was not marked (``raises-exception``) to raise.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(prefix="nb-") as scratch:
        work, own = Path(scratch) / "work", Path(scratch) / "jupyter"
        work.mkdir()
        own.mkdir()
        # The user's own settings and start-up files must not decide what a notebook prints.
        environment = os.environ | {
            "IPYTHONDIR": str(own),
            "JUPYTER_CONFIG_DIR": str(own),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm's, where Jupyter's widgets are not installed
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        kernel = KernelManager(
            kernel_name="python3",
            transport="ipc",  # sockets in the scratch folder: no ports that another process may take meanwhile
            connection_file=str(own / "k.json"),
        )
        client = NotebookClient(
            notebook,
            km=kernel,
            timeout=SECONDS_PER_CELL,
            record_timing=False,
            resources={"metadata": {"path": str(work)}},
        )
        try:
            client.execute(env=environment, cwd=str(work))
        finally:
            if kernel.has_kernel:
                kernel.shutdown_kernel(now=True)
    return tidied(notebook)


def tidied(notebook: NotebookNode) -> NotebookNode:
    """Without what differs between machines: the Python version and the kernel's own settings."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
    return notebook


if __name__ == "__main__":
    main()
