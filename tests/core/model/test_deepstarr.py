"""The DeepSTARR baseline: the published weights give the published predictions."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from l2g_core.cli import main
from l2g_core.errors import InputError
from l2g_core.evaluation.predict import predict
from l2g_core.model.checkpoint import load
from l2g_core.model.deepstarr import import_keras


@pytest.mark.slow
def test_published_weights_reproduce_every_published_prediction(tmp_path: Path, shared: Path, activity) -> None:
    weights = shared / "deepstarr" / "deepstarr.model.h5"
    result = CliRunner().invoke(main, ["import-deepstarr", str(weights), "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    model = load(tmp_path)
    assert model.targets == ("dev", "hk")
    outputs = predict(model, list(activity["sequence"]), model.longest)
    published = activity[["published_dev", "published_hk"]].to_numpy()
    assert len(outputs) == 13197
    assert np.abs(outputs - published).max() <= 1e-3


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.h5: not a readable HDF5 file"):
        import_keras(tmp_path / "x.h5")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["Conv1D_1st/Conv1D_1st_11/kernel:0"] = np.zeros((7, 4, 256))
    with pytest.raises(InputError, match=r"y\.h5: not the published DeepSTARR weights"):
        import_keras(tmp_path / "y.h5")
