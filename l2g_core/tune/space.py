"""The hyperparameters that are tuned, their ranges, and drawing them.

``SPACE`` names keys of an experiment. A trial's settings depend only on the seed and the trial's number: adding trials
does not change the earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from l2g_core.experiments.resolve import Experiment


@dataclass(frozen=True)
class LogUniform:
    """A number between two bounds whose logarithm is uniformly distributed."""

    low: float
    high: float

    def draw(self, generator: np.random.Generator) -> float:
        """One number, rounded to three digits, so that the value in a file is exactly the one used."""
        return float(f"{np.exp(generator.uniform(np.log(self.low), np.log(self.high))):.2e}")


@dataclass(frozen=True)
class Choice:
    """One of these values, all equally likely."""

    values: tuple[Any, ...]

    def draw(self, generator: np.random.Generator) -> Any:
        """One of the values."""
        return self.values[int(generator.integers(len(self.values)))]


Range = LogUniform | Choice
Settings = Mapping[str, Any]

# Learning rate, alpha and tokens: the ranges in which the reference implementation tuned L2G. Weight decay and the
# lower dropout rates: those of the CNN search that the paper builds on. `new_learning_rate` is ours: around its
# default, 1e-3.
SPACE: dict[str, Range] = {
    "finetune.learning_rate": LogUniform(5e-6, 5e-4),
    "finetune.new_learning_rate": LogUniform(1e-4, 1e-2),
    "finetune.weight_decay": LogUniform(5e-7, 5e-3),
    "model.dropout": Choice((0.0, 0.05, 0.1, 0.2)),
    "align.alpha": Choice((0.01, 0.1, 1.0)),
    "model.target_tokens": Choice((64, 128, 512)),
}


def space_of(experiment: Experiment, longest: int) -> dict[str, Range]:
    """The ranges of the settings that make a difference in this experiment, by ``section.key``.

    Parameters
    ----------
    longest
        The longest sequence (bp), which is also the largest useful limit of tokens.
    """
    space = dict(SPACE)
    if experiment.sections["model"]["backbone_training"] != "full":
        del space["finetune.learning_rate"]  # no parameter has this learning rate
    if not experiment.sections["stages"]["align"]:
        del space["align.alpha"]
    space["model.target_tokens"] = _useful_tokens(longest)
    return {key: values for key, values in space.items() if isinstance(values, LogUniform) or len(values.values) > 1}


def _useful_tokens(longest: int) -> Choice:
    tokens = SPACE["model.target_tokens"]
    assert isinstance(tokens, Choice)
    enough = min((n for n in tokens.values if n >= longest), default=max(tokens.values))
    return Choice(tuple(n for n in tokens.values if n <= enough))


def draw(space: Mapping[str, Range], experiment: Experiment, seed: int, number: int) -> dict[str, Any]:
    """The settings of one trial; trial 0 has the experiment's own, so that tuning starts from them."""
    if number == 0:
        return {key: value_of(experiment, key) for key in space}
    generator = np.random.default_rng([seed, number])
    return {key: values.draw(generator) for key, values in space.items()}


def value_of(experiment: Experiment, key: str) -> Any:
    """The value of an experiment's ``section.key``."""
    section, _, name = key.partition(".")
    return experiment.sections[section][name]


def with_settings(experiment: Experiment, settings: Settings) -> Experiment:
    """The experiment with these settings (``section.key``) given."""
    sections = {section: dict(values) for section, values in experiment.sections.items()}
    given = {section: dict(values) for section, values in experiment.given.items()}
    for key, value in settings.items():
        section, _, name = key.partition(".")
        sections[section][name] = value
        given.setdefault(section, {})[name] = value
    return replace(experiment, sections=sections, given=given)
