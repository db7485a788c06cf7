"""The L2G model and its checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from l2g_core.dna import one_hot
from l2g_core.errors import InputError
from l2g_core.model.backbones import load_backbone
from l2g_core.model.checkpoint import load
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import EMBEDDERS, embedder_class
from l2g_core.model.l2g import L2G, pad_to, reverse_complement, sequence_lengths, without_transformer

SMALL = L2GConfig(
    ("dev", "hk"), 120, embedder_width=8, target_tokens=20, backbone="minilm", backbone_layers=1, dropout=0.0
)


def random_dna(n: int, length: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]


@pytest.fixture(scope="module")
def small() -> L2G:
    torch.manual_seed(0)
    return L2G(SMALL).eval()


@pytest.mark.parametrize("name", EMBEDDERS)
def test_every_embedder_keeps_its_contract(name: str) -> None:
    """A new entry of EMBEDDERS is tested here without writing a test."""
    family = embedder_class(name)
    pairs = [(3, 1), (5, 3), (4, 1), (7, 2)] * 5
    embedder = family(32, 8, pairs[: family.N_CONVOLUTIONS]).eval()
    for length in (family.shortest, 70, 249):
        features = embedder(torch.zeros(2, 4, length))
        assert features.shape == (2, embedder.channels, length // family.downsampling)
    with pytest.raises(InputError, match=r"pairs; give one for each"):
        family(32, 8, [(3, 1)] * (family.N_CONVOLUTIONS + 1))


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_embedders_are_not_causal(name: str) -> None:
    """A base in the middle reaches positions on both sides of it alike."""
    torch.manual_seed(0)
    embedder = embedder_class(name)(16, 4).eval()
    x = torch.zeros(1, 4, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(embedder(x)[0, :, 32].sum(), x)
    reached = gradient.abs().sum(dim=(0, 1)).nonzero().flatten()
    assert reached.min() < 32 < reached.max()


@pytest.mark.parametrize("embedder", EMBEDDERS)
@pytest.mark.parametrize("length", [70, 251, 593, 4707])
def test_tokens_never_exceed_the_target_nor_collapse(embedder: str, length: int) -> None:
    model = L2G(replace(SMALL, embedder=embedder, sequence_length=length, target_tokens=512, backbone_training="none"))
    tokens, mask = model.embed(torch.zeros(1, 4, length), torch.tensor([length]))
    assert mask is None
    assert min(512, length // 32) <= tokens.shape[1] <= 512


@pytest.mark.parametrize("embedder", EMBEDDERS)
def test_padding_and_neighbours_do_not_change_a_prediction(embedder: str) -> None:
    torch.manual_seed(0)
    model = L2G(replace(SMALL, embedder=embedder)).eval()
    short, long = random_dna(1, 75), random_dna(3, 120, seed=1)
    with torch.no_grad():
        alone = model(torch.from_numpy(one_hot(short)).float())
        together = model(torch.from_numpy(one_hot([*long, *short])).float())
    torch.testing.assert_close(together[3:], alone, rtol=1e-4, atol=1e-5)


def test_evaluation_averages_both_strands_exactly(small: L2G) -> None:
    x = torch.from_numpy(one_hot([*random_dna(2, 120), random_dna(1, 90, seed=3)[0]])).float()
    lengths = torch.tensor([120, 120, 90])
    with torch.no_grad():
        forward, backward = (
            small.predict_strand(x, lengths),
            small.predict_strand(reverse_complement(x, lengths), lengths),
        )
        torch.testing.assert_close(small(x), (forward + backward) / 2, rtol=0, atol=0)
        torch.testing.assert_close(small(reverse_complement(x, lengths)), small(x), rtol=0, atol=0)


def test_reverse_complement_keeps_padding_on_the_right() -> None:
    x = torch.from_numpy(one_hot(["AACG", "TG"], length=6)).float()
    lengths = sequence_lengths(x)
    assert lengths.tolist() == [4, 2]
    np.testing.assert_array_equal(reverse_complement(x, lengths).numpy(), one_hot(["CGTT", "CA"], length=6))


def test_a_sequence_longer_than_the_model_is_refused() -> None:
    with pytest.raises(InputError, match="121 bp do not fit: this model takes up to 120 bp"):
        pad_to(torch.zeros(1, 4, 121), 120)


@pytest.mark.parametrize("training", ["full", "frozen", "none"])
@pytest.mark.parametrize("positions", [False, True])
def test_checkpoint_round_trip(tmp_path: Path, training: str, positions: bool) -> None:
    torch.manual_seed(0)
    model = L2G(replace(SMALL, backbone_training=training, position_embeddings=positions)).eval()
    model.provenance = {"why": "test"}
    model.save_pretrained(tmp_path, metrics={"pcc": 0.5})
    again = L2G.from_pretrained(tmp_path)
    x = torch.from_numpy(one_hot(random_dna(2, 120))).float()
    with torch.no_grad():
        torch.testing.assert_close(again(x), model(x), rtol=0, atol=0)
    assert again.config == model.config
    assert again.provenance == {"why": "test"}
    assert {p.name for p in tmp_path.iterdir()} == {"model.safetensors", "config.json", "metrics.json"}


def test_a_frozen_backbone_is_not_stored_and_is_checked(tmp_path: Path) -> None:
    model = L2G(replace(SMALL, backbone_training="frozen"))
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 2**21
    config = json.loads((tmp_path / "config.json").read_text())
    config["extra"]["backbone_sha256"] = "0" * 64
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="'minilm' found here is not the one"):
        load(tmp_path)


def damage_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def damage_truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def damage_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["config"]["embedder_width"] = 12
    (folder / "config.json").write_text(json.dumps(config))


def damage_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def damage_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"architecture": "os:system", "config": {}}')


def damage_unknown_setting(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["config"]["flux"] = 1
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_missing, r"lacks model\.safetensors"),
        (damage_truncated, r"model\.safetensors: truncated or damaged"),
        (damage_shape, r"has shape .* and the configuration says"),
        (damage_json, r"config\.json: not a checkpoint's configuration"),
        (damage_architecture, r"config\.json: not a checkpoint's configuration"),
        (damage_unknown_setting, "unknown settings flux"),
    ],
)
def test_a_damaged_checkpoint_is_refused_by_file(tmp_path: Path, damage, message: str) -> None:
    L2G(replace(SMALL, backbone_training="none")).save_pretrained(tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_a_missing_checkpoint_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such checkpoint folder"):
        load(tmp_path / "nothing")


def test_any_automodel_folder_is_a_backbone(tmp_path: Path) -> None:
    from transformers import RobertaConfig, RobertaModel

    config = RobertaConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, pad_token_id=1
    )
    RobertaModel(config).save_pretrained(tmp_path)
    backbone = load_backbone(str(tmp_path), layers=2)
    assert backbone.width == 32
    assert isinstance(backbone.embedding_norm, nn.LayerNorm)
    model = L2G(replace(SMALL, backbone=str(tmp_path), backbone_layers=2)).eval()
    assert model(torch.zeros(1, 4, 120)).shape == (1, 2)
    with pytest.raises(InputError, match="has 3 layers; --layers 4"):
        load_backbone(str(tmp_path), layers=4)


def test_roberta_base_with_random_weights_needs_no_download() -> None:
    backbone = load_backbone("roberta-base", layers=1, pretrained=False)
    assert backbone.width == 768
    assert backbone.positions is not None
    assert backbone.positions.shape[1] == 768
    assert sum(p.numel() for p in backbone.encoder.parameters()) == 7_087_872


def test_a_language_model_that_cannot_be_found_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'minilm', which works offline"):
        load_backbone(str(tmp_path))


def test_the_norm_of_the_tokens_starts_from_the_language_model() -> None:
    model, backbone = L2G(SMALL), load_backbone("minilm", layers=1)
    assert backbone.embedding_norm is not None
    torch.testing.assert_close(model.norm.weight, backbone.embedding_norm.weight)


def test_without_a_transformer_no_weights_of_the_language_model_are_needed(tmp_path: Path) -> None:
    language_model = {
        "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 8, "vocab_size": 50, "max_position_embeddings": 20,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(language_model))
    sizes = {"embedder": "deepsea", "embedder_width": 8, "target_tokens": 15, "backbone": str(tmp_path)}
    with pytest.raises(InputError, match="nothing to load"):
        L2G(L2GConfig(("dev",), 60, **sizes))
    model = L2G(L2GConfig(("dev",), 60, backbone_training="none", **sizes))
    assert model.width == 32
    assert bool((model.norm.weight == 1).all())
    model.save_pretrained(tmp_path / "checkpoint")
    (tmp_path / "config.json").unlink()
    again = load(tmp_path / "checkpoint")
    x = torch.zeros(1, 4, 60)
    assert torch.equal(again(x), model.eval()(x))


def test_what_stage_2_trains_starts_from_the_norm_of_the_language_model() -> None:
    config = L2GConfig(("dev",), 60, embedder="deepsea", embedder_width=8, target_tokens=15, backbone="minilm")
    assert torch.equal(without_transformer(config).norm.weight, L2G(config).norm.weight)


@pytest.mark.slow
def test_a_large_language_model_that_is_not_there_leaves_a_checkpoint_that_opens(tmp_path: Path) -> None:
    config = L2GConfig(("dev",), 60, embedder="deepsea", backbone="roberta-large", backbone_training="none")
    L2G(config).save_pretrained(tmp_path)
    assert load(tmp_path).width == 1024
