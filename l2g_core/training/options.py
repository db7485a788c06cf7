"""Settings that the stages share. Does not import torch: the command line takes choices and defaults from here."""

from __future__ import annotations

from typing import Literal

Precision = Literal["fp32", "bf16", "fp16"]
MAX_SHIFT = 3  # bp, of the augmentation (paper, Table 15)
