"""The pieces that the embedder families share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from torch import nn

from l2g_core.errors import InputError
from l2g_core.model.embedders import KernelDilation, reach


class Embedder(nn.Module):
    """What the families have in common: from one-hot to features, every convolution with its own operator.

    ``channels``: of the features, set by ``build``. ``downsampling``: bp per position of the features. ``shortest``:
    the shortest sequence that makes sense (bp).
    """

    N_CONVOLUTIONS: ClassVar[int]
    DEFAULT_OPERATOR: ClassVar[KernelDilation]
    DEFAULT_WIDTH: ClassVar[int]
    downsampling = 1
    shortest = 1
    channels: int

    def __init__(
        self,
        hidden: int,
        width: int | None = None,
        layer_operators: Sequence[KernelDilation] | None = None,
        dropout: float = 0.05,
    ):
        super().__init__()
        chosen = operators(layer_operators, self.N_CONVOLUTIONS, self.DEFAULT_OPERATOR)
        self.build(hidden, width or self.DEFAULT_WIDTH, chosen, dropout)

    def build(self, hidden: int, width: int, chosen: Iterator[KernelDilation], dropout: float) -> None:
        """Make the layers; ``hidden`` is the language model's width, ``chosen`` one operator per convolution."""
        raise NotImplementedError


class OperatorConv(nn.Conv1d):
    """A convolution whose (kernel, dilation) stage 1 searches. Shortcuts and projections are plain ``nn.Conv1d``."""


def conv(in_channels: int, out_channels: int, operator: KernelDilation) -> nn.Module:
    """A length-preserving convolution with this (kernel, dilation), centred (an even kernel leans to the right)."""
    kernel, dilation = operator
    left, right = reach(operator)
    if left == right:
        return OperatorConv(in_channels, out_channels, kernel, dilation=dilation, padding=left)
    pad = nn.ConstantPad1d((left, right), 0.0)
    return nn.Sequential(pad, OperatorConv(in_channels, out_channels, kernel, dilation=dilation))


def operators(
    given: Sequence[KernelDilation] | None, n_convolutions: int, default: KernelDilation
) -> Iterator[KernelDilation]:
    """The (kernel, dilation) of each convolution in order of execution: those given, or the default for all.

    Raises
    ------
    InputError
        Not one pair per convolution.
    """
    if given is None:
        return iter([default] * n_convolutions)
    if len(given) != n_convolutions:
        raise InputError(
            f"this embedder has {n_convolutions} convolutions and got {len(given)} (kernel, dilation) pairs; "
            "give one for each"
        )
    return iter([(int(kernel), int(dilation)) for kernel, dilation in given])
