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
    from l2g_interp.hits import call_hits
    from l2g_interp.logo import draw_logo
    from l2g_interp.modisco import discover_motifs
    from l2g_interp.naming import best_matches
    from l2g_interp.records import read_attributions, write_attributions
    from l2g_interp.report import write_report
    from l2g_interp.run_folder import read_run
    from l2g_interp.tomtom import match_motifs
    from l2g_interp.track import draw_track
    from l2g_interp.validate import validate_motifs

__all__ = [
    "attribute",
    "best_matches",
    "call_hits",
    "compare_motifs",
    "discover_motifs",
    "draw_logo",
    "draw_track",
    "match_motifs",
    "read_attributions",
    "read_run",
    "validate_motifs",
    "write_attributions",
    "write_report",
]

_HOMES = {
    "attribute": "l2g_interp.attributions.attribute",
    "best_matches": "l2g_interp.naming",
    "call_hits": "l2g_interp.hits",
    "compare_motifs": "l2g_interp.compare",
    "discover_motifs": "l2g_interp.modisco",
    "draw_logo": "l2g_interp.logo",
    "draw_track": "l2g_interp.track",
    "match_motifs": "l2g_interp.tomtom",
    "read_attributions": "l2g_interp.records",
    "read_run": "l2g_interp.run_folder",
    "validate_motifs": "l2g_interp.validate",
    "write_attributions": "l2g_interp.records",
    "write_report": "l2g_interp.report",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``l2g-interp --help`` answers at once."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'l2g_interp' has no attribute {name!r}")
