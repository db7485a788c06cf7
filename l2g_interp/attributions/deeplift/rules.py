"""Which torch function is handled how: the one place to add a rule.

``LINEAR``     linear in whatever varies: autograd's own backward is the rule.
``RULES``      has its own rule (see elementwise, products, normalise, pooling, attention).
``COMPOSED``   rewritten in terms of other functions, which then have rules.
``CONSTANT``   its result must be the same for a sequence and its references (masks, sizes), which is checked.

A function in none of them is refused by name. To add one, add its name to a list below; a rule is
``rule(layout, func, example, args, kwargs) -> value``, where ``example.args`` are the arguments on the tape.

The rules are those of DeepLIFT (Shrikumar et al. 2017, arXiv:1704.02685): linear (section 3.5.1) and Rescale (3.5.2),
here for functions of several inputs, too.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten

from l2g_interp.attributions.deeplift import composed
from l2g_interp.attributions.deeplift.attention import attention
from l2g_interp.attributions.deeplift.elementwise import elementwise
from l2g_interp.attributions.deeplift.engine import Engine, Handler, any_of, varies
from l2g_interp.attributions.deeplift.normalise import layer_norm, logsumexp, rms_norm, softmax
from l2g_interp.attributions.deeplift.pooling import amax, max_pool
from l2g_interp.attributions.deeplift.products import product

Rule = Callable[..., Any]
HOMES = (torch, torch.Tensor, F, torch._C._nn, torch.special, torch.linalg)  # pyright: ignore[reportAttributeAccessIssue]


def everywhere(names: str) -> list[Callable]:
    """Every torch function, method, in-place method and operator with one of these names (separated by spaces)."""
    found: list[Callable] = []
    for name in names.split():
        for variant in (name, f"{name}_", f"__{name}__", f"__i{name}__", f"__r{name}__", f"_{name}"):
            found += [getattr(home, variant) for home in HOMES if callable(getattr(home, variant, None))]
    return found


LINEAR = set(
    everywhere(
        # rearranging elements
        "iter view reshape reshape_as view_as flatten unflatten transpose permute movedim moveaxis swapaxes "
        "swapdims t "
        "squeeze unsqueeze expand expand_as broadcast_to broadcast_tensors contiguous clone getitem select "
        "narrow "
        "index_select gather take take_along_dim split split_with_sizes chunk tensor_split unbind cat concat "
        "concatenate "
        "stack hstack vstack dstack flip fliplr flipud roll rot90 repeat tile repeat_interleave pad "
        "constant_pad_nd unfold fold "
        "pixel_shuffle pixel_unshuffle channel_shuffle diagonal tril triu masked_select atleast_1d atleast_2d "
        "atleast_3d "
        "scatter scatter_add index_add index_copy index_put masked_scatter setitem copy as_strided "
        "view_as_real real "
        # sums
        "add sub subtract rsub neg negative sum mean cumsum nansum diff positive trace "
        "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
        "interpolate upsample upsample_nearest upsample_bilinear grid_sample "
        # selection by a constant
        "where masked_fill fill index_fill dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout "
        "feature_alpha_dropout native_dropout "
        # precision, device and bookkeeping
        "to type type_as float double half bfloat16 cpu cuda requires_grad retain_grad identity alias"
    )
) | {torch.Tensor.T.__get__, torch.Tensor.mT.__get__, torch.Tensor.H.__get__, torch.Tensor.mH.__get__}  # type: ignore[attr-defined]

CASTS = set(everywhere("to type type_as float half bfloat16"))
WEIGHTED = (
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear"  # linear if weights are constant
)
PRODUCTS = (
    "mul multiply matmul bmm mm mv dot vdot inner outer ger einsum tensordot bilinear vecdot linear "
    "addcmul addmm addmv addbmm baddbmm addr kron chain_matmul"
)
ELEMENTWISE = (
    "relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh hardshrink "
    "softshrink "
    "tanhshrink softplus softsign logsigmoid threshold sigmoid expit tanh exp expm1 exp2 log log2 log10 log1p "
    "sqrt rsqrt square "
    "reciprocal abs absolute sin cos tan sinh cosh asin acos atan arctan asinh acosh atanh erf erfc erfinv "
    "sinc logit "
    "clamp clamp_min clamp_max clip pow float_power nan_to_num i0 lgamma digamma"
)

RULES: dict[Callable, Rule] = {
    **dict.fromkeys(everywhere(ELEMENTWISE), elementwise),
    **dict.fromkeys(everywhere(PRODUCTS), product),
    **dict.fromkeys(everywhere("layer_norm"), layer_norm),
    **dict.fromkeys(everywhere("rms_norm"), rms_norm),
    **dict.fromkeys(everywhere("softmax"), softmax),
    **dict.fromkeys(everywhere("logsumexp"), logsumexp),
    **dict.fromkeys(everywhere("scaled_dot_product_attention"), attention),
    **dict.fromkeys(everywhere("max_pool1d adaptive_max_pool1d"), max_pool(1)),
    **dict.fromkeys(everywhere("max_pool2d adaptive_max_pool2d"), max_pool(2)),
    **dict.fromkeys(everywhere("max_pool3d adaptive_max_pool3d"), max_pool(3)),
    **dict.fromkeys(everywhere("amax"), amax),
}

COMPOSED: dict[Callable, Callable] = {
    func: rewritten for name, rewritten in composed.COMPOSED.items() for func in everywhere(name)
}

CONSTANT = set(
    everywhere(
        "gt ge lt le eq ne greater greater_equal less less_equal not_equal isnan isinf isfinite any all equal "
        "allclose "
        "isclose logical_not logical_and logical_or logical_xor argmax argmin argsort count_nonzero nonzero "
        "sign signbit bool "
        "int long short byte item tolist floor ceil round trunc searchsorted bucketize is_nonzero"
    )
)
BOOKKEEPING = set(
    everywhere(
        "size dim ndimension numel nelement stride storage_offset element_size is_contiguous is_floating_point "
        "is_complex "
        "data_ptr get_device hash len repr format is_same_size result_type zeros_like ones_like empty_like "
        "full_like rand_like "
        "randn_like new_zeros new_ones new_empty new_full new_tensor is_tensor is_storage is_inference "
        "is_pinned is_shared "
        "register_hook can_cast type_promotion is_conj is_neg backward_hooks iscomplexobj"
    )
)


def handler_of(func: Callable) -> Handler:
    """How to handle a call that depends on the input."""
    if getattr(func, "__name__", "") == "__get__":
        return Handler(_attribute, attribute_name(func) in ATTRIBUTES_WITHOUT_VALUES)
    for table, handler in HANDLERS:
        if func in table:
            return handler
    return Handler(_unknown)


def _plain(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    return func(*args, **kwargs)


def _linear(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    engine.check_visible(func)
    if _signature_says_training(args, kwargs, func):
        engine.missing(func, "is in training mode")
    if to_integers(args, kwargs):
        return _constant(engine, func, args, kwargs, in_place)
    if func in CASTS and args[0].dtype == torch.float64 and _rounds(func, args, kwargs):
        return args[0]  # a model in double precision stays there: rounding in the middle would not add up
    return func(*args, **kwargs, **({"inplace": True} if in_place and "dropout" in func.__name__ else {}))


def _rounds(func: Callable, args: tuple, kwargs: dict) -> bool:
    with torch.no_grad():
        return func(*args, **kwargs).dtype != torch.float64


def to_integers(args: tuple, kwargs: dict) -> bool:
    """Does ``.to(dtype)`` convert to an integer or boolean type?"""
    kinds = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.dtype)]
    return any(not (k.is_floating_point or k.is_complex) for k in kinds)


def _signature_says_training(args: tuple, kwargs: dict, func: Callable) -> bool:
    if "dropout" not in func.__name__:
        return False
    training = kwargs.get("training", args[2] if len(args) > 2 else True)
    return bool(training) and kwargs.get("p", args[1] if len(args) > 1 else 0.5) > 0


def _ruled(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    engine.check_visible(func)
    if RULES[func] is product and varying_count(args, kwargs) < 2:
        return func(*args, **kwargs)  # linear: the other argument is constant
    if RULES[func] is elementwise and not varies(args[0] if args else kwargs.get("input")):
        engine.missing(func, "has settings that depend on the sequence")
        return func(*args, **kwargs)
    if RULES[func] is elementwise and any_of(varies, (*args[1:], *kwargs.values())):
        engine.missing(func, "has settings that depend on the sequence")
        return func(*args, **kwargs)
    if not args:  # rules expect their input as the first positional argument
        first = next(iter(kwargs))
        args, kwargs = (kwargs[first],), {k: v for k, v in kwargs.items() if k != first}
    if varies(args[0]) and args[0].dtype == torch.float64:
        kwargs = {k: v for k, v in kwargs.items() if k != "dtype"}
    return engine.rule(RULES[func], func, args, kwargs, in_place)


def varying_count(args: tuple, kwargs: dict) -> int:
    leaves, _ = tree_flatten((args, kwargs))
    return sum(map(varies, leaves))


def _composed(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    engine.check_visible(func)
    with engine:
        value = COMPOSED[func](func, *args, **kwargs)
        return args[0].copy_(value) if in_place else value


def _constant(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    return engine.discrete(func, args, kwargs)


ATTRIBUTES_WITHOUT_VALUES = {
    "shape", "ndim", "device", "dtype", "layout", "is_cuda", "is_cpu", "is_mps", "is_meta", "is_sparse", "is_quantized",
    "requires_grad", "grad_fn", "is_leaf", "names", "is_nested", "itemsize", "nbytes", "_version", "is_xpu",
    "is_mkldnn",
}  # fmt: skip
LINEAR_ATTRIBUTES = {"T", "mT", "H", "mH", "real"}


def attribute_name(getter: Any) -> str:
    owner = getter.__self__
    return getattr(owner, "fget", owner).__name__  # a Python property, or a C descriptor


def _attribute(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    name = attribute_name(func)
    if name not in ATTRIBUTES_WITHOUT_VALUES | LINEAR_ATTRIBUTES:
        engine.missing(func, f"(the attribute .{name}) hides what depends on the sequence")
    return func(*args, **kwargs)


def _unknown(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    engine.check_visible(func)
    engine.missing(func, "has no rule")
    return func(*args, **kwargs)


def _batch_norm(engine: Engine, func: Callable, args: tuple, kwargs: dict) -> Any:
    training = kwargs.get("training", args[5] if len(args) > 5 else False)
    if training:
        engine.missing(func, "uses the statistics of the batch; call model.eval(), with running statistics,")
    return func(*args, **kwargs)


def _weighted(engine: Engine, func: Callable, args: tuple, kwargs: dict) -> Any:
    if varying_count(args, kwargs) > 1 or not varies(args[0] if args else kwargs.get("input")):
        engine.missing(func, "has weights that depend on the sequence")
    return func(*args, **kwargs)


SPECIAL: dict[Callable, Callable] = {
    **dict.fromkeys(everywhere("batch_norm"), _batch_norm),
    **dict.fromkeys(everywhere(WEIGHTED.replace(" linear", "")), _weighted),
}


def _special(engine: Engine, func: Callable, args: tuple, kwargs: dict, in_place: bool) -> Any:
    return SPECIAL[func](engine, func, args, kwargs)


HANDLERS: tuple[tuple[Container[Callable], Handler], ...] = (
    (LINEAR, Handler(_linear)),
    (RULES, Handler(_ruled)),
    (COMPOSED, Handler(_composed)),
    (CONSTANT, Handler(_constant)),
    (BOOKKEEPING, Handler(_plain, ignores_values=True)),
    (SPECIAL, Handler(_special)),
)
