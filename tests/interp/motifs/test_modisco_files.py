"""TF-MoDISco's files as other people have them, and what becomes of seqlets in padding or N."""

import dataclasses
import logging
from pathlib import Path

import h5py
import numpy as np
import pytest
from planted import planted_attributions

from l2g_core.errors import InputError
from l2g_interp.motifs.matrices import reverse_complement
from l2g_interp.motifs.modisco import discover
from l2g_interp.motifs.modisco.file import read_discovery, read_patterns, target_of
from l2g_interp.motifs.modisco.gaps import drop_gapped
from l2g_interp.pipeline.motifs import match_files
from l2g_interp.records.attributions_file import write_attributions
from l2g_interp.records.types import Attributions
from l2g_interp.run_folder import read_all_patterns, read_record

LENGTH, WIDTH, WINDOW = 121, 12, 60
SHIFT = LENGTH // 2 - WINDOW // 2  # the tool's window lies in the middle


@pytest.fixture
def attributions() -> Attributions:
    """Twenty sequences; row 3 has an N at 40, row 4 is padded from 70 on."""
    made = planted_attributions(20, LENGTH)
    one_hot, lengths = made.one_hot.copy(), made.lengths.copy()
    one_hot[3, :, 40] = 0
    one_hot[4, :, 70:] = 0
    lengths[4] = 70
    by_target = {
        name: dataclasses.replace(part, one_hot=one_hot, hypothetical=part.hypothetical * one_hot.any(1)[:, None])
        for name, part in made.by_target.items()
    }
    return dataclasses.replace(made, one_hot=one_hot, lengths=lengths, by_target=by_target)


def write_file(path: Path, attributions: Attributions, starts: dict[str, list[int]], shift: int = SHIFT) -> None:
    """A file as 'modisco motifs' writes it: by pattern, a seqlet's start in the sequence for each row from 0 on."""
    with h5py.File(path, "w") as file:
        file.attrs["window_size"] = WINDOW if shift else LENGTH
        for name, places in starts.items():
            write_pattern(file.create_group(name), attributions, np.array(places), shift)


def write_pattern(group: h5py.Group, attributions: Attributions, places: np.ndarray, shift: int) -> None:
    rows, reverse = np.arange(len(places)), np.arange(len(places)) % 2 == 0
    group["seqlets/n_seqlets"] = [len(places)]
    group["seqlets/example_idx"], group["seqlets/is_revcomp"] = rows, reverse
    group["seqlets/start"], group["seqlets/end"] = places - shift, places - shift + WIDTH
    part = attributions["dev"]
    arrays = {
        "sequence": attributions.one_hot,
        "contrib_scores": part.contributions,
        "hypothetical_contribs": part.hypothetical,
    }
    for key, array in arrays.items():
        cut = [array[row, :, place : place + WIDTH].astype(np.float32) for row, place in zip(rows, places, strict=True)]
        group[f"seqlets/{key}"] = [(reverse_complement(c) if r else c).T for c, r in zip(cut, reverse, strict=True)]
        group[key] = group[f"seqlets/{key}"][...].mean(axis=0, dtype=np.float64)


PLACES = {"pos_patterns/pattern_0": [35, 36, 37, 38, 65, 39], "neg_patterns/pattern_2": [50] * 8}


def test_a_folder_or_a_file_of_the_tools_own(attributions, tmp_path):
    write_file(tmp_path / "motifs.a%2Fb.h5", attributions, PLACES)
    write_file(tmp_path / "motifs.hk.h5", attributions, {"pos_patterns/pattern_0": [40] * 3})
    found = read_all_patterns(tmp_path)
    assert {target: [(p.name, p.n_seqlets) for p in patterns] for target, patterns in found.items()} == {
        "a/b": [("pos_patterns.pattern_0", 6), ("neg_patterns.pattern_2", 8)],
        "hk": [("pos_patterns.pattern_0", 3)],
    }
    assert list(read_all_patterns(tmp_path / "motifs.hk.h5")) == ["hk"]
    (tmp_path / "motifs.hk.h5").rename(tmp_path / "modisco_results.h5")
    assert list(read_all_patterns(tmp_path / "modisco_results.h5")) == ["modisco_results"]


