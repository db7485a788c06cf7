"""TF-MoDISco: from contributions to recurring patterns. Only this file and its worker use modisco-lite.

TF-MoDISco runs in a separate process (``worker.py``), over the full length of the sequences, once per target.
Its file keeps TF-MoDISco's own layout (``modisco report``, ``modisco meme`` and Fi-NeMo read it) and holds every
pattern; patterns of few seqlets are dropped when the file is read. Attributes that we add to the file:
``target``, ``options``, ``versions`` and ``attributions`` (JSON), ``positive_seqlets``, ``negative_seqlets``, ``note``,
``dropped_seqlets`` (those in padding or N, which are taken out).
Compiled kernels are cached by numba next to the package or in the user's cache folder (or in ``NUMBA_CACHE_DIR``).
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l2g_core.console import waiting
from l2g_core.errors import InputError
from l2g_core.runs.files import atomic_write
from l2g_core.runs.scratch import scratch_folder
from l2g_interp.motifs.modisco.file import MIN_SEQLETS, Discovery, note_of, read_discovery, read_patterns
from l2g_interp.motifs.modisco.gaps import drop_gapped
from l2g_interp.motifs.modisco.run import canonical_order, run_worker
from l2g_interp.records.attributions_file import read_attributions, read_overview
from l2g_interp.records.types import Attributions, Pattern, check_targets, safe_name

__all__ = ["Discovery", "ModiscoOptions", "discover_motifs", "read_discovery", "read_patterns"]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModiscoOptions:
    """Every parameter of TF-MoDISco, by its name there; all are passed explicitly and recorded.

    Where the tool's command line and its Python function differ, the values are the function's (window 21, flank
    10, false-discovery rate 0.2; the command: 20, 5, 0.05) but for the Leiden runs (the command's 2, not 50).
    On the published DeepSTARR network (860 enhancers of 249 bp, 10 references) they gave six patterns of 30 seqlets or
    more for hk (DRE, Ohler1, Ohler7, E-box, Ohler6, CAGTGTTGCC), the command's values three, one of them a mixture;
    for dev both gave the same five. 50 Leiden runs took several times as long for the same patterns.
    ``max_seqlets_per_metacluster`` caps the seqlets of a sign; ``min_metacluster_size`` is how many it needs.
    """

    sliding_window_size: int = 21
    flank_size: int = 10
    target_seqlet_fdr: float = 0.2
    max_seqlets_per_metacluster: int = 20_000
    min_metacluster_size: int = 100
    n_leiden_runs: int = 2
    n_leiden_iterations: int = -1
    trim_to_window_size: int = 30
    initial_flank_to_add: int = 10
    final_flank_to_add: int = 0
    weak_threshold_for_counting_sign: float = 0.8
    min_passing_windows_frac: float = 0.03
    max_passing_windows_frac: float = 0.2
    min_overlap_while_sliding: float = 0.7
    nearest_neighbors_to_compute: int = 500
    affmat_correlation_threshold: float = 0.15
    tsne_perplexity: float = 10.0
    frac_support_to_trim_to: float = 0.2
    min_num_to_trim_to: int = 30
    prob_and_pertrack_sim_merge_thresholds: tuple = ((0.8, 0.8), (0.5, 0.85), (0.2, 0.9))
    prob_and_pertrack_sim_dealbreaker_thresholds: tuple = ((0.4, 0.75), (0.2, 0.8), (0.1, 0.85), (0.0, 0.9))
    subcluster_perplexity: int = 50
    merging_max_seqlets_subsample: int = 1000
    final_min_cluster_size: int = 20
    min_ic_in_window: float = 0.6
    min_ic_windowsize: int = 6
    ppm_pseudocount: float = 0.001

    @property
    def shortest(self) -> int:
        """Length in bp below which no seqlet fits."""
        return self.sliding_window_size + 2 * self.flank_size + 1


# TF-MoDISco's settings by how many sequences there are. On 500 + 500 enhancers of the published DeepSTARR network the
# sensitive ones find nine patterns for dev and eight for hk, the standard ones five each; on all 4,500 they add
# mixtures. Where both find as many, as in the demo, the patterns of the standard ones are wider and easier to name.
SENSITIVE: dict[str, Any] = {"min_passing_windows_frac": 0.1, "sliding_window_size": 11}
SENSITIVITIES: dict[str, dict[str, Any]] = {"standard": {}, "sensitive": SENSITIVE}
FEW_SEQUENCES = 1000  # up to this many both are tried, and the sensitive ones are taken if they find more patterns


def options_for(n_sequences: int, sensitivity: str = "auto", **more: Any) -> list[ModiscoOptions]:
    """The settings to try: one of `SENSITIVITIES`, or those that fit the number of sequences."""
    names = [sensitivity]
    if sensitivity == "auto":
        names = list(SENSITIVITIES) if n_sequences <= FEW_SEQUENCES else ["standard"]
    return [ModiscoOptions(**{**SENSITIVITIES[name], **more}) for name in names]


def least_seqlets(to_try: Sequence[ModiscoOptions]) -> int:
    """Seqlets that a pattern must have by default: fewer where the sensitive settings are tried."""
    sensitive = any(options.min_passing_windows_frac >= SENSITIVE["min_passing_windows_frac"] for options in to_try)
    return 20 if sensitive else MIN_SEQLETS


def motifs_file(target: str) -> str:
    """The name of the file with a target's motifs."""
    return f"motifs.{safe_name(target)}.h5"


def discover_motifs(
    attributions: Attributions | str | Path,
    *,
    targets: Sequence[str] | None = None,
    options: ModiscoOptions | Sequence[ModiscoOptions] | None = None,
    min_seqlets: int | None = None,
    output_dir: str | Path | None = None,
    keep: bool = False,
    progress: bool = False,
) -> Discovery:
    """Find the motifs that recur in the contributions to each target, positive and negative (paper, appendix A.8).

    The result does not depend on the order of the sequences.

    Parameters
    ----------
    attributions
        In memory, or the path of an ``attributions.h5``, which is then read one target at a time.
    targets
        Names; all of them by default.
    options
        TF-MoDISco's parameters; by default those that fit the number of sequences (`options_for`). Of several, those
        are taken, for each target, that find most patterns; the first of those that find as many.
    min_seqlets
        Drop patterns with fewer seqlets from the result (30, or 20 with the sensitive settings). The file keeps them.
    output_dir
        Folder for ``motifs.<target>.h5``; without it no file is kept.
    keep
        Read the files of targets that are there already, and find the motifs of the others: the same work goes on.
    progress
        Show a spinner with the elapsed time; in a log file, a line a minute.

    Returns
    -------
    Discovery
        Patterns by target, with matrices ``(4, width)`` in the units of the model's output, and notes on targets
        without any.

    Raises
    ------
    InputError
        An unknown target, contributions that are not finite, sequences too short for a seqlet, a folder that cannot
        be written to, or TF-MoDISco is missing, incomplete or of another series.
    RuntimeError
        TF-MoDISco's process died, for example because it ran out of memory.
    """
    options = options or options_for(_count(attributions))
    to_try = [options] if isinstance(options, ModiscoOptions) else list(options)
    least = least_seqlets(to_try) if min_seqlets is None else min_seqlets
    patterns: dict[str, list[Pattern]] = {}
    notes: dict[str, str] = {}
    if output_dir is not None:
        _make_writable(Path(output_dir))
    with scratch_folder(".modisco-", output_dir) as scratch:
        folder = scratch if output_dir is None else Path(output_dir)
        for target in targets or _targets(attributions):
            path = folder / motifs_file(target)
            if keep and path.exists():
                log.info("%s: found earlier, left as it is", target)
            else:
                part = _one_target(attributions, target)
                with waiting(f"TF-MoDISco: {target}", progress):
                    _discover_best(part, target, to_try, path, scratch, least)
            patterns[target] = read_patterns(path, target, least)
            if note := note_of(path, len(patterns[target]), least):
                notes[target] = note
                log.warning("%s: %s", target, note)
    return Discovery(patterns, notes)


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror}); choose another output folder") from error


