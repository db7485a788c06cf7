"""Patterns with known sharing are found shared, those that are merely alike are not, and the page shows it."""

import csv
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from compared import SITES, match, pattern
from folders import visible
from page_reader import HOSTILE, Page
from planted import planted_attributions
from run_files import write_run_folder

import l2g_interp
from l2g_core.errors import InputError
from l2g_interp import compare, motifs
from l2g_interp.cli import main
from l2g_interp.compare.groups import MIN_CORRELATION, MIN_OVERLAP
from l2g_interp.compare.page import render
from l2g_interp.compare.venn import venn
from l2g_interp.records.attributions_file import write_attributions
from l2g_interp.records.tables import read_table
from l2g_interp.records.types import Pattern


def regions(compared: compare.MotifComparison) -> dict[tuple[str, ...], set[frozenset[str]]]:
    """By sets: the motifs, each as the targets and pattern names of its members (targets name the sites here)."""
    return {
        sets: {frozenset(compared.members[i].pattern.target for i in group.members) for group in groups}
        for sets, groups in compared.regions.items()
    }


def sites(*names: str, **changes) -> list[Pattern]:
    return [pattern(name, target=name, number=i, **changes) for i, name in enumerate(names)]


def test_two_sets():
    compared = l2g_interp.compare_motifs({"a": sites("AP-1", "DRE", "Trl"), "b": sites("DRE", "Ohler1", sharp=0.8)})
    assert regions(compared) == {
        ("a", "b"): {frozenset({"DRE"})},
        ("a",): {frozenset({"AP-1"}), frozenset({"Trl"})},
        ("b",): {frozenset({"Ohler1"})},
    }
    assert [group.sets for group in compared.shared] == [("a", "b")]
    assert len(compared.only("a")) == 2


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cut", [(0, 0), (2, 0), (0, 3), (1, 1)])
def test_the_other_strand_and_other_trimming_are_the_same_motif_on_one_axis(site, reverse, cut):
    """Where the two lie on the axis, their columns are the same to the last digit."""
    others = [name for name in SITES if name != site]
    first, second = pattern(site), pattern(site, reverse=reverse, cut=cut, flank=6, n=30)
    compared = compare.compare_motifs({"a": [first, *sites(*others)], "b": [second]})
    (group,) = compared.shared
    assert [compared.members[i].pattern for i in group.members] == [first, second]
    drawn = []
    for i, start, turned in zip(group.members, group.starts, group.reverse, strict=True):
        ppm = compared.members[i].ppm
        drawn.append(motifs.padded(motifs.reverse_complement(ppm) if turned else ppm, start, 20))
    both = drawn[0].any(axis=0) & drawn[1].any(axis=0)
    assert both.sum() == len(SITES[site]) - sum(cut)
    np.testing.assert_allclose(drawn[0][:, both], drawn[1][:, both])
    if site != "DRE":  # a palindrome reads the same on both strands
        assert group.reverse == (False, reverse)


def test_three_sets_and_an_empty_one():
    compared = compare.compare_motifs(
        {
            "a": sites("AP-1", "DRE", "Trl"),
            "b": sites("DRE", "Trl", "Ohler1", reverse=True),
            "c": sites("Trl", "Ohler1", cut=(1, 0)),
            "none": [],
        }
    )
    assert regions(compared) == {
        ("a", "b", "c"): {frozenset({"Trl"})},
        ("a", "b"): {frozenset({"DRE"})},
        ("b", "c"): {frozenset({"Ohler1"})},
        ("a",): {frozenset({"AP-1"})},
    }
    assert compared.only("none") == []


@pytest.mark.parametrize("patterns", [[], [pattern("DRE")]])
def test_nothing_to_compare_with(patterns):
    compared = compare.compare_motifs({"a": patterns, "b": []})
    assert (len(compared.only("a")), compared.shared, compared.links) == (len(patterns), [], ())
    assert "No motif is shared." in Page(render(compared, "x")).text


def test_a_motif_that_lowers_is_not_the_one_that_raises():
    compared = compare.compare_motifs({"a": sites("DRE", "AP-1"), "b": sites("DRE", sign=-1.0)})
    assert compared.shared == []
    lowers = next(i for i, member in enumerate(compared.members) if member.pattern.sign == "-")
    assert compared.nearest[lowers] is None


def test_what_is_alike_is_not_yet_one_motif():
    """GATAA lies inside TATCGATAA; the second pair shares a half. TOMTOM finds both pairs."""
    pairs = [("GATAA", "TATCGATAGC"), ("AGTGTGACCG", "CAGTGTTGCCAGA")]
    for one, other in pairs:
        compared = compare.compare_motifs({"a": sites(one), "b": sites(other)})
        assert compared.shared == []
        (link,) = (compared.nearest[0],)
        assert link is not None
        assert link.overlap < MIN_OVERLAP or link.correlation < MIN_CORRELATION


