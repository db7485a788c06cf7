"""The process that runs TF-MoDISco: ``python -P worker.py FOLDER OUTPUT.h5``.

It is started by file name and knows nothing of this project: TF-MoDISco forks, holds every seqlet in memory and
clusters with a GPL library, so all we share with it is a folder. The folder holds ``one_hot.npy`` (N, L, 4) int8,
``hypothetical.npy`` (N, L, 4) float32 and ``options.json`` (arguments of ``TFMoDISco`` by name); the worker adds
``result.json``: the seqlets of either sign, what kept TF-MoDISco from finding patterns (``problem``), what is wrong
with the installation (``error``), and which distributions ran (``versions``).

Two distributions install the same package, ``modiscolite``: modisco-lite, and modisco, which other tools bring. Either
can be used: with the same arguments modisco 2.5.2 and modisco-lite 3.0.0 gave the same files to the bit on the planted
motifs of our tests, 3.0.0 in a quarter of the time. Where both are installed, the one installed last has replaced the
other's files.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import numpy as np

DISTRIBUTIONS = ("modisco-lite", "modisco")
TRIED = ("2.5", "3")  # release series that give the results our tests expect
REMEDY = "run 'pip install --force-reinstall --no-deps modisco-lite==3.0.0'"
# What TF-MoDISco raises where there is nothing to cluster (empty arrays, constant scores); leidenalg raises a bare
# BaseException.
NOTHING_THERE = (ValueError, IndexError, ZeroDivisionError, FloatingPointError, TypeError)


def installation_problem(imported: str | None, installed: Mapping[str, str], complete: str | None) -> str:
    """What is wrong with the TF-MoDISco that was imported; empty if it can be used.

    Parameters
    ----------
    imported
        Its version; None if it cannot be imported.
    installed
        The versions of those of ``DISTRIBUTIONS`` that are installed.
    complete
        The distribution whose files are all there, unchanged, and of that version.
    """
    there = " and ".join(f"{name} {version}" for name, version in installed.items()) or "neither of them"
    if imported is None or not installed:
        return f"TF-MoDISco (modisco-lite or modisco) cannot be imported; installed: {there}; {REMEDY}"
    if not any(imported == series or imported.startswith(f"{series}.") for series in TRIED):
        return f"TF-MoDISco {imported} is not supported, only 3.x and 2.5.x; installed: {there}; {REMEDY}"
    if complete is None:
        return (
            f"TF-MoDISco: version {imported} was imported, but its files are not those of any distribution that is "
            f"installed ({there}); {REMEDY}"
        )
    return ""


def installed_distributions() -> dict[str, str]:
    """Versions of the distributions that provide TF-MoDISco."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def complete_distribution(imported: str, installed: Mapping[str, str]) -> str | None:
    """The distribution of the imported version whose files are as it installed them."""
    return next((name for name, version in installed.items() if version == imported and is_complete(name)), None)


def is_complete(distribution: str) -> bool:
    """Whether no file of its package is missing or another's, as far as its record tells."""
    files = [file for file in metadata.files(distribution) or [] if file.parts[0] == "modiscolite"]
    hashed = [(Path(str(file.locate())), file.hash) for file in files if file.hash]
    return all(_digest(path, recorded.mode) == recorded.value for path, recorded in hashed)


def _digest(path: Path, algorithm: str) -> str | None:
    if not path.is_file():
        return None
    return base64.urlsafe_b64encode(hashlib.new(algorithm, path.read_bytes()).digest()).decode().rstrip("=")


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


def check_installation(result: dict) -> None:
    """Note in ``result`` which TF-MoDISco is going to run, or what keeps it from it."""
    installed = installed_distributions()
    try:
        import modiscolite

        imported = str(modiscolite.__version__)
    except (ImportError, AttributeError):
        imported = None
    distribution = complete_distribution(imported, installed) if imported else None
    result["error"] = installation_problem(imported, installed, distribution)
    if distribution:
        result["versions"] = {distribution: imported, "leidenalg": metadata.version("leidenalg")}


def run(folder: Path, output: Path, result: dict) -> None:
    """Find the patterns and write them in TF-MoDISco's own layout; ``result`` is filled as far as we get."""
    check_installation(result)
    if result["error"]:
        return
    import modiscolite

    if hasattr(modiscolite.tfmodisco, "precompile"):  # 3.0 on; first of all: it forks, and turns on numba's disk cache
        modiscolite.tfmodisco.precompile.start()
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
    result: dict = {"positive": 0, "negative": 0, "problem": "", "error": "", "versions": {}}
    run(folder, output, result)
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