def test_a_folder_without_motifs(tmp_path):
    with pytest.raises(InputError, match=r"no motifs here; make them with .*, or call TF-MoDISco's own file"):
        read_all_patterns(tmp_path)
    (tmp_path / "motifs.dev.h5").write_text("no HDF5")
    with pytest.raises(InputError, match=r"motifs\.dev\.h5: not a TF-MoDISco file"):
        read_all_patterns(tmp_path)


def test_two_files_about_one_target(attributions, tmp_path):
    for name in ("motifs.a.h5", "motifs.b.h5"):
        write_file(tmp_path / name, attributions, PLACES)
        with h5py.File(tmp_path / name, "r+") as file:
            file.attrs["target"] = "dev"
    assert target_of(tmp_path / "motifs.b.h5") == "dev"
    with pytest.raises(InputError, match=r"motifs\.b\.h5: another file of the folder is about target 'dev', too"):
        read_discovery(tmp_path)


def test_the_tools_window_is_placed_in_the_middle_and_gaps_are_left_out(attributions, tmp_path, caplog):
    write_file(tmp_path / "motifs.dev.h5", attributions, PLACES)
    write_attributions(tmp_path / "attributions.h5", attributions)
    with caplog.at_level(logging.WARNING):
        first, second = read_all_patterns(tmp_path)["dev"]
    assert first.seqlets.example.tolist() == [0, 1, 2, 5]  # an N at 40 of row 3, padding from 70 on in row 4
    assert first.seqlets.start.tolist() == [35, 36, 37, 39]
    assert second.seqlets.start.tolist() == [50] * 8
    assert "2 seqlets reach into padding or N" in caplog.text
    for pattern in (first, second):
        check_matrices(pattern, attributions)


def check_matrices(pattern, attributions: Attributions) -> None:
    """Every matrix is the mean over what lies under the seqlets."""
    s, part = pattern.seqlets, attributions["dev"]
    for matrix, array in (
        (pattern.ppm, attributions.one_hot), (pattern.cwm, part.contributions), (pattern.hcwm, part.hypothetical)
    ):  # fmt: skip
        under = [
            reverse_complement(array[row, :, start:end]) if reverse else array[row, :, start:end]
            for row, start, end, reverse in zip(s.example, s.start, s.end, s.is_revcomp, strict=True)
        ]
        np.testing.assert_allclose(matrix, np.mean(under, axis=0), atol=1e-6)


def test_motifs_of_other_sequences_are_refused(attributions, tmp_path):
    write_file(tmp_path / "motifs.dev.h5", attributions, PLACES)
    other = planted_attributions(20, LENGTH, seed=9)
    with pytest.raises(InputError, match=r"letters under pos_patterns\.pattern_0 are not those of the sequences here"):
        read_patterns(tmp_path / "motifs.dev.h5", "dev", 0, other.one_hot)
    with pytest.raises(InputError, match="lies in more sequences than the 4 here"):
        read_patterns(tmp_path / "motifs.dev.h5", "dev", 0, attributions.one_hot[:4])


def test_seqlets_in_gaps_are_taken_out_of_a_file(attributions, tmp_path):
    path = tmp_path / "motifs.dev.h5"
    edges = [0, LENGTH - WIDTH, 20, 35]  # of row 3 on its N; rows 0 and 1 are moved beyond the ends
    write_file(path, attributions, {**PLACES, "pos_patterns/pattern_1": edges, "pos_patterns/pattern_3": [30]}, shift=0)
    with h5py.File(path, "r+") as file:
        patterns = file["pos_patterns"]
        write_pattern(patterns["pattern_0"].create_group("subpattern_0"), attributions, np.array([35] * 6), 0)
        for edge in ("start", "end"):
            patterns[f"pattern_1/seqlets/{edge}"][:2] += [-1, 1]
            patterns[f"pattern_3/seqlets/{edge}"][:] += LENGTH
        assert drop_gapped(file, attributions.one_hot) == (2 + 3 + 1, 6 + 8 + 4 + 1)
        assert patterns["pattern_0/subpattern_0/seqlets/n_seqlets"][:].tolist() == [5]
    found = read_patterns(path, "dev", 0)
    assert [(p.name, p.seqlets.example.tolist()) for p in found] == [
        ("pos_patterns.pattern_0", [0, 1, 2, 5]),
        ("pos_patterns.pattern_1", [2]),
        ("neg_patterns.pattern_2", list(range(8))),
    ]
    for pattern in found:
        check_matrices(pattern, attributions)


