"""Language models of the package transformers, small and with random weights, behind a convolution of DNA.

``TRANSFORMERS`` has for each its config's class name and what to set beside the usual sizes.
"""

from __future__ import annotations

from typing import Any

import transformers
from torch import Tensor, nn

WIDTH, TOKENS = 32, 50
USUAL = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
         "vocab_size": 40, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
         "sep_token_id": 2, "cls_token_id": 1}  # fmt: skip
GPT = {"n_embd": WIDTH, "n_layer": 2, "n_head": 4, "vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2}
T5 = {"d_model": WIDTH, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}

TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "BERT": ("Bert", {}),
    "RoBERTa": ("Roberta", {}),
    "DistilBERT": ("DistilBert", {"dim": WIDTH, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}),
    "ALBERT": ("Albert", {"embedding_size": WIDTH}),
    "ELECTRA": ("Electra", {"embedding_size": WIDTH}),
    "MPNet": ("MPNet", {}),
    "DeBERTa": ("Deberta", {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
    "DeBERTa-v2": ("DebertaV2", {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
    "ModernBERT": ("ModernBert", {"local_attention": 16}),
    "RoFormer": ("RoFormer", {}),
    "ConvBERT": ("ConvBert", {"embedding_size": WIDTH}),
    "MobileBERT": ("MobileBert", {"embedding_size": WIDTH, "intra_bottleneck_size": 16, "trigram_input": False,
                                  "true_hidden_size": 16}),
    "SqueezeBERT": ("SqueezeBert", {"embedding_size": WIDTH}),
    "BigBird": ("BigBird", {"attention_type": "block_sparse", "block_size": 5, "num_random_blocks": 1}),
    "Longformer": ("Longformer", {"attention_window": 10}),
    "FNet": ("FNet", {"use_tpu_fourier_optimizations": False}),
    "Funnel": ("Funnel", {"d_model": WIDTH, "n_head": 4, "d_head": 8, "d_inner": 64, "block_sizes": [1, 1]}),
    "Nystromformer": ("Nystromformer", {"num_landmarks": 10, "segment_means_seq_len": TOKENS}),
    "YOSO": ("Yoso", {"use_expectation": True}),
    "Reformer": ("Reformer", {"attn_layers": ["local", "lsh"], "axial_pos_embds": False, "local_attn_chunk_length": 10,
                              "lsh_attn_chunk_length": 10, "attention_head_size": 8, "feed_forward_size": 64,
                              "num_buckets": 4, "num_hashes": 1, "hash_seed": 0}),
    "XLNet": ("XLNet", {"d_model": WIDTH, "n_layer": 2, "n_head": 4, "d_inner": 64}),
    "ESM (rotary)": ("Esm", {"position_embedding_type": "rotary", "mask_token_id": 3}),
    "T5, encoder": ("T5", T5),
    "UMT5, encoder": ("UMT5", T5),
    "LongT5, encoder": ("LongT5", {"local_radius": 8, **T5}),
    "BART, encoder": ("Bart", {"d_model": WIDTH, "encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 64,
                               "encoder_attention_heads": 4, "decoder_attention_heads": 4}),
    "GPT-2": ("GPT2", GPT),
    "GPT-NeoX": ("GPTNeoX", {}),
    "OPT": ("OPT", {"ffn_dim": 64, "word_embed_proj_dim": WIDTH}),
    "BLOOM (ALiBi)": ("Bloom", {"n_layer": 2, "n_head": 4}),
    "Llama": ("Llama", GROUPED),
    "Mistral (window)": ("Mistral", {"sliding_window": 16, **GROUPED}),
    "Qwen3": ("Qwen3", GROUPED),
    "Gemma": ("Gemma", GROUPED),
    "Gemma-2 (soft caps)": ("Gemma2", GROUPED),
    "Falcon": ("Falcon", {}),
    "Mixtral (experts)": ("Mixtral", {"num_local_experts": 4, **GROUPED}),
    "Mamba": ("Mamba", {"state_size": 4}),
    "Mamba-2": ("Mamba2", {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 16}),
    "xLSTM": ("xLSTM", {"num_heads": 4}),
    "RWKV": ("Rwkv", {"attention_hidden_size": WIDTH, "context_length": 64}),
    "RecurrentGemma": ("RecurrentGemma", {"lru_width": WIDTH, "attention_window_size": 16, "num_hidden_layers": 3,
                                          **GROUPED}),
}  # fmt: skip
ENCODERS = ("T5", "UMT5", "LongT5", "Bart")
UNKNOWN = {"Funnel": ("num_hidden_layers",), "XLNet": ("max_position_embeddings",)}


class BehindConvolution(nn.Module):
    """Tokens of 4 bp by a convolution, the language model, the mean of its last hidden states, a linear layer."""

    def __init__(self, language_model: nn.Module) -> None:
        super().__init__()
        self.embed, self.norm = nn.Conv1d(4, WIDTH, 8, stride=4, padding=2), nn.LayerNorm(WIDTH)
        self.language_model, self.head = language_model, nn.LazyLinear(2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.embed(x).transpose(1, 2))
        return self.head(self.language_model(inputs_embeds=tokens)[0].mean(1))


def language_model(name: str) -> nn.Module:
    """A network of DNA ``(batch, 4, 200)`` with two outputs around the language model of this name."""
    kind, more = TRANSFORMERS[name]
    usual = {key: value for key, value in USUAL.items() if key not in UNKNOWN.get(kind, ())}
    config = getattr(transformers, f"{kind}Config")(**usual | more)
    config.architectures, config.use_cache = [f"{kind}Model"], False
    model = transformers.AutoModel.from_config(config)
    return BehindConvolution(model.get_encoder() if kind in ENCODERS else model)
