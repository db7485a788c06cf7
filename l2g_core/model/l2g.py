"""The complete Language-to-Genome model (paper section 2.3): embedder -> language model -> mean -> linear head.

    one-hot (batch, 4, length)
      -> CNN embedder           features (batch, channels, length)
      -> strided projection     tokens   (batch, tokens, width),  tokens <= target_tokens at every length
      -> LayerNorm, initialised from the language model's own embedding norm
      -> encoder of the language model, padding masked
      -> mean over the tokens that are not padding -> linear head (batch, targets)

In training mode the model reads one strand. In evaluation mode it averages both (see ``average_strands``), so what
``model(x)`` returns is the prediction, and what is attributed is what is predicted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from l2g_core.errors import InputError
from l2g_core.model.backbones import (
    Backbone,
    add_adapters,
    build_backbone,
    check_here,
    encode,
    is_adapter,
    load_backbone,
)
from l2g_core.model.checkpoint import SequenceModel, fingerprint
from l2g_core.model.config import L2GConfig
from l2g_core.model.embedders import embedder_class
from l2g_core.model.hostile import Stored, check_language_model
from l2g_core.model.hub import CONFIG

EMBEDDING_PARTS = (
    "embedder.",
    "projection.",
    "norm.",
    "positions.",
)  # what stage 2 trains: everything before the transformer


class L2G(SequenceModel):
    """An L2G model (paper section 2.3), from one-hot ``(batch, 4, length)`` to ``(batch, targets)``.

    ``from_pretrained`` opens a checkpoint; ``L2G(config)`` starts from the pre-trained language model.

    Parameters
    ----------
    config
        The architecture.
    backbone_config
        The language model's configuration from a checkpoint: builds it without its files, with random weights.

    Raises
    ------
    InputError
        The language model cannot be found, has fewer layers than wanted, or too few position embeddings.
    """

    ARCHITECTURE = "l2g"
    CONFIG = L2GConfig

    def __init__(self, config: L2GConfig, backbone_config: dict[str, Any] | None = None):
        super().__init__(config)
        backbone = _backbone(config, backbone_config)
        self.width = backbone.width
        family = embedder_class(config.embedder)
        self.embedder = family(self.width, config.embedder_width, config.operators, config.dropout)
        feature_length = -(-config.sequence_length // family.downsampling)
        self.stride = -(-feature_length // config.target_tokens)
        self.bp_per_token = self.stride * family.downsampling
        same = self.stride == 1 and self.embedder.channels == self.width
        self.projection = (
            nn.Identity() if same else nn.Conv1d(self.embedder.channels, self.width, self.stride, stride=self.stride)
        )
        self.norm = nn.LayerNorm(self.width)
        if backbone.embedding_norm is not None:
            self.norm.load_state_dict(backbone.embedding_norm.state_dict())
        self.positions = _positions(config, backbone)
        self.backbone_config = backbone.config
        fixed = config.backbone_training in ("frozen", "lora")
        self.backbone_sha256 = fingerprint(backbone.encoder) if fixed else None
        self.encoder = _encoder(config, backbone)
        self.head = nn.Linear(self.width, len(config.targets))

    @property
    def shortest(self) -> int:
        """The shortest sequence that makes sense (bp)."""
        return embedder_class(self.config.embedder).shortest

    def forward(
        self, one_hot: Float[Tensor, "batch 4 length"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch targets"]:
        """Predict, in the units of the targets or as logits; ``average_strands`` applies in evaluation mode only.

        Parameters
        ----------
        one_hot
            At most ``config.sequence_length`` columns, channels ACGT; shorter input is padded.
        lengths
            Of the sequences before padding (bp); by default up to the last column that is not all zero.

        Raises
        ------
        InputError
            The sequences are too long.
        """
        x = pad_to(one_hot, self.config.sequence_length)
        lengths = sequence_lengths(x) if lengths is None else lengths
        if self.training or not self.config.average_strands:
            return self.predict_strand(x, lengths)
        return (self.predict_strand(x, lengths) + self.predict_strand(reverse_complement(x, lengths), lengths)) / 2

    def predict_strand(
        self, x: Float[Tensor, "batch 4 length"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch targets"]:
        """Predict from the given strand only; ``x`` is padded."""
        tokens, mask = self.embed(x, lengths)
        hidden = tokens if self.encoder is None else encode(self.encoder, tokens, mask)
        return self.head(masked_mean(hidden, mask))

    def embed(
        self, x: Float[Tensor, "batch 4 length"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch tokens width"], Bool[Tensor, "batch tokens"] | None]:
        """Token vectors, and a mask that is False on padding (None when nothing is padded)."""
        features = self.embedder(x)
        features = F.pad(features, (0, -features.shape[-1] % self.stride))
        tokens = self.norm(self.projection(features).transpose(1, 2))
        if self.positions is not None:
            tokens = tokens + self.positions.weight[: tokens.shape[1]]
        n_valid = -(-lengths // self.bp_per_token)
        if bool((n_valid >= tokens.shape[1]).all()):
            return tokens, None
        return tokens, torch.arange(tokens.shape[1], device=x.device) < n_valid.clamp(min=1)[:, None]

    def weights_to_save(self) -> dict[str, Tensor]:
        """All weights, without those of a frozen language model."""
        weights = self.state_dict()
        if self.backbone_sha256 is None:
            return weights
        return {k: v for k, v in weights.items() if not k.startswith("encoder.") or is_adapter(k)}

    def extra_config(self) -> dict[str, Any]:
        """What rebuilds the language model: its configuration, or the hash of the weights of a frozen one."""
        if self.backbone_sha256 is not None:
            return {"backbone_sha256": self.backbone_sha256}
        return {"backbone_config": self.backbone_config}

    @classmethod
    def outline(cls, config: L2GConfig, extra: dict[str, Any], stored: Stored) -> dict[str, Tensor]:
        language_model = extra.get("backbone_config")
        if config.backbone_training in ("frozen", "lora"):  # the language model is not in the file
            adapters = {k: torch.empty(s[1], device="meta") for k, s in stored.tensors.items() if is_adapter(k)}
            if any(".lora_A." in k and v.shape[:1] != (config.lora_rank,) for k, v in adapters.items()):
                raise InputError(f"{stored.path}: its adapters are not of rank {config.lora_rank}; copy it again")
            language_model, config = _stand_in(stored), replace(config, backbone_training="none")
        else:
            adapters, is_stored = {}, config.backbone_training == "full"
            check_language_model(stored.path.with_name(CONFIG), language_model, stored, is_stored)
        with torch.device("meta"):
            return cls(config, language_model).weights_to_save() | adapters

    @classmethod
    def from_config(cls, config: L2GConfig, extra: dict[str, Any]) -> L2G:
        if config.backbone_training in ("frozen", "lora"):
            check_here(config.backbone)
        model = cls(config, extra.get("backbone_config"))
        wanted = extra.get("backbone_sha256")
        if wanted and model.backbone_sha256 != wanted:
            raise InputError(
                f"the language model {config.backbone!r} found here is not the one this checkpoint was trained on "
                "(its weights differ); point the checkpoint's 'backbone' to the original"
            )
        return model


def _stand_in(stored: Stored) -> dict[str, Any]:
    """The configuration of a language model that has the width and positions that the file's tensors have."""
    width, positions = stored.shape("norm.weight") or (1,), stored.shape("positions.weight") or (1,)
    sizes = {"hidden_size": width[0], "max_position_embeddings": positions[0], "num_hidden_layers": 1}
    return {"model_type": "bert", "num_attention_heads": 1, "intermediate_size": 1, "vocab_size": 1} | sizes


