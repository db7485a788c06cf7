"""What the report consists of, in order. To add a section: one function, one template, one line in `SECTIONS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from l2g_interp.report.checks import checks
from l2g_interp.report.context import Context
from l2g_interp.report.explained import explained
from l2g_interp.report.families import families
from l2g_interp.report.interactions import interactions
from l2g_interp.report.motifs import motifs
from l2g_interp.report.pairs import pairs
from l2g_interp.report.provenance import provenance
from l2g_interp.report.removals import removals
from l2g_interp.report.summary import summary
from l2g_interp.report.tracks import tracks


@dataclass(frozen=True)
class Section:
    """A heading, and ``build``, which makes the ``data`` of ``templates/<key>.html``; None leaves the section out."""

    title: str
    build: Callable[[Context], Any | None]


SECTIONS: dict[str, Section] = {
    "summary": Section("Summary", summary),
    "families": Section("Motifs by target", families),
    "motifs": Section("Motifs", motifs),
    "explained": Section("What stays unexplained", explained),
    "removals": Section("What is lost without them", removals),
    "pairs": Section("Motifs that occur together", pairs),
    "interactions": Section("Motifs planted together", interactions),
    "tracks": Section("Contribution tracks", tracks),
    "checks": Section("Can these numbers be trusted?", checks),
    "provenance": Section("How this was made", provenance),
}
