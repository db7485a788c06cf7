"""The contracts of ``BACKBONES`` and ``ARCHITECTURES``: a new entry is tested here without writing a test."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

import pytest
import torch

from l2g_core.dna import one_hot
from l2g_core.model import load
from l2g_core.model.backbones import BACKBONES, backbone_width, load_backbone
from l2g_core.model.checkpoint import ARCHITECTURES, SequenceModel
from l2g_core.model.config import L2GConfig
from l2g_core.model.deepstarr import DeepSTARRConfig
from l2g_core.model.l2g import encode

CONFIGS = {  # a small configuration of each architecture
    "l2g": L2GConfig(("dev",), 60, embedder_width=4, target_tokens=15, backbone="minilm", backbone_training="none"),
    "deepstarr": DeepSTARRConfig(sequence_length=64),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_a_language_model_encodes_tokens_of_its_width(name: str) -> None:
    """With random weights, which need no download; one layer is enough to know its shape."""
    backbone = load_backbone(name, layers=1, pretrained=False)
    assert backbone.width == backbone_width(name)
    tokens = torch.randn(2, 7, backbone.width)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 5:] = False
    with torch.no_grad():
        encoded = encode(backbone.encoder.eval(), tokens, mask)
        changed = tokens.clone()
        changed[1, 5:] = 100.0
        again = encode(backbone.encoder.eval(), changed, mask)
    assert encoded.shape == tokens.shape
    torch.testing.assert_close(encoded[1, :5], again[1, :5])  # padding is masked


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_predicts_saves_and_opens(name: str, tmp_path: Path) -> None:
    assert name in CONFIGS, "give it a small configuration above"
    architecture: type[SequenceModel] = resolve_name(ARCHITECTURES[name])
    torch.manual_seed(0)
    model = architecture.from_config(CONFIGS[name], {}).eval()
    assert name == model.ARCHITECTURE
    x = torch.from_numpy(one_hot(["ACGT" * (model.longest // 4)] * 2)).float()
    with torch.no_grad():
        before = model(x)
    assert before.shape == (2, len(model.targets))
    model.save_pretrained(tmp_path)
    opened = load(tmp_path)
    assert type(opened) is architecture
    assert opened.config == model.config
    with torch.no_grad():
        torch.testing.assert_close(opened(x), before)
