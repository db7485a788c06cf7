"""Starting Ray, for whatever runs on it."""

from __future__ import annotations

import importlib
import os
import secrets
from types import ModuleType

from l2g_core.errors import missing_extra


def ray_or_refuse() -> ModuleType:
    """The module that knows Ray, with Ray kept from reporting home, writing its own logs and handling Ctrl-C.

    Its processes answer nobody who does not know a word drawn for this run: they listen on the machine's address.

    Raises
    ------
    InputError
        Ray is not installed; says how to.
    """
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
    }
    os.environ.update(settings)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        importlib.import_module("ray.tune")
    except ImportError as error:
        raise missing_extra("l2g tune", "Ray Tune", "ray") from error
    return importlib.import_module("l2g_core.tune.ray_run")
