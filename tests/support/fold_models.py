"""Folds whose mean and spread are known by arithmetic, and models that the commands must adapt."""

from __future__ import annotations

import torch
from counting_model import Counter
from torch import nn

SCALES = (1.0, 2.0, 6.0)


def first() -> nn.Module:
    return Counter(SCALES[0])


def second() -> nn.Module:
    return Counter(SCALES[1])


def third() -> nn.Module:
    return Counter(SCALES[2])


class Renamed(Counter):
    """Other targets than its folds'."""

    def __init__(self) -> None:
        super().__init__()
        self.targets = ("act", "other")


class ChannelsLastPair(nn.Module):
    """Takes ``(batch, length, 4)`` and returns a profile and counts, in half precision."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.read, self.profile, self.counts = nn.Linear(4, 6), nn.Linear(6, 1), nn.Linear(6, 1)
        self.half()

    def forward(self, x):
        h = torch.relu(self.read(x).cumsum(1))
        return {"profile": self.profile(h).transpose(1, 2), "counts": self.counts(h.mean(1))}


class Hidden(Counter):
    """A step that cannot be seen: its contributions do not add up."""

    def forward(self, one_hot: torch.Tensor) -> torch.Tensor:
        watched = len(torch.overrides._get_current_function_mode_stack()) > 0
        return super().forward(one_hot) * (0.5 if watched else 1.0)
