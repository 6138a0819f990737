"""How an update is computed: number format and compilation, chosen by timing where left open.

bfloat16 is two to three times faster on some processors and emulated, thus several times slower,
on others; compilation helps some models and slows others. So neither is assumed: three steps of
each are timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ttc_agents.models import RefinementModel, Trace
from ttc_agents.models.base import device_of
from ttc_agents.training.recipe import Recipe

Inputs = Callable[[int], tuple[Any, ...]]
"""The arguments of so many steps, such as (batch, number of steps, state)."""

COMPILE_FROM_SECONDS = 600.0
"""Shorter trainings never try to compile: that alone takes half a minute or more."""


def pick_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one.

    Raises:
        ValueError: The device is unknown or absent.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {device!r} cannot be used ({reason})") from error
    return torch.device(device)


@dataclass(frozen=True)
class Engine:
    """A model with a number format, compiled or not.

    Args:
        forward: The model, or with teacher forcing its `forced`.
        device: The type of its device, such as `cpu`.
        bfloat16: Whether matrix products run in bfloat16 (autocast); weights stay float32.
        compiled: Whether `forward` is compiled.
    """

    forward: Callable[..., Trace]
    device: str
    bfloat16: bool
    compiled: bool

    def run(self, *inputs: Any, **options: Any) -> Trace:
        """One segment of refinement steps, by the arguments of `forward`."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bfloat16):
            return self.forward(*inputs, **options)

    def __str__(self) -> str:
        """Such as `float32, eager`."""
        number = "bfloat16" if self.bfloat16 else "float32"
        return f"{number}, {'compiled' if self.compiled else 'eager'}"


def candidates(recipe: Recipe) -> list[tuple[bool, bool]]:
    """The (bfloat16, compiled) pairs that a recipe leaves open, eager float32 first."""
    formats = {"auto": [False, True], "float32": [False], "bfloat16": [True]}[recipe.precision]
    long_enough = recipe.seconds is not None and recipe.seconds >= COMPILE_FROM_SECONDS
    auto = [False, True] if long_enough else [False]
    compiled = {"auto": auto, "on": [True], "off": [False]}[recipe.compile]
    return [(number, compilation) for compilation in compiled for number in formats]


def seconds_per_step(engine: Engine, inputs: Inputs, limit: float) -> float:
    """Three refinement steps forward and backward, after one to warm up; per step.

    An engine whose first step takes more than `limit` seconds is not tried further.
    """
    first = timed_steps(engine, inputs, 1)
    return first if first > limit else timed_steps(engine, inputs, 3) / 3


def timed_steps(engine: Engine, inputs: Inputs, num_steps: int) -> float:
    """Seconds of so many steps, forward and backward."""
    start = time.perf_counter()
    engine.run(*inputs(num_steps)).logits.float().square().mean().backward()
    if engine.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def choose_engine(
    forward: Callable[..., Trace],
    model: RefinementModel,
    recipe: Recipe,
    inputs: Inputs,
    say: Callable[[str], None],
) -> Engine:
    """The fastest engine that the recipe allows and that works here.

    Args:
        forward: What it runs: the model, or its `forced`.
        model: The model; its gradients are cleared afterwards.
        recipe: Says what is left open.
        inputs: What to time with.
        say: Told the choice, and what failed.
    """
    device = device_of(model).type
    timed: list[tuple[float, Engine]] = []
    open_choices = candidates(recipe)
    for bfloat16, compiled in open_choices:
        run = torch.compile(forward, dynamic=True) if compiled else forward
        engine = Engine(run, device, bfloat16, compiled)
        if len(open_choices) == 1 and not compiled:
            return engine
        try:
            if compiled:
                timed_steps(engine, inputs, 1)  # the compilation itself is not timed
            limit = 3 * min((s for s, _ in timed), default=float("inf"))
            timed.append((seconds_per_step(engine, inputs, limit), engine))
        except Exception as error:  # compilers fail in many ways; none may end a training
            say(f"{engine} does not work here ({str(error).splitlines()[0]}), going on without")
        model.zero_grad(set_to_none=True)
    if not timed:
        return Engine(forward, device, recipe.precision == "bfloat16", False)
    best = min(timed, key=lambda pair: pair[0])[1]
    times = ", ".join(f"{e}: {1000 * s:.0f} ms" for s, e in timed)
    say(f"number format and mode: {best}, the fastest here ({times} per update)")
    return best
