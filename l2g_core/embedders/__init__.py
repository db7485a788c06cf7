"""CNN embedders: one-hot DNA ``(batch, 4, length)`` to features ``(batch, channels, length // downsampling)``.

Each family takes a ``(kernel, dilation)`` for every convolution, so that the operator that stage 1 searches is the
operator that is trained (paper section 2.3.2). To add one: write its module in a file here and name it
in ``EMBEDDERS``; the contract test takes it from there.
"""

from __future__ import annotations

from l2g_core.embedders.deepsea import DeepSEA
from l2g_core.embedders.orca import ORCA
from l2g_core.embedders.resnet import ResNet1D
from l2g_core.embedders.unet import UNet1D

EMBEDDERS = {"resnet": ResNet1D, "unet": UNet1D, "deepsea": DeepSEA, "orca": ORCA}
