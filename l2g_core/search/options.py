"""How to search; the defaults are the reference implementation's unless a field says otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchOptions:
    """Hyperparameters of stage 1.

    Attributes
    ----------
    embedder
        The family to search; None trains each for one epoch and takes the best.
    choice_learning_rate
        Of SGD in that epoch (momentum and weight decay as in the search).
    epochs, fraction
        Epochs of the search, and the share of the training batches that each of them uses, drawn again every time.
    space
        A name in ``SPACES``; None chooses by the length of the sequences.
    batch_size
        Rows per step, in both.
    learning_rate, logit_learning_rate
        Of SGD (Nesterov) for the weights and for the logits, in one step on the same batch.
    logit_gradient
        The norm to which the gradient of each layer's logits is scaled, so that all layers decide at the same speed,
        whatever their depth. The reference implementation has 0.01 for some data and 0.1 for others; with 0.01 a search
        of a few hundred steps ends with all candidates nearly equal.
    support_cost
        Added to a logit's gradient for each bp of its candidate's support: of two equally good candidates, the smaller
        one wins.
    momentum, weight_decay
        Of SGD.
    decay, decay_at
        The learning rate schedule: both rates are multiplied by ``decay`` after each of these shares of the epochs.
    clip
        Largest global norm of the gradients.
    temperature
        Of the Gumbel-softmax; constant.
    augment
        Shifts and reverse complements as in fine-tuning (the reference implementation does neither here).
    metric
        The validation score to choose by; None for the task's own.
    seed
        Of weights, batches, augmentation and Gumbel noise.
    """

    embedder: str | None = None
    choice_learning_rate: float = 0.01
    epochs: int = 80
    fraction: float = 0.2
    space: str | None = None
    batch_size: int = 128
    learning_rate: float = 0.1
    logit_learning_rate: float = 0.05
    logit_gradient: float = 0.1
    support_cost: float = 1e-5
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay: float = 0.2
    decay_at: tuple[float, ...] = (0.375, 0.75)
    clip: float = 1.0
    temperature: float = 1.0
    augment: bool = True
    metric: str | None = None
    seed: int = 0
