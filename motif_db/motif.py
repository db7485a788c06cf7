"""One motif of a database."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


class MotifError(ValueError):
    """A motif file or database name is wrong. The message names file, motif and remedy, on one line."""


@dataclass(frozen=True)
class Motif:
    """A motif as its database gives it, and the name that people use.

    ``id`` and ``name`` are the database's own two names (``MOTIF id altname``); ``label`` is what people call the
    factor (gene symbol, or family and symbol, such as ``zld`` or ``GATA (srp)``), and ``label_source`` says
    how that was found. ``symbol``, ``family`` and ``flybase`` (gene symbol, ``GATA``, ``FBgn0003507``) are empty where
    unknown; the members of a dimer are joined by ``/``, their families by `` / ``. Where ``aliases.tsv`` has no
    family, that of a JASPAR profile is its class there. ``ppm`` has rows ACGT and columns that sum to 1.
    """

    id: str
    name: str
    database: str
    ppm: Float[np.ndarray, "4 width"]
    label: str = ""
    label_source: str = ""
    symbol: str = ""
    family: str = ""
    flybase: str = ""
