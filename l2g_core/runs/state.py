"""The checkpoint that a training stage writes after every epoch, to resume from if it is killed: one safetensors file.

It has the trainable weights, the state of the optimiser, the facts that the stage asks for (history) and the identity
of the run: another run's state is refused, with the differences shown. Random number generators are not in it, because
every epoch starts from ``seeded_epoch``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from l2g_core.errors import InputError
from l2g_core.faults import check_readable
from l2g_core.runs.files import atomic_write
from l2g_core.runs.identity import Identity, differences, refuse_other


def seeded_epoch(seed: int, epoch: int) -> torch.Generator:
    """Seed torch's global generators and a new one from (seed, epoch) alone: no epoch depends on an earlier one.

    Parameters
    ----------
    epoch
        From 0.

    Returns
    -------
    torch.Generator
        The new one, on the CPU.
    """
    number = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    torch.manual_seed(number)
    return torch.Generator().manual_seed(number)


def store_state(
    path: str | Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer | None,
    facts: Mapping[str, Any],
    identity: Identity,
) -> None:
    """Write the state as one file, by an atomic write.

    Parameters
    ----------
    modules
        By a name without a dot. Frozen parameters (``requires_grad`` is False) are left out: whoever restores the
        state has them already.
    optimizer
        Its tensors and the settings of its groups (learning rates) are stored.
    facts
        What ``restore_state`` returns; JSON.
    identity
        The work that the state belongs to.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    from safetensors.torch import save_file

    tensors = {f"{name}.{key}": value for name, m in modules.items() for key, value in _learned(m).items()}
    groups: list[dict[str, Any]] = []
    if optimizer is not None:
        state = optimizer.state_dict()
        for number, slots in state["state"].items():
            tensors |= {f"optimizer.{number}.{k}": v for k, v in slots.items() if isinstance(v, Tensor)}
        groups = [{k: v for k, v in group.items() if k != "params"} for group in state["param_groups"]]
    content = json.dumps({"facts": dict(facts), "identity": identity.as_json(), "groups": groups})
    with atomic_write(path) as unfinished:
        on_cpu = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        save_file(on_cpu, unfinished, metadata={"state": content})


def restore_state(
    path: str | Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer | None,
    identity: Identity,
) -> dict[str, Any] | None:
    """Load into modules and optimiser what ``store_state`` wrote.

    Parameters
    ----------
    modules, optimizer
        Changed in place; of the same shapes as when the state was stored.
    identity
        The work to be resumed.

    Returns
    -------
    The facts that were stored; None if there is no state yet.

    Raises
    ------
    InputError
        The file is damaged, its weights have other shapes, or it is of other work: the message names every setting
        that differs, with both values.
    """
    path = Path(path)
    if not path.exists():
        return None
    check_readable(path)
    stored, tensors = _read(path)
    refuse_other(path, stored["identity"], identity)
    for name, module in modules.items():
        _restore_module(path, module, _under(name, tensors))
    if optimizer is not None:
        try:
            _restore_optimizer(optimizer, stored["groups"], _under("optimizer", tensors))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            said = " ".join(repr(error).split())[:200]
            raise InputError(f"{path}: its optimiser is another one ({said}); --overwrite starts again") from error
    return stored["facts"]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            stored = json.loads((file.metadata() or {})["state"])
            if not isinstance(stored, dict) or not isinstance(stored["identity"], dict) or "facts" not in stored:
                raise ValueError("it lacks its parts")
            return stored, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a complete training state ({error}); --overwrite starts again") from error


def _learned(module: nn.Module) -> dict[str, Tensor]:
    fixed = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    return {key: value for key, value in module.state_dict().items() if key not in fixed}


def _under(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): v for key, v in tensors.items() if key.startswith(f"{name}.")}


def _restore_module(path: Path, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    expected = {key: tuple(value.shape) for key, value in _learned(module).items()}
    found = {key: tuple(value.shape) for key, value in tensors.items()}
    different = list(differences(found, expected))
    if different:
        raise InputError(f"{path}: has weights of another shape: {different[0]}; --overwrite starts again")
    module.load_state_dict(tensors, strict=False)


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, groups: list[dict[str, Any]], tensors: dict[str, Tensor]
) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, slot = key.partition(".")
        slots.setdefault(int(number), {})[slot] = value
    own = optimizer.state_dict()["param_groups"]
    merged = [
        mine | {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        for mine, stored in zip(own, groups, strict=True)
    ]
    optimizer.load_state_dict({"state": slots, "param_groups": merged})
