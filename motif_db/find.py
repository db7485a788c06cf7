"""Find motifs by what people call them: id, name, gene symbol, or one of the gene's other names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from functools import cache

from motif_db.motif import Motif, MotifError
from motif_db.names import read_table, spellings

MOST_SUGGESTED = 4


def named(motifs: Sequence[Motif], name: str) -> list[Motif]:
    """The motifs with this id, with this word in their name or label, or of the gene that has this other name.

    ``Zelda`` finds zld. Case counts only where it decides: ``ap`` is the gene apterous and not AP-1, ``trl`` is Trl.

    Parameters
    ----------
    motifs
        To choose from, of any databases.
    name
        An id, a word, or a name in ``synonyms.tsv`` or ``symbols.tsv``.

    Returns
    -------
    list of Motif
        In the order of ``motifs``, at least one.

    Raises
    ------
    MotifError
        There is none; the message suggests names that are close.
    """
    symbols = symbols_of(name)
    for flags in (0, re.IGNORECASE):
        word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", flags)
        found = [m for m in motifs if name == m.id or word.search(m.name) or word.search(m.label) or _of(m, symbols)]
        if found:
            return found
    databases = ", ".join(dict.fromkeys(m.database for m in motifs))
    raise MotifError(f"no motif {name!r} in {databases}; {_remedy(motifs, name, symbols)}")


def symbols_of(name: str) -> set[str]:
    """The fly gene symbols for another name of a gene, ignoring case, spaces and hyphens; empty if it is none."""
    return {symbol for other, symbol in _other_names() if _plain(other) == _plain(name)}


def close_names(motifs: Iterable[Motif], name: str, most: int = MOST_SUGGESTED) -> list[str]:
    """Names of these motifs or their genes that are spelt much like ``name``, closest first: ``zld (Zelda)``."""
    motifs = list(motifs)
    genes = {symbol for motif in motifs for symbol in motif.symbol.split("/") if symbol}
    shown = {_plain(text): text for m in motifs for text in (m.name, m.label) if text}
    shown |= {_plain(other): f"{symbol} ({other})" for other, symbol in _other_names() if symbol in genes}
    shown |= {_plain(symbol): symbol for symbol in genes}
    found = list(dict.fromkeys(shown[key] for key in difflib.get_close_matches(_plain(name), shown, most)))
    return [text for text in found if not any(other.startswith(f"{text} (") for other in found)]


def _remedy(motifs: Sequence[Motif], name: str, symbols: set[str]) -> str:
    if symbols:
        return f"that is {' or '.join(sorted(symbols))}, which is not in there: add a --database that has it"
    close = close_names(motifs, name)
    suggestion = f"close to it: {', '.join(close)}; " if close else ""
    return f"{suggestion}give an id, or a word of a name or label"


def _of(motif: Motif, symbols: set[str]) -> bool:
    return not symbols.isdisjoint(motif.symbol.split("/"))


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


@cache
def _other_names() -> tuple[tuple[str, str], ...]:
    """Another name of a gene, and its symbol."""
    listed = tuple((row["synonym"], row["symbol"]) for row in read_table("synonyms.tsv"))
    return (*listed, *((spelling, symbol) for spelling, symbol in spellings().items() if _plain(spelling) != symbol))
