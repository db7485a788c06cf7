"""Import this first on a bare machine: torch, transformers, h5py and scipy are enough to run the checkout.

What only types or draws (jaxtyping, matplotlib for captum) is stood in for where it is not installed, wheels in
``build/wheels`` are importable, and the checkout counts as installed. Nothing of that happens where all is installed.
"""

from __future__ import annotations

import atexit
import importlib.abc
import importlib.machinery
import importlib.metadata
import os
import shutil
import sys
import tempfile
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STOOD_IN = ("jaxtyping", "matplotlib", "mpl_toolkits", "PIL", "lazy_loader")
BARE = ("torch", "transformers", "h5py", "scipy", "setuptools")
CARRIED = ("captum",)
AGAIN = "L2G_STARTED_AS_IF_BARE"


class _Anything:
    """Whatever is asked of a package that is not there: it can be called, indexed, and asked for more."""

    def __class_getitem__(cls, item: Any) -> type:
        return cls

    def __init__(self, *given: Any, **more: Any) -> None:
        """Takes whatever it is given."""


class _StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds packages that are stood in for; last in the order, so that installed ones win."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        known = name.partition(".")[0] in STOOD_IN
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if known else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__getattr__ = _asked  # type: ignore[method-assign]
        if spec.name == "lazy_loader":
            module.attach_stub = lambda *_: (_absent, list, [])  # type: ignore[attr-defined]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


def _as_if_bare() -> None:
    """Start this program again with a folder of links to `BARE` and what these need, in place of what is installed."""
    place = Path(tempfile.mkdtemp(prefix="bare-"))
    for name in sorted(_with_requirements(BARE) | {*CARRIED}):
        files = importlib.metadata.files(name) or ()
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            found = Path(str(importlib.metadata.distribution(name).locate_file(top)))
            if not (place / top).exists():
                (place / top).symlink_to(found)
    os.environ |= {"PYTHONPATH": str(place), AGAIN: "1"}
    os.execv(sys.executable, [sys.executable, "-S", *sys.argv])


def _with_requirements(names: Sequence[str]) -> set[str]:
    """Installed packages with everything that they ask for."""
    from packaging.requirements import Requirement

    found, todo = set[str](), list(names)
    while todo:
        name = _normal(todo.pop())
        if name not in found:
            try:
                asked = [Requirement(each) for each in importlib.metadata.requires(name) or ()]
            except importlib.metadata.PackageNotFoundError:  # of other systems
                continue
            found.add(name)
            todo += [each.name for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def _asked(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Anything


def _absent(name: str) -> Any:
    raise AttributeError(name)


def set_up(argv: Sequence[str] = sys.argv) -> None:
    """Make the checkout importable, with what is missing stood in for; ``--bare`` makes all but `BARE` missing."""
    if AGAIN in os.environ:
        atexit.register(shutil.rmtree, os.environ["PYTHONPATH"])
    elif "--bare" in argv:
        _as_if_bare()
    sys.path[:0] = [str(ROOT), *map(str, ROOT.glob("build/wheels/*.whl"))]
    sys.meta_path.append(_StandIn())
    try:
        importlib.metadata.version("l2g-interp")
    except importlib.metadata.PackageNotFoundError:
        place = Path(tempfile.mkdtemp(prefix="l2g-")) / "l2g_interp-0.dist-info"
        place.mkdir()
        (place / "METADATA").write_text("Metadata-Version: 2.1\nName: l2g-interp\nVersion: 0+checkout\n")
        sys.path.append(str(place.parent))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


set_up()
