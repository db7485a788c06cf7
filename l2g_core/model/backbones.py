"""Language models as encoders of DNA tokens.

``BACKBONES`` has the usual ones by name (RoBERTa is the paper's: Table 13); any other name or folder that
``transformers.AutoModel`` loads works, too.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from l2g_core.errors import InputError, missing_extra
from l2g_core.model.hub import is_cached
from l2g_core.model.packaged import MINILM_SHA256, MPNET_SHA256, check_weights, minilm_folder, mpnet_folder

LARGEST_PADDING = 4  # id of the padding token in models whose configuration leaves it out


@dataclass(frozen=True)
class Source:
    """Where a language model is found: a hub id, or a function that returns its folder.

    ``config``: its architecture, so that one with random weights needs no download.
    ``sha256``: of its weights as published; a folder with other ones is refused.
    """

    where: str | Callable[[], str]
    config: dict[str, Any] | None = None
    sha256: str | None = None

    def found(self, weights: bool) -> str:
        """The hub id or folder; with ``weights``, those in the folder are checked.

        Raises
        ------
        InputError
            It is not installed, or its weights are damaged.
        """
        if isinstance(self.where, str):
            return self.where
        folder = self.where()
        if weights and self.sha256:
            check_weights(Path(folder), self.sha256)
        return folder


def _encoder(kind: str, vocabulary: int, width: int, layers: int, heads: int) -> dict[str, Any]:
    """RoBERTa's architecture (Liu et al. 2019, arXiv:1907.11692), and that of others which took over its sizes."""
    return {
        "model_type": kind,
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    }


BACKBONES = {
    "roberta-base": Source("FacebookAI/roberta-base", _encoder("roberta", 50265, 768, 12, 12)),
    "roberta-large": Source("FacebookAI/roberta-large", _encoder("roberta", 50265, 1024, 24, 16)),
    "minilm": Source(minilm_folder, sha256=MINILM_SHA256),
    "mpnet": Source(mpnet_folder, _encoder("mpnet", 30527, 768, 12, 12), MPNET_SHA256),  # Song 2020, arXiv:2004.09297
}


@dataclass(frozen=True)
class Backbone:
    """A language model without its embedding layer, and what is reused from that layer."""

    encoder: nn.Module
    width: int
    embedding_norm: nn.LayerNorm | None
    positions: Float[Tensor, "longest width"] | None
    config: dict[str, Any]


@dataclass(frozen=True)
class WordEmbeddings:
    """The part of a language model that comes before its encoder: words to vectors, after the LayerNorm.

    ``layer`` is frozen and in evaluation mode; called with ``input_ids`` it gives ``(batch, tokens, width)``.
    ``longest``: the number of tokens that it has position embeddings for.
    """

    tokenizer: Any
    layer: nn.Module
    longest: int


class PassThrough(nn.Module):
    """Replaces the word embeddings: the tokens are embedded already.

    They are the only floating-point argument, passed by name or (DistilBERT) by position.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        (tokens,) = (v for v in (*args, *kwargs.values()) if isinstance(v, Tensor) and v.is_floating_point())
        return tokens


def load_backbone(name: str, *, layers: int | None = None, pretrained: bool = True) -> Backbone:
    """Load a language model by name or local folder, cut to its first ``layers``.

    Raises
    ------
    InputError
        It is neither a local folder nor in the cache nor on the hub, or it has fewer layers.
    """
    from transformers import AutoConfig, AutoModel

    source = BACKBONES.get(name, Source(name))
    known = source.config is not None and not pretrained
    where = name if known else source.found(pretrained)
    with _explained(name, where), _quiet():
        config = _as_config(source.config or {}) if known else AutoConfig.from_pretrained(where)
        _cut(config, layers, name)
        model = (
            AutoModel.from_pretrained(where, config=config, use_safetensors=True, trust_remote_code=False)
            if pretrained
            else AutoModel.from_config(config, trust_remote_code=False)
        )
    return _without_embeddings(model)


def check_here(name: str) -> None:
    """Refuse to fetch a language model because a checkpoint names it: only well-known ones are, or what is here.

    Raises
    ------
    InputError
        It is not in `BACKBONES`, no folder, and not in the cache.
    """
    if name not in BACKBONES and not Path(name).is_dir() and not is_cached(name):
        raise InputError(
            f"the checkpoint needs the language model {name!r}, which is not here, and nothing is fetched because a "
            f"checkpoint names it; if you trust it, fetch it with 'hf download {name}'"
        )


def backbone_width(name: str) -> int:
    """The width of a language model by name or local folder, without reading its weights.

    Raises
    ------
    InputError
        It cannot be found.
    """
    from transformers import AutoConfig

    source = BACKBONES.get(name, Source(name))
    if source.config is not None:
        return source.config["hidden_size"]
    where = source.found(weights=False)
    with _explained(name, where), _quiet():
        return AutoConfig.from_pretrained(where).hidden_size


def load_word_embeddings(name: str, *, pretrained: bool = True) -> WordEmbeddings:
    """The tokenizer and the embedding layer of a language model by name or local folder.

    Raises
    ------
    InputError
        It cannot be found, its tokenizer cannot tell which word a token belongs to, or its embeddings do not end
        in a LayerNorm.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    where = BACKBONES.get(name, Source(name)).found(pretrained)
    with _explained(name, where), _quiet():
        tokenizer = AutoTokenizer.from_pretrained(where, add_prefix_space=True)  # RoBERTa needs it for single words
        config = AutoConfig.from_pretrained(where)
        config.num_hidden_layers = 1
        with torch.random.fork_rng(devices=[]):  # random weights are the same at every call
            torch.manual_seed(0)
            model = AutoModel.from_pretrained(where, config=config) if pretrained else AutoModel.from_config(config)
    layer: Any = getattr(model, "embeddings", None)
    if getattr(layer, "LayerNorm", None) is None or not tokenizer.is_fast:
        raise InputError(
            f"language model {name!r}: needs a fast tokenizer and an embedding layer with a LayerNorm, as BERT's and "
            "RoBERTa's families have; take one of them, e.g. 'minilm' or 'roberta-base'"
        )
    tokenizer.padding_side = "right"
    table = layer.position_embeddings
    longest = table.weight.shape[0] - (0 if table.padding_idx is None else table.padding_idx + 1)
    return WordEmbeddings(tokenizer, layer.float().eval().requires_grad_(False), longest)


