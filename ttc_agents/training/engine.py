"""How an update is computed: number format, compilation, layout, threads, timed where left open.

bfloat16 is two to three times faster on some processors and emulated, thus several times slower,
on others; compilation helps some models and slows others; a second thread helps on a quiet machine
and does much harm on a busy one; devices differ in what they lose to a model's closed choices
(`RefinementModel.layouts`). So nothing is assumed: three steps of each are timed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from ttc_agents.models import RefinementModel, Trace
from ttc_agents.models.base import device_of
from ttc_agents.training.recipe import Recipe

Inputs = Callable[[int], tuple[Any, ...]]
"""The arguments of so many steps, such as (batch, number of steps, state)."""

COMPILE_FROM_SECONDS = 600.0
"""Shorter trainings never try to compile: that alone takes half a minute or more."""
FEWEST, SLOW = 3, 3.0
"""Updates that say something, and how many times longer than expected they have to take."""


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
    """A model with a number format and a number of threads, compiled or not.

    Args:
        forward: The model, or with teacher forcing its `forced`.
        device: The type of its device, such as `cpu`.
        bfloat16: Whether matrix products run in bfloat16 (autocast); weights stay float32.
        compiled: Whether `forward` is compiled.
        threads: Threads of an operation on a CPU.
        layout: The one of the model's `layouts` that it was timed in; None: as it was made.
        seconds: Of a refinement step, forward and backward, where it was timed.
    """

    forward: Callable[..., Trace]
    device: str
    bfloat16: bool
    compiled: bool
    threads: int
    layout: str | None = None
    seconds: float | None = None

    def run(self, *inputs: Any, **options: Any) -> Trace:
        """One segment of refinement steps, by the arguments of `forward`."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bfloat16):
            return self.forward(*inputs, **options)

    def lay_out(self, model: RefinementModel) -> Engine:
        """Itself, with the model in its layout."""
        if self.layout is not None:
            model.lay_out(self.layout)
        return self

    def __str__(self) -> str:
        """Such as `float32, eager, 1 thread`; of layouts and threads where there is a choice."""
        number = "bfloat16" if self.bfloat16 else "float32"
        threads = f", {self.threads} thread{'s' * (self.threads > 1)}"
        shown = threads if self.device == "cpu" else ""
        layout = f", {self.layout}" if self.layout else ""
        return f"{number}, {'compiled' if self.compiled else 'eager'}{layout}{shown}"


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Operations inside take so many threads."""
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


Choice = tuple[bool, bool, int, str | None]


def candidates(recipe: Recipe, device: str = "cpu", layouts: Sequence[str] = ()) -> list[Choice]:
    """The (bfloat16, compiled, threads, layout) that are open, eager float32 first.

    Threads and layouts are a choice in trainings of given seconds alone: they differ in their last
    bits, and one of given updates is to be the same on a busy machine.

    Args:
        recipe: Says what is left open.
        device: The type of the device: threads are a choice on a CPU, layouts elsewhere.
        layouts: Of the model.
    """
    formats = {"auto": [False, True], "float32": [False], "bfloat16": [True]}[recipe.precision]
    long_enough = recipe.seconds is not None and recipe.seconds >= COMPILE_FROM_SECONDS
    auto = [False, True] if long_enough else [False]
    compiled = {"auto": auto, "on": [True], "off": [False]}[recipe.compile]
    in_seconds, on_cpu, count = recipe.seconds is not None, device == "cpu", torch.get_num_threads()
    counts = sorted({1, count}) if in_seconds and on_cpu else [count]
    ways = [*layouts] if layouts and in_seconds and not on_cpu else [None]
    return [
        (number, compilation, count, way)
        for compilation in compiled
        for number in formats
        for count in counts
        for way in ways
    ]


def seconds_per_step(engine: Engine, inputs: Inputs, limit: float, num_steps: int = 3) -> float:
    """Some refinement steps forward and backward, after one to warm up; per step.

    An engine whose first step takes more than `limit` seconds is not tried further.
    """
    first = timed_steps(engine, inputs, 1)
    return first if first > limit else timed_steps(engine, inputs, num_steps) / num_steps


def timed_steps(engine: Engine, inputs: Inputs, num_steps: int) -> float:
    """Seconds of so many steps, forward and backward."""
    with threads(engine.threads):
        start = time.perf_counter()
        engine.run(*inputs(num_steps)).logits.float().square().mean().backward()
        if engine.device != "cpu":
            torch.get_device_module(engine.device).synchronize()
        return time.perf_counter() - start


def choose_engine(
    forward: Callable[..., Trace],
    model: RefinementModel,
    recipe: Recipe,
    inputs: Inputs,
    say: Callable[[str], None],
    present: Engine | None = None,
) -> Engine:
    """The fastest engine that the recipe allows and that works here.

    Args:
        forward: What it runs: the model, or its `forced`.
        model: The model; it is laid out as the engine says, its gradients are cleared.
        recipe: Says what is left open.
        inputs: What to time with.
        say: Told the choice, and what failed.
        present: One that has become slow: it keeps its number format and layout, and is not
            compiled anew.
    """
    device = device_of(model).type
    open_choices = candidates(recipe, device, model.layouts)
    if present is not None:
        counts = dict.fromkeys(choice[2] for choice in open_choices)
        engines = [replace(present, threads=count) for count in counts]
    else:
        compiled_or_not = {False: forward}
        if any(choice[1] for choice in open_choices):
            compiled_or_not[True] = torch.compile(forward, dynamic=True)
        engines = [Engine(compiled_or_not[c[1]], device, *c) for c in open_choices]
    if len(engines) == 1 and not engines[0].compiled:
        return engines[0]
    timed: list[tuple[float, Engine]] = []
    for engine in engines:
        try:
            engine.lay_out(model)
            if engine.compiled and present is None:
                timed_steps(engine, inputs, 1)  # the compilation itself is not timed
            limit = 3 * min((s for s, _ in timed), default=float("inf"))
            # A layout has its costs of each forward pass, which are those of so many steps.
            whole = recipe.backward_every or recipe.segment_steps
            num_steps = whole if engine.layout else 3
            timed.append((seconds_per_step(engine, inputs, limit, num_steps), engine))
        except Exception as error:  # compilers fail in many ways; none may end a training
            say(f"{engine} does not work here ({str(error).splitlines()[0]}), going on without")
        model.zero_grad(set_to_none=True)
    if not timed:
        plain = replace(engines[0], forward=forward, compiled=False)
        return replace(plain, bfloat16=recipe.precision == "bfloat16").lay_out(model)
    seconds, best = min(timed, key=lambda pair: pair[0])
    times = ", ".join(f"{e}: {1000 * s:.0f} ms" for s, e in timed)
    say(f"how it is computed: {best}, the fastest here ({times} per step)")
    return replace(best, seconds=seconds).lay_out(model)


class Pace:
    """Says when updates have become so slow that an engine should be chosen anew.

    On a machine with other work, small operations of several threads wait for each other: they
    take a hundred times longer than those of one thread. The other work may come at any time.

    Args:
        expected: Seconds of an update, as they were timed; None: unknown.
    """

    def __init__(self, expected: float | None = None) -> None:
        self.least = float("inf") if expected is None else expected
        self.recent: deque[float] = deque(maxlen=8)

    def slow(self, seconds: float) -> bool:
        """Take the seconds of one more update; whether the last ones were slow."""
        self.recent.append(seconds)
        mean = sum(self.recent) / len(self.recent)
        if len(self.recent) == self.recent.maxlen:
            self.least = min(self.least, mean)
        return len(self.recent) >= FEWEST and mean > SLOW * self.least
