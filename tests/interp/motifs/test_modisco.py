import base64
import dataclasses
import hashlib
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import pytest
from planted import MOTIFS, planted, planted_attributions

from l2g_core.errors import InputError
from l2g_interp import motifs
from l2g_interp.motifs.modisco import discover as modisco
from l2g_interp.motifs.modisco import run as modisco_run
from l2g_interp.motifs.modisco import worker as modisco_worker
from l2g_interp.motifs.modisco.file import options_of
from l2g_interp.records.attributions_file import write_attributions
from l2g_interp.records.types import Attributions

LENGTH = 249  # odd, as DeepSTARR's: the tool's own command line refuses it
COMMAND = Path(sys.executable).with_name("modisco")


@pytest.fixture(scope="module")
def truth():
    return planted(220, LENGTH, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("motifs")


@pytest.fixture(scope="module")
def discovery(truth, folder) -> modisco.Discovery:
    """One run of TF-MoDISco per target, from a file, shared by the tests."""
    path = folder / "attributions.h5"
    write_attributions(path, truth[0])
    return modisco.discover_motifs(path, output_dir=folder)


def resembles(pattern, consensus: str) -> bool:
    ppm = np.full((4, len(consensus)), 0.0)
    ppm[["ACGT".index(base) for base in consensus], range(len(consensus))] = 1
    return motifs.similarity(motifs.trimmed(pattern).ppm, ppm) > 0.7


@pytest.mark.parametrize("planted_motif", MOTIFS, ids=lambda motif: motif.name)
def test_every_planted_motif_is_found_in_its_target_with_its_sign(discovery, planted_motif):
    found = [p for p in discovery.patterns[planted_motif.target] if resembles(p, planted_motif.consensus)]
    assert len(found) == 1
    assert found[0].n_seqlets >= 30
    assert found[0].sign == ("+" if planted_motif.effect > 0 else "-")
    assert np.sign(found[0].cwm.sum()) == np.sign(planted_motif.effect)


def test_nothing_else_is_found(discovery):
    assert {target: len(patterns) for target, patterns in discovery.patterns.items()} == {"dev": 3, "hk": 3}
    assert discovery.notes == {}


def test_seqlets_say_where_the_motif_lies_and_on_which_strand(truth, discovery):
    """Cut every seqlet out of its sequence: what is under the trimmed pattern is the motif."""
    attributions, _ = truth
    for pattern in (p for patterns in discovery.patterns.values() for p in patterns):
        cut = motifs.trimmed(pattern)
        rows = zip(cut.seqlets.example, cut.seqlets.start, cut.seqlets.end, cut.seqlets.is_revcomp, strict=True)
        stretches = [
            motifs.reverse_complement(attributions.one_hot[row, :, start:end])
            if is_revcomp
            else attributions.one_hot[row, :, start:end]
            for row, start, end, is_revcomp in rows
        ]
        np.testing.assert_allclose(np.mean(stretches, axis=0), cut.ppm, atol=1e-6)


def test_seqlets_lie_on_the_planted_motifs(truth, discovery):
    _, plants = truth
    by_name = {motif.name: motif for motif in MOTIFS}
    places = {(by_name[plant.motif].target, plant.row): [] for plant in plants}
    for plant in plants:
        places[by_name[plant.motif].target, plant.row].append(plant.start)
    for target, patterns in discovery.patterns.items():
        for pattern in patterns:
            seqlets = motifs.trimmed(pattern).seqlets
            hits = [
                any(abs(start - s) <= 2 for s in places.get((target, row), []))
                for row, start in zip(seqlets.example, seqlets.start, strict=True)
            ]
            assert np.mean(hits) > 0.95


def test_the_file_says_how_it_was_made(discovery, folder):
    with h5py.File(folder / "motifs.dev.h5") as file:
        assert file.attrs["window_size"] == LENGTH
        assert file.attrs["target"] == "dev"
        options = json.loads(file.attrs["options"])
        assert options.keys() == {f.name for f in dataclasses.fields(modisco.ModiscoOptions)}
        versions = json.loads(file.attrs["versions"])
        assert versions.pop("leidenalg") == metadata.version("leidenalg")
        ((name, version),) = versions.items()  # modisco-lite, or modisco where that has taken its place
        assert version == metadata.version(name)
        assert modisco_worker.is_complete(name)
        assert json.loads(file.attrs["attributions"])["seed"] == 1
        assert file.attrs["positive_seqlets"] > 100
        assert file.attrs["note"] == ""
    assert not list(folder.glob("*.unfinished"))


def test_read_discovery_reads_what_discover_returned(discovery, folder):
    again = modisco.read_discovery(folder)
    assert again.notes == discovery.notes
    assert {t: [p.name for p in ps] for t, ps in again.patterns.items()} == {
        t: [p.name for p in ps] for t, ps in discovery.patterns.items()
    }


def test_few_seqlets_are_dropped_when_reading_with_a_note(discovery, folder):
    path = folder / "motifs.dev.h5"
    sizes = sorted(p.n_seqlets for p in discovery.patterns["dev"])
    assert len(modisco.read_patterns(path, "dev", min_seqlets=sizes[1])) == len(sizes) - 1
    none = modisco.read_discovery(folder, min_seqlets=100_000)
    assert none.patterns == {"dev": [], "hk": []}
    assert "fewer than 100000 seqlets" in none.notes["dev"]


@pytest.mark.slow
def test_the_order_of_the_sequences_does_not_matter(truth, discovery):
    attributions, _ = truth
    order = np.random.default_rng(5).permutation(len(attributions))
    again = modisco.discover_motifs(shuffled(attributions, order), targets=["dev"])
    for one, other in zip(discovery.patterns["dev"], again.patterns["dev"], strict=True):
        np.testing.assert_array_equal(one.cwm, other.cwm)
        np.testing.assert_array_equal(one.seqlets.example, order[other.seqlets.example])
        np.testing.assert_array_equal(one.seqlets.start, other.seqlets.start)


def test_sequences_are_put_in_an_order_of_their_own(truth):
    attributions = subset(truth[0], np.arange(20))
    order = np.random.default_rng(6).permutation(20)
    straight, other = (
        [part.ids[i] for i in modisco_run.canonical_order(part)]
        for part in (attributions, shuffled(attributions, order))
    )
    assert straight == other
    assert straight != attributions.ids


def shuffled(attributions: Attributions, order: np.ndarray) -> Attributions:
    return subset(attributions, order)


def subset(attributions: Attributions, rows: np.ndarray, scale: float = 1.0) -> Attributions:
    one_hot = attributions.one_hot[rows]
    by_target = {
        name: dataclasses.replace(
            part,
            one_hot=one_hot,
            hypothetical=(part.hypothetical[rows] * scale).astype(np.float32),
            **{
                key: getattr(part, key)[rows]
                for key in ("prediction", "reference_prediction", "delta", "standard_error", "stability")
            },
        )
        for name, part in attributions.by_target.items()
    }
    ids = [attributions.ids[i] for i in rows]
    return Attributions(ids, one_hot, attributions.lengths[rows], by_target, provenance=attributions.provenance)


@pytest.mark.parametrize(
    ("n", "scale", "note"),
    [
        (15, 1.0, "needs more than 100 of a sign"),
        (15, 0.0, "no stretch whose contributions stand out"),
        (1, 1.0, "so there are no patterns"),
    ],
    ids=["few sequences", "all zero", "one sequence"],
)
def test_too_few_data_give_a_note_and_not_a_crash(truth, tmp_path, n, scale, note):
    attributions = subset(truth[0], np.arange(n), scale)
    result = modisco.discover_motifs(attributions, targets=["dev"], output_dir=tmp_path)
    assert result.patterns == {"dev": []}
    assert note in result.notes["dev"]
    assert modisco.read_discovery(tmp_path) == result  # the report command reads it from the file


def padded(attributions: Attributions, width: int) -> Attributions:
    def more(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.zeros((*array.shape[:-1], width), array.dtype)], axis=-1)

    one_hot = more(attributions.one_hot)
    by_target = {
        name: dataclasses.replace(
            part,
            one_hot=one_hot,
            hypothetical=more(part.hypothetical),
            standard_error=more(part.standard_error),
        )
        for name, part in attributions.by_target.items()
    }
    return dataclasses.replace(attributions, one_hot=one_hot, by_target=by_target)