def _targets(attributions: Attributions | str | Path) -> tuple[str, ...]:
    if isinstance(attributions, Attributions):
        return attributions.targets
    return read_attributions(attributions, rows=[]).targets


def _count(attributions: Attributions | str | Path) -> int:
    return len(attributions if isinstance(attributions, Attributions) else read_overview(attributions).ids)


def _one_target(attributions: Attributions | str | Path, target: str) -> Attributions:
    if not isinstance(attributions, Attributions):
        return read_attributions(attributions, targets=[target])
    check_targets([target], attributions.targets, "attributions")
    return attributions


def _discover_best(
    attributions: Attributions,
    target: str,
    to_try: Sequence[ModiscoOptions],
    path: Path,
    scratch: Path,
    min_seqlets: int,
) -> None:
    """Try every setting that seqlets fit into, and put the file of the best under its name."""
    length = attributions.one_hot.shape[2]
    able = [options for options in to_try if options.shortest <= length] or list(to_try)[:1]
    if len(able) == 1:
        return _discover(attributions, target, able[0], path)
    found = []
    for number, options in enumerate(able):
        file = scratch / f"{number}.{motifs_file(target)}"
        _discover(attributions, target, options, file)
        patterns = read_patterns(file, target, min_seqlets)
        found.append((len(patterns), -number, file))
    with atomic_write(path) as unfinished:
        shutil.copyfile(max(found)[2], unfinished)
    told = [f"window {o.sliding_window_size}: {n} patterns" for o, (n, *_) in zip(able, found, strict=True)]
    log.info("%s: %s", target, "; ".join(told))


