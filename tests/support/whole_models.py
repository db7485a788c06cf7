"""Whole models whose contributions must add up, and by how much they do not; for tests and benchmarks.

The language models other than MiniLM, MPNet and RoBERTa-base are small random ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import torch
import transformers
from settled_models import inputs, l2g, relative_error
from torch import nn

from l2g_interp.attributions import load_method

BOUND = {torch.float32: 1e-4, torch.float64: 1e-10}
SMALL = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
SHORT = {"vocab_size": 50, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
CONFIGS = {
    "bert": lambda: transformers.BertConfig(**SMALL, **SHORT),
    "electra": lambda: transformers.ElectraConfig(embedding_size=48, **SMALL, **SHORT),
    "distilbert": lambda: transformers.DistilBertConfig(dim=48, n_layers=2, n_heads=4, hidden_dim=96, **SHORT),
    "albert": lambda: transformers.AlbertConfig(embedding_size=48, **SMALL, **SHORT),
    "gpt2": lambda: transformers.GPT2Config(n_embd=48, n_layer=2, n_head=4, **SHORT),
    "modernbert": lambda: transformers.ModernBertConfig(
        local_attention=16, cls_token_id=1, sep_token_id=2, **SMALL, **SHORT
    ),
}
LARGE = {"minilm": True, "roberta-base": False, "mpnet": True}  # pretrained or not
LANGUAGE_MODELS = ("none", "minilm", "roberta-base", *CONFIGS)  # MPNet needs the extra [mpnet]
TOKENS, TOKENS_OF_ROBERTA = 24, 6  # at most so many; RoBERTa-base is large


def build(embedder: str, language_model: str, length: int, folder: Path) -> nn.Module:
    tokens = TOKENS_OF_ROBERTA if language_model == "roberta-base" else TOKENS
    if language_model == "none":
        return l2g(embedder, "minilm", length, pretrained=False, training="none", target_tokens=tokens)
    if language_model in LARGE:
        return l2g(embedder, language_model, length, pretrained=LARGE[language_model], target_tokens=tokens)
    CONFIGS[language_model]().save_pretrained(folder / language_model)
    return l2g(embedder, str(folder / language_model), length, pretrained=False, target_tokens=tokens)


def errors(
    embedder: str, language_model: str, n: int, length: int, folder: Path
) -> Iterator[tuple[str, torch.dtype, float]]:
    """(attention and padding, precision, error) of one model."""
    model = build(embedder, language_model, length, folder)
    kinds = {"none": ("no attention",), "mpnet": ("its own",)}.get(language_model, ("sdpa", "eager"))
    for kind, padding in itertools.product(kinds, (0, length // 3)):
        if len(kinds) > 1:
            model.encoder.set_attn_implementation(kind)  # pyright: ignore
        x, references = inputs(n, n, length, padding)
        for dtype in BOUND:
            result = load_method("deep_lift_shap")(model.to(dtype), x, references, [0, 1])
            yield f"{kind}, {'padded' if padding else 'full'}", dtype, relative_error(result)
