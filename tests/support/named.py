"""A pattern and the match that names it."""

from matrices import pattern_of, ppm_of

from l2g_interp.records.types import Match

PATTERN = pattern_of(ppm_of("AGATAAGA", 0.9), name="pos_patterns.pattern_3")


GATA = Match(
    "dev", PATTERN.name, "+", 40, 1, "MA1", "srp", "GATA (srp)", "db", 1e-6, 6e-4, "+", 0, 8,
    family="zinc finger (GATA)", flybase="FBgn0003507",
)  # fmt: skip
