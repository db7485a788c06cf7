"""Sets of patterns to compare: run folders, or single targets of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from l2g_core.errors import InputError
from l2g_interp.motifs.naming import SIGNIFICANT_Q, best_name, naming_match, ranked_matches
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.tables import read_table
from l2g_interp.records.types import Match, Pattern, check_targets
from l2g_interp.run_folder import MATCHES, attributions_of, read_all_patterns, read_record


@dataclass(frozen=True)
class MotifSet:
    """Patterns under one name, the matches that name them, and ``origin``: where they come from, for people."""

    name: str
    patterns: tuple[Pattern, ...]
    matches: tuple[Match, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)

    def called(self, max_q: float = SIGNIFICANT_Q) -> list[tuple[str, Match | None]]:
        """What each pattern is called, and the match that gives it this name (None: it has only its number)."""
        ranked = ranked_matches(self.matches)
        mine = [ranked.get((p.target, p.name), []) for p in self.patterns]
        return [(best_name(p, m, max_q), naming_match(m, max_q)) for p, m in zip(self.patterns, mine, strict=True)]


def read_sets(specs: Sequence[str], names: Sequence[str] = ()) -> list[MotifSet]:
    """Read sets of patterns from run folders.

    Parameters
    ----------
    specs
        Each ``FOLDER`` (all targets together) or ``FOLDER:TARGET``.
    names
        A name for each; by default what distinguishes them: the target, or folder and target.

    Returns
    -------
    list of MotifSet
        In the order of ``specs``.

    Raises
    ------
    InputError
        Fewer than two sets, the same set twice, the wrong number of names or repeated ones, no run in a folder, or no
        such target in it.
    """
    if len(specs) < 2:
        raise InputError("comparing takes two sets or more; give run folders, each FOLDER or FOLDER:TARGET")
    places = [_place(spec) for spec in specs]
    repeated = [i for i, place in enumerate(places) if place in places[:i]]
    if repeated:
        raise InputError(f"{specs[repeated[0]]}: given twice; compare different folders or targets")
    if names and (len(names) != len(specs) or len(set(names)) < len(names) or not all(names)):
        raise InputError(f"--names has {', '.join(names)}; give {len(specs)} different names, one for each set")
    chosen = list(names) or _names(specs, places)
    return [_read(name, folder, target) for name, (folder, target) in zip(chosen, places, strict=True)]


def _place(spec: str) -> tuple[Path, str | None]:
    """Folder and target; a folder whose name has a colon takes precedence over a target."""
    if Path(spec).is_dir():
        return Path(spec).resolve(), None
    for i in [i for i, letter in enumerate(spec) if letter == ":"]:
        if Path(spec[:i]).is_dir() and spec[i + 1 :]:
            return Path(spec[:i]).resolve(), spec[i + 1 :]
    raise InputError(f"{spec}: no such run folder; give FOLDER or FOLDER:TARGET")


def _names(specs: Sequence[str], places: Sequence[tuple[Path, str | None]]) -> list[str]:
    """The shortest names that are unique: target, folder and target, or the text as given."""
    short = [target or folder.name for folder, target in places]
    longer = [folder.name + (f":{target}" if target else "") for folder, target in places]
    alone = len({folder for folder, _ in places}) == 1
    for found in ([short] if alone else []) + [longer]:
        if max(Counter(found).values()) == 1:
            return found
    return list(specs)


def _read(name: str, folder: Path, target: str | None) -> MotifSet:
    by_target = read_all_patterns(folder)
    check_targets([target] if target else [], list(by_target), str(folder))
    chosen = [target] if target else list(by_target)
    table = folder / MATCHES
    matches = read_table(table, Match, "l2g-interp match") if table.exists() else []
    return MotifSet(
        name,
        tuple(pattern for t in chosen for pattern in by_target[t]),
        tuple(match for match in matches if match.target in chosen),
        _origin(folder, chosen, named=table.exists()),
    )


def _origin(folder: Path, targets: list[str], named: bool) -> dict[str, str]:
    steps = read_record(folder).get("steps", {})
    found = {"Run folder": str(folder), "Targets": ", ".join(targets)}
    found |= _attributions(attributions_of(folder))
    motifs = steps.get("motifs", {})  # none of other people's
    found["Seqlets a pattern needs"] = str(motifs.get("min_seqlets", "as TF-MoDISco was told"))
    notes = motifs.get("notes", {})
    found |= {f"Note on {target}": notes[target] for target in targets if notes.get(target)}
    databases = ", ".join(d["name"] for d in steps.get("match", {}).get("databases", []))
    found["Names from"] = databases if named else "nowhere: no matches.tsv; make it with 'l2g-interp match'"
    return found


def _attributions(path: Path) -> dict[str, str]:
    """What the attributions file records about model and sequences; a run without the file can be compared, too."""
    if not path.exists():
        return {"Attributions": "not in the run folder"}
    recorded: dict[str, Any] = read_attributions(path, rows=[]).provenance
    keys = {
        "Model": "model",
        "Model fingerprint": "model_fingerprint",
        "Sequences": "sequences",
        "Sequences' fingerprint": "sequences_sha256",
        "Method": "method",
        "References": "n_references",
        "Seed": "seed",
        "Strands": "strands",
    }
    return {shown: str(recorded.get(key, "not known")) for shown, key in keys.items()}
