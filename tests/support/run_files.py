"""Run folders written by hand: patterns of our choice in TF-MoDISco's layout, and the record that the stages keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py

from l2g_core.runs.files import write_json
from l2g_interp.motifs.modisco.file import GROUPS
from l2g_interp.records.tables import write_table
from l2g_interp.records.types import Match, Pattern, safe_name


def write_run_folder(
    folder: Path, patterns: dict[str, list[Pattern]], matches: Sequence[Match] | None = None, attributions: str = ""
) -> Path:
    """``run.json``, a motifs file for every target, and ``matches.tsv`` unless ``matches`` is None."""
    folder.mkdir(parents=True, exist_ok=True)
    for target, mine in patterns.items():
        _write_motifs(folder / f"motifs.{safe_name(target)}.h5", mine)
    if matches is not None:
        write_table(folder / "matches.tsv", matches, Match)
    motifs = {
        "attributions": attributions or str(folder / "attributions.h5"),
        "min_seqlets": 1,
        "patterns": {target: len(mine) for target, mine in patterns.items()},
        "notes": {},
    }
    write_json(folder / "run.json", {"steps": {"motifs": motifs, "match": {"databases": [{"name": "planted"}]}}})
    return folder


def _write_motifs(path: Path, patterns: list[Pattern]) -> None:
    signs = {sign: group for group, sign in GROUPS.items()}
    with h5py.File(path, "w") as file:
        file.attrs["window_size"] = 0
        for pattern in patterns:
            group = file.create_group(f"{signs[pattern.sign]}/{pattern.name.rpartition('.')[2]}")
            group["sequence"], group["contrib_scores"] = pattern.ppm.T, pattern.cwm.T
            group["hypothetical_contribs"] = pattern.hcwm.T
            seqlets = pattern.seqlets
            group["seqlets/n_seqlets"] = [len(seqlets)]
            group["seqlets/example_idx"], group["seqlets/is_revcomp"] = seqlets.example, seqlets.is_revcomp
            group["seqlets/start"], group["seqlets/end"] = seqlets.start, seqlets.end
