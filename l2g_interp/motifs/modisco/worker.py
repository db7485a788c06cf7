"""The process that runs TF-MoDISco: ``python -P modisco_worker.py FOLDER OUTPUT.h5``.

It is started by file name and knows nothing of this project: TF-MoDISco forks, holds every seqlet in memory and
clusters with a GPL library, so all we share with it is a folder. The folder holds ``one_hot.npy`` (N, L, 4) int8,
``hypothetical.npy`` (N, L, 4) float32 and ``options.json`` (arguments of ``TFMoDISco`` by name); the worker adds
``result.json``: the seqlets of either sign, what kept TF-MoDISco from finding patterns (``problem``), or what is
wrong with the installation (``error``).
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import numpy as np

DISTRIBUTION = "modisco-lite"
RIVAL = "modisco"  # another distribution with the same import name: whichever was installed last wins
# What TF-MoDISco raises where there is nothing to cluster (empty arrays, constant scores); leidenalg raises a bare
# BaseException.
NOTHING_THERE = (ValueError, IndexError, ZeroDivisionError, FloatingPointError, TypeError)


def installation_problem(imported: str, installed: str | None, rival: str | None) -> str:
    """Why the package that was imported is not the one we mean; empty if it is."""
    remedy = f"run 'pip uninstall {RIVAL} {DISTRIBUTION}', then 'pip install {DISTRIBUTION}=={{}}'"
    if installed is None:
        return f"TF-MoDISco: {DISTRIBUTION} is not installed; " + remedy.format("3.0.0")
    if rival is not None or imported != installed:
        other = f", and {RIVAL} {rival} is installed over the same files" if rival else ""
        return (
            f"TF-MoDISco: {DISTRIBUTION} {installed} is installed but version {imported} was imported{other}; "
            + remedy.format(installed)
        )
    return ""


def version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def count_seqlets(contributions: np.ndarray, options: dict) -> tuple[int, int]:
    """Seqlets of either sign that TF-MoDISco will find, before its cap on their number."""
    from modiscolite import extract_seqlets

    window, flank = options["sliding_window_size"], options["flank_size"]
    seqlets, threshold = extract_seqlets.extract_seqlets(
        attribution_scores=contributions,
        window_size=window,
        flank=flank,
        suppress=int(0.5 * window) + flank,
        target_fdr=options["target_seqlet_fdr"],
        min_passing_windows_frac=options["min_passing_windows_frac"],
        max_passing_windows_frac=options["max_passing_windows_frac"],
        weak_threshold_for_counting_sign=options["weak_threshold_for_counting_sign"],
    )
    sums = np.array([contributions[s.example_idx, s.start + flank : s.end - flank].sum() for s in seqlets])
    return int((sums > threshold).sum()), int((sums < -threshold).sum())


def run(folder: Path, output: Path, result: dict) -> None:
    """Find the patterns and write them in TF-MoDISco's own layout; ``result`` is filled as far as we get."""
    import modiscolite

    error = installation_problem(modiscolite.__version__, version(DISTRIBUTION), version(RIVAL))
    if error:
        result["error"] = error
        return
    modiscolite.precompile.start()  # first of all: it forks, and turns on numba's cache on disk
    options = json.loads((folder / "options.json").read_text())
    one_hot = np.load(folder / "one_hot.npy", allow_pickle=False).astype(np.float32)
    hypothetical = np.load(folder / "hypothetical.npy", allow_pickle=False)
    patterns = (None, None)
    try:
        contributions = (one_hot * hypothetical).sum(axis=2)
        result["positive"], result["negative"] = count_seqlets(contributions, options)
        if max(result["positive"], result["negative"]) > options["min_metacluster_size"]:
            patterns = modiscolite.tfmodisco.TFMoDISco(one_hot, hypothetical, **options)
    except BaseException as problem:
        if type(problem) is not BaseException and not isinstance(problem, NOTHING_THERE):
            raise
        result["problem"] = f"{type(problem).__name__}: {problem}"
    modiscolite.io.save_hdf5(output, *patterns, window_size=one_hot.shape[1])


def main(folder: Path, output: Path) -> None:
    result: dict = {"positive": 0, "negative": 0, "problem": "", "error": ""}
    run(folder, output, result)
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
