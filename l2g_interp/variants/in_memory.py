"""Variants of sequences in memory, scored by any torch module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from l2g_core.dna import one_hot
from l2g_core.errors import InputError
from l2g_interp.attributions.targets import choose_targets
from l2g_interp.variants.changes import Letters, letters_of
from l2g_interp.variants.rows import NotScored, Variant, VariantEffect
from l2g_interp.variants.score import (
    Placed,
    ScoreOptions,
    Scores,
    blocks,
    effects_of,
    joined,
    not_scored,
    q_values,
    scores_of,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


def score_variants(
    model: nn.Module | Sequence[nn.Module],
    sequences: Mapping[str, str],
    variants: Iterable[Variant],
    *,
    length: int | None = None,
    n_random: int = 100,
    seed: int = 0,
    targets: Sequence[int] | Sequence[str] | None = None,
    output: str | int | Callable[[Any], Tensor] | None = None,
    layout: str | None = None,
    batch_size: int | None = None,
    device: str | None = None,
) -> tuple[list[VariantEffect], list[NotScored]]:
    """What variants do to a model's predictions.

    Parameters
    ----------
    model
        Any torch module from one-hot ``(batch, 4, length)`` to ``(batch, targets)``, or the folds of one.
    sequences
        Chromosomes or sequences by the names that the variants use.
    variants
        `Variant` objects, with positions counted from 1 and alleles as in VCF.
    length
        Of the window that the model sees (bp): by default the longest that the model says it takes, or else the length
        that all sequences share.
    n_random
        Random changes of the same kind and length to compare each variant with; 0 for none.
    seed
        Of these.
    targets, output, layout, batch_size, device
        As for `l2g_interp.attribute`.

    Returns
    -------
    effects
        One for each scored variant and target, in the order of the variants.
    not_scored
        The other variants, with the reason.

    Raises
    ------
    InputError
        No length is known, no such target, or a shape that does not fit.
    """
    from l2g_interp.attributions.folds import one_network

    letters, one = letters_of(sequences), model[0] if isinstance(model, Sequence) else model
    size: int = length or getattr(one, "longest", None) or _shared_length(letters)
    first = one_hot([("ACGT" * size)[:size]])
    with one_network(model, first, device, output=output, layout=layout) as adapted:
        chosen = choose_targets(adapted.network, targets, adapted.targets)
        options = ScoreOptions(n_random, seed, batch_size)
        placed: list[Placed] = []
        parts: list[Scores] = []
        for block in blocks(variants, letters, size, options.block(size)):
            placed += block
            parts.append(scores_of(chosen.network, chosen.columns, block, options))
    scores = joined(parts, len(chosen.names))
    q = q_values(scores.p_value)
    effects = [e for i, each in enumerate(placed) for e in effects_of(each, i, scores, q, chosen.names, n_random)]
    return effects, [not_scored(each) for each in placed if each.reason]


def _shared_length(letters: Letters) -> int:
    """The length of all sequences (bp).

    Raises
    ------
    InputError
        They differ, or there are none.
    """
    lengths = set(letters.sizes.values())
    if len(lengths) != 1:
        raise InputError("the model does not say how long a sequence it reads; give length")
    return lengths.pop()
