"""What is looked for in a model before and after its functions are intercepted."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from l2g_interp.attributions.deeplift.refusals import UnsupportedFunction


def check_visible(model: nn.Module) -> None:
    scripted = [name for name, module in model.named_modules() if isinstance(module, torch.jit.ScriptModule)]
    if scripted:
        raise UnsupportedFunction(
            f"{scripted[0] or 'the model'} is TorchScript, whose functions cannot be intercepted; use the Python module"
        )


def usable(model: nn.Module) -> nn.Module:
    """The model itself, or an ordinary copy of one that was made under ``torch.inference_mode``."""
    made_without_autograd = any(tensor.is_inference() for tensor in own_tensors(model))
    return copy.deepcopy(model) if made_without_autograd else model


def own_tensors(model: nn.Module) -> Iterator[Tensor]:
    """Parameters, buffers and what else lies on the modules."""
    yield from model.parameters()
    yield from model.buffers()
    for module in model.modules():
        yield from (value for value in vars(module).values() if isinstance(value, Tensor))


def check_graph(output: Tensor) -> None:
    """Refuse what hangs functions on the gradients themselves: modules with backward hooks."""
    nodes, seen = [output.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        owner = getattr(type(node), "_forward_cls", None)
        if owner is not None:
            raise UnsupportedFunction(
                f"the model runs {owner.__module__}.{owner.__qualname__} on gradients, which changes contributions; "
                "remove the backward hooks of its modules"
            )
        nodes += [following for following, _ in node.next_functions]
