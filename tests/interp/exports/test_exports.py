import dataclasses
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from planted import planted_attributions

from l2g_core.errors import InputError
from l2g_interp import exports
from l2g_interp.motifs.modisco.discover import read_patterns
from l2g_interp.records.types import Attributions

COMMAND = Path(sys.executable).with_name("modisco")


@pytest.fixture(scope="module")
def attributions() -> Attributions:
    return planted_attributions(10, 99, seed=2)


def test_npz_pair_holds_the_one_hot_and_hypothetical_contributions(attributions, tmp_path):
    sequences, scores = exports.write_modisco_npz(attributions, "hk", tmp_path / "new" / "folder")
    one_hot = np.load(sequences, allow_pickle=False)["arr_0"]
    hypothetical = np.load(scores, allow_pickle=False)["arr_0"]
    assert one_hot.dtype == np.int8
    np.testing.assert_array_equal(one_hot, attributions.one_hot)
    np.testing.assert_array_equal(hypothetical, attributions["hk"].hypothetical)
    assert sorted(path.name for path in sequences.parent.iterdir()) == ["hypothetical.hk.npz", "one_hot.npz"]


def test_a_targets_name_never_becomes_a_path(attributions, tmp_path):
    named = dataclasses.replace(attributions, by_target={"../x/<y>": attributions["dev"]})
    _, scores = exports.write_modisco_npz(named, "../x/<y>", tmp_path / "folder")
    assert scores.parent == tmp_path / "folder"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_chrombpnet_layout(attributions, tmp_path):
    path = tmp_path / "dev.h5"
    exports.write_chrombpnet_h5(attributions, "dev", path)
    with h5py.File(path) as file:
        assert file["raw/seq"].dtype == np.int8
        assert file["shap/seq"].dtype == file["projected_shap/seq"].dtype == np.float16
        assert file["shap/seq"].compression == "gzip"
        np.testing.assert_array_equal(file["raw/seq"][...], attributions.one_hot)
        np.testing.assert_allclose(file["shap/seq"][...], attributions["dev"].hypothetical, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(
            file["projected_shap/seq"][...], attributions["dev"].contributions, rtol=1e-3, atol=1e-6
        )
    assert [p.name for p in tmp_path.iterdir()] == ["dev.h5"]


@pytest.mark.parametrize("scale", [1e6, np.inf])
def test_contributions_that_float16_cannot_hold_are_refused(attributions, tmp_path, scale):
    part = attributions["dev"]
    big = dataclasses.replace(part, hypothetical=np.full_like(part.hypothetical, scale))
    with pytest.raises(InputError, match="do not fit chrombpnet's float16"):
        exports.write_chrombpnet_h5(
            dataclasses.replace(attributions, by_target={"dev": big}), "dev", tmp_path / "dev.h5"
        )
    assert not list(tmp_path.iterdir())


def test_contributions_that_float16_loses_are_warned_of(attributions, tmp_path, caplog):
    part = attributions["dev"]
    tiny = dataclasses.replace(part, hypothetical=part.hypothetical * np.float32(1e-7))
    exports.write_chrombpnet_h5(dataclasses.replace(attributions, by_target={"dev": tiny}), "dev", tmp_path / "dev.h5")
    assert "float16 loses them" in caplog.text


@pytest.mark.parametrize("write", [exports.write_modisco_npz, exports.write_chrombpnet_h5])
def test_unknown_target(attributions, tmp_path, write):
    with pytest.raises(InputError, match="no target 'nope'; it has dev, hk"):
        write(attributions, "nope", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npz", "chrombpnet"])
def test_the_modisco_command_finds_the_motifs_in_our_files(tmp_path, kind):
    attributions = planted_attributions(220, 249, seed=1)
    if kind == "npz":
        sequences, scores = exports.write_modisco_npz(attributions, "dev", tmp_path)
        given = ["-s", sequences, "-a", scores]
    else:
        exports.write_chrombpnet_h5(attributions, "dev", tmp_path / "dev.h5")
        given = ["-i", tmp_path / "dev.h5"]
    output = tmp_path / "out.h5"
    subprocess.run(
        [COMMAND, "motifs", *given, "-n", "2000", "-w", "248", "-o", output], check=True, capture_output=True
    )
    assert sorted(pattern.sign for pattern in read_patterns(output, "dev")) == ["+", "+", "-"]
