"""Names that are valid in other tools' formats, whatever the original names contain."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from l2g_interp.motifs.naming import called, naming_match
from l2g_interp.records.types import Match, Pattern, safe_name

LONGEST = 60  # letters of a target or label; BED allows 255 for everything together

Ranked = Mapping[tuple[str, str], Sequence[Match]]


def identifier(pattern: Pattern) -> str:
    """``dev.pos_patterns.pattern_0``: one ASCII word, unique to the pattern."""
    target = safe_name(pattern.target).replace(" ", "%20")
    if len(target) > LONGEST:
        target = f"{target[:LONGEST]}~{zlib.crc32(pattern.target.encode('utf-8', 'replace')):08x}"
    return f"{target}.{quote(pattern.name, safe='')}"


def label(pattern: Pattern, ranked: Ranked) -> str:
    """What the pattern is called, as one ASCII word such as ``GATA_(srp)``; empty where it has no name."""
    match = naming_match(ranked.get((pattern.target, pattern.name), []))
    return "" if match is None else re.sub(r"[^A-Za-z0-9.()/+:-]+", "_", called(match))[:LONGEST].strip("_")