def test_patterns_of_one_set_that_are_one_motif_count_once():
    compared = compare.compare_motifs({"a": [*sites("DRE"), *sites("DRE", reverse=True, n=70)], "b": sites("AP-1")})
    assert len(compared.only("a")) == 1
    (group,) = compared.only("a")
    assert [compared.members[i].pattern.n_seqlets for i in group.members] == [70, 40]


def test_the_order_of_the_sets_does_not_matter():
    a, b = sites("AP-1", "DRE", "Trl"), sites("DRE", "Ohler1", sharp=0.75, cut=(1, 1))
    there, back = (compare.compare_motifs({"a": x, "b": y}) for x, y in ((a, b), (b, a)))
    sizes = [{len(sets): len(groups) for sets, groups in c.regions.items() if len(sets) > 1} for c in (there, back)]
    assert sizes[0] == sizes[1] == {2: 1}
    assert len(there.only("a")) == len(back.only("b"))
    (one,), (other,) = there.links, back.links
    assert (one.q_value, one.overlap) == (other.q_value, other.overlap)
    assert one.correlation == pytest.approx(other.correlation)


def test_what_is_linked_through_a_third_is_one_motif_and_lies_on_the_axis():
    """The ends of a long site share three columns with each other, and both are in the middle one."""
    site = "ATGACTCATCCGAT"
    left, middle, right = (pattern(part, number=i) for i, part in enumerate((site[:8], site, site[5:])))
    compared = compare.compare_motifs({"a": [left], "b": [middle], "c": [right]})
    assert {(link.first, link.second) for link in compared.links} == {(0, 1), (1, 2)}
    (group,) = compared.groups
    assert group.sets == ("a", "b", "c")
    assert {compared.members[i].set_name: start for i, start in zip(group.members, group.starts, strict=True)} == {
        "a": 0, "b": 0, "c": 5,
    }  # fmt: skip


def test_a_motif_has_the_best_name_of_its_patterns():
    first, second = pattern("DRE", n=90), pattern("DRE", reverse=True)
    sets = [
        compare.MotifSet("a", (first,), (match(first, "not significant", 0.5),)),
        compare.MotifSet("b", (second,), (match(second, "DRE (Dref)"),)),
    ]
    (group,) = compare.compare_motifs(sets).groups
    assert (group.name, group.named) == ("DRE (Dref)", True)
    (group,) = compare.compare_motifs({"a": [first], "b": [second]}).groups
    assert (group.name, group.named) == ("TATCGATAGC", False)


