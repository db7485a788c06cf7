from dataclasses import fields, replace

import numpy as np
import pytest
from matrices import motif_of, random_motifs
from named import GATA, PATTERN

from l2g_interp.motifs import naming, tomtom
from l2g_interp.records.tables import read_table, write_table
from l2g_interp.records.types import Match


def rival(rank: int, q_value: float, family: str = "zinc finger (GATA)") -> Match:
    return replace(GATA, rank=rank, label=f"rival {rank}", q_value=q_value, p_value=q_value / 100, family=family)


def test_the_best_match_names_the_pattern_in_whatever_order_they_come():
    (ranked,) = naming.ranked_matches([rival(3, 0.05), rival(2, 0.01), GATA]).values()
    assert [match.rank for match in ranked] == [1, 2, 3]
    assert naming.best_name(PATTERN, ranked) == "GATA (srp)"
    assert naming.best_matches(ranked) == {("dev", PATTERN.name): GATA}


@pytest.mark.parametrize("ranked", [[], [rival(1, 0.3)]])
def test_without_a_significant_match_a_pattern_has_its_number(ranked):
    assert naming.best_name(PATTERN, ranked) == "pattern 3"
    assert naming.best_matches(ranked) == {}
    assert naming.best_name(replace(PATTERN, name="odd"), ranked) == "odd"


def test_the_limit_is_the_readers_choice():
    assert naming.best_name(PATTERN, [rival(1, 0.3)], max_q=0.5) == "rival 1"
    assert naming.best_matches([rival(1, 0.3)], max_q=0.5)


def test_a_match_without_label_is_called_as_in_its_database():
    assert naming.called(replace(GATA, label="")) == "srp"
    assert naming.called(replace(GATA, label="", motif_name="")) == "MA1"


def test_reasons():
    assert naming.reason([GATA]) == "named by MA1 of db, q 6.0e-04, overlap 8 bp"
    agreeing = [GATA, rival(2, 0.01, "x / zinc finger (GATA)"), rival(3, 0.02, "bHLH"), rival(4, 0.5)]
    assert naming.reason(agreeing).endswith("; 1 more significant match of the family zinc finger (GATA)")
    assert naming.reason([GATA, rival(2, 0.01), rival(3, 0.02)]).endswith(
        "; 2 more significant matches of the family zinc finger (GATA)"
    )
    assert naming.reason([replace(GATA, family=""), rival(2, 0.01, "")]) == naming.reason([GATA])  # unknown agrees not
    assert naming.reason([rival(1, 0.17)]) == (
        "no significant match: the nearest, rival 1 (MA1 of db), has q 1.7e-01 (limit 0.1)"
    )
    assert naming.reason([]).startswith("no significant match")


def test_matches_carry_family_flybase_and_the_reason():
    known = motif_of("AGATAAGA", "srp", family="zinc finger (GATA)", flybase="FBgn0003507")
    best, *others = tomtom.match_motifs([PATTERN], [known, *random_motifs(40)])
    assert (best.family, best.flybase) == ("zinc finger (GATA)", "FBgn0003507")
    assert best.reason == naming.reason([best, *others])
    assert best.reason.startswith("named by srp of db, q ")
    assert {match.reason for match in others} == {""}


def test_tables_without_the_new_columns_are_still_read(tmp_path):
    """matches.tsv of runs made before family, flybase and reason were known."""
    new = ["family", "flybase", "reason", "likeness", "expressed"]
    path = tmp_path / "matches.tsv"
    write_table(path, [GATA], Match)
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert [f.name for f in fields(Match)][-5:] == lines[0][-5:] == new
    known = replace(GATA, likeness=0.9)
    write_table(path, [known], Match)
    assert read_table(path, Match, "x") == [known]
    path.write_text("".join("\t".join(cells[:-5]) + "\n" for cells in lines))
    (old,) = read_table(path, Match, "x")
    assert replace(old, likeness=0.9) == replace(known, family="", flybase="")
    assert np.isnan(old.likeness)
