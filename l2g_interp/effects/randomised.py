"""Do the contributions depend on what the model learned? They should vanish with its weights (Adebayo et al. 2018).

The same network with newly drawn random weights explains the same sequences. Contributions that look similar would
come from the architecture or the sequences, not from what was learned.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from l2g_interp.attributions.attribute import attribute
from l2g_interp.effects.backgrounds import stream
from l2g_interp.motifs.matrices import trimmed
from l2g_interp.records.attributions_file import read_attributions, read_overview
from l2g_interp.records.types import Pattern

if TYPE_CHECKING:
    from torch import nn

N_SEQUENCES, N_REFERENCES = 50, 10


def compare_with_randomised(
    model: nn.Module, attributions: Path, patterns: Sequence[Pattern], seed: int, shown: bool = False
) -> dict[str, Any]:
    """Attribute some sequences with the model and with a randomised copy of it, by DeepLIFT in both cases.

    Returns
    -------
    By target: ``correlation``, the median over sequences of Pearson's r between the contributions of both networks
    (near 0 expected); the fraction of a sequence's |contributions| that lies in the motifs' seqlets, with either
    network (``in_seqlets``, ``in_seqlets_randomised``), and the fraction of its bases that does (``bases_in_seqlets``:
    what a network without any motif would give).
    """
    n = len(read_overview(attributions).ids)
    rows = np.sort(stream(seed, "randomised").choice(n, min(N_SEQUENCES, n), replace=False))
    targets = list(dict.fromkeys(p.target for p in patterns))
    stored = read_attributions(attributions, rows=rows.tolist())
    other, kept = randomised(model, seed)
    given: dict[str, Any] = {"n_references": N_REFERENCES, "seed": seed, "progress": shown}
    found = [attribute(each, stored.one_hot, **given) for each in (model, other)]
    result: dict[str, Any] = {
        "sequences": len(rows), "references": N_REFERENCES, "weights_kept": kept, "targets": {},
    }  # fmt: skip
    known = stored.one_hot.sum(axis=1) > 0
    for target in targets:
        ours, theirs = (np.asarray(each[target].contributions.sum(axis=1)) for each in found)
        mask = _in_seqlets([p for p in patterns if p.target == target], rows, ours.shape[1])
        result["targets"][target] = {
            "correlation": correlation(ours, theirs, known),
            "in_seqlets": _share(np.abs(ours), mask),
            "in_seqlets_randomised": _share(np.abs(theirs), mask),
            "bases_in_seqlets": _share(known.astype(np.float32), mask),
        }
    return result


def randomised(model: nn.Module, seed: int) -> tuple[nn.Module, int]:
    """A copy of the network with new random weights, and how many weights it kept because nothing resets them.

    Every module with ``reset_parameters`` draws its own weights. The caller's random state is not changed.
    """
    import torch

    other = copy.deepcopy(model)
    redrawn: set[int] = set()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for module in other.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
                redrawn |= {id(p) for p in module.parameters(recurse=False)}
    return other.eval(), sum(p.numel() for p in other.parameters() if id(p) not in redrawn)


def correlation(
    first: Float[np.ndarray, "n length"], second: Float[np.ndarray, "n length"], known: Bool[np.ndarray, "n length"]
) -> float | None:
    """Median over sequences of Pearson's r over their bases; None if no sequence has any variation in both."""
    rs = [
        float(np.corrcoef(a[k], b[k])[0, 1])
        for a, b, k in zip(first, second, known, strict=True)
        if a[k].std() > 0 and b[k].std() > 0
    ]
    return float(np.median(rs)) if rs else None


def _in_seqlets(patterns: Sequence[Pattern], rows: np.ndarray, length: int) -> Bool[np.ndarray, "n length"]:
    mask = np.zeros((len(rows), length), dtype=bool)
    at = {row: i for i, row in enumerate(rows.tolist())}
    for pattern in patterns:
        seqlets = trimmed(pattern).seqlets
        spans = zip(seqlets.example.tolist(), seqlets.start.tolist(), seqlets.end.tolist(), strict=True)
        for row, start, end in spans:
            if row in at:
                mask[at[row], start:end] = True
    return mask


def _share(values: np.ndarray, mask: np.ndarray) -> float | None:
    """The fraction of the values' sum under the mask, in the rows that have a seqlet."""
    some = mask.any(axis=1)
    total = values[some].sum()
    return float((values * mask)[some].sum() / total) if total else None