@pytest.mark.slow
def test_padding_changes_neither_motifs_nor_places(truth):
    found = modisco.discover_motifs(padded(truth[0], 150), targets=["hk"]).patterns["hk"]
    for motif in (motif for motif in MOTIFS if motif.target == "hk"):
        assert sum(resembles(pattern, motif.consensus) for pattern in found) == 1
    assert max(pattern.seqlets.end.max() for pattern in found) <= LENGTH


def test_gaps_are_filled_and_nothing_else_is_touched(truth):
    part = subset(truth[0], np.arange(4))
    wide = padded(part, 50)
    wide["dev"].hypothetical[1, :, 20] = 0  # a dead position within a sequence
    one_hot, hypothetical = modisco_run.without_gaps(wide.one_hot, wide["dev"].hypothetical)
    assert (one_hot.sum(axis=1) == 1).all()
    assert hypothetical.any(axis=1).all()
    np.testing.assert_array_equal(one_hot[:, :, :LENGTH], part.one_hot)
    changed = (hypothetical != wide["dev"].hypothetical).any(axis=1)
    assert changed[:, LENGTH:].all()
    assert np.argwhere(changed[:, :LENGTH]).tolist() == [[1, 20]]
    assert np.abs(hypothetical[:, :, LENGTH:]).max() < 1e-5 * np.abs(hypothetical).max()
    assert not wide.one_hot[:, :, LENGTH:].any()  # the input itself is left alone


