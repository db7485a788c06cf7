"""CNN embedders: one-hot DNA ``(batch, 4, length)`` to features ``(batch, channels, length // downsampling)``.

Each family takes a ``(kernel, dilation)`` for every convolution, so that the operator that stage 1 searches is the
operator that is trained (paper section 2.3.2). To add one: write its module in a file here and name it
in ``EMBEDDERS``; the command line and the contract test take it from there. Imports no torch.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from l2g_core.errors import InputError

if TYPE_CHECKING:
    from l2g_core.model.embedders.layers import Embedder

EMBEDDERS = {
    "resnet": "l2g_core.model.embedders.resnet:ResNet1D",
    "unet": "l2g_core.model.embedders.unet:UNet1D",
    "deepsea": "l2g_core.model.embedders.deepsea:DeepSEA",
    "orca": "l2g_core.model.embedders.orca:ORCA",
}
KernelDilation = tuple[int, int]


def embedder_class(name: str) -> type[Embedder]:
    """The module behind a name in ``EMBEDDERS``.

    Raises
    ------
    InputError
        No such name; lists those there are.
    """
    if name not in EMBEDDERS:
        raise InputError(f"no embedder {name!r}; choose one of {', '.join(EMBEDDERS)}")
    return resolve_name(EMBEDDERS[name])


def reach(operator: KernelDilation) -> tuple[int, int]:
    """How many positions to the left and right of the centre a length-preserving convolution reads."""
    kernel, dilation = operator
    support = dilation * (kernel - 1)
    return support // 2, support - support // 2
