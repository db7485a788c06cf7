"""Which motifs several sets share: patterns matched to each other, a picture, and the evidence (paper, Figure 4B)."""

from l2g_interp.compare.groups import Group, Link, Member, MotifComparison, compare_motifs
from l2g_interp.compare.page import write_comparison
from l2g_interp.compare.sets import MotifSet, read_sets
from l2g_interp.compare.table import Pair, pairs

__all__ = [
    "Group", "Link", "Member", "MotifComparison", "MotifSet", "Pair",
    "compare_motifs", "pairs", "read_sets", "write_comparison",
]  # fmt: skip