def _discover(attributions: Attributions, target: str, options: ModiscoOptions, path: Path) -> None:
    """Run TF-MoDISco for one target and put its file, complete, under its name."""
    _check(attributions, target, options)
    order = canonical_order(attributions)
    with atomic_write(path) as unfinished:
        result = run_worker(attributions, target, asdict(options), order, unfinished)
        _finish(unfinished, attributions, target, options, order, result)


def _check(attributions: Attributions, target: str, options: ModiscoOptions) -> None:
    finite = np.isfinite(attributions[target].hypothetical).all(axis=(1, 2))
    if not finite.all():
        name = attributions.ids[int(np.argmin(finite))]
        raise InputError(
            f"target {target!r}: contributions to {name!r} are not finite; look at the model's output for it, "
            "and leave the sequence out or compute the attributions again"
        )
    length = attributions.one_hot.shape[2]
    if length < options.shortest:
        raise InputError(
            f"target {target!r}: sequences of {length} bp are too short for TF-MoDISco, which needs "
            f"{options.shortest} bp; use longer sequences"
        )


def _finish(path: Path, attributions: Attributions, target: str, options: ModiscoOptions, order, result) -> None:
    """Map the seqlets to the rows of the attributions, and record how the file was made."""
    import h5py

    with h5py.File(path, "r+") as file:
        seqlets: list[h5py.Dataset] = []
        file.visititems(lambda name, item: seqlets.append(item) if name.endswith("/example_idx") else None)
        for rows in seqlets:
            rows[...] = order[rows[...]]
        dropped, found = drop_gapped(file, attributions.one_hot)
        if dropped:
            log.warning(
                "%s: %d of the %d seqlets of patterns reached into padding or N, and were left out",
                target, dropped, found,
            )  # fmt: skip
        file.attrs["dropped_seqlets"] = dropped
        file.attrs["target"] = target
        file.attrs["options"] = json.dumps(asdict(options))
        file.attrs["versions"] = json.dumps(result["versions"])
        file.attrs["attributions"] = json.dumps({"n": len(attributions), **attributions.provenance}, default=str)
        file.attrs["positive_seqlets"] = result["positive"]
        file.attrs["negative_seqlets"] = result["negative"]
        file.attrs["note"] = _statement(result, options)


def _statement(result: dict, options: ModiscoOptions) -> str:
    """Why there are no patterns, when TF-MoDISco did not get as far as clustering; empty if it did."""
    positive, negative, needed = result["positive"], result["negative"], options.min_metacluster_size
    if result["problem"] and not positive + negative:
        return "TF-MoDISco found no stretch whose contributions stand out, so there are no patterns."
    if result["problem"]:
        return (
            f"TF-MoDISco could not cluster the {positive:,} positive and {negative:,} negative seqlets "
            f"({result['problem']}), so there are no patterns; try more sequences."
        )
    if max(positive, negative) <= needed:
        return (
            f"Too few seqlets: {positive:,} positive and {negative:,} negative, and TF-MoDISco needs more than "
            f"{needed:,} of a sign, so there are no patterns; use more sequences."
        )
    return ""
