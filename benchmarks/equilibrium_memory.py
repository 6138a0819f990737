"""Memory of one training update: unrolled, with activation checkpointing, and as an equilibrium.

The same factor-graph network and batch (16 puzzles of 9x9) in every row. `saved` counts the bytes
that autograd keeps for the backward pass (distinct storages, `saved_tensors_hooks`), with the
solver's memory where there is one; `peak` is the growth of the resident set of a fresh process over
a forward and backward pass. The rows of 16 and 256 solver steps run all of them (tolerance 0).

    python benchmarks/equilibrium_memory.py
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ttc_agents.models import Equilibrium, FactorGraphNetwork
from ttc_agents.models.base import Batch, to_batch
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
    "mixed 5 after 256": {"gradient": "mixed", "steps": 256},
}


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
    counts = {"unrolled": row["steps"], "phantom": 5, "mixed": 5, "implicit": row.get("logits", 1)}
    return model(batch, counts[row["gradient"]]).logits[-1].square().mean()


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


def resident_bytes() -> int:
    """The largest resident set so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(name: str) -> dict[str, int]:
    """Both numbers of a row, in this process."""
    torch.set_num_threads(1)
    row = ROWS[name]
    model, batch = setup(row)
    # What torch allocates once, whatever the row.
    forward(*setup({**ROWS["unrolled 32"], "steps": 1}), {**ROWS["unrolled 32"], "steps": 1})
    before = resident_bytes()
    forward(model, batch, row).backward()
    peak = resident_bytes() - before
    return {"peak": peak, "saved": saved_bytes(model, batch, row)}


def main() -> None:
    """A fresh process for each row; one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", nargs="?", choices=list(ROWS), help="only this one, in this process")
    row = parser.parse_args().row
    if row is not None:
        print(json.dumps(measure(row)))
        return
    found = {}
    for name in ROWS:
        run = subprocess.run(
            [sys.executable, __file__, name], check=True, capture_output=True, text=True
        )
        found[name] = json.loads(run.stdout.splitlines()[-1])
        print(f"{name:>20}: saved {found[name]['saved'] / 1e6:7.1f} MB, "
              f"peak {found[name]['peak'] / 1e6:7.1f} MB")  # fmt: skip
    unrolled = found["unrolled 32"]
    print(
        json.dumps(
            {
                "rows": found,
                "share_of_unrolled": {
                    kind: {name: row[kind] / unrolled[kind] for name, row in found.items()}
                    for kind in ("saved", "peak")
                },
                "saved_256_over_16": found["implicit 256"]["saved"] / found["implicit 16"]["saved"],
            }
        )
    )


if __name__ == "__main__":
    main()
