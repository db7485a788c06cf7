"""Hit calling against sites whose places are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from counting_model import ACTIVATOR
from evidence_run import exact_ppm, pattern
from planted import MOTIFS, Plant, planted
from planted_run import planted_run

import l2g_interp
from l2g_core import dna
from l2g_core.dna import Interval
from l2g_core.errors import InputError
from l2g_interp.exports import write_hits_bed
from l2g_interp.exports.genome import HIT_COLUMNS
from l2g_interp.motifs.candidates import Block, Matrices, Needed, find_candidates, score_again
from l2g_interp.motifs.hits import BLOCK, calibrate, recovered
from l2g_interp.motifs.library import Entry, build_library, unit
from l2g_interp.motifs.matrices import reverse_complement
from l2g_interp.records.attributions_file import read_attributions
from l2g_interp.records.types import Attributions, Hit, Pattern, Run, Seqlets

N, LENGTH = 300, 150


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    assert N > BLOCK, "so that there is a border between blocks"
    return planted_run(tmp_path_factory.mktemp("planted"), N, LENGTH)


@pytest.fixture(scope="module")
def patterns(run: Run) -> list[Pattern]:
    return [p for found in run.patterns.values() for p in found]


@pytest.fixture(scope="module")
def hits(run: Run, patterns: list[Pattern]) -> list[Hit]:
    return l2g_interp.call_hits(run.attributions, patterns)


def test_planted_sites_are_found_and_little_else(patterns: list[Pattern], hits: list[Hit]) -> None:
    plants = planted(N, LENGTH)[1]
    for motif, p in zip(MOTIFS, patterns, strict=True):
        mine = [h for h in hits if (h.target, h.pattern) == (p.target, p.name)]
        sites = [plant for plant in plants if plant.motif == motif.name]
        width = len(motif.consensus)
        found = [any(_lies_on(h, site, width) for h in mine) for site in sites]
        right = [any(_lies_on(h, site, width) for site in sites) for h in mine]
        assert np.mean(found) > 0.85, motif.name
        assert np.mean(right) > 0.98, motif.name
        if motif.name != "DRE":  # a palindrome has no strand
            strands = [h.strand == site.strand for h in mine for site in sites if _lies_on(h, site, width)]
            assert np.mean(strands) > 0.98, motif.name


def _lies_on(hit: Hit, site: Plant, width: int) -> bool:
    return hit.row == site.row and abs(hit.start + hit.end - 2 * site.start - width) <= 4


def test_floors_leave_nearly_all_seqlets(run: Run, patterns: list[Pattern], hits: list[Hit]) -> None:
    shares = recovered(patterns, hits)
    assert len(shares) == len(MOTIFS)
    assert min(shares.values()) > 0.85
    at_seqlets = sum(h.seqlet for h in hits)
    assert 0.85 * sum(map(len, (p.seqlets for p in patterns))) < at_seqlets < len(hits)
    found = calibrate(run.attributions, build_library(patterns))
    assert not found.controlled
    floors = dict(zip([entry.label("dev") for entry in found.library], found.floors.first, strict=True))
    for h in hits:
        if h.target == "dev" and h.tier == 1:
            assert h.likeness >= floors[h.pattern] - 1e-4
        assert abs(h.contribution) >= found.contribution[h.target][1 if h.sign == "+" else -1, h.end - h.start] * 0.999
    assert max(found.floors.missing_named_wrong.values()) <= 0.1


def test_a_floor_for_all_is_the_callers_choice(run: Run, patterns: list[Pattern], hits: list[Hit]) -> None:
    floor = float(np.median([h.likeness for h in hits if h.tier == 1]))
    strict = l2g_interp.call_hits(run.attributions, patterns, floor=floor)
    named = [h for h in strict if h.tier == 1]
    assert 0 < len(named) < len([h for h in hits if h.tier == 1])
    assert min(h.likeness for h in named) >= floor - 1e-4
    assert {h.tier for h in strict} == {1, 2}
    assert max(h.likeness for h in strict if h.tier == 2) < floor


def test_hits_do_not_depend_on_blocks_or_on_where_the_attributions_are(
    run: Run, patterns: list[Pattern], hits: list[Hit]
) -> None:
    whole = read_attributions(run.attributions)
    assert l2g_interp.call_hits(whole, patterns) == hits
    key = [(["dev", "hk"].index(h.target), h.row, h.start) for h in hits]
    assert key == sorted(key)
    assert {h.id for h in hits} <= set(whole.ids)
    assert all(h.id == whole.ids[h.row] for h in hits)


def test_a_site_has_one_motif(hits: list[Hit]) -> None:
    assert {h.sign for h in hits} == {"+", "-"}
    for h in hits:
        assert (h.contribution > 0) == (h.sign == "+")
        near = [o for o in hits if (o.target, o.row) == (h.target, h.row) and o is not h]
        assert all(
            2 * (min(h.end, o.end) - max(h.start, o.start)) <= max(h.end - h.start, o.end - o.start) for o in near
        )


def test_of_two_equal_patterns_the_first_gets_the_hits(run: Run, patterns: list[Pattern], hits: list[Hit]) -> None:
    twice = [patterns[0], replace(patterns[0], name="pos_patterns.pattern_9")]
    assert {h.pattern for h in l2g_interp.call_hits(run.attributions, twice)} == {patterns[0].name}


def made_of_windows() -> tuple[np.ndarray, np.ndarray, list[Entry]]:
    """Random contributions, and motifs cut out of them: one each of the forward strand, the other one, and negative."""
    rng = np.random.default_rng(0)
    one_hot = np.eye(4, dtype=np.int8)[rng.integers(0, 4, (3, 20))].transpose(0, 2, 1)
    signs = np.array([1, 1, -1])[:, None, None]
    hypothetical = (signs * (1 + rng.normal(size=(3, 4, 20)) / 2)).astype(np.float32)
    cuts = [(0, slice(3, 9)), (1, slice(8, 16)), (2, slice(2, 8))]
    library = []
    for number, (row, here) in enumerate(cuts):
        both = [hypothetical[row, :, here] * one_hot[row, :, here], hypothetical[row, :, here]]
        site, there = (signs[row, 0, 0] * each for each in (both[0], both[1] - both[1].mean(axis=0)))
        site, there = (reverse_complement(each) if number == 1 else each for each in (site, there))
        library.append(Entry(str(number), "", (), (), unit(site), unit(there)))
    return hypothetical, one_hot, library


def test_candidates_have_the_numbers_they_say() -> None:
    """Gain, cosine, likeness and sum of every candidate, computed again one by one; of both signs and strands."""
    hypothetical, one_hot, library = made_of_windows()
    every = Needed({(s, w): 0.0 for s in (1, -1) for w in (6, 8)}, np.full(3, -1.0))
    found = find_candidates(Block.of(hypothetical, one_hot, np.array([20, 20, 15])), Matrices(library), every)
    assert set(found.sign.tolist()) == {1, -1}
    assert set(found.strand.tolist()) == {0, 1}
    assert found.end[found.row == 2].max() <= 15
    for i in range(len(found)):
        here = slice(found.start[i], found.end[i])
        entry = library[found.entry[i]]
        site = hypothetical[found.row[i], :, here] * found.sign[i]
        there = site - site.mean(axis=0)
        site = site * one_hot[found.row[i], :, here]
        cwm, like = (reverse_complement(m) if found.strand[i] else m for m in (entry.cwm, entry.centred))
        assert found.gain[i] == pytest.approx((site * cwm).sum(), abs=1e-5)
        assert found.similarity[i] == pytest.approx((site * cwm).sum() / np.linalg.norm(site), abs=1e-5)
        assert found.likeness[i] == pytest.approx((there * like).sum() / np.linalg.norm(there), abs=1e-5)
        assert found.contribution[i] == pytest.approx(site.sum() * found.sign[i], abs=1e-5)
        assert found.similarity[i] >= 0.5
        assert found.contribution[i] * found.sign[i] >= 0


def test_silenced_bases_are_not_counted_again() -> None:
    hypothetical, one_hot, library = made_of_windows()
    every = Needed({(s, w): 0.0 for s in (1, -1) for w in (6, 8)}, np.full(3, -1.0))
    block = Block.of(hypothetical, one_hot, np.array([20, 20, 20]))
    before = find_candidates(block, Matrices(library), every)
    block.silence(replace(before.take(np.array([0])), start=before.start[:1] + 4, end=before.end[:1] + 2))
    again = score_again(before, block, Matrices(library), every)
    fresh = find_candidates(block, Matrices(library), every)
    keys = {
        (int(fresh.entry[i]), int(fresh.row[i]), int(fresh.start[i]), int(fresh.sign[i]), int(fresh.strand[i])): i
        for i in range(len(fresh))
    }
    assert len(again)
    for i in range(len(again)):
        key = (again.entry[i], again.row[i], again.start[i], again.sign[i], again.strand[i])
        j = keys.get(tuple(int(part) for part in key))
        if j is not None:  # a candidate whose other strand fits better now keeps its own
            for name in ("gain", "likeness", "similarity", "contribution"):
                assert getattr(again, name)[i] == pytest.approx(getattr(fresh, name)[j], abs=1e-4)


def one_site(
    ids: list[str], length: int, starts: list[int], strands: str, **more: object
) -> tuple[Attributions, Pattern]:
    """Attributions that are 1 at the bases of one site in each sequence, and the pattern of these sites."""
    n, width = len(ids), len(ACTIVATOR)
    made = planted(n, length, motifs=())[0]
    one_hot, by_target = made.one_hot.copy(), {}
    for row, (start, strand) in enumerate(zip(starts, strands, strict=True)):
        site = ACTIVATOR if strand == "+" else dna.reverse_complement(ACTIVATOR)
        one_hot[row, :, start : start + width] = dna.one_hot([site])[0]
    hypothetical = np.zeros((n, 4, length), dtype=np.float32)
    for row, start in enumerate(starts):
        hypothetical[row, :, start : start + width] = one_hot[row, :, start : start + width]
    by_target = {"dev": replace(made["dev"], one_hot=one_hot, hypothetical=hypothetical)}
    at = np.array(starts)
    seqlets = Seqlets(np.arange(n), at, at + width, np.array([s == "-" for s in strands]))
    attributions = replace(made, ids=ids, one_hot=one_hot, by_target=by_target, **more)  # type: ignore[arg-type]
    return attributions, replace(pattern(ACTIVATOR, "dev"), cwm=exact_ppm(ACTIVATOR), seqlets=seqlets)


def test_bed_lies_on_the_genome_to_the_base(tmp_path: Path) -> None:
    """Three intervals of a genome, one of them from the other strand: the hits' letters are the motif's."""
    intervals = [Interval("chr1", 100, 140, "+"), Interval("chr2", 50, 90, "-"), Interval("chr2", 7, 47)]
    attributions, p = one_site(["a", "b", "c"], 40, [3, 5, 30], "++-", coordinates=intervals)
    genome = {chrom: ["A"] * 200 for chrom in ("chr1", "chr2")}
    for x, interval in zip(attributions.one_hot, intervals, strict=True):
        text = dna.decode(x)
        forward = dna.reverse_complement(text) if interval.strand == "-" else text
        genome[interval.chrom][interval.start : interval.end] = list(forward)
    hits = l2g_interp.call_hits(attributions, [p], quantile=0.0)
    write_hits_bed(hits, attributions.coordinates, tmp_path / "hits.bed")
    rows = [line.split("\t") for line in (tmp_path / "hits.bed").read_text().splitlines()[1:]]
    by_id = {row[9]: row for row in rows}
    assert [row[:3] for row in rows] == sorted(row[:3] for row in rows)
    assert by_id["a"][:6] == ["chr1", "103", "111", "dev/pos_patterns.pattern_0", "1000", "+"]
    assert by_id["b"][:3] + by_id["b"][5:6] == ["chr2", "77", "85", "-"]
    assert by_id["c"][:3] + by_id["c"][5:6] == ["chr2", "37", "45", "-"]
    for chrom, start, end, _, _, strand, *_ in rows:
        site = "".join(genome[chrom][int(start) : int(end)])
        assert (dna.reverse_complement(site) if strand == "-" else site) == ACTIVATOR


def test_odd_names_stay_within_their_column(tmp_path: Path) -> None:
    ids = ["a\tb\nc", '<b>"x"', "../é 😀"]
    attributions, p = one_site(ids, 40, [3, 5, 30], "+-+")
    odd = replace(p, target="dev")
    write_hits_bed(l2g_interp.call_hits(attributions, [odd], quantile=0.0), None, tmp_path / "hits.bed")
    lines = (tmp_path / "hits.bed").read_text(encoding="utf-8").splitlines()
    assert {line.split("\t")[0] for line in lines[1:]} == {"a_b_c", '<b>"x"', "../é_😀"}
    assert all(len(line.split("\t")) == len(HIT_COLUMNS) for line in lines)


def test_padding_holds_no_hit_and_what_does_not_fit_is_refused() -> None:
    attributions, p = one_site(["a", "b", "c"], 40, [3, 5, 30], "+++")
    shorter = replace(attributions, lengths=np.array([40, 40, 36]))
    with pytest.raises(InputError, match="a seqlet lies outside its sequence"):
        l2g_interp.call_hits(shorter, [p])
    two = replace(p, seqlets=Seqlets(*(getattr(p.seqlets, k)[:2] for k in ("example", "start", "end", "is_revcomp"))))
    assert [h.row for h in l2g_interp.call_hits(attributions, [two], quantile=0.0)] == [0, 1, 2]
    assert [h.row for h in l2g_interp.call_hits(shorter, [two], quantile=0.0)] == [0, 1]
    with pytest.raises(InputError, match="no target 'liver'"):
        l2g_interp.call_hits(attributions, [replace(p, target="liver")])
    with pytest.raises(InputError, match="quantile 1"):
        l2g_interp.call_hits(attributions, [p], quantile=1.0)
    assert l2g_interp.call_hits(attributions, []) == []