def test_what_we_make_ourselves_is_without_gaps_and_says_how_many_there_were(attributions, tmp_path, caplog):
    """The rows that TF-MoDISco got are in another order than those of the attributions."""
    path, order = tmp_path / "motifs.dev.h5", np.roll(np.arange(20), 1)
    write_file(path, attributions, PLACES, shift=0)
    with h5py.File(path, "r+") as file:
        for group in PLACES:
            rows = file[f"{group}/seqlets/example_idx"]
            rows[...] = np.argsort(order)[rows[...]]
    result = {"positive": 6, "negative": 8, "problem": "", "versions": {}}
    discover._finish(path, attributions, "dev", discover.ModiscoOptions(), order, result)
    assert "dev: 2 of the 14 seqlets of patterns reached into padding or N, and were left out" in caplog.text
    with h5py.File(path) as file:
        assert file.attrs["dropped_seqlets"] == 2
    assert [p.seqlets.example.tolist() for p in read_patterns(path, "dev", 0)] == [[0, 1, 2, 5], list(range(8))]


def test_a_single_file_is_matched_and_recorded_beside_the_table(attributions, tmp_path):
    (tmp_path / "theirs").mkdir()
    write_file(tmp_path / "theirs" / "dev.h5", attributions, PLACES)
    table = tmp_path / "mine" / "matches.tsv"
    table.parent.mkdir()
    matches = match_files(tmp_path / "theirs" / "dev.h5", ["core-promoter"], table)
    assert {match.target for match in matches} == {"dev"}
    assert table.exists()
    assert "match" in read_record(table.parent)["steps"]
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["dev.h5"]


def test_a_file_without_gaps_is_left_as_it_is(attributions, tmp_path):
    path = tmp_path / "motifs.dev.h5"
    write_file(path, attributions, {"neg_patterns/pattern_2": [20] * 8}, shift=0)
    with h5py.File(path, "r+") as file:
        before = file["neg_patterns/pattern_2/contrib_scores"][...]
        assert drop_gapped(file, attributions.one_hot) == (0, 8)
        np.testing.assert_array_equal(file["neg_patterns/pattern_2/contrib_scores"][...], before)


@pytest.mark.parametrize(
    "key", ["sequence", "contrib_scores", "seqlets/start", "seqlets/example_idx", "seqlets/is_revcomp"]
)
@pytest.mark.parametrize("what", ["missing", "group", "text", "shape", "huge", "link", "not finite"])
def test_damaged_files_get_one_line(attributions, tmp_path, key, what):
    path = tmp_path / "motifs.dev.h5"
    write_file(path, attributions, PLACES)
    with h5py.File(path, "r+") as file:
        group = file["pos_patterns/pattern_0"]
        before = group[key][...]
        del group[key]
        if what == "group":
            group.create_group(key)
        elif what == "text":
            group[key] = "text"
        elif what == "shape":
            group[key] = before[:-1]
        elif what == "huge":
            group.create_dataset(key, (10**9, *before.shape[1:]), before.dtype, chunks=True)
        elif what == "link":
            group[key] = h5py.ExternalLink("motifs.dev.h5", "/neg_patterns/pattern_2/seqlets/start")
        elif what == "not finite":
            group[key] = np.full(before.shape, np.nan)
    with pytest.raises(InputError, match=r"motifs\.dev\.h5: not a TF-MoDISco file") as error:
        read_patterns(path, "dev", 0)
    assert "\n" not in str(error.value)


def test_a_pattern_of_an_odd_name(attributions, tmp_path):
    write_file(tmp_path / "motifs.dev.h5", attributions, {"pos_patterns/other": [35]})
    with pytest.raises(InputError, match=r"not a TF-MoDISco file .*'other' is no pattern"):
        read_patterns(tmp_path / "motifs.dev.h5", "dev", 0)