@pytest.mark.parametrize("sets", [{}, {"a": []}])
def test_one_set_is_not_enough(sets):
    with pytest.raises(InputError, match="two sets or more"):
        compare.compare_motifs(sets)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Two runs: in the first, dev and hk share DRE; the second has a target of its own and no matches.tsv."""
    root = tmp_path_factory.mktemp("runs")
    dev = [pattern("AP-1", number=0), pattern("DRE", number=1)]
    hk = [pattern("DRE", target="hk", reverse=True, number=0), pattern("Ohler1", target="hk", number=1)]
    matches = [match(found, label) for found, label in zip([*dev, *hk], ["AP-1", "DRE", "DRE", "Ohler1"], strict=True)]
    write_run_folder(root / "one", {"dev": dev, "hk": hk}, matches)
    write_attributions(root / "one" / "attributions.h5", planted_attributions(3, 60))
    write_run_folder(root / "two", {"dev": [pattern("Trl"), pattern("AP-1", number=1, sharp=0.8)]})
    write_run_folder(root / "none", {"dev": []}, [])
    return root


def command(*arguments: object):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_two_targets_of_one_run_by_command(folders, tmp_path):
    output = tmp_path / "compare.html"
    result = command(f"{folders / 'one'}:dev", f"{folders / 'one'}:hk", "--output", output)
    assert result.exit_code == 0, result.output
    (row,) = read_table(tmp_path / "compare.tsv", compare.Pair, "x")
    assert (row.motif, row.set_1, row.pattern_1, row.set_2, row.pattern_2) == (
        "DRE", "dev", "pos_patterns.pattern_1", "hk", "pos_patterns.pattern_0",
    )  # fmt: skip
    assert (row.overlap, row.strand, row.offset, row.label_2, row.n_seqlets_1) == (10, "-", 0, "DRE", 40)
    page = Page(output.read_text())
    assert "4 patterns of 2 sets are 3 different motifs, 1 of them shared." in page.text
    assert "because of Ohler1" in page.text
    assert visible(tmp_path) == ["compare.html", "compare.tsv"]


def test_runs_of_one_name_an_empty_one_and_names_of_ones_own(folders, tmp_path):
    output = tmp_path / "c.html"
    arguments = (folders / "one", folders / "two", folders / "none", "--output", output, "--tsv", tmp_path / "e.tsv")
    assert command(*arguments).exit_code == 0
    text = Page(output.read_text()).text
    assert "Only in two" in text
    assert "No pattern was found in none" in text
    assert "no matches.tsv; make it with 'l2g-interp match'" in text
    assert command(*arguments, "--names", "L2G,DeepSTARR,empty").exit_code == 2
    assert command(*arguments, "--names", "L2G,DeepSTARR,empty", "--overwrite").exit_code == 0
    assert "Only in DeepSTARR" in Page(output.read_text()).text
    with (tmp_path / "e.tsv").open() as handle:
        assert {(row["set_1"], row["set_2"]) for row in csv.DictReader(handle, delimiter="\t")} == {
            ("L2G", "L2G"), ("L2G", "DeepSTARR"),
        }  # fmt: skip


def test_sets_are_named_by_what_tells_them_apart(folders, monkeypatch):
    def names(*specs: str) -> list[str]:
        return [s.name for s in compare.read_sets(specs)]

    one, two = str(folders / "one"), str(folders / "two")
    assert names(f"{one}:dev", f"{one}:hk") == ["dev", "hk"]
    assert names(f"{one}:dev", f"{two}:dev") == ["one:dev", "two:dev"]
    assert names(one, two) == ["one", "two"]
    write_run_folder(folders / "x" / "one", {"dev": []}, [])
    monkeypatch.chdir(folders)
    assert names("one", "x/one") == ["one", "x/one"]


def test_a_folder_may_have_a_colon_in_its_name(folders):
    odd = write_run_folder(folders / "a:b", {"de:v": [pattern("AP-1", target="de:v")]}, [])
    first, second = compare.read_sets([f"{odd}:de:v", f"{folders / 'one'}:hk"])
    assert [p.target for p in first.patterns] == ["de:v"]
    assert {p.target for p in second.patterns} == {"hk"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["one"], "two sets or more"),
        (["one", "one"], "given twice"),
        (["one:dev", "one:nope"], "no target 'nope'; it has dev, hk"),
        (["one", "nowhere"], "nowhere: no such run folder"),
        (["one", "nowhere:dev"], "nowhere:dev: no such run folder"),
        (["one", "."], "make them with 'l2g-interp motifs"),
        (["one", "two", "--names", "a"], "give 2 different names"),
        (["one", "two", "--names", "a,a"], "give 2 different names"),
        (["one", "two", "--output", "."], "is a folder"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(folders, monkeypatch, arguments, says):
    monkeypatch.chdir(folders)
    before = sorted(folders.rglob("*"))
    result = command(*arguments)
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert result.output.count("\n") == 1
    assert sorted(folders.rglob("*")) == before


def test_hostile_names_are_text_everywhere(tmp_path):
    first, second = pattern("DRE", target=HOSTILE), pattern("DRE", target=HOSTILE)
    sets = [
        compare.MotifSet(HOSTILE, (first, pattern("AP-1")), (match(first, HOSTILE),), {HOSTILE: HOSTILE}),
        compare.MotifSet(HOSTILE + "2", (second,), (), {HOSTILE: HOSTILE}),
        compare.MotifSet("third", ()),
    ]
    page = Page(render(compare.compare_motifs(sets), HOSTILE, HOSTILE))
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE in "".join(page.words)


def test_the_page_fetches_nothing_and_its_tables_have_heads():
    compared = compare.compare_motifs({"a": sites("AP-1", "DRE"), "b": sites("DRE")})
    page = Page(render(compared, "Motifs compared"))
    assert not [value for name, value in page.attributes if name in ("src", "href") and value and value[:1] not in "#d"]
    assert any("script-src 'none'" in (value or "") for _, value in page.attributes)
    assert page.tags.count("caption") == page.tags.count("table") == page.tags.count("thead") >= 4
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [value for name, value in page.attributes if name == "href" and value and value.startswith("#")]
    assert {link[1:] for link in links if link} <= set(ids)


@pytest.mark.parametrize("n", [2, 3])
def test_the_venn_diagram_holds_every_count(n):
    names = ["<a>", "b", "c"][:n]
    keys = [tuple(name for i, name in enumerate(names) if bits >> i & 1) for bits in range(1, 2**n)]
    held = {key: [f"m&{i}"] * (11 + i) for i, key in enumerate(keys)}
    root = ET.fromstring(venn(names, held))
    space = "{http://www.w3.org/2000/svg}"
    assert sorted(int(e.text or "") for e in root.iter(f"{space}text") if e.get("class") == "count") == [
        11 + i for i in range(len(keys))
    ]
    described = (root.find(f"{space}title"), root.find(f"{space}desc"))
    assert root.get("aria-labelledby") == " ".join(e.get("id", "") for e in described if e is not None)
    assert len(list(root.iter(f"{space}circle"))) == n
    assert "11 motifs only in <a>" in (described[1].text or "" if described[1] is not None else "")


def test_more_than_three_sets_have_a_table_and_no_circles():
    compared = compare.compare_motifs({name: sites("DRE", "AP-1") for name in "abcd"})
    text = render(compared, "x")
    assert 'class="venn"' not in text
    assert len(compared.shared) == 2
    assert Page(text).text.count("● yes") == 4
