"""How to search; the defaults are the reference implementation's unless a field says otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchOptions:
    """Settings of stage 1.

    ``embedder``: the family to search; None chooses it by one epoch of each.
    ``choice_learning_rate``: SGD's, for that epoch (momentum and weight decay as below).
    ``epochs``, ``fraction``: of the search, and the share of the training batches that each of them draws afresh.
    ``space``: a name out of ``SPACES``; None goes by the length of the sequences.
    ``learning_rate``, ``logit_learning_rate``: SGD's (Nesterov) for the weights and for the logits, in one step on the
    same batch; both are multiplied by ``decay`` once ``decay_at`` (shares of the epochs) have passed.
    ``logit_gradient``: the norm to which the gradient of each layer's logits is brought, so that all layers decide at
    one speed whatever the depth. The reference takes 0.01 for some data and 0.1 for others; with 0.01 a search of a few
    hundred steps ends with all candidates nearly alike.
    ``support_cost``: added to a logit's gradient for each bp of its candidate's support: of two that do equally well,
    the smaller.
    ``temperature``: of the Gumbel-softmax; constant.
    ``augment``: shifts and reverse complements as in fine-tuning (the reference augments neither).
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