def pad_to(one_hot: Float[Tensor, "batch 4 length"], length: int) -> Float[Tensor, "batch 4 padded"]:
    """Pad with zero columns on the right, up to ``length``: so a result never depends on the rest of the batch."""
    missing = length - one_hot.shape[-1]
    if missing < 0:
        raise InputError(f"sequences of {one_hot.shape[-1]} bp do not fit: this model takes up to {length} bp")
    return F.pad(one_hot, (0, missing)) if missing else one_hot


def sequence_lengths(one_hot: Float[Tensor, "batch 4 length"]) -> Int[Tensor, " batch"]:
    """Position of the last base plus one. Trailing N therefore count as padding."""
    present = (one_hot != 0).any(dim=1)
    return (present * torch.arange(1, one_hot.shape[-1] + 1, device=one_hot.device)).amax(dim=1)


def reverse_complement(
    one_hot: Float[Tensor, "batch 4 length"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch 4 length"]:
    """The other strand, with the padding kept on the right."""
    length = one_hot.shape[-1]
    complement = one_hot.flip(1)  # ACGT reversed is TGCA, its complement
    if bool((lengths == length).all()):
        return complement.flip(2)
    position = torch.arange(length, device=one_hot.device)
    index = lengths[:, None] - 1 - position
    index = torch.where(index < 0, position, index)
    return complement.gather(2, index[:, None, :].expand_as(one_hot))


def masked_mean(
    hidden: Float[Tensor, "batch tokens width"], mask: Bool[Tensor, "batch tokens"] | None
) -> Float[Tensor, "batch width"]:
    """Mean over the tokens that are not padding."""
    if mask is None:
        return hidden.mean(dim=1)
    weights = mask.to(hidden.dtype)[:, :, None]
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def without_transformer(config: L2GConfig) -> L2G:
    """What stage 2 trains: the model up to its transformer, whose LayerNorm starts from that of the language model.

    Raises
    ------
    InputError
        As `L2G`.
    """
    model = L2G(replace(config, backbone_training="none"))
    if config.backbone_training != "none" and config.backbone_pretrained:
        norm = load_backbone(config.backbone, layers=1).embedding_norm
        if norm is not None:
            model.norm.load_state_dict(norm.state_dict())
    return model


def _backbone(config: L2GConfig, backbone_config: dict[str, Any] | None) -> Backbone:
    if backbone_config is not None:
        return build_backbone(backbone_config, layers=1 if config.backbone_training == "none" else None)
    if config.backbone_training == "none" and not config.position_embeddings:  # only its width is needed
        with torch.random.fork_rng(devices=[]):
            return load_backbone(config.backbone, layers=1, pretrained=False)
    if config.backbone_pretrained:
        return load_backbone(config.backbone, layers=config.backbone_layers)
    with torch.random.fork_rng(
        devices=[]
    ):  # from a separate seed, so that a frozen one can be drawn again when opening a checkpoint
        torch.manual_seed(config.backbone_seed)
        return load_backbone(config.backbone, layers=config.backbone_layers, pretrained=False)


def _encoder(config: L2GConfig, backbone: Backbone) -> nn.Module | None:
    if config.backbone_training == "none":
        return None
    encoder = backbone.encoder
    encoder.requires_grad_(config.backbone_training == "full")
    if config.backbone_training == "lora":
        add_adapters(encoder, config.lora_rank, config.lora_alpha, config.dropout)
    _set_dropout(encoder, config.dropout)
    return encoder


def _positions(config: L2GConfig, backbone: Backbone) -> nn.Embedding | None:
    if not config.position_embeddings:
        return None
    if backbone.positions is None:
        raise InputError(
            f"language model {config.backbone!r} has no table of position embeddings to reuse; "
            "leave position_embeddings off"
        )
    if config.target_tokens > len(backbone.positions):
        raise InputError(
            f"language model {config.backbone!r} has embeddings for {len(backbone.positions)} positions, and up to "
            f"{config.target_tokens} tokens are asked for; lower --tokens"
        )
    return nn.Embedding.from_pretrained(backbone.positions, freeze=False)


def _set_dropout(encoder: nn.Module, p: float) -> None:
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = p
