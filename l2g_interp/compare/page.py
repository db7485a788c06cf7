"""The page of a comparison: picture, shared motifs with their logos on one axis, unique ones, evidence, provenance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from l2g_interp.compare.groups import MIN_CORRELATION, MIN_OVERLAP, MIN_SHARE, Group, Link, Member, MotifComparison
from l2g_interp.compare.table import pairs
from l2g_interp.compare.venn import describe, venn
from l2g_interp.drawing.logo import logo_svg, value_range
from l2g_interp.drawing.numbers import shortened
from l2g_interp.drawing.page import asset, check_output, render_page, write_page
from l2g_interp.motifs.matrices import padded, reverse_complement
from l2g_interp.motifs.naming import plain_name

PACKAGE = "l2g_interp.compare"  # where the template is
SECTIONS = {
    "overview": "Overview",
    "shared": "Shared motifs",
    "unique": "Unique motifs",
    "evidence": "Evidence",
    "provenance": "How this was made",
}
MOST_CIRCLES = 3  # sets that a Venn diagram can show; the table of regions shows any number
WIDEST, PITCHES = 260, (6, 13)  # pixels of a logo, and the range of pixels per column


@dataclass(frozen=True)
class MemberView:
    """A pattern in a table; ``reason``: where its name is from; ``nearest``: the most similar elsewhere, in words."""

    member: Member
    number: str
    reason: str
    logo: Markup
    strand: str
    nearest: str


@dataclass(frozen=True)
class GroupView:
    group: Group
    members: list[MemberView]


def write_comparison(
    output: str | Path, comparison: MotifComparison, *, title: str = "Motifs compared", command: str = ""
) -> Path:
    """Write one self-contained HTML file that opens offline; the write is atomic.

    Parameters
    ----------
    output
        Where to write; an existing file is replaced.
    comparison
        What `compare_motifs` found.
    title
        The page's heading. Any text.
    command
        The command line, for the provenance.

    Raises
    ------
    InputError
        ``output`` cannot be written.
    """
    check_output(Path(output))
    return write_page(output, render(comparison, title, command))


def render(comparison: MotifComparison, title: str, command: str = "") -> str:
    """The page as text."""
    names = comparison.names
    called = {sets: [group.name for group in groups] for sets, groups in comparison.regions.items()}
    return render_page(
        "comparison.html",
        PACKAGE,
        title=title,
        navigation=list(SECTIONS.items()),
        style=asset(PACKAGE, "comparison.css"),
        command=command,
        names=names,
        words=_words(comparison),
        described=describe(names, called),
        picture=Markup(venn(names, called)) if len(names) <= MOST_CIRCLES else None,
        regions=[(sets, groups) for sets, groups in comparison.regions.items()],
        most=max((len(groups) for groups in comparison.regions.values()), default=1),
        shared=[_group_view(comparison, group) for group in comparison.shared],
        unique=[(s, [_group_view(comparison, group) for group in comparison.only(s.name)]) for s in comparison.sets],
        evidence=pairs(comparison),
        facts=list(dict.fromkeys(key for s in comparison.sets for key in s.origin)),
        sets=comparison.sets,
        rules={"q": comparison.max_q, "r": MIN_CORRELATION, "overlap": MIN_OVERLAP, "share": MIN_SHARE},
        plain_name=plain_name,
    )


def _words(comparison: MotifComparison) -> str:
    """What a reader should know first."""
    patterns = sum(len(s.patterns) for s in comparison.sets)
    motifs, shared = len(comparison.groups), len(comparison.shared)
    empty = [shortened(s.name) for s in comparison.sets if not s.patterns]
    text = (
        f"{patterns} patterns of {len(comparison.sets)} sets are {motifs} different motifs, {shared} of them shared. "
    )
    if empty:
        text += f"No pattern was found in {', '.join(empty)}. "
    return text + _differences(comparison)


def _differences(comparison: MotifComparison) -> str:
    """What else differs between the runs, so that the motifs' differences are not blamed on one cause alone."""
    settings = {
        "Model fingerprint": "model",
        "Sequences' fingerprint": "sequences",
        "Method": "method",
        "References": "number of references",
    }
    differ = []
    for key, name in settings.items():
        values = {s.origin[key] for s in comparison.sets if key in s.origin}
        differ += [name] if len(values) > 1 else []
    return f"The sets differ in {' and '.join(differ)}." if differ else ""


def _group_view(comparison: MotifComparison, group: Group) -> GroupView:
    width = max(s + comparison.members[i].cwm.shape[1] for i, s in zip(group.members, group.starts, strict=True))
    views = []
    for i, start, reverse in zip(group.members, group.starts, group.reverse, strict=True):
        member = comparison.members[i]
        near = _near(comparison, i) if len(group.sets) == 1 else ""
        strand = "−" if reverse else "+"
        logo = _logo(member, start, reverse, width)
        views.append(MemberView(member, plain_name(member.pattern), _reason(member), logo, strand, near))
    return GroupView(group, views)


def _logo(member: Member, start: int, reverse: bool, width: int) -> Markup:
    drawn = reverse_complement(member.cwm) if reverse else member.cwm
    heights = padded(np.asarray(drawn, dtype=np.float64), start, width)
    pitch = int(np.clip(WIDEST // width, *PITCHES))
    label = f"Contributions of {plain_name(member.pattern)}, {member.consensus}"
    return Markup(logo_svg(heights, label, height=44, pitch=pitch, limits=value_range(member.cwm)))


def _reason(member: Member) -> str:
    """Where the name comes from, according to matches.tsv; older files have no reason."""
    match = member.match
    if match is None:
        return "no significant match"
    return match.reason or f"{match.motif_id} of {match.database}, q {match.q_value:.1e}"


def _near(comparison: MotifComparison, i: int) -> str:
    link = comparison.nearest[i]
    if link is None:
        return "nothing of this sign"
    other = comparison.members[link.second if link.first == i else link.first]
    return f"{shortened(other.set_name)} {_short_name(other)}, q {link.q_value:.1e}, {_facts(link)}"


def _short_name(member: Member) -> str:
    name = shortened(member.name, 40)
    return f"{name} ({plain_name(member.pattern)})" if member.match else f"{name} ({member.consensus})"


def _facts(link: Link) -> str:
    return f"r {link.correlation:.2f} over {link.overlap} bp"
