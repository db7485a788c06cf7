"""Contributions in the layouts of other tools: TF-MoDISco's command line, and chrombpnet (read by Fi-NeMo, too)."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from l2g_core.errors import InputError
from l2g_core.runs.files import atomic_write
from l2g_interp.records.hdf5 import atomic_hdf5
from l2g_interp.records.types import Attributions, check_targets, safe_name

log = logging.getLogger(__name__)
CHUNK_ROWS = 256


def write_modisco_npz(attributions: Attributions, target: str, folder: str | Path) -> tuple[Path, Path]:
    """Write the pair of files that the ``modisco`` command reads, each with one array ``arr_0`` of ``(n, 4, length)``.

    Use them as ``modisco motifs -s one_hot.npz -a hypothetical.<target>.npz -n 20000 -w 248``. Its window must be
    even and no longer than the sequences, so it drops the last base of an odd length; `discover_motifs` does not.

    Returns
    -------
    one_hot, hypothetical
        Paths of ``one_hot.npz`` (int8; the same for every target) and ``hypothetical.<target>.npz`` (float32).

    Raises
    ------
    InputError
        No such target.
    """
    check_targets([target], attributions.targets, "attributions")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sequences, scores = folder / "one_hot.npz", folder / f"hypothetical.{safe_name(target)}.npz"
    _save_npz(sequences, attributions.one_hot)
    _save_npz(scores, attributions[target].hypothetical)
    return sequences, scores


def write_chrombpnet_h5(attributions: Attributions, target: str, path: str | Path) -> None:
    """Write one target in chrombpnet's layout, arrays ``(n, 4, length)``, readable without HDF5 plug-ins.

    ``raw/seq`` int8 one-hot, ``shap/seq`` float16 hypothetical contributions, ``projected_shap/seq`` float16
    contributions. chrombpnet stores float16, too; values beyond its range are refused.

    Raises
    ------
    InputError
        No such target, or contributions beyond the range of float16.
    """
    check_targets([target], attributions.targets, "attributions")
    part = attributions[target]
    _check_half(part.hypothetical, target)
    with atomic_hdf5(path) as file:
        _dataset(file, "raw/seq", attributions.one_hot, np.int8)
        _dataset(file, "shap/seq", part.hypothetical, np.float16)
        _dataset(file, "projected_shap/seq", part.contributions, np.float16)


def _save_npz(path: Path, array: np.ndarray) -> None:
    with atomic_write(path) as unfinished, unfinished.open("wb") as handle:
        np.savez_compressed(handle, array)


def _check_half(values: np.ndarray, target: str) -> None:
    limits = np.finfo(np.float16)
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= float(limits.max):  # NaN is refused too
        raise InputError(
            f"target {target!r}: contributions up to {largest:.3g} do not fit chrombpnet's float16 (largest "
            f"{float(limits.max):.0f}); use the npz export, which is float32"
        )
    if 0 < largest < 100 * float(limits.smallest_subnormal):
        log.warning("target %r: contributions are so small (%.1e) that float16 loses them", target, largest)


def _dataset(file, name: str, array: np.ndarray, dtype: type) -> None:
    """One compressed data set, chunked by row and written a few rows at a time."""
    rows = max(1, min(len(array), CHUNK_ROWS))
    data = file.create_dataset(name, array.shape, dtype, chunks=(rows, *array.shape[1:]), compression="gzip")
    for start in range(0, len(array), rows):
        data[start : start + rows] = array[start : start + rows].astype(dtype)
