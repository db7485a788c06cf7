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
    return f"{_short(pattern.target)}.{quote(pattern.name, safe='')}"


def file_stem(pattern: Pattern, ranked: Ranked) -> str:
    """``dev.AP-1_kay.pos_patterns.pattern_0``: target, what the pattern is called if anything, and the pattern.

    Plain ASCII without a path separator, unique to the pattern.
    """
    target, name = _short(pattern.target), _short(pattern.name).replace("%2E", ".")
    called_as = re.sub(r"[^A-Za-z0-9-]+", "_", label(pattern, ranked)).strip("_")
    return ".".join(filter(None, (target, called_as, name)))


def one_word(name: str) -> str:
    """A name without white space or control characters: BED parsers split at them."""
    return re.sub(r"[\s\x00-\x1f\x7f]", "_", name)


def label(pattern: Pattern, ranked: Ranked) -> str:
    """What the pattern is called, as one ASCII word such as ``GATA_(srp)``; empty where it has no name."""
    match = naming_match(ranked.get((pattern.target, pattern.name), []))
    return "" if match is None else re.sub(r"[^A-Za-z0-9.()/+:-]+", "_", called(match))[:LONGEST].strip("_")


def _short(name: str) -> str:
    """A name in ASCII letters, cut with a hash at the end where it is long; ``.`` is quoted, too."""
    safe = safe_name(name).replace(" ", "%20")
    return safe if len(safe) <= LONGEST else f"{safe[:LONGEST]}~{zlib.crc32(name.encode('utf-8', 'replace')):08x}"
