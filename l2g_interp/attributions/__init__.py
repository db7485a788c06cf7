"""Attribution methods, one file each, behind one signature::

    name(model, one_hot, references, targets, *, batch_size=None) -> MethodResult

To add one: write it in a file here and name it in ``METHODS``; the contract test takes it from there.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from l2g_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from l2g_interp.attributions.result import MethodResult

# Where each method lives; imported only when used, because some of them need large libraries.
METHODS = {
    "deep_lift_shap": "l2g_interp.attributions.deeplift",
    "integrated_gradients": "l2g_interp.attributions.integrated_gradients",
    "captum_deep_lift_shap": "l2g_interp.attributions.captum_deep_lift_shap",
    "mutagenesis": "l2g_interp.attributions.mutagenesis",
    "input_x_gradient": "l2g_interp.attributions.input_x_gradient",
}


def load_method(name: str) -> Callable[..., MethodResult]:
    """The function behind a name in ``METHODS``.

    Raises
    ------
    InputError
        No such method; lists those there are.
    """
    if name not in METHODS:
        raise InputError(f"no attribution method {name!r}; choose one of {', '.join(METHODS)}")
    return getattr(importlib.import_module(METHODS[name]), name)
