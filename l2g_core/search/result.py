"""``search.json``: what the search found, and how later stages read it."""

from __future__ import annotations

from pathlib import Path

from l2g_core.errors import InputError
from l2g_core.model.embedders import EMBEDDERS, KernelDilation, embedder_class
from l2g_core.runs.files import read_json

SEARCH = "search.json"
WIDEST = 100_000  # bp of a kernel, or of its dilation


def read_search(folder: str | Path) -> tuple[str, tuple[KernelDilation, ...] | None]:
    """Read what stage 1 found.

    Parameters
    ----------
    folder
        The ``--output`` of ``l2g search``.

    Returns
    -------
    The embedder family, and the (kernel, dilation in bp) of each of its convolutions; None if the family has no
    convolution to search.

    Raises
    ------
    InputError
        There is no finished search in this folder, the file is not a search's, or it does not fit the embedder.
    """
    path = Path(folder) / SEARCH
    stored = read_json(path, "l2g search")
    try:
        embedder, found = stored["embedder"], stored["operators"]
        operators = None if found is None else tuple((int(kernel), int(dilation)) for kernel, dilation in found)
        numbers = [number for pair in operators or () for number in pair]
        if not isinstance(embedder, str) or not all(1 <= number <= WIDEST for number in numbers):
            raise ValueError("not an embedder with its kernels and dilations")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not the result of a search ({error!r}); run 'l2g search' again") from error
    if embedder not in EMBEDDERS:
        raise InputError(f"{path}: no embedder {embedder!r}; choose one of {', '.join(EMBEDDERS)}")
    expected = embedder_class(embedder).N_CONVOLUTIONS
    if operators is not None and len(operators) != expected:
        raise InputError(
            f"{path}: {len(operators)} operators, but {embedder} has {expected} convolutions; run 'l2g search' again"
        )
    return embedder, operators
