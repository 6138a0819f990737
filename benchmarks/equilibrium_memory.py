"""Memory of one training update: unrolled, with activation checkpointing, and as an equilibrium.

The same factor-graph network and batch (16 puzzles of 9x9) in every row. `saved` counts the bytes
that autograd keeps for the backward pass (distinct storages, `saved_tensors_hooks`), with the
solver's memory where there is one; `peak` are the most bytes of tensors at once in a forward and
backward pass (`PeakBytes`). The rows of 16 and 256 solver steps run all of them (tolerance 0).

    python benchmarks/equilibrium_memory.py
    python benchmarks/equilibrium_memory.py "unrolled 32" "mixed 1 after 16" "mixed 1 after 256"

Mixed gradients differentiate the steps that the row names; all of its rows come to rest.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ttc_agents.models import Equilibrium, FactorGraphNetwork
from ttc_agents.models.base import Batch, to_batch
from ttc_agents.training.memory import PeakBytes
from ttc_envs import make_task

PUZZLES = 16
ROWS = {
    "unrolled 32": {"gradient": "unrolled", "steps": 32},
    "checkpointed 32": {"gradient": "unrolled", "steps": 32, "checkpointed": True},
    "implicit 16": {"gradient": "implicit", "steps": 16},
    "implicit 32": {"gradient": "implicit", "steps": 32},
    "implicit 256": {"gradient": "implicit", "steps": 256},
    "implicit 16, 4 logits": {"gradient": "implicit", "steps": 16, "logits": 4},
    "implicit 256, 4 logits": {"gradient": "implicit", "steps": 256, "logits": 4},
    "anderson 16": {"gradient": "implicit", "steps": 16, "solver": "anderson"},
    "anderson 256": {"gradient": "implicit", "steps": 256, "solver": "anderson"},
    "phantom 5 after 256": {"gradient": "phantom", "steps": 256},
    "mixed 1 after 16": {"gradient": "mixed", "steps": 16, "logits": 1},
    "mixed 1 after 256": {"gradient": "mixed", "steps": 256, "logits": 1},
    "mixed 1 after 256, warm": {"gradient": "mixed", "steps": 256, "logits": 1, "warm": True},
    "mixed 8 after 16": {"gradient": "mixed", "steps": 16, "logits": 8},
    "mixed 8 after 256": {"gradient": "mixed", "steps": 256, "logits": 8},
}
RATIOS = {
    "implicit": ("implicit 256", "implicit 16"),
    "mixed 1": ("mixed 1 after 256", "mixed 1 after 16"),
    "mixed 8": ("mixed 8 after 256", "mixed 8 after 16"),
}
"""Rows of 256 and of 16 steps."""


def setup(row: dict[str, Any]) -> tuple[Equilibrium, Batch]:
    """The model and the batch of a row."""
    torch.manual_seed(0)
    task = make_task("ttc/Sudoku-v0")
    instances = task.sample(np.arange(PUZZLES, dtype=np.uint64), "givens=17..34")
    model = Equilibrium(
        task.spec,
        FactorGraphNetwork(task.spec),
        solver=row.get("solver", "picard"),
        gradient=row["gradient"],
        backward_solver="picard",
        tol=0.0,
        backward_tol=0.0,
        max_steps=row["steps"],
        warm_backward=row.get("warm", False),
        settled=torch.inf,
    )
    return model, to_batch(instances.fields)


def forward(model: Equilibrium, batch: Batch, row: dict[str, Any]) -> Tensor:
    """The loss of one update: of the last state, whichever way it was reached."""
    if row.get("checkpointed"):
        context = model.encode(batch)
        f, z = model.map(context), context["x"]
        for _ in range(row["steps"]):
            z = checkpoint(lambda z: torch.lerp(z, f(z), model.damping), z, use_reentrant=False)
        return model.readout(context, z).square().mean()
    count = {"unrolled": row["steps"], "phantom": 5}.get(row["gradient"], row.get("logits", 1))
    return model(batch, count).logits[-1].square().mean()


def saved_bytes(model: Equilibrium, batch: Batch, row: dict[str, Any]) -> int:
    """Bytes kept for the backward pass, those of the parameters and of the batch left out."""
    kept: dict[int, int] = {}
    outside = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in outside:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = forward(model, batch, row)
    memory = solver_bytes(model, batch)
    loss.backward()
    return sum(kept.values()) + memory


def solver_bytes(model: Equilibrium, batch: Batch) -> int:
    """Bytes that the forward solver carries from step to step."""
    with torch.no_grad():
        context = model.encode(batch)
        memory = model.solver.init(model.map(context), context["x"])
    if model.gradient == "unrolled":
        return 0
    return sum(getattr(memory, name).nbytes for name in model.solver.carried)


def peak_bytes(model: Equilibrium, batch: Batch, row: dict[str, Any]) -> int:
    """Bytes at the peak of an update."""
    with PeakBytes() as counted:
        forward(model, batch, row).backward()
    return counted.peak


def main() -> None:
    """Measure the rows, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; none: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name in options.rows or ROWS:
        row = ROWS[name]
        found[name] = {"saved": saved_bytes(*setup(row), row), "peak": peak_bytes(*setup(row), row)}
        print(f"{name:>22}: saved {found[name]['saved'] / 1e6:7.1f} MB, "
              f"peak {found[name]['peak'] / 1e6:7.1f} MB", flush=True)  # fmt: skip
    print(json.dumps({"rows": found, **compared(found)}))


def compared(found: dict[str, dict[str, int]]) -> dict[str, Any]:
    """Shares of the unrolled row, and of 16 steps those of 256, as far as the rows are there."""
    kinds, unrolled = ("saved", "peak"), found.get("unrolled 32")
    shares = {
        kind: {name: row[kind] / unrolled[kind] for name, row in found.items()}
        for kind in kinds
        if unrolled is not None
    }
    ratios = {
        name: {kind: found[long][kind] / found[short][kind] for kind in kinds}
        for name, (long, short) in RATIOS.items()
        if long in found and short in found
    }
    return {"share_of_unrolled": shares, "256_over_16": ratios}


if __name__ == "__main__":
    main()