def test_unknown_target(truth):
    with pytest.raises(InputError, match="no target 'nope'"):
        modisco.discover_motifs(truth[0], targets=["nope"])


def test_an_output_folder_that_cannot_be_made(truth, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.out: cannot be written to \(Not a directory\); choose another"):
        modisco.discover_motifs(truth[0], output_dir=tmp_path / "file" / "out")


def test_contributions_that_are_not_finite_name_the_sequence(truth):
    attributions = subset(truth[0], np.arange(5))
    attributions["hk"].hypothetical[3, 0, 7] = np.nan
    with pytest.raises(InputError, match=r"'hk'.*'planted_3' are not finite"):
        modisco.discover_motifs(attributions, targets=["hk"])


def test_short_sequences_are_refused():
    attributions, _ = planted(3, 249)
    short = subset(attributions, np.arange(3))
    short = dataclasses.replace(
        short,
        one_hot=short.one_hot[:, :, :30],
        by_target={
            name: dataclasses.replace(
                part,
                one_hot=part.one_hot[:, :, :30],
                hypothetical=part.hypothetical[:, :, :30],
                standard_error=part.standard_error[:, :30],
            )
            for name, part in short.by_target.items()
        },
    )
    with pytest.raises(InputError, match="30 bp are too short"):
        modisco.discover_motifs(short)


def write_modisco_file(path: Path, names: list[str], n_seqlets: int = 40, window: int = 60) -> None:
    """TF-MoDISco's layout, as its command line writes it: no attributes of ours."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["window_size"] = window
        for name in names:
            group = file.create_group(name)
            for key in ("sequence", "contrib_scores", "hypothetical_contribs"):
                group[key] = rng.random((12, 4))
            group["seqlets/n_seqlets"] = [n_seqlets]
            group["seqlets/example_idx"] = np.arange(n_seqlets)
            group["seqlets/start"] = np.arange(n_seqlets)
            group["seqlets/end"] = np.arange(n_seqlets) + 12
            group["seqlets/is_revcomp"] = np.arange(n_seqlets) % 2 == 0


def test_patterns_are_read_in_numeric_order_positive_first(tmp_path):
    path = tmp_path / "tool.h5"
    write_modisco_file(path, ["neg_patterns/pattern_0", *(f"pos_patterns/pattern_{i}" for i in range(12))])
    patterns = modisco.read_patterns(path, "dev")
    assert [p.name for p in patterns] == [*(f"pos_patterns.pattern_{i}" for i in range(12)), "neg_patterns.pattern_0"]
    assert patterns[-1].sign == "-"
    with h5py.File(path) as file:
        np.testing.assert_array_equal(patterns[2].cwm, file["pos_patterns/pattern_2/contrib_scores"][...].T)
    assert patterns[0].n_seqlets == 40
    assert patterns[0].seqlets.is_revcomp.dtype == bool


def test_a_file_that_is_damaged_or_missing(tmp_path):
    with pytest.raises(InputError, match=r"absent\.h5: no such file; make it with"):
        modisco.read_patterns(tmp_path / "absent.h5", "dev")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match=r"text\.h5: not a TF-MoDISco file"):
        modisco.read_patterns(tmp_path / "text.h5", "dev")
    h5py.File(tmp_path / "other.h5", "w").close()
    with pytest.raises(InputError, match=r"other\.h5: not a TF-MoDISco file"):
        modisco.read_patterns(tmp_path / "other.h5", "dev")
    with h5py.File(tmp_path / "half.h5", "w") as file:
        file.create_group("pos_patterns/pattern_0")
    with pytest.raises(InputError, match=r"half\.h5: not a TF-MoDISco file"):
        modisco.read_patterns(tmp_path / "half.h5", "dev")
    with pytest.raises(InputError, match=r"no motifs\.<target>\.h5"):
        modisco.read_discovery(tmp_path)


@pytest.mark.parametrize(
    ("imported", "installed", "complete", "said"),
    [
        ("3.0.0", {"modisco-lite": "3.0.0"}, "modisco-lite", ""),
        ("3.1.2", {"modisco-lite": "3.1.2"}, "modisco-lite", ""),
        ("2.5.2", {"modisco": "2.5.2"}, "modisco", ""),
        ("2.5.2", {"modisco-lite": "3.0.0", "modisco": "2.5.2"}, "modisco", ""),
        ("3.0.0", {"modisco-lite": "3.0.0", "modisco": "2.5.2"}, "modisco-lite", ""),
        ("2.4.0", {"modisco-lite": "2.4.0"}, "modisco-lite", "TF-MoDISco 2.4.0 is not supported, only 3.x and 2.5.x"),
        ("2.50.0", {"modisco": "2.50.0"}, "modisco", "not supported"),
        (
            "3.0.0",
            {"modisco-lite": "3.0.0", "modisco": "2.5.2"},
            None,
            "(modisco-lite 3.0.0 and modisco 2.5.2)",
        ),
        (None, {}, None, "cannot be imported; installed: neither of them"),
        (None, {"modisco-lite": "3.0.0"}, None, "cannot be imported; installed: modisco-lite 3.0.0"),
    ],
)
def test_which_installations_of_tf_modisco_can_be_used(imported, installed, complete, said):
    problem = modisco_worker.installation_problem(imported, installed, complete)
    assert said in problem
    assert bool(problem) == bool(said)
    assert not problem or problem.endswith("run 'pip install --force-reinstall --no-deps modisco-lite==3.0.0'")


def installed_at(folder: Path, name: str, version: str, source: str) -> None:
    """A distribution that installs ``modiscolite``, as pip lays it down, over whatever is there."""
    package, record = folder / "modiscolite", folder / f"{name.replace('-', '_')}-{version}.dist-info"
    package.mkdir(parents=True, exist_ok=True)
    record.mkdir()
    (package / "__init__.py").write_text(source)
    digest = base64.urlsafe_b64encode(hashlib.sha256(source.encode()).digest()).decode().rstrip("=")
    (record / "RECORD").write_text(f"modiscolite/__init__.py,sha256={digest},{len(source)}\n")
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize("last", ["modisco", "modisco-lite"])
def test_of_two_distributions_in_one_place_the_last_one_counts(last, tmp_path, monkeypatch):
    versions = {"modisco": "2.5.2", "modisco-lite": "3.0.0"}
    for name in sorted(versions, key=lambda name: name == last):
        installed_at(tmp_path, name, versions[name], f"__version__ = {versions[name]!r}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert modisco_worker.complete_distribution(versions[last], versions) == last
    (tmp_path / "modiscolite" / "__init__.py").write_text("__version__ = '3.0.0'  # of something else\n")
    assert modisco_worker.complete_distribution(versions[last], versions) is None
    (tmp_path / "modiscolite" / "__init__.py").unlink()  # as 'pip uninstall' of the other one leaves it
    assert modisco_worker.complete_distribution(versions[last], versions) is None


@pytest.mark.slow
def test_the_tools_own_commands_accept_the_file(discovery, folder, tmp_path):
    path = folder / "motifs.dev.h5"
    meme = tmp_path / "out.meme"
    subprocess.run([COMMAND, "meme", "-i", path, "-t", "PFM", "-o", meme, "-q"], check=True, capture_output=True)
    assert meme.read_text().count("MOTIF") == len(discovery.patterns["dev"])
    subprocess.run([COMMAND, "report", "-i", path, "-o", tmp_path / "report"], check=True, capture_output=True)
    assert "pos_patterns.pattern_0" in (tmp_path / "report" / "report.html").read_text()


def test_the_settings_follow_the_number_of_sequences() -> None:
    few, many = (modisco.options_for(n) for n in (modisco.FEW_SEQUENCES, modisco.FEW_SEQUENCES + 1))
    assert [o.sliding_window_size for o in few] == [21, 11]
    assert [o.sliding_window_size for o in many] == [21]
    (asked,) = modisco.options_for(10**6, "sensitive", max_seqlets_per_metacluster=5)
    assert (asked.min_passing_windows_frac, asked.max_seqlets_per_metacluster) == (0.1, 5)
    assert (modisco.least_seqlets(few), modisco.least_seqlets(many)) == (20, 30)


@pytest.mark.slow
def test_of_two_settings_those_that_find_more_patterns_are_taken(tmp_path: Path) -> None:
    made = planted_attributions(250, 120)
    to_try = modisco.options_for(len(made))
    each = [modisco.discover_motifs(made, options=options, min_seqlets=20).patterns for options in to_try]
    taken = modisco.discover_motifs(made, output_dir=tmp_path).patterns
    for target in made.targets:
        counts = [len(found[target]) for found in each]
        best = each[counts.index(max(counts))][target]
        assert [(p.name, p.n_seqlets) for p in taken[target]] == [(p.name, p.n_seqlets) for p in best]
        window = options_of(tmp_path / modisco.motifs_file(target))["sliding_window_size"]
        assert window == to_try[counts.index(max(counts))].sliding_window_size


@pytest.mark.slow
def test_targets_that_were_found_earlier_are_kept(tmp_path: Path) -> None:
    made = planted_attributions(30, 80)
    options = modisco.ModiscoOptions()
    first = modisco.discover_motifs(made, options=options, output_dir=tmp_path)
    dev, hk = (tmp_path / modisco.motifs_file(target) for target in ("dev", "hk"))
    stamp = dev.stat().st_mtime_ns
    hk.unlink()
    again = modisco.discover_motifs(made, options=options, output_dir=tmp_path, keep=True)
    assert dev.stat().st_mtime_ns == stamp
    assert hk.exists()
    assert again.notes == first.notes
