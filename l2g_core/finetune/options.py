"""How to fine-tune; the defaults are the paper's."""

from __future__ import annotations

from dataclasses import dataclass

from l2g_core.training.options import MAX_SHIFT, Precision

RESULTS = ("metrics.json", "config.json", "model.safetensors")  # what stage 3 leaves
STATE = "training.safetensors"  # what it resumes from


@dataclass(frozen=True)
class FinetuneOptions:
    """Hyperparameters of fine-tuning; the defaults are the paper's (Table 15).

    Attributes
    ----------
    epochs, batch_size
        Epochs at most, and rows per step.
    learning_rate
        Peak learning rate of the language model.
    new_learning_rate
        Peak learning rate of what is new (embedder, projection, head, low-rank adapters): without stage 2 the paper's
        1e-5 would hardly move it.
    weight_decay, betas
        Of Adam.
    warmup_epochs
        The learning rate schedule: linear warm-up over this many epochs, then linear decay to 0.
    clip
        Gradient clipping: largest global norm of the gradients; 0 for no clipping.
    max_shift, augment
        Whether to augment, and the largest shift (bp).
    metric
        The score to select the best epoch by on the validation split; None for the task's own.
    patience
        Early stopping: stop after this many epochs without a better score; None trains all epochs.
    precision
        Of the training step (mixed precision); None for bf16 on a GPU that supports it and fp32 elsewhere. Scores are
        always computed in fp32.
    compile
        Compile the model first (``torch.compile``).
    seed
        Of batches and augmentation.
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
