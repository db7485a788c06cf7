"""Small models and sequences for the tests of the attribution methods."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from l2g_core.dna import one_hot
from l2g_interp.attributions.references.shuffles import dinucleotide_shuffles
from l2g_interp.attributions.result import MethodResult

LENGTH = 40


def sequences(n: int = 3, references: int = 5, length: int = LENGTH, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    x = one_hot(["".join(rng.choice(list("ACGT"), length)) for _ in range(n)])
    return torch.from_numpy(x), torch.from_numpy(dinucleotide_shuffles(x, references, seed))


def completeness(result: MethodResult) -> float:
    """mean |delta| / mean |f(x) - mean f(reference)|"""
    return float(result.delta.mean() / np.abs(result.prediction - result.reference_prediction).mean())


def missed(model: nn.Module, x: Tensor, references: Tensor, result: MethodResult) -> float:
    """Largest miss of the sums of contributions, against f(x) - mean f(reference) of the model's plain forward."""
    with torch.no_grad():
        plain = [model(x[i : i + 1].float())[0] - model(references[i].float()).mean(0) for i in range(len(x))]
    wanted = torch.stack(plain).numpy()
    sums = (result.hypothetical * x.numpy()[:, None]).sum((2, 3))
    return float(np.abs(sums - wanted).max() / np.abs(wanted).max())


class Net(nn.Module):
    """A function of one-hot DNA with layers."""

    def __init__(self, run: Callable[[nn.ModuleDict, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.run = nn.ModuleDict(layers), run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self.layers, x)


def settled(model: nn.Module) -> nn.Module:
    """In eval mode, with weights large enough to matter and batch norms that do something."""
    torch.manual_seed(0)
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    for m in model.modules():
        if isinstance(m, nn.LayerNorm):
            nn.init.normal_(m.weight, 1, 0.3)  # smaller ones make all sequences alike, up to rounding
        if isinstance(m, nn.BatchNorm1d):
            nn.init.normal_(m.running_mean, std=0.3)  # pyright: ignore
            nn.init.uniform_(m.running_var, 0.5, 1.5)  # pyright: ignore
    return model.eval()


def around(middle: Callable[[Tensor], Tensor], channels: int = 6) -> nn.Module:
    """conv -> ``middle`` of (batch, channels, length) -> mean -> two targets."""
    probe = middle(torch.rand(2, channels, LENGTH)).flatten(1)
    return settled(
        Net(
            lambda m, x: m["head"](middle(m["conv"](x)).flatten(1)),
            conv=nn.Conv1d(4, channels, 5, padding=2),
            head=nn.Linear(probe.shape[1], 2),
        )
    )


def residual() -> nn.Module:
    """Convolutions, batch norms and ReLUs, no module used twice: captum is exact on it."""

    def run(m: nn.ModuleDict, x: Tensor) -> Tensor:
        a = m["r1"](m["b1"](m["c1"](x)))
        return m["head"]((m["r2"](m["b2"](m["c2"](a))) + a).mean(2))

    return settled(
        Net(
            run,
            c1=nn.Conv1d(4, 8, 5, padding=2),
            b1=nn.BatchNorm1d(8),
            r1=nn.ReLU(),
            c2=nn.Conv1d(8, 8, 3, padding=1),
            b2=nn.BatchNorm1d(8),
            r2=nn.ReLU(),
            head=nn.Linear(8, 2),
        )
    )


def unet() -> nn.Module:
    """In-place ReLU used again and again, pooling, skip path, upsampling."""

    def run(m: nn.ModuleDict, x: Tensor) -> Tensor:
        a = m["relu"](m["bn"](m["c1"](x)))
        b = m["relu"](m["c2"](F.max_pool1d(a, 3, 2, 1)))
        up = F.interpolate(b, scale_factor=2, mode="linear", align_corners=True)
        up = F.pad(up, (0, a.shape[-1] - up.shape[-1]))
        return m["head"](m["relu"](m["c3"](torch.cat([a, up], 1))).mean(2))

    return settled(
        Net(
            run,
            c1=nn.Conv1d(4, 6, 3, padding=1),
            bn=nn.BatchNorm1d(6),
            c2=nn.Conv1d(6, 6, 3, padding=1),
            c3=nn.Conv1d(12, 6, 3, padding=1),
            relu=nn.ReLU(inplace=True),
            head=nn.Linear(6, 2),
        )
    )


def transformer(kind: str, attention: str = "sdpa", padded: bool = False, width: int = 12) -> nn.Module:
    """conv -> a small random language model of this kind -> mean -> two targets."""
    import transformers as t

    same = {"num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 20, "vocab_size": 20}
    usual = {"hidden_size": width, **same, "attn_implementation": attention}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    short = {"vocab_size": 20, "attn_implementation": attention}
    builders: dict[str, Callable[[], nn.Module]] = {
        "bert": lambda: t.BertModel(t.BertConfig(**usual), add_pooling_layer=False),
        "roberta": lambda: t.RobertaModel(t.RobertaConfig(**usual), add_pooling_layer=False),
        "electra": lambda: t.ElectraModel(t.ElectraConfig(embedding_size=width, **usual)),
        "distilbert": lambda: t.DistilBertModel(
            t.DistilBertConfig(dim=width, n_layers=2, n_heads=3, hidden_dim=20, **short)
        ),
        "albert": lambda: t.AlbertModel(t.AlbertConfig(embedding_size=width, **usual)),
        "gpt2": lambda: t.GPT2Model(
            t.GPT2Config(n_embd=width, n_layer=2, n_head=3, bos_token_id=1, eos_token_id=2, **short)
        ),
        "modernbert": lambda: t.ModernBertModel(t.ModernBertConfig(local_attention=8, **ends, **usual)),
    }

    def run(m: nn.ModuleDict, x: Tensor) -> Tensor:
        tokens = m["norm"](F.relu(m["conv"](x)).transpose(1, 2))
        mask = torch.ones(tokens.shape[:2], dtype=torch.long, device=x.device)
        if padded:
            mask[:, LENGTH - 10 :] = 0
        hidden = m["encoder"](inputs_embeds=tokens, attention_mask=mask if padded else None).last_hidden_state
        return m["head"](hidden.mean(1))

    conv, norm, head = nn.Conv1d(4, width, 5, padding=2), nn.LayerNorm(width), nn.Linear(width, 2)
    return settled(Net(run, conv=conv, norm=norm, encoder=builders[kind](), head=head))