def build_backbone(config: dict[str, Any], layers: int | None = None) -> Backbone:
    """The architecture that a checkpoint describes, with random weights; needs no other file, and runs no code of it.

    Word embeddings are dropped with the embedding layer; where they are, none is drawn, whatever ``vocab_size`` says.
    """
    from transformers import AutoModel

    settings = _as_config(config)
    own = {"vocab_size": settings.vocab_size, "num_hidden_layers": settings.num_hidden_layers}
    _cut(settings, layers, "the language model")
    with _quiet():
        with torch.device("meta"):
            outline = AutoModel.from_config(settings, trust_remote_code=False)
        if hasattr(getattr(outline, "embeddings", None), "LayerNorm"):
            settings.vocab_size = max(settings.pad_token_id or 0, LARGEST_PADDING) + 1
        built = _without_embeddings(AutoModel.from_config(settings, trust_remote_code=False))
    return replace(built, config=built.config | own)


def encode(
    encoder: nn.Module, tokens: Float[Tensor, "batch tokens width"], mask: Bool[Tensor, "batch tokens"] | None
) -> Float[Tensor, "batch tokens width"]:
    """Last hidden states; ``mask`` is False on padding, None when there is none."""
    attention_mask = None if mask is None else mask.to(torch.long)
    return encoder(inputs_embeds=tokens, attention_mask=attention_mask).last_hidden_state


def add_adapters(encoder: nn.Module, rank: int, alpha: float, dropout: float) -> None:
    """Freeze the encoder's weights and add low-rank adapters (LoRA, Hu et al. 2021) to each of its linear layers.

    The adapters start at zero: until they are trained, the encoder computes the same as before.

    Raises
    ------
    InputError
        peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise missing_extra("a model with low-rank adapters (lora)", "peft", "lora") from error
    encoder.requires_grad_(False)
    lora = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules="all-linear")  # pyright: ignore
    inject_adapter_in_model(lora, encoder)


def is_adapter(name: str) -> bool:
    """Whether a weight of this name belongs to a low-rank adapter."""
    return ".lora_" in name


def _as_config(config: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    config = dict(config)
    return AutoConfig.for_model(config.pop("model_type"), **config)


def _cut(config: Any, layers: int | None, name: str) -> None:
    if layers is None:
        return
    if not 1 <= layers <= config.num_hidden_layers:
        raise InputError(f"{name} has {config.num_hidden_layers} layers; --layers {layers} is not among them")
    config.num_hidden_layers = layers


def _without_embeddings(model: Any) -> Backbone:
    embeddings = getattr(model, "embeddings", None)
    norm = getattr(embeddings, "LayerNorm", None)
    table = getattr(embeddings, "position_embeddings", None)
    if norm is not None:  # BERT's family: the embedding layer can be replaced as one
        model.embeddings = PassThrough()
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    positions = None
    if table is not None:
        first = (table.padding_idx + 1) if table.padding_idx is not None else 0
        positions = table.weight.detach()[first:].clone()
    config = model.config.to_dict()
    return Backbone(model, model.config.hidden_size, norm, positions, config)


@contextmanager
def _quiet():
    """Silence transformers: we load part of a model on purpose; warnings about the rest, and a bar, would alarm."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def _explained(name: str, source: str):
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        where = "folder" if Path(source).is_dir() else "name"
        first_line = str(error).strip().splitlines()[0]
        raise InputError(
            f"language model {name!r}: nothing to load under this {where} ({first_line}); give a folder saved with "
            "save_pretrained, a Hugging Face id that can be reached or is cached, or 'minilm', which works offline"
        ) from error
