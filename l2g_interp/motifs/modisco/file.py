"""Reading TF-MoDISco's files: ours, which have a few more attributes, and those of the tool's own command line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from jaxtyping import Bool, Int8

from l2g_core.errors import InputError
from l2g_core.faults import check_readable
from l2g_interp.motifs.modisco.gaps import MEANS, count_gaps, lie_on_bases
from l2g_interp.records.attributions_file import UNREADABLE
from l2g_interp.records.hdf5 import array, attribute, damaged, has, member, names, open_hdf5, value
from l2g_interp.records.types import Pattern, Seqlets

log = logging.getLogger(__name__)
MIN_SEQLETS = 30
WIDEST = 10_000  # bp of a pattern
ROUNDING = 1e-4
OTHERS = "give the attributions of the sequences in which its motifs were found, or remove them"
PATTERN = re.compile(r"pattern_(\d{1,6})")
GROUPS = {"pos_patterns": "+", "neg_patterns": "-"}


@dataclass(frozen=True)
class Discovery:
    """``patterns`` by target, in TF-MoDISco's order; ``notes`` by target, where there is a reason why it found none."""

    patterns: dict[str, list[Pattern]]
    notes: dict[str, str] = field(default_factory=dict)


def read_patterns(
    path: str | Path,
    target: str,
    min_seqlets: int = MIN_SEQLETS,
    one_hot: Int8[np.ndarray, "n 4 length"] | None = None,
) -> list[Pattern]:
    """Read a TF-MoDISco file, ours or the tool's own: positive patterns first, each sign in TF-MoDISco's order.

    Parameters
    ----------
    path
        ``motifs.<target>.h5``. Seqlets are relative to TF-MoDISco's window, which in our files is the whole sequence.
    target
        Name to give to the patterns.
    min_seqlets
        Leave out patterns with fewer.
    one_hot
        The sequences in which the motifs of a file of the tool's own were found. With them seqlets are placed in the
        whole sequence (the tool's window lies in its middle), and those that reach into padding or N are left out.

    Raises
    ------
    InputError
        No such file, not a TF-MoDISco file, or one of other sequences than ``one_hot``.
    """
    with _open(path) as file:
        found = [
            (member(file, f"{group}/{name}"), f"{group}.{name}", sign)
            for group, sign in GROUPS.items()
            if has(file, group)
            for name in sorted(names(file, group), key=_number)
        ]
        read = [_pattern(group, target, name, sign) for group, name, sign in found]
        if one_hot is not None:
            window = value(file, "window_size", one_hot.shape[2])
            read = _placed(read, [group for group, _, _ in found], one_hot, window, str(path))
    return [pattern for pattern in read if pattern.n_seqlets >= min_seqlets]


def read_discovery(
    folder: str | Path, min_seqlets: int = MIN_SEQLETS, one_hot: Int8[np.ndarray, "n 4 length"] | None = None
) -> Discovery:
    """Read every ``motifs.<target>.h5`` of a folder, as `discover_motifs` returned it, or a single file.

    ``min_seqlets`` and ``one_hot`` are those of `read_patterns`.

    Raises
    ------
    InputError
        No such file in the folder, one of them is damaged, or two are about the same target.
    """
    folder = Path(folder)
    paths = [folder] if folder.is_file() else sorted(folder.glob("motifs.*.h5"))
    if not paths:
        raise InputError(f"{folder}: no motifs.<target>.h5 in it; make them with 'l2g-interp motifs'")
    patterns: dict[str, list[Pattern]] = {}
    notes: dict[str, str] = {}
    for path in paths:
        target = target_of(path)
        if target in patterns:
            raise InputError(f"{path}: another file of the folder is about target {target!r}, too; remove one")
        patterns[target] = read_patterns(path, target, min_seqlets, one_hot)
        if note := note_of(path, len(patterns[target]), min_seqlets):
            notes[target] = note
    return Discovery(patterns, notes)


def target_of(path: Path) -> str:
    """The target of a file: as it says (ours do), or as it is called (``motifs.dev.h5``, ``dev.h5``)."""
    with _open(path) as file:
        name = path.name.removeprefix("motifs.").removesuffix(".h5").removesuffix(".hdf5")
        return value(file, "target", unquote(name))


def options_of(path: Path) -> dict:
    """The settings that made a file of ours; empty for one of the tool's own."""
    with _open(path) as file:
        return attribute(file, "options", dict) if "options" in file.attrs else {}


