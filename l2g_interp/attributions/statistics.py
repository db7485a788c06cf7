"""From multipliers against each reference to contributions, with their spread over the references.

A multiplier m says how much the output changes per unit of an input. Against a reference r the base that is there
contributes ``sum over channels of (x - r) m``; base b in its place would contribute the same with b's one-hot for x
(its hypothetical contribution). Both are averaged over the references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from l2g_core.errors import InputError
from l2g_interp.attributions.result import MethodResult


@dataclass(frozen=True)
class Sums:
    """Sums over the references seen so far of ``g`` sequences, in float64; ``add`` changes them in place."""

    prediction: Float64[Tensor, "g t"]
    multipliers: Float64[Tensor, "g t 4 length"]
    baseline: Float64[Tensor, "g t length"]  # of sum over channels of reference * multiplier
    squares: Float64[Tensor, "g t length"]  # of the contribution of the base that is there
    reference_prediction: Float64[Tensor, "g t"]
    delta: Float64[Tensor, "g t"]
    composition: Float64[Tensor, "g t 4 length"] | None = None  # of the references: what a control variate needs
    products: Float64[Tensor, "g t 4 length"] | None = None  # of reference and contribution, likewise

    def add(
        self,
        target: int,
        x: Float[Tensor, "g 4 length"],
        references: Float[Tensor, "g r 4 length"],
        multipliers: Float[Tensor, "g r 4 length"],
        reference_prediction: Float[Tensor, "g r"],
    ) -> None:
        """Add some references of each sequence, for the target in column ``target``."""
        baseline = (references * multipliers).sum(2)
        known = x.any(1)[:, None]
        contribution = (x[:, None] * multipliers).sum(2) - baseline * known
        explained = ((x[:, None] - references) * multipliers).sum((2, 3), dtype=torch.float64)
        difference = self.prediction[:, target, None] - reference_prediction
        self.multipliers[:, target] += multipliers.sum(1, dtype=torch.float64)
        self.baseline[:, target] += baseline.sum(1, dtype=torch.float64)
        self.squares[:, target] += contribution.double().square().sum(1)
        self.reference_prediction[:, target] += reference_prediction.sum(1, dtype=torch.float64)
        self.delta[:, target] += (explained - difference).abs().sum(1)
        if self.composition is not None and self.products is not None:
            self.composition[:, target] += references.sum(1, dtype=torch.float64)
            self.products[:, target] += (references * contribution[:, :, None]).sum(1, dtype=torch.float64)


def no_sums(prediction: Float[Tensor, "g t"], length: int, control_variate: bool = False) -> Sums:
    """Sums over no references yet; of what `store` needs for a control variate, too, if there is to be one."""
    groups, targets = prediction.shape

    def zero(*shape: int) -> Tensor:
        return torch.zeros(groups, targets, *shape, dtype=torch.float64, device=prediction.device)

    more = (zero(4, length), zero(4, length)) if control_variate else ()
    return Sums(prediction.double(), zero(4, length), zero(length), zero(length), zero(), zero(), *more)


def empty_result(n: int, targets: int, length: int) -> MethodResult:
    """A result full of NaN, to be filled in."""

    def array(*shape: int) -> np.ndarray:
        return np.full((n, targets, *shape), np.nan, dtype=np.float32)

    return MethodResult(array(4, length), array(), array(), array(), array(length), array())


def store(
    result: MethodResult,
    rows: slice,
    sums: Sums,
    x: Float[Tensor, "g 4 length"],
    r: int,
    expected: Float[Tensor, "g 4 length"] | None = None,
) -> None:
    """Write the means over ``r`` references of the sequences ``x`` into rows of the result.

    ``expected``: the composition that references have on average, for a control variate (`controlled`).
    """
    hypothetical = (sums.multipliers - sums.baseline[:, :, None]) / r
    contribution = (hypothetical * x[:, None]).sum(2)
    variance = (sums.squares / r - contribution.square()).clamp(min=0) * (r / max(r - 1, 1))  # unbiased (Bessel)
    if expected is not None:
        correction, variance = controlled(sums, contribution, r, expected.double()[:, None])
        hypothetical = hypothetical + correction[:, :, None]
        contribution = (hypothetical * x[:, None]).sum(2)
    standard_error = (variance / r).sqrt() if r > 1 else torch.full_like(variance, torch.nan)
    stable = stability(contribution, standard_error, x.any(1))
    result.hypothetical[rows] = hypothetical.cpu().numpy()
    result.prediction[rows] = sums.prediction.cpu().numpy()
    result.reference_prediction[rows] = (sums.reference_prediction / r).cpu().numpy()
    result.delta[rows] = (sums.delta / r).cpu().numpy()
    result.standard_error[rows] = standard_error.cpu().numpy()
    result.stability[rows] = stable.cpu().numpy()


def controlled(
    sums: Sums, contribution: Tensor, r: int, expected: Float64[Tensor, "g 1 4 length"]
) -> tuple[Float64[Tensor, "g t length"], Float64[Tensor, "g t length"]]:
    """What a control variate adds to each position's contributions, and the variance over references that is left.

    A contribution depends on which bases the drawn references happen to have at its position. With m the multipliers
    against reference r and p the composition expected of references, the mean of ``x m - r m`` has the expectation
    ``x E(m) - p E(m) - cov(r, m)``, where both terms with E(m) are known as well as the mean multiplier, without the
    chance of the drawn composition. So the estimate is ``x mean(m) - p mean(m) - c``, c being the sample covariance of
    r and m (divided by the number of references less 1), which is unbiased for any model: a control variate (Glasserman
    2003, section 4.1) whose coefficient is the mean multiplier, without the bias of estimating it on the same draw.

    ``contribution`` is the plain mean. The variance is that of ``x m - r m + r mean(m)``, to first order in 1 / r.
    """
    assert sums.composition is not None
    assert sums.products is not None
    mean, composition = sums.multipliers / r, sums.composition / r
    covariance = (sums.baseline / r - (mean * composition).sum(2)) * (r / max(r - 1, 1))
    correction = sums.baseline / r - (expected * mean).sum(2) - covariance
    known = expected.sum(2) > 0
    squares = sums.squares + 2 * (mean * sums.products).sum(2) + (mean.square() * sums.composition).sum(2)
    centre = contribution + (mean * composition).sum(2)
    variance = (squares / r - centre.square()).clamp(min=0) * (r / max(r - 1, 1))
    return correction * known, variance * known


def stability(contribution: Tensor, standard_error: Tensor, known: Tensor) -> Tensor:
    """Expected correlation, over positions, with the contributions from another draw of the same number of references.

    Two draws give ``c1 = c + e1`` and ``c2 = c + e2`` with independent errors of variance ``se^2`` at each position,
    so ``cov(c1, c2) = var(c)`` and ``var(c1) = var(c) + mean(se^2)``: their correlation is
    ``(var(c1) - mean(se^2)) / var(c1)``, with all variances taken over the positions that have a base.
    """
    weight = known[:, None].to(contribution.dtype)
    n = weight.sum(-1).clamp(min=1)
    mean = (contribution * weight).sum(-1) / n
    spread = ((contribution - mean[..., None]) * weight).square().sum(-1) / n
    error = (standard_error.square() * weight).sum(-1) / n
    return ((spread - error) / spread).clamp(min=0)


def check_inputs(model: nn.Module, one_hot: Tensor, references: Tensor) -> None:
    """Refuse shapes that do not fit together, and a model in training mode."""
    if one_hot.dim() != 3 or one_hot.shape[1] != 4:
        raise InputError(f"one_hot has shape {tuple(one_hot.shape)}; it must be (sequences, 4, length)")
    if references.dim() != 4 or references.shape[0] != len(one_hot) or references.shape[2:] != one_hot.shape[1:]:
        raise InputError(
            f"references have shape {tuple(references.shape)} for one_hot of {tuple(one_hot.shape)}; "
            "they must be (sequences, references, 4, length)"
        )
    if references.shape[1] < 1:
        raise InputError("no references; at least one per sequence is needed")
    if any(module.training for module in model.modules()):
        raise InputError("the model is in training mode; call model.eval() first")


def checked_output(output: object, rows: int, targets: Sequence[int]) -> Tensor:
    """The model's output, if it is ``(rows, targets)`` and has the columns asked for."""
    if not isinstance(output, Tensor):
        raise InputError(f"the model returned {type(output).__name__}; wrap it to return one tensor (batch, targets)")
    if output.dim() != 2 or output.shape[0] != rows:
        raise InputError(
            f"the model returned shape {tuple(output.shape)} for {rows} sequences; it must be (batch, targets)"
        )
    wrong = [target for target in targets if not 0 <= target < output.shape[1]]
    if wrong:
        raise InputError(f"no target {wrong[0]}; the model has {output.shape[1]} (0 to {output.shape[1] - 1})")
    return output


def device_and_dtype(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The device and dtype of the model's first floating-point parameter or buffer."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def predict(model: nn.Module, rows: Tensor, targets: Sequence[int], batch_size: int) -> Float64[Tensor, "n t"]:
    """Outputs of the model for many rows, without gradients."""
    device, dtype = device_and_dtype(model)
    with torch.no_grad():
        parts = [
            checked_output(model(part.to(device, dtype)), len(part), targets)[:, list(targets)].double()
            for part in rows.split(batch_size)
        ]
    return torch.cat(parts)
