"""What a solver carries from step to step, as one state, so that others can keep it meanwhile.

A state is what the next step reads of the solver's memory, beginning with the point z. Where a
backward solve is to begin with the last one's solution, the adjoint, the state ends with it.

Shapes: z (B, ...), D numbers a row; a state (B, ...) like z where the solver needs z alone and no
adjoint is carried, else (B, W), or (B, W + D) with the adjoint.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ttc_agents.implicit.solvers import BackwardReport, Map, Solver

UNKNOWN = 1e18
"""Stands for an infinite norm in a packed memory, since states that are carried are finite."""
UNCALLED: Map = torch.clone
"""In the place of a map where a solver only begins."""


def pack(solver: Solver, memory: Any) -> Tensor:
    """The fields of a solver's memory that its next step reads, as one tensor."""
    fields = [getattr(memory, name) for name in solver.carried]
    if len(fields) == 1:
        return fields[0]
    rows = [values[..., None].flatten(1) for values in fields]
    return torch.cat([r.clamp(max=UNKNOWN) if r.shape[1] == 1 else r for r in rows], 1)


def begin(solver: Solver, z: Tensor) -> Tensor:
    """The state before the first step from z (B, ...)."""
    return pack(solver, solver.init(UNCALLED, z))


def unpack(solver: Solver, state: Tensor, x: Tensor) -> Any:
    """The memory that `pack` has packed; x is any point, for the shape."""
    memory, names = solver.init(UNCALLED, x), solver.carried
    if len(names) == 1:
        z = point(state, x)
        return type(memory)(z, z, memory.residual, memory.change)
    shapes = [getattr(memory, name).shape for name in names]
    sizes = [shape[1:].numel() for shape in shapes]
    parts = state[:, : sum(sizes)].split(sizes, 1)
    parts = [p.where(p < UNKNOWN, torch.inf) if p.shape[1] == 1 else p for p in parts]
    fields = {n: part.view(s) for n, part, s in zip(names, parts, shapes, strict=True)}
    return type(memory)(**{**vars(memory), **fields})


def point(state: Tensor, x: Tensor) -> Tensor:
    """The z (B, ...) of a state; x is any point, for the shape."""
    shape = x.shape[1:]
    return state if state.shape[1:] == shape else state[:, : shape.numel()].view_as(x)


def with_zero_adjoint(state: Tensor, x: Tensor) -> Tensor:
    """A state with an adjoint of zeros, which no backward solve begins with; x as above."""
    return torch.cat([state.flatten(1), torch.zeros_like(x).flatten(1)], 1)


def with_adjoint(state: Tensor, before: Tensor, x: Tensor, report: BackwardReport | None) -> Tensor:
    """A state with the adjoint of the state `before`, over which the backward pass will write.

    Args:
        state: (B, ...), without an adjoint.
        before: (B, W + D), with one.
        x: (B, ...), any point, for the shape.
        report: Of the backward solve to come; None: there is none.
    """
    size = x.shape[1:].numel()
    state = torch.cat([state.flatten(1), before[:, -size:]], 1)
    if report is not None:
        report.adjoint = state.detach()[:, -size:].view_as(x)
    return state
