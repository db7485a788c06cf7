"""Which example a reference row belongs to.

The example runs through the model once and its values at every ruled function are kept (one row per example). The
references run later, as separate rows in the order ``[example 0: r1 .. rR, example 1: r1 .. rR, ..]``. A rule
must pair each reference row with its example; this module does that by shape alone, so that a model may move the
batch to another dimension.

Where the batch is folded together with heads, tokens, strands or windows, a shape does not tell in which order. Then
the example is run as many times in one batch as there are references beside it, and rows are paired one by one
(``references`` is 1, and there are as many ``groups`` as rows): right for any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


class LayoutError(ValueError):
    """A tensor's shape does not say which rows belong together."""


@dataclass(frozen=True)
class Layout:
    """``groups`` examples and ``references`` rows of each in this pass, and how many targets need a backward pass."""

    groups: int
    references: int
    targets: int = 1

    def batch_dim(self, example: Tensor, reference: Tensor) -> int | None:
        """The dimension that is ``references`` times as long in the reference; None if there is one reference each."""
        shapes = f"shape {tuple(reference.shape)} for the references and {tuple(example.shape)} for the sequences"
        if example.dim() != reference.dim():
            raise LayoutError(shapes)
        differing = [d for d in range(example.dim()) if example.shape[d] != reference.shape[d]]
        if not differing and self.references == 1:
            return None
        if len(differing) != 1 or self.references == 1 or example.shape[differing[0]] != self.groups:
            raise LayoutError(shapes)
        if reference.shape[differing[0]] != self.references * self.groups:
            raise LayoutError(shapes)
        return differing[0]

    def beside(self, example: Tensor, reference: Tensor) -> Tensor:
        """The example's values in a shape that broadcasts to the reference's; a copy only of several examples."""
        dim = self.batch_dim(example, reference)
        if dim is None or self.groups == 1:
            return example
        shape = [*example.shape[: dim + 1], self.references, *example.shape[dim + 1 :]]
        return example.unsqueeze(dim + 1).expand(shape).flatten(dim, dim + 1)

    def midpoint(self, example: Tensor, reference: Tensor) -> Tensor:
        """Halfway between example and reference, in the reference's shape."""
        return torch.lerp(reference, self.beside(example, reference).expand_as(reference), 0.5)
