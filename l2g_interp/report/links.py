"""Where a reader can go from a motif: to a pattern of this page, or to the databases' own pages.

Links only: the page itself fetches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from l2g_interp.motifs.naming import plain_name
from l2g_interp.records.types import Match
from l2g_interp.report.context import Context
from motif_db.links import links


@dataclass(frozen=True)
class MotifLink:
    """What to call a motif, and its pattern's HTML id in this page, or the address of its database's page, if any."""

    id: str
    anchor: str = ""
    address: str = ""


def motif_link(context: Context, target: str, reference: str) -> MotifLink:
    """The motif that a row about a target refers to; ``reference``: as in `l2g_interp.records.types.Hit`."""
    pattern = context.resolved(target, reference)
    if pattern is not None:
        here = "" if pattern.target == target else f"{pattern.target} "
        return MotifLink(here + plain_name(pattern), anchor=context.anchor(pattern))
    database, _, name = reference.partition("/")
    return MotifLink(reference, address=jaspar_address(database, name))


def jaspar_address(database: str, motif_id: str) -> str:
    """The page of a motif of JASPAR; empty for other databases, and for ids that are not JASPAR's."""
    return links(motif_id).get(f"JASPAR {motif_id}", "") if database.startswith("jaspar") else ""


def gene_links(match: Match) -> list[tuple[str, str]]:
    """Id and address of each gene of the matched factor; what is no id of FlyBase stays out of addresses."""
    start = "FlyBase "
    found = links("", match.flybase).items()
    return [(name.removeprefix(start), address) for name, address in found if name.startswith(start)]
