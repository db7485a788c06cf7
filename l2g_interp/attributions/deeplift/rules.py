"""Which torch function is handled how: the one place to add a rule.

``LINEAR``     linear in whatever varies: autograd's own backward is the rule.
``RULES``      has its own rule (see elementwise, pairs, products, normalise, pooling, attention).
``COMPOSED``   rewritten in terms of other functions, which then have rules.
``CONSTANT``   its result must be the same for a sequence and its references (masks, sizes), which is checked.
``COPIES``     hands the same values on, whatever autograd is told about them (detach).

`handlers` runs them. A function in none of them is refused by name. To add one, add its name to a list below; a rule is
``rule(layout, func, example, args, kwargs) -> value``, where ``example.args`` are the arguments on the tape.

The rules are those of DeepLIFT (Shrikumar et al. 2017, arXiv:1704.02685): linear (section 3.5.1) and Rescale (3.5.2),
here for functions of several inputs, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from l2g_interp.attributions.deeplift import composed
from l2g_interp.attributions.deeplift.attention import attention
from l2g_interp.attributions.deeplift.elementwise import elementwise
from l2g_interp.attributions.deeplift.normalise import layer_norm, logsumexp, rms_norm, softmax
from l2g_interp.attributions.deeplift.pairs import atan2, clamp, divide, maximum, power, quotient
from l2g_interp.attributions.deeplift.pooling import amax, max_pool
from l2g_interp.attributions.deeplift.products import product
from l2g_interp.attributions.deeplift.recurrent import RECURRENT

Rule = Callable[..., Any]
HOMES = (torch, torch.Tensor, F, torch._C._nn, torch.special, torch.linalg, torch.fft)  # pyright: ignore[reportAttributeAccessIssue]


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
        "concatenate column_stack hsplit vsplit dsplit unsafe_split unsafe_chunk adjoint diag_embed narrow_copy "
        "slice_scatter select_scatter diagonal_scatter "
        "stack hstack vstack dstack flip fliplr flipud roll rot90 repeat tile repeat_interleave pad "
        "constant_pad_nd unfold fold "
        "pixel_shuffle pixel_unshuffle channel_shuffle diagonal tril triu masked_select atleast_1d atleast_2d "
        "atleast_3d "
        "scatter_add index_add masked_scatter copy as_strided "
        # of complex numbers, and Fourier transforms
        "view_as_real view_as_complex real imag complex conj conj_physical resolve_conj resolve_neg "
        "fft ifft rfft irfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn hfft ihfft hfft2 ihfft2 hfftn ihfftn "
        "fftshift ifftshift "
        # sums
        "add sub subtract rsub neg negative sum mean cumsum nansum diff positive trace "
        "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
        "deg2rad rad2deg "
        "interpolate upsample upsample_nearest upsample_bilinear "
        # selection by a constant
        "where masked_fill fill index_fill dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout "
        "feature_alpha_dropout native_dropout "
        # precision, device and bookkeeping
        "to type type_as float double half bfloat16 cpu cuda identity alias"
    )
) | {torch.Tensor.T.__get__, torch.Tensor.mT.__get__, torch.Tensor.H.__get__, torch.Tensor.mH.__get__}  # type: ignore[attr-defined]

CASTS = set(everywhere("to type type_as float half bfloat16"))
FROM_DATA = set(everywhere("tensor as_tensor asarray new_tensor"))
COPIES = FROM_DATA | set(everywhere("detach requires_grad deepcopy"))  # the same values
WEIGHTED = "grid_sample istft"  # linear if only its first argument varies
PRODUCTS = (
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d "
    "mul multiply matmul bmm mm mv dot vdot inner outer ger einsum tensordot bilinear vecdot linear "
    "addcmul addmm addmv addbmm baddbmm addr kron chain_matmul trapezoid trapz cumulative_trapezoid stft"
)
ELEMENTWISE = (
    "relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh hardshrink "
    "softshrink "
    "tanhshrink softplus softsign logsigmoid threshold sigmoid expit tanh exp expm1 exp2 log log2 log10 log1p "
    "sqrt rsqrt square "
    "reciprocal abs absolute sin cos tan sinh cosh asin acos atan arctan asinh acosh atanh erf erfc erfinv "
    "sinc logit arcsin arccos arcsinh arccosh arctanh erfcx ndtr ndtri log_ndtr i0e i1 i1e psi gammaln "
    "clamp clamp_min clamp_max clip pow float_power nan_to_num i0 lgamma digamma"
)

RULES: dict[Callable, Rule] = {
    **dict.fromkeys(everywhere(ELEMENTWISE), elementwise),
    **dict.fromkeys(everywhere(PRODUCTS), product),
    **dict.fromkeys(everywhere("maximum minimum fmax fmin"), maximum),
    **dict.fromkeys(everywhere("clamp clamp_min clamp_max clip"), clamp),
    **dict.fromkeys(everywhere("pow float_power"), power),
    **dict.fromkeys(everywhere("atan2 arctan2"), atan2),
    quotient: divide,
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
    **{func: rewritten for name, rewritten in (composed.COMPOSED | RECURRENT).items() for func in everywhere(name)},
    **dict.fromkeys((torch.norm, torch.Tensor.norm), composed.norm),
    torch.linalg.norm: composed.linalg_norm,
}

CONSTANT = set(
    everywhere(
        "gt ge lt le eq ne greater greater_equal less less_equal not_equal isnan isinf isfinite any all equal "
        "allclose "
        "isclose logical_not logical_and logical_or logical_xor argmax argmin argsort count_nonzero nonzero "
        "sign signbit bool "
        "int long short byte item tolist numpy array index contains is_nonzero floor ceil round trunc searchsorted "
        "bucketize char floor_divide floordiv remainder mod fmod frac heaviside sgn"
    )
)
BOOKKEEPING = set(
    everywhere(
        "size dim ndimension numel nelement stride storage_offset element_size is_contiguous is_floating_point "
        "is_complex "
        "data_ptr get_device hash len repr format is_same_size result_type zeros_like ones_like empty_like "
        "full_like rand_like "
        "randn_like new_zeros new_ones new_empty new_full is_tensor is_storage is_inference "
        "is_pinned is_shared "
        "can_cast type_promotion is_conj is_neg backward_hooks iscomplexobj is_view retain_grad "
        "nested_tensor_from_mask_left_aligned"
    )
)
