"""Compares the JavaScript network of the page of `ttc watch` with PyTorch, under Node.

python scripts/page_parity.py                          # 200 minimal puzzles, 256 steps; minutes
python scripts/page_parity.py --puzzles 5 --steps 32   # seconds

Both compute in double precision: in single precision a trajectory that wanders before it settles is
amplified rounding, and PyTorch would not agree with itself. Needs `node` and no package of it.
The last line is a JSON document. The exit code is 0 if all answers are equal, 1 if not, and 2
where there is no Node.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ttc_agents as ta
from ttc_agents.evaluation.families import draw
from ttc_agents.figures.replay import group_codes

ROOT = Path(__file__).resolve().parents[1]
NETWORK = ROOT / "ttc_agents" / "figures" / "page" / "network.js"
RUNNER = Path(__file__).with_suffix(".js")
BATCH = 20
BOUNDS = (1e-5, 1e-4)


def described(checkpoint: str) -> dict[str, Any]:
    """The network of a checkpoint as `makeNetwork` takes it."""
    task, model = ta.load_task(checkpoint, "test"), ta.load(checkpoint)
    return {
        "nodes": task.spec.num_nodes,
        "choices": task.spec.num_choices,
        "groups": group_codes(task),
        "weights": {name: v.flatten().tolist() for name, v in model.state_dict().items()},
    }


def by_node(network: dict[str, Any], puzzles: np.ndarray, steps: int) -> tuple[np.ndarray, list]:
    """Logits (B, T, V) of the page's network, and the milliseconds of each puzzle."""
    request = json.dumps({"network": network, "puzzles": puzzles.tolist(), "steps": steps})
    result = subprocess.run(
        ["node", str(RUNNER), str(NETWORK)], input=request.encode(), capture_output=True, check=True
    )
    logits = np.frombuffer(result.stdout).reshape(len(puzzles), steps, -1)
    return logits, json.loads(result.stderr.splitlines()[-1])


def by_pytorch(checkpoint: str, puzzles: np.ndarray, steps: int) -> np.ndarray:
    """Logits (B, T, V) of PyTorch in double precision."""
    model = ta.load(checkpoint).double().eval()
    batch = {"givens": torch.from_numpy(puzzles).long()}
    with torch.inference_mode():
        seen = [logits.flatten(1) for logits, _ in model.iterate(batch, steps)]
    return torch.stack(seen, dim=1).numpy()


def differences(
    ours: np.ndarray, theirs: np.ndarray, choices: int
) -> tuple[np.ndarray, np.ndarray]:
    """The largest difference of each puzzle (B,), and whether its last answer is another (B,)."""
    last = [logits[:, -1].reshape(len(logits), -1, choices).argmax(-1) for logits in (ours, theirs)]
    return np.abs(ours - theirs).max(axis=(1, 2)), (last[0] != last[1]).any(axis=1)


def compare(checkpoint: str, level: str, count: int, steps: int) -> dict[str, Any]:
    """What came of all puzzles."""
    task, network = ta.load_task(checkpoint, "test"), described(checkpoint)
    puzzles = draw(task, level, count, seed=0).fields["givens"]
    worst, other, times = [], [], []
    for first in range(0, count, BATCH):
        batch = puzzles[first : first + BATCH]
        ours, milliseconds = by_node(network, batch, steps)
        found = differences(ours, by_pytorch(checkpoint, batch, steps), network["choices"])
        worst, other = [*worst, found[0]], [*other, found[1]]
        times += milliseconds
        print(f"{len(times)} of {count}", file=sys.stderr)
    largest = np.concatenate(worst)
    return {
        "puzzles": count,
        "steps": steps,
        "other_answers": int(np.concatenate(other).sum()),
        **{f"within_{bound:.0e}": int((largest < bound).sum()) for bound in BOUNDS},
        "median": float(np.median(largest)),
        "largest": float(largest.max()),
        "median_ms": float(np.median(times)),
    }


def main(words: list[str] | None = None) -> int:
    """Compare, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="sudoku-cpu", help="a factor-graph network")
    parser.add_argument("--level", default="minimal", help="of the puzzles that are drawn")
    parser.add_argument("--puzzles", type=int, default=200, help="how many")
    parser.add_argument("--steps", type=int, default=256, help="refinement steps of each")
    options = parser.parse_args(words)
    if shutil.which("node") is None:
        print("page_parity: there is no `node` on the path", file=sys.stderr)
        return 2
    found = compare(options.checkpoint, options.level, options.puzzles, options.steps)
    print(json.dumps(found))
    return int(found["other_answers"] > 0)


if __name__ == "__main__":
    sys.exit(main())
