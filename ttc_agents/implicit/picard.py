"""Damped Picard iteration z <- z + damping (f(z) - z)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ttc_agents.implicit.solvers import Map, Memory, check_damping, evaluate, unknown


@dataclass(frozen=True)
class Picard:
    """Damped Picard iteration, the plain loop at damping 1.

    It is what to run at test time: it follows the dynamics that a refinement model has learned,
    where an accelerated method may land on an unstable or a wrong equilibrium.

    Args:
        damping: In (0, 1].
    """

    carried: ClassVar[tuple[str, ...]] = ("z",)
    calls_per_step: ClassVar[int] = 1
    damping: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a damping that never moves or extrapolates."""
        check_damping(self.damping)

    def init(self, f: Map, z0: Tensor) -> Memory:
        """At z0."""
        return Memory(z0, z0, unknown(z0), unknown(z0))

    def step(self, f: Map, memory: Memory) -> Memory:
        """One call of f. A row where it is not finite stays where it is."""
        g, residual, change = evaluate(f, memory.z)
        z = torch.add(memory.z, g, alpha=self.damping)
        return Memory(z, memory.z, residual, change)