def note_of(path: Path, n_patterns: int, min_seqlets: int) -> str:
    """A note for the reader on a file from which ``n_patterns`` were read; empty if there is nothing to say."""
    with _open(path) as file:
        note = value(file, "note", "")
        found = sum(len(names(file, group)) for group in GROUPS if has(file, group))
    if n_patterns or note:
        return note
    if found:
        return f"All {found} patterns have fewer than {min_seqlets} seqlets; lower --min-seqlets or use more sequences."
    return "TF-MoDISco found no pattern in the seqlets; use more sequences."


def _number(name: str) -> int:
    found = PATTERN.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no pattern")
    return int(found[1])


def _pattern(group: Any, target: str, name: str, sign: str) -> Pattern:
    width = array(group, "sequence", "f", (None, 4)).shape[0]
    if not 0 < width <= WIDEST:
        raise ValueError(f"{name} is {width} bp wide")
    ppm, cwm, hcwm = (np.ascontiguousarray(array(group, key, "f", (width, 4))[...].T) for key in MEANS)
    n = array(group, "seqlets/example_idx", "iu").shape[0]

    def column(key: str, kinds: str, kind: type) -> np.ndarray:
        return array(group, f"seqlets/{key}", kinds, (n,))[...].astype(kind)

    seqlets = Seqlets(
        example=column("example_idx", "iu", np.int64),
        start=column("start", "iu", np.int64),
        end=column("end", "iu", np.int64),
        is_revcomp=column("is_revcomp", "biu", np.bool_),
    )
    if not (np.isfinite(ppm).all() and np.isfinite(cwm).all() and np.isfinite(hcwm).all()):
        raise ValueError(f"{name} has values that are not finite")
    if (seqlets.end - seqlets.start != width).any():
        raise ValueError(f"{name} has seqlets of another width")
    return Pattern(target, name, sign, ppm=ppm, cwm=cwm, hcwm=hcwm, seqlets=seqlets)


def _placed(
    patterns: list[Pattern], groups: list[Any], one_hot: Int8[np.ndarray, "n 4 length"], window: int, source: str
) -> list[Pattern]:
    """The patterns with their seqlets where they lie in the whole sequence, without those in padding or N."""
    shift, gaps = one_hot.shape[2] // 2 - window // 2, count_gaps(one_hot)
    placed, dropped = [], 0
    for pattern, group in zip(patterns, groups, strict=True):
        seqlets = replace(pattern.seqlets, start=pattern.seqlets.start + shift, end=pattern.seqlets.end + shift)
        if (seqlets.example < 0).any() or (seqlets.example >= len(one_hot)).any():
            raise InputError(f"{source}: {pattern.name} lies in more sequences than the {len(one_hot)} here; {OTHERS}")
        kept = lie_on_bases(seqlets.example, seqlets.start, seqlets.end, gaps)
        dropped += int((~kept).sum())
        if kept.any():
            placed.append(_kept(replace(pattern, seqlets=seqlets), group, kept, one_hot, source))
    if dropped:
        log.warning("%s: %d seqlets reach into padding or N, and are left out", source, dropped)
    return placed


def _kept(
    pattern: Pattern, group: Any, kept: Bool[np.ndarray, " k"], one_hot: Int8[np.ndarray, "n 4 length"], source: str
) -> Pattern:
    seqlets = Seqlets(**{name: values[kept] for name, values in vars(pattern.seqlets).items()})
    width, n = pattern.ppm.shape[1], len(kept)
    means = [array(group, f"seqlets/{key}", "f", (n, width, 4))[...][kept].mean(axis=0).T for key in MEANS]
    columns = seqlets.start[:, None] + np.arange(width)
    letters = one_hot[seqlets.example[:, None], :, columns].astype(np.float64)  # (k, width, 4)
    letters[seqlets.is_revcomp] = letters[seqlets.is_revcomp][:, ::-1, ::-1]
    if np.abs(letters.mean(axis=0).T - means[0]).max() > ROUNDING:
        raise InputError(f"{source}: the letters under {pattern.name} are not those of the sequences here; {OTHERS}")
    if not kept.all():
        ppm, cwm, hcwm = (np.ascontiguousarray(mean) for mean in means)
        pattern = replace(pattern, ppm=ppm, cwm=cwm, hcwm=hcwm)
    return replace(pattern, seqlets=seqlets)


@contextmanager
def _open(path: str | Path) -> Iterator[Any]:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; make it with 'l2g-interp motifs'")
    check_readable(path)
    try:
        with open_hdf5(path) as file:
            if "window_size" not in file.attrs and not any(has(file, group) for group in GROUPS):
                raise KeyError("no patterns and no window_size")
            yield file
    except InputError:
        raise
    except UNREADABLE as error:
        raise damaged(Path(path), error, "a TF-MoDISco file", "make it again with 'l2g-interp motifs'") from error
