"""Explain DNA models: contributions of bases, the motifs in them, the factors they belong to, one report.

    from l2g_interp import attribute, discover_motifs, match_motifs, write_report

Works on any torch module from one-hot ``(batch, 4, length)`` to ``(batch, targets)``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2g_interp.attributions.attribute import attribute
    from l2g_interp.compare import compare_motifs
    from l2g_interp.modisco import discover_motifs
    from l2g_interp.report import write_report
    from l2g_interp.tomtom import match_motifs

__all__ = ["attribute", "compare_motifs", "discover_motifs", "match_motifs", "write_report"]

_HOMES = {
    "attribute": "l2g_interp.attributions.attribute",
    "compare_motifs": "l2g_interp.compare",
    "discover_motifs": "l2g_interp.modisco",
    "match_motifs": "l2g_interp.tomtom",
    "write_report": "l2g_interp.report",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``l2g-interp --help`` answers at once."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'l2g_interp' has no attribute {name!r}")
