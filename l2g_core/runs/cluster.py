"""Preparing Ray, for whatever runs on it: no telemetry, and an auth token."""

from __future__ import annotations

import importlib
import os
import secrets

from l2g_core.errors import missing_extra


def prepare_ray() -> None:
    """Check that Ray is installed, and switch off its telemetry, its own loggers and its Ctrl-C handler.

    Call it before Ray is imported: Ray reads its settings then.

    Ray's processes listen on the machine's network address, so they accept only requests with an auth token. One is
    drawn for this run, unless ``RAY_AUTH_TOKEN`` is set already.

    Raises
    ------
    InputError
        Ray is not installed; the message says how to install it.
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
