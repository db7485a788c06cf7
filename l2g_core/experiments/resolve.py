"""From defaults, data set, TOML file and flags to what is run; later ones override, unknown keys are refused."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l2g_core.datasets import DATASETS, Labelled
from l2g_core.errors import InputError
from l2g_core.experiments.listing import ABOUT, PAPER, file_of
from l2g_core.experiments.options import SECTIONS, DataOptions, open_data, options_class, settings
from l2g_core.experiments.values import converted, parsed

Settings = dict[str, dict[str, Any]]
STAGES = ("search", "align", "finetune")


@dataclass(frozen=True)
class Experiment:
    """What to run: every key of every section.

    Attributes
    ----------
    name, about
        Of the file, without ``.toml``; and its description.
    paper
        The paper's score per target, if it has one.
    sections
        Section to key to value, including defaults.
    given
        Only what file or flags set.
    """

    name: str
    about: str
    paper: dict[str, float]
    sections: Settings
    given: Settings

    def options(self, section: str) -> Any:
        """The options of one section; for ``model`` use `model_config`, because its targets come from the data."""
        return options_class(section)(**self.sections[section])

    def model_config(self, targets: tuple[str, ...], sequence_length: int) -> Any:
        """The ``L2GConfig`` for these data; ``sequence_length`` is their longest sequence (bp)."""
        return options_class("model")(targets=targets, sequence_length=sequence_length, **self.sections["model"])

    def open_data(self) -> Labelled:
        """The data set or table that it is about."""
        options = self.options("data")
        assert isinstance(options, DataOptions)
        return open_data(options)


def resolve(experiment: str | Path, flags: Iterable[str] = (), **overrides: Any) -> Experiment:
    """Read an experiment, with defaults filled in and flags applied.

    Parameters
    ----------
    experiment
        Its name, or the path of a TOML file.
    flags
        ``SECTION.KEY=VALUE``, the value as in TOML; quotes around strings may be left out.
    overrides
        Keys that several sections have, such as ``seed``: set in every section that has the key, unless None.

    Raises
    ------
    InputError
        There is no such experiment, section or key (the nearest is suggested), or a value is of another type.
    """
    path = file_of(experiment)
    content = _read(path)
    about, paper = content.pop(ABOUT, ""), content.pop(PAPER, {})
    from_file = _checked(content, str(path))
    shared = {s: {k: v for k, v in overrides.items() if v is not None and k in settings(s)} for s in SECTIONS}
    from_flags = _checked(_of_flags(flags), "--set")
    given = _merged(from_file, _checked({s: v for s, v in shared.items() if v}, "option"), from_flags)
    defaults = {section: {key: default for key, (_, default) in settings(section).items()} for section in SECTIONS}
    name = given.get("data", {}).get("name", "")
    if not name:
        raise InputError(f"{path}: [data] has no 'name'; give a data set ('l2g datasets' lists them) or a table's path")
    found = Experiment(path.stem, about, paper, _merged(defaults, _of_dataset(name), given), given)
    for section in SECTIONS:
        if section != "model":
            found.options(section)  # refuses settings that contradict each other now, not after an hour
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not TOML: {error}; write [section] and key = value") from error


def _of_flags(flags: Iterable[str]) -> Settings:
    found: Settings = {}
    for flag in flags:
        name, equals, text = flag.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (equals and dot and key):
            raise InputError(f"--set {flag}: is not SECTION.KEY=VALUE, such as finetune.epochs=5")
        found.setdefault(section, {})[key] = parsed(text.strip())
    return found


def _of_dataset(name: str) -> Settings:
    """What the data set determines: its task, and the paper's metric."""
    if name not in DATASETS:
        return {}
    entry = DATASETS[name]
    if not entry.rows:
        return {}
    return {"model": {"task": entry.task}} | {stage: {"metric": entry.metric} for stage in STAGES}


def _checked(content: Mapping[str, Any], where: str) -> Settings:
    """Known sections and keys only, values of the right types."""
    checked: Settings = {}
    for section, values in content.items():
        if section not in SECTIONS or not isinstance(values, dict):
            kind = "section" if isinstance(values, dict) else "key"
            raise InputError(
                f"{where}: no {kind} {section!r}{_meant(section, SECTIONS)}; sections are {_list(SECTIONS)}"
            )
        known = settings(section)
        for key, value in values.items():
            if key not in known:
                raise InputError(f"{where}: [{section}] has no key {key!r}{_hint(section, key)}")
            checked.setdefault(section, {})[key] = converted(value, known[key][0], f"{where}: [{section}] {key}")
    return checked


def _hint(section: str, key: str) -> str:
    elsewhere = [other for other in SECTIONS if other != section and key in settings(other)]
    if elsewhere:
        return f"; it belongs in {' or '.join(f'[{other}]' for other in elsewhere)}"
    return _meant(key, settings(section)) or f"; it has {_list(settings(section))}"


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}" if near else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _merged(*layers: Settings) -> Settings:
    """Section by section, key by key; later layers override."""
    sections = {section for layer in layers for section in layer}
    merged: Settings = {section: {} for section in SECTIONS if section in sections}
    for layer in layers:
        for section, values in layer.items():
            merged[section] |= values
    return merged
