"""Checkpoints of strangers: nothing is run or fetched for them, and nothing allocated beyond their own file."""

from __future__ import annotations

import json
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from memory import peak_memory
from safetensors.torch import load_file, save_file

from l2g_core.errors import InputError
from l2g_core.model.checkpoint import load
from l2g_core.model.config import L2GConfig
from l2g_core.model.deepstarr import DeepSTARR
from l2g_core.model.l2g import L2G

SMALL: dict[str, Any] = {
    "targets": ("dev",), "sequence_length": 60, "embedder": "deepsea", "embedder_width": 8, "target_tokens": 15,
    "backbone": "minilm", "backbone_layers": 1,
}  # fmt: skip
TRAINED = ("none", "full", "frozen", "lora")
LANGUAGE_MODEL = {
    "num_hidden_layers": 1_000_000, "vocab_size": 10**9, "hidden_size": 12 * 10**6, "intermediate_size": 10**9,
    "max_position_embeddings": 10**10, "type_vocab_size": 10**10, "pad_token_id": 10**9, "num_attention_heads": 0,
    "attn_implementation": "evil/kernel", "_attn_implementation": "flash_attention_2", "model_type": "evil",
    "auto_map": {"AutoModel": "evil.Evil"}, "trust_remote_code": True, "hidden_act": "os.system", "dtype": "evil",
    "experts_implementation": "evil", "quantization_config": {"quant_method": "evil"}, "weights": "../../etc/passwd",
}  # fmt: skip
OWN = {
    "sequence_length": 10**12, "target_tokens": 0, "embedder_width": 10**7, "embedder": "evil", "task": "evil",
    "operators": [[10**9, 1]] * 3, "dropout": "x", "targets": ["a"] * 1000, "position_embeddings": True,
    "backbone_training": "evil",
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One checkpoint of each way to train the language model, and a DeepSTARR."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for trained in TRAINED:
        L2G(L2GConfig(**SMALL, backbone_training=trained)).save_pretrained(folder / trained)
    DeepSTARR().save_pretrained(folder / "deepstarr")
    return folder


@pytest.fixture
def checkpoints(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "copied")


def changed(folder: Path, where: str, key: str, value: Any) -> Path:
    """The checkpoint with another value of one setting."""
    content = json.loads((folder / "config.json").read_text())
    (content["config"] if where == "config" else content["extra"]["backbone_config"])[key] = value
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def refused(folder: Path) -> str:
    """What is said of it: one line, at once, and next to nothing allocated."""
    began, memory = time.monotonic(), peak_memory()
    with pytest.raises(InputError) as said:
        load(folder)
    assert time.monotonic() - began < 10
    assert peak_memory() - memory < 2**28
    assert "\n" not in str(said.value)
    return str(said.value)


@pytest.mark.parametrize("trained", TRAINED)
def test_what_was_written_opens_and_is_written_the_same(checkpoints: Path, tmp_path: Path, trained: str) -> None:
    load(checkpoints / trained).save_pretrained(tmp_path / "again")
    first, second = checkpoints / trained, tmp_path / "again"
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    assert json.loads((first / "config.json").read_text()) == json.loads((second / "config.json").read_text())


@pytest.mark.parametrize("trained", ["none", "full"])
@pytest.mark.parametrize("key", LANGUAGE_MODEL)
def test_a_language_model_that_names_code_or_does_not_fit(checkpoints: Path, trained: str, key: str) -> None:
    assert str(checkpoints) in refused(changed(checkpoints / trained, "backbone", key, LANGUAGE_MODEL[key]))


@pytest.mark.parametrize("trained", TRAINED)
@pytest.mark.parametrize("key", OWN)
def test_settings_that_do_not_fit_the_weights(checkpoints: Path, trained: str, key: str) -> None:
    refused(changed(checkpoints / trained, "config", key, OWN[key]))


def test_adapters_of_another_rank(checkpoints: Path) -> None:
    assert "not of rank 100000000" in refused(changed(checkpoints / "lora", "config", "lora_rank", 10**8))


def test_nothing_is_fetched_because_a_checkpoint_names_it(checkpoints: Path) -> None:
    said = refused(changed(checkpoints / "frozen", "config", "backbone", "evil/model"))
    assert "nothing is fetched because a checkpoint names it" in said


@pytest.mark.parametrize("name", ["full", "deepstarr"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.complex64, torch.uint8])
def test_numbers_of_another_type(checkpoints: Path, name: str, dtype: torch.dtype) -> None:
    path = checkpoints / name / "model.safetensors"
    save_file(load_file(path) | {"head.bias": load_file(path)["head.bias"].to(dtype)}, path)
    assert "'head.bias' has numbers of type" in refused(checkpoints / name)


def test_half_precision_opens(checkpoints: Path) -> None:
    path = checkpoints / "deepstarr" / "model.safetensors"
    half = {k: v.half() if v.is_floating_point() else v for k, v in load_file(path).items()}
    save_file(half, path)
    assert torch.equal(load(checkpoints / "deepstarr").state_dict()["head.bias"], half["head.bias"].float())


def test_a_million_tensors_are_refused_at_once(checkpoints: Path) -> None:
    one = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"tensor_{i}": one for i in range(1_000_000)}).encode()
    (checkpoints / "full" / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert "more than any model needs" in refused(checkpoints / "full")


@pytest.mark.parametrize("content", [b"", b"\x00" * 7, struct.pack("<Q", 2**63), struct.pack("<Q", 10) + b"{"])
def test_headers_that_are_none(checkpoints: Path, content: bytes) -> None:
    (checkpoints / "full" / "model.safetensors").write_bytes(content)
    assert "truncated or damaged" in refused(checkpoints / "full")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 10**5, '{"architecture": []}', '{"architecture": "l2g"}', "\x00"]
)
def test_configurations_that_are_none(checkpoints: Path, text: str) -> None:
    (checkpoints / "full" / "config.json").write_text(text)
    assert "not a checkpoint's configuration" in refused(checkpoints / "full")


def test_a_folder_in_place_of_the_weights_is_not_called_damaged(checkpoints: Path) -> None:
    (checkpoints / "full" / "model.safetensors").unlink()
    (checkpoints / "full" / "model.safetensors").mkdir()
    assert "damaged" not in refused(checkpoints / "full")
