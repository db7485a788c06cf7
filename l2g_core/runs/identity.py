"""What a run is, and the one rule for what lies in its output already."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def differences(then: Any, now: Any, name: str = "") -> Iterator[str]:
    """Each setting that differs between two nested records, as ``name (value then, value now)``."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in [*now, *(k for k in then if k not in now)]:
            yield from differences(then.get(key, "nothing"), now.get(key, "nothing"), f"{name}.{key}".lstrip("."))
    elif then != now and not (then != then and now != now):  # NaN is no difference from NaN
        yield f"{name} ({_shown(then)} then, {_shown(now)} now)"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """As it looks after a file: tuples are lists there."""
    return json.loads(json.dumps(dict(content)))
