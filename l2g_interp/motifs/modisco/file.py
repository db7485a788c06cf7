"""Reading TF-MoDISco's files: ours, which have a few more attributes, and those of the tool's own command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from l2g_core.errors import InputError
from l2g_interp.records.types import Pattern, Seqlets

MIN_SEQLETS = 30
GROUPS = {"pos_patterns": "+", "neg_patterns": "-"}


@dataclass(frozen=True)
class Discovery:
    """``patterns`` by target, in TF-MoDISco's order; ``notes`` by target, where there is a reason why it found none."""

    patterns: dict[str, list[Pattern]]
    notes: dict[str, str] = field(default_factory=dict)


def read_patterns(path: str | Path, target: str, min_seqlets: int = MIN_SEQLETS) -> list[Pattern]:
    """Read a TF-MoDISco file, ours or the tool's own: positive patterns first, each sign in TF-MoDISco's order.

    Parameters
    ----------
    path
        ``motifs.<target>.h5``. Seqlets are relative to TF-MoDISco's window, which here is the whole sequence.
    target
        Name to give to the patterns.
    min_seqlets
        Leave out patterns with fewer.

    Raises
    ------
    InputError
        No such file, or not a TF-MoDISco file.
    """
    with _open(path) as file:
        return [
            _pattern(file[group][name], target, f"{group}.{name}", sign)
            for group, sign in GROUPS.items()
            if group in file
            for name in sorted(file[group], key=lambda name: int(name.rsplit("_", 1)[1]))
            if int(file[group][name]["seqlets/n_seqlets"][0]) >= min_seqlets
        ]


def read_discovery(folder: str | Path, min_seqlets: int = MIN_SEQLETS) -> Discovery:
    """Read every ``motifs.<target>.h5`` of a folder, as `discover_motifs` returned it.

    Raises
    ------
    InputError
        No such file in the folder, or one of them is damaged.
    """
    paths = sorted(Path(folder).glob("motifs.*.h5"))
    if not paths:
        raise InputError(f"{folder}: no motifs.<target>.h5 in it; make them with 'l2g-interp motifs'")
    patterns: dict[str, list[Pattern]] = {}
    notes: dict[str, str] = {}
    for path in paths:
        with _open(path) as file:
            target = str(file.attrs.get("target", path.name.removeprefix("motifs.").removesuffix(".h5")))
        patterns[target] = read_patterns(path, target, min_seqlets)
        if note := note_of(path, len(patterns[target]), min_seqlets):
            notes[target] = note
    return Discovery(patterns, notes)


def options_of(path: Path) -> dict:
    """The settings that made a file of ours; empty for one of the tool's own."""
    with _open(path) as file:
        return json.loads(file.attrs.get("options", "{}"))


def note_of(path: Path, n_patterns: int, min_seqlets: int) -> str:
    """A note for the reader on a file from which ``n_patterns`` were read; empty if there is nothing to say."""
    with _open(path) as file:
        note = str(file.attrs.get("note", ""))
        found = sum(len(file[group]) for group in GROUPS if group in file)
    if n_patterns or note:
        return note
    if found:
        return f"All {found} patterns have fewer than {min_seqlets} seqlets; lower --min-seqlets or use more sequences."
    return "TF-MoDISco found no pattern in the seqlets; use more sequences."


def _pattern(group, target: str, name: str, sign: str) -> Pattern:
    def matrix(key: str) -> np.ndarray:
        return np.ascontiguousarray(group[key][...].T)

    def column(key: str, kind: type) -> np.ndarray:
        return group["seqlets"][key][...].astype(kind)

    return Pattern(
        target,
        name,
        sign,
        ppm=matrix("sequence"),
        cwm=matrix("contrib_scores"),
        hcwm=matrix("hypothetical_contribs"),
        seqlets=Seqlets(
            example=column("example_idx", np.int64),
            start=column("start", np.int64),
            end=column("end", np.int64),
            is_revcomp=column("is_revcomp", np.bool_),
        ),
    )


@contextmanager
def _open(path: str | Path) -> Iterator:
    import h5py

    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; make it with 'l2g-interp motifs'")
    try:
        with h5py.File(path) as file:
            if "window_size" not in file.attrs and not GROUPS.keys() & file.keys():
                raise KeyError("no patterns and no window_size")
            yield file
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path}: not a TF-MoDISco file ({error}); make it again with 'l2g-interp motifs'") from error
