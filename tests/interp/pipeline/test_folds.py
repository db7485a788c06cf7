"""Models as people have them, through the commands: folds, differences of targets, outputs, sums that miss."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from counting_model import ACTIVATOR, Counter
from evidence_run import evidence_run, interp, pattern, sequences
from fold_models import SCALES

from l2g_core import dna
from l2g_core.errors import InputError
from l2g_interp import validate_motifs
from l2g_interp.attributions import attribute as engine
from l2g_interp.pipeline import attribute as stage
from l2g_interp.records.attributions_file import read_attributions, read_controls, read_overview
from l2g_interp.records.tables import read_table
from l2g_interp.records.types import Effect

FOLDS = ("--model", "fold_models:first", "--model", "fold_models:second", "--model", "fold_models:third")


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fasta") / "x.fa"
    path.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences()[0])))
    return path


def explain(fasta: Path, output: Path, *more: object) -> Path:
    result = interp("attribute", "--fasta", fasta, "--output", output, "--references", 5, "--controls", 10, *more)
    assert result.exit_code == 0, result.output
    return output


def test_folds_are_averaged_and_their_spread_is_kept(fasta: Path, tmp_path: Path) -> None:
    """The folds are multiples of one network, so mean and spread are known."""
    one = explain(fasta, tmp_path / "one.h5", "--model", "fold_models:first")
    all_three = explain(fasta, tmp_path / "folds.h5", *FOLDS)
    for read in (read_attributions, read_controls):
        single, mean = read(one), read(all_three)
        assert single is not None
        assert mean is not None
        for target in ("act", "rep"):
            alone, found = single[target], mean[target]
            assert alone.fold_spread is None
            assert found.fold_spread is not None
            np.testing.assert_allclose(found.hypothetical, np.mean(SCALES) * alone.hypothetical, atol=1e-5)
            np.testing.assert_allclose(found.prediction, np.mean(SCALES) * alone.prediction, atol=1e-5)
            np.testing.assert_allclose(found.standard_error, np.mean(SCALES) * alone.standard_error, atol=1e-5)
            np.testing.assert_allclose(found.stability, alone.stability, atol=1e-4)
            spread = np.std(SCALES, ddof=1)
            np.testing.assert_allclose(found.fold_spread, spread * np.abs(alone.contributions.sum(1)), atol=1e-5)
            np.testing.assert_allclose(found.prediction_spread, spread * np.abs(alone.prediction), atol=1e-5)
            assert found.completeness_error < 1e-5
    provenance = read_overview(all_three).provenance
    assert provenance["folds"] == len(SCALES)
    assert provenance["model_fingerprint"] != read_overview(one).provenance["model_fingerprint"]


def test_the_fingerprint_is_of_all_folds(fasta: Path, tmp_path: Path) -> None:
    output = explain(fasta, tmp_path / "x.h5", *FOLDS)
    written = output.read_bytes()
    explain(fasta, output, *FOLDS)  # the same work: nothing to do
    assert output.read_bytes() == written
    result = interp("attribute", "--fasta", fasta, "--output", output, "--references", 5, "--controls", 10, *FOLDS[:4])
    assert result.exit_code == 2
    assert "model_fingerprint" in result.output
    assert "folds" in result.output


def test_an_interrupted_run_of_folds_ends_the_same(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_PARTS", 1)  # 8 sequences a part
    whole = explain(fasta, tmp_path / "whole.h5", *FOLDS)
    plain = stage.attribute_in_parts

    def stops(*given, **more):
        for number, part in enumerate(plain(*given, **more)):
            if number == 2:
                raise KeyboardInterrupt
            yield part

    monkeypatch.setattr(stage, "attribute_in_parts", stops)
    interp(
        "attribute", "--fasta", fasta, "--output", tmp_path / "x.h5", "--references", 5, "--controls", 10, *FOLDS
    )  # fmt: skip
    assert not (tmp_path / "x.h5").exists()
    monkeypatch.undo()
    explain(fasta, tmp_path / "x.h5", *FOLDS, "--resume")
    with h5py.File(whole) as one, h5py.File(tmp_path / "x.h5") as two:
        for name in ("hypothetical", "fold_spread", "prediction_spread", "standard_error"):
            np.testing.assert_array_equal(one[f"targets/act/{name}"][:], two[f"targets/act/{name}"][:])  # type: ignore[index]


def test_folds_with_other_targets_are_refused(fasta: Path, tmp_path: Path) -> None:
    result = interp(
        "attribute", "--fasta", fasta, "--output", tmp_path / "x.h5", *FOLDS[:2], "--model", "fold_models:Renamed"
    )
    assert result.exit_code == 2
    assert "their targets are ('act', 'rep') and ('act', 'other')" in result.output


def test_a_run_of_folds_and_a_difference_of_targets_goes_on_to_its_report(tmp_path: Path) -> None:
    """What validates the motifs is given the same folds, and knows the difference too."""
    made = tmp_path / "given.fa"
    made.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences()[0])))
    more = ("--fasta", made, "--model", "fold_models:first", "--targets", "act,rep,act-rep", "--controls", 10)
    folder = evidence_run(tmp_path, *more)
    stored = read_attributions(folder / "attributions.h5")
    assert stored.targets == ("act", "rep", "act-rep")
    expected = stored["act"].hypothetical - stored["rep"].hypothetical
    np.testing.assert_allclose(stored["act-rep"].hypothetical, expected, atol=1e-5)

    folds = ("--model", "counting_model:build", "--model", "fold_models:first")
    few = ("--run", folder, "--backgrounds", 10, "--copies", 1)
    assert interp("validate", *folds[:2], *few).exit_code == 2  # one of the folds only
    result = interp("validate", *folds, *few)
    assert result.exit_code == 0, result.output
    effects = read_table(folder / "validation.tsv", Effect, "x")
    by_target = {(e.target, e.pattern.split("/")[-1]): e.effect for e in effects}
    for found in ("pos_patterns.pattern_0", "pos_patterns.pattern_1"):
        difference = by_target["act", found] - by_target["rep", found]
        assert by_target["act-rep", found] == pytest.approx(difference, abs=1e-5)
    result = interp("report", "--run", folder, "--output", folder / "report.html")
    assert result.exit_code == 0, result.output
    page = (folder / "report.html").read_text()
    assert "The mean of 2 folds was explained." in page
    assert page.count("Do the folds agree?") == len(stored.targets)


class Both(Counter):
    """Returns its answer beside something else."""

    def forward(self, one_hot):
        return {"activity": super().forward(one_hot), "length": one_hot.sum((1, 2))}


def test_what_is_planted_in_python_goes_through_the_same_models() -> None:
    """One fold's effect is a multiple of the other's, and a difference of targets is that of their effects."""
    one_hot = dna.one_hot(sequences()[0])
    patterns = [pattern(ACTIVATOR, target) for target in ("act", "rep", "act-rep")]
    few = {"n_backgrounds": 10, "copies": (1,)}
    alone = validate_motifs(Counter(), patterns, one_hot, **few)
    act, rep, difference = (effect.effect for effect in alone)
    assert difference == pytest.approx(act - rep)
    of_folds = validate_motifs([Both(1.0), Both(5.0)], patterns, one_hot, output="activity", **few)
    for effect, single in zip(of_folds, alone, strict=True):
        assert effect.effect == pytest.approx(3 * single.effect, abs=1e-5)


def test_a_model_is_adapted_as_the_options_say(fasta: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.h5"
    model = ("--model", "fold_models:ChannelsLastPair")
    refused = interp("attribute", "--fasta", fasta, "--output", output, *model)
    assert refused.exit_code == 2
    assert "profile (batch, 1, 100), counts (batch, 1): give a name, an index, counts or profile" in refused.output
    assert not output.exists()
    explain(fasta, output, *model, "--model-output", "counts,profile", "--layout", "channels-last")
    stored = read_attributions(output)
    assert stored.targets == ("counts", "profile")
    for target in stored.targets:
        assert stored[target].completeness_error < 1e-4
    noted = {
        "model_output": "counts,profile",
        "layout": "channels-last",
        "computed_in": "float32, the model is float16",
    }
    assert {key: stored.provenance[key] for key in noted} == noted
    step = json.loads((tmp_path / "run.json").read_text())["steps"]["attribute"]
    assert {key: step["model"][key] for key in noted} == noted
    other = interp("attribute", "--fasta", fasta, "--output", output, *model, "--model-output", "counts")
    assert other.exit_code == 2
    assert "model_output" in other.output


def test_sums_that_miss_are_an_error_if_asked(fasta: Path, tmp_path: Path) -> None:
    output = explain(fasta, tmp_path / "x.h5", "--model", "fold_models:Hidden")
    for repeated in (output, tmp_path / "again.h5"):
        strict = interp(
            "attribute", "--fasta", fasta, "--output", repeated, "--references", 5, "--controls", 10, "--model",
            "fold_models:Hidden", "--strict",
        )  # fmt: skip
        assert strict.exit_code == 2
        (line,) = [line for line in strict.output.splitlines() if line.startswith("Error")]
        assert "act, rep: the contributions miss the difference" in line
    explain(fasta, tmp_path / "right.h5", "--model", "fold_models:first", "--strict")
    with pytest.raises(InputError, match="do not trust their sums"):
        stage.check_sums(output)
    assert json.loads((tmp_path / "run.json").read_text())["steps"]["attribute"]["targets"]["act"]
