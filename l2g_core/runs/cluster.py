"""Preparing Ray, for whatever runs on it: no telemetry, and an auth token."""

from __future__ import annotations

import importlib
import os
import secrets

from l2g_core.errors import missing_extra


def prepare_ray(program: str = "l2g tune", module: str = "ray.tune", own: bool = True) -> None:
    """Check that Ray is installed, and switch off its telemetry, its own loggers and its Ctrl-C handler.

    Call it before Ray is imported: Ray reads its settings then.

    Parameters
    ----------
    program
        What needs it, for the message.
    module
        The part of it that is needed.
    own
        It is started for this run. Its processes listen on the machine's network address, so they accept only requests
        with an auth token: one is drawn, unless ``RAY_AUTH_TOKEN`` is set already. A cluster that runs already has its
        own settings, which the environment must name.

    Raises
    ------
    InputError
        Ray is not installed; the message says how to install it.
    """
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
    }
    os.environ.update(settings)
    if own:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise missing_extra(program, "Ray Tune" if module == "ray.tune" else "Ray", "ray") from error


def available_cpus() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
