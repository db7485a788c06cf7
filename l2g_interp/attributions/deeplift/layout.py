"""Which example a reference row belongs to.

The example runs through the model once and its values at every ruled function are kept (one row per example). The
references run later, as separate rows in the order ``[example 0: r1 .. rR, example 1: r1 .. rR, ..]``. A rule
must pair each reference row with its example; this module does that by shape alone, so that a model may move the
batch to another dimension or fold it together with heads or tokens (``(batch * heads, ..)``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


class LayoutError(ValueError):
    """A tensor's shape does not say which rows belong together: the model mixes the sequences of a batch."""


@dataclass(frozen=True)
class Layout:
    """``groups`` examples and ``references`` rows of each in this pass, and how many targets need a backward pass."""

    groups: int
    references: int
    targets: int = 1

    def batch_dim(self, example: Tensor, reference: Tensor) -> int | None:
        """The dimension that is ``references`` times as long in the reference; None if there is one reference each."""
        if example.dim() != reference.dim():
            raise LayoutError(f"shapes {tuple(example.shape)} and {tuple(reference.shape)} differ in dimensions")
        differing = [d for d in range(example.dim()) if example.shape[d] != reference.shape[d]]
        if not differing and self.references == 1:
            return None
        if len(differing) != 1 or reference.shape[differing[0]] != self.references * example.shape[differing[0]]:
            raise LayoutError(
                f"a tensor of shape {tuple(reference.shape)} for {self.references} references of "
                f"{self.groups} sequences, {tuple(example.shape)} for the sequences: it mixes sequences of a batch"
            )
        return differing[0]

    def beside(self, example: Tensor, reference: Tensor) -> Tensor:
        """The example's values in a shape that broadcasts to the reference's; a copy only if groups are folded."""
        dim = self.batch_dim(example, reference)
        if dim is None or example.shape[dim] == 1:
            return example
        split = example.unflatten(dim, (self.groups, -1)).unsqueeze(dim + 1)
        shape = list(split.shape)
        shape[dim + 1] = self.references
        return split.expand(shape).reshape(reference.shape)

    def midpoint(self, example: Tensor, reference: Tensor) -> Tensor:
        """Halfway between example and reference, in the reference's shape."""
        return torch.lerp(reference, self.beside(example, reference).expand_as(reference), 0.5)

    def blocks(self, example: Tensor, reference: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(example, references) pairs of views; the example's broadcasts against the references'.

        One pair per group, or a single one where the rows are not the leading dimension.
        """
        if self.batch_dim(example, reference) == 0 and example.shape[0] % self.groups == 0 and self.groups > 1:
            of_examples = example.unflatten(0, (self.groups, 1, -1))
            of_references = reference.unflatten(0, (self.groups, self.references, -1))
            return list(zip(of_examples, of_references, strict=True))
        if self.batch_dim(example, reference) == 0 and example.shape[0] > 1:
            return [(example[None], reference.unflatten(0, (self.references, -1)))]
        return [(self.beside(example, reference), reference)]
