"""Full float32 for long iterations: rounding that 16 steps forgive can ruin a thousand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from ttc_agents.models.base import RefinementModel


@contextmanager
def full_float32(model: RefinementModel) -> Iterator[None]:
    """No TF32, no reduced matmuls, no autocast, evaluation mode, no gradients; restored afterwards.

    Raises:
        ValueError: Parameters of the model are of less than float32.
    """
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and parameter.element_size() < 4:
            raise ValueError(
                f"{name} is {parameter.dtype}: models are evaluated in float32, call model.float()"
            )
    switches = _switches()
    before = [getattr(owner, name) for owner, name, _ in switches]
    training = model.training
    device = next((p.device.type for p in model.parameters()), "cpu")
    try:
        for owner, name, exact in switches:
            setattr(owner, name, exact)
        model.eval()
        with torch.autocast(device, enabled=False), torch.inference_mode():
            yield
    finally:
        model.train(training)
        for (owner, name, _), value in zip(switches, before, strict=True):
            setattr(owner, name, value)


def exactly(source: Any) -> AbstractContextManager[None]:
    """`full_float32` of a model; nothing for a classical method."""
    return full_float32(source) if isinstance(source, RefinementModel) else nullcontext()


def _switches() -> list[tuple[Any, str, Any]]:
    """(owner, attribute, the value that means exact) of everything that may round to less."""
    backends: Any = torch.backends
    if hasattr(backends.cuda.matmul, "fp32_precision"):  # torch >= 2.9; older names clash with it
        owners = (
            backends.cuda.matmul,
            backends.mkldnn.matmul,
            backends.cudnn.conv,
            backends.cudnn.rnn,
        )
        return [(owner, "fp32_precision", "ieee") for owner in owners]
    return [(backends.cuda.matmul, "allow_tf32", False), (backends.cudnn, "allow_tf32", False)]
