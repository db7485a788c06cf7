"""Where the references of a sequence come from, how many there are, and what takes their noise out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int8

from l2g_core.errors import InputError
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles, expected_composition
from l2g_interp.records.growing_file import StoredRows

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class References:
    """Shuffles drawn from a seed, or an array given by the user.

    Attributes
    ----------
    n, seed
        How many shuffles of each sequence, and from which seed they are drawn.
    given
        ``(sequences, references, 4, length)`` instead of shuffles.
    stability
        Take only as many of them as it needs until the expected correlation with a fresh draw is this, from 0 to 1
        (`l2g_interp.attributions.adaptive`); all of them when None.
    control_variate
        Take out the noise of which bases the drawn shuffles happen to have at each position.
    """

    n: int = 100
    seed: int = 0
    given: np.ndarray | Tensor | None = None
    stability: float | None = None
    control_variate: bool = False

    def provenance(self) -> dict[str, Any]:
        """How many there are of each sequence, the seed of shuffles, and what else was asked for."""
        noted: dict[str, Any] = {"n_references": self.n, "seed": self.seed}
        if self.given is not None:
            noted = {"n_references": self.given.shape[1], "seed": None, "references": "given"}
        if self.stability is not None:
            noted["wanted_stability"] = self.stability
        if self.control_variate:
            noted["control_variate"] = True
        return noted

    def of(self, one_hot: Int8[np.ndarray, "m 4 length"], rows: slice) -> np.ndarray:
        """Of the sequences of some rows, ``(rows, references, 4, length)``."""
        if self.given is None:
            return dinucleotide_shuffles(one_hot, self.n, self.seed)
        given = self.given[rows]
        return np.asarray(given if isinstance(given, np.ndarray) else given.cpu())

    def expected(self, one_hot: Int8[np.ndarray, "m 4 length"]) -> Float32[np.ndarray, "m 4 length"]:
        """The composition of all shuffles of these sequences, for the control variate."""
        return expected_composition(one_hot, self.seed)

    def check(self, one_hot: Int8[np.ndarray, "n 4 length"] | StoredRows, method: str) -> None:
        """Refuse a given array whose shape does not fit the sequences, and settings that do not go together."""
        given = self.given
        if given is not None and (
            given.ndim != 4 or given.shape[::2] != (len(one_hot), 4) or given.shape[3] != one_hot.shape[2]
        ):
            raise InputError(
                f"references of shape {tuple(given.shape)} do not fit sequences of shape {one_hot.shape}; "
                "give (n, references, 4, length)"
            )
        if given is not None and not isinstance(one_hot, StoredRows):
            for i, (sequence, of_it) in enumerate(zip(one_hot, given, strict=True)):
                lost = np.asarray(of_it.any(0).any(0)) & ~sequence.any(0)
                if lost.any():
                    raise InputError(
                        f"references: sequence {i} has no base (N) at position {int(lost.argmax())}, and a reference "
                        "of it does, whose contribution would have nowhere to go; give the references an N there, too"
                    )
        if self.stability is not None and not 0 < self.stability < 1:
            raise InputError(f"stability={self.stability}: it is a correlation; give a number between 0 and 1")
        if self.control_variate and (given is not None or method != "deep_lift_shap"):
            raise InputError("a control variate is for deep_lift_shap against shuffles, whose composition is known")
