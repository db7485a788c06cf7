"""What fine-tuning takes over from stages 1 and 2, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from small_training import LENGTH, model, write_table

from l2g_core.cli import main
from l2g_core.errors import InputError
from l2g_core.finetune.start import start_model
from l2g_core.model.checkpoint import load
from l2g_core.model.config import L2GConfig
from l2g_core.model.l2g import EMBEDDING_PARTS, L2G

OPERATORS = ((5, 3), *[(3, 1)] * 8)


def aligned(folder: Path) -> L2G:
    """What stage 2 leaves, with weights that no fresh model has."""
    network = model("none", embedder="resnet", operators=OPERATORS)
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter)
    folder.mkdir()
    weights = {k: v.contiguous() for k, v in network.state_dict().items() if k.startswith(EMBEDDING_PARTS)}
    save_file(weights, folder / "embedder.safetensors")
    (folder / "align.json").write_text(json.dumps({"config": asdict(network.config), "options": {}}))
    return network


def config(**more) -> L2GConfig:
    return L2GConfig(("dev",), LENGTH, backbone="minilm", backbone_training="none", **more)


def test_an_aligned_embedder_brings_its_settings_and_weights(tmp_path: Path) -> None:
    source = aligned(tmp_path / "a")
    started = start_model(config(), start=tmp_path / "a")
    assert started.config.operators == OPERATORS
    assert started.config.embedder == "resnet"
    for key, value in source.state_dict().items():
        if key.startswith(EMBEDDING_PARTS):
            torch.testing.assert_close(started.state_dict()[key], value, rtol=0, atol=0)
    assert set(started.provenance["align"]) == {"sha256", "embedder"}


def test_a_searched_architecture_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text(json.dumps({"embedder": "resnet", "operators": OPERATORS}))
    started = start_model(config(), search=tmp_path)
    assert (started.config.embedder, started.config.operators) == ("resnet", OPERATORS)
    (tmp_path / "search.json").write_text(json.dumps({"embedder": "deepsea", "operators": None}))
    assert start_model(config(), search=tmp_path).config.operators is None


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    aligned(tmp_path / "a")
    with pytest.raises(InputError, match=r"align.json: was made with other embedder \(resnet then, unet now\)"):
        start_model(config(embedder="unet"), {"embedder"}, start=tmp_path / "a")
    (tmp_path / "search.json").write_text(json.dumps({"embedder": "resnet", "operators": [[3, 1]] * 9}))
    with pytest.raises(InputError, match=r"align.json: was made with other operators"):
        start_model(config(), search=tmp_path, start=tmp_path / "a")
    with pytest.raises(InputError, match=r"up to 60 bp, but the longest here has 61 bp"):
        start_model(L2GConfig(("dev",), LENGTH + 1, backbone="minilm"), start=tmp_path / "a")
    with pytest.raises(InputError, match=r"has no search.json; give a finished folder of 'l2g search'"):
        start_model(config(), search=tmp_path / "a")
    weights = load_file(tmp_path / "a" / "embedder.safetensors")
    weights["norm.weight"] = torch.zeros(7)
    save_file(weights, tmp_path / "a" / "embedder.safetensors")
    with pytest.raises(InputError, match=r"does not fit this model: norm.weight \(\[7\] then, \[384\] now\)"):
        start_model(config(), start=tmp_path / "a")
    (tmp_path / "a" / "embedder.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match=r"embedder.safetensors: truncated or damaged"):
        start_model(config(), start=tmp_path / "a")


def test_the_command_starts_from_stage_2_and_refuses_another_one_on_resuming(tmp_path: Path) -> None:
    aligned(tmp_path / "a")
    table = write_table(tmp_path / "t.tsv", 40)
    command = ["finetune", str(table), "--output", str(tmp_path / "m"), "--start", str(tmp_path / "a"),
               "--backbone-training", "none", "--epochs", "1", "--device", "cpu"]  # fmt: skip
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    opened = load(tmp_path / "m")
    assert opened.config.embedder == "resnet"
    assert opened.config.backbone == "minilm"
    assert opened.provenance["align"].keys() == {"sha256", "embedder"}
    refused = CliRunner().invoke(main, [*command, "--tokens", "7"])
    assert refused.exit_code == 2
    assert "target_tokens (15 then, 7 now)" in refused.output
    (tmp_path / "a" / "align.json").write_text((tmp_path / "a" / "align.json").read_text() + "\n")
    refused = CliRunner().invoke(main, [*command, "--resume"])
    assert refused.exit_code == 2
    assert "before.align.sha256" in refused.output


def test_a_language_model_that_is_not_there_is_explained(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.tsv", 40)
    folder = str(tmp_path / "nothing")
    done = CliRunner().invoke(main, ["finetune", str(table), "--output", str(tmp_path / "m"), "--backbone", folder])
    assert done.exit_code == 2
    assert folder in done.output
    assert "save_pretrained" in done.output
    assert "'minilm', which works offline" in done.output
    assert not (tmp_path / "m").exists()


def test_more_tokens_than_positions_are_refused() -> None:
    with pytest.raises(InputError, match="has embeddings for 512 positions, and up to 513 tokens"):
        start_model(config(position_embeddings=True, target_tokens=513))
