"""How to fine-tune; the defaults are the paper's."""

from __future__ import annotations

from dataclasses import dataclass

from l2g_core.training.options import MAX_SHIFT, Precision

RESULTS = ("metrics.json", "config.json", "model.safetensors")  # what stage 3 leaves
STATE = "training.safetensors"  # what it resumes from


@dataclass(frozen=True)
class FinetuneOptions:
    """How to train; the defaults are the paper's (Table 15).

    ``learning_rate`` is the language model's. What starts from nothing here (embedder, projection, head, low-rank
    adapters) learns at ``new_learning_rate``: without stage 2 the paper's 1e-5 would not move it.
    ``clip``: largest global norm of the gradients; 0 leaves them alone.
    ``metric``: the score to select by on the validation split; the task's own when None.
    ``patience``: stop after so many epochs without a better score; None trains all epochs.
    ``precision``: of the training step; None is bf16 on a GPU that has it and fp32 elsewhere. Scores are always fp32.
    """

    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 1e-5
    new_learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    betas: tuple[float, float] = (0.9, 0.98)
    warmup_epochs: float = 5.0
    clip: float = 1.0
    max_shift: int = MAX_SHIFT
    augment: bool = True
    metric: str | None = None
    patience: int | None = None
    precision: Precision | None = None
    compile: bool = False
    seed: int = 0
