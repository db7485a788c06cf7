"""The search space: kernel sizes times dilations, and the position of every tap of every candidate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from l2g_core.model.embedders import KernelDilation, reach


@dataclass(frozen=True)
class Space:
    """All ``kernels`` with all ``dilations``: the candidates of each convolution."""

    kernels: tuple[int, ...]
    dilations: tuple[int, ...]

    @property
    def candidates(self) -> tuple[KernelDilation, ...]:
        return tuple(product(self.kernels, self.dilations))


# For sequences up to 600 bp, and longer ones: the reference implementation's spaces for the Nucleotide Transformer's
# tasks, and for sequences of 1,000 bp.
SPACES = {"short": Space((3, 5, 7, 9, 11), (1, 3, 5, 7)), "long": Space((3, 7, 11, 15, 19), (1, 3, 7, 15))}
LONGEST_SHORT = 600


def space_for(sequence_length: int) -> str:
    """The name of the space for sequences of at most ``sequence_length`` bp."""
    return "short" if sequence_length <= LONGEST_SHORT else "long"


def support(operator: KernelDilation) -> int:
    """Width in bp from the first tap to the last, both included."""
    return sum(reach(operator)) + 1


def tap_map(candidates: tuple[KernelDilation, ...]) -> tuple[list[int], list[int]]:
    """For all taps of all candidates in turn: the index of the candidate, and the tap's index in the widest kernel.

    Indices are such that every candidate reads the positions that it would read as a separate convolution.
    """
    left = max(reach(operator)[0] for operator in candidates)
    owners, places = [], []
    for number, (kernel, dilation) in enumerate(candidates):
        first = left - reach((kernel, dilation))[0]
        owners += [number] * kernel
        places += [first + dilation * tap for tap in range(kernel)]
    return owners, places
