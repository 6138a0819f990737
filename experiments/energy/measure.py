"""What a trained energy solves, whether it falls, and what it knows of its answers.

    .venv/bin/python experiments/energy/measure.py DIR ... --level minimal --count 200

Each DIR is a checkpoint of one random seed of a recipe with an energy. The instances are of the
validation split, or with `--puzzles FILE` those of a file. Measured are

- solved share by steps (P1), and the share of steps in which the energy does not rise;
- area under the ROC curve (AUC) of the final energy for solved against unsolved, and beside it that
  of the least confidence, the mean confidence and the residual; once more among rows at rest;
- Spearman's rank correlation of energy and violated constraint groups, over answers that are the
  label with some nodes changed to other possible choices, instance by instance;
- restarts (P2): descents from random first answers, with Langevin noise and without, of which the
  lowest energy counts, against the model's own descent;
- early stopping: solved share and mean steps where a row stops once its slopes are small (`stop`).

Writes results/NAME.json; the last line on stdout is one JSON document.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Options, arguments, instances_of, measure_all, of_checkpoints
from scipy.stats import rankdata, spearmanr

from ttc_agents.evaluation import sweep
from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.descent import Descent, Gradient
from ttc_agents.inference.precision import full_float32
from ttc_agents.inference.refine import refine
from ttc_agents.models.base import RefinementModel, to_batch
from ttc_agents.training.objectives.energies import shown
from ttc_envs import UNDECIDED, Instances, Task

ROUNDING = 1e-5
REST = 1e-3
CORRUPTIONS = 12
STOPS = (0.0, 0.01, 0.1)
"""Slopes below which a row stops."""


def auc(values: np.ndarray, positive: np.ndarray) -> float | None:
    """Chance that a positive is lower than a negative, ties half; None if one kind is missing."""
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return None
    above = rankdata(values)[positive].sum() - count * (count + 1) / 2
    return float(1 - above / (count * others))


def descent(
    model: RefinementModel, task: Task, instances: Instances, steps: list[int]
) -> dict[str, Any]:
    """Solved share by steps, falls of the energy, and what tells solved from unsolved."""
    energies, shares = [], {}
    for count, step in enumerate(refine(model, task, instances, steps[-1]), start=1):
        assert step.judge is not None
        energies.append(step.judge())
        if count in steps:
            solved = task.score(instances, step.answer)["solved"].astype(bool) & step.finite
            shares[str(count)] = share(int(solved.sum()), len(solved))
    falls = np.diff(np.stack(energies), axis=0) <= ROUNDING
    free = task.initial_answer(instances) == UNDECIDED
    confidence = np.where(free, step.confidence, 1.0)
    mean = np.where(free, step.confidence, 0.0).sum(1) / free.sum(1)
    signals = {
        "energy": energies[-1],
        "least confidence": -confidence.min(1),
        "mean confidence": -mean,
        "residual": step.residual,
    }
    rest = np.asarray(step.residual) < REST
    return {
        "solved": shares,
        "falls": float(falls.mean()),
        "falls_first_8": float(falls[:8].mean()),
        "energies": np.stack(energies).mean(1)[:64].round(5).tolist(),
        "auc": {name: auc(values, solved) for name, values in signals.items()},
        "at_rest": int(rest.sum()),
        "auc_at_rest": {n: auc(v[rest], solved[rest]) for n, v in signals.items()},
        "final": {
            "energy": energies[-1].round(5).tolist(),
            "least confidence": confidence.min(1).round(5).tolist(),
            "solved": solved.tolist(),
        },
    }


def corruptions(
    model: RefinementModel, task: Task, instances: Instances, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(n, K) energies and violated groups of labels with 0, 1, 2, 4, ... nodes changed."""
    random = np.random.default_rng(seed)
    batch = to_batch(instances.fields)
    context = model.encode(batch)
    possible = context["possible"].numpy()
    free = np.asarray(context["free"])
    groups = sum(len(group.members) for group in task.spec.groups)
    energies, violated = [], []
    for k in range(CORRUPTIONS):
        answer = instances.labels["answer"].copy()
        for row in range(len(answer)):
            nodes = np.flatnonzero(free[row] & (possible[row].sum(1) > 1))
            for node in random.permutation(nodes)[: int(2 ** (k / 2)) - 1]:
                others = possible[row, node].copy()
                others[answer[row, node]] = False
                answer[row, node] = random.choice(np.flatnonzero(others))
        logits = shown(torch.from_numpy(answer).long(), task.spec.num_choices)
        z = model.initial_state(context)
        energies.append(model.energy(context, model.at(logits, z)).numpy())
        violated.append(((1 - task.score(instances, answer)["quality"]) * groups).round())
    return np.stack(energies, 1), np.stack(violated, 1)


def rank_correlation(energies: np.ndarray, violated: np.ndarray) -> float:
    """Mean over instances of Spearman's correlation, of those with answers that differ."""
    found = [
        spearmanr(energy, count).statistic
        for energy, count in zip(energies, violated, strict=True)
        if len(set(count)) > 1
    ]
    return float(np.mean(found))


def restarts(
    model: RefinementModel, task: Task, instances: Instances, steps: int, temperature: float
) -> dict[str, Any]:
    """P2 with 8 descents, with noise and without, and one descent (P1)."""
    families, last = {"f": instances}, {}
    for name, way in (("plain", Gradient()), ("langevin", Gradient(temperature=temperature))):
        found = sweep(
            Descent(model, way),
            task,
            families,
            [steps],
            protocols=("p1", "p2", "p3") if name == "plain" else ("p2", "p3"),
            classical=(),
            num_trajectories=8,
        )
        rows = found.to_json()["rows"]
        last |= {f"{name} {row}": rows[row]["f"][str(steps)] for row in rows}
    return {"steps": steps, "temperature": temperature, **last}


def stopping(
    model: RefinementModel, task: Task, instances: Instances, steps: int
) -> dict[str, Any]:
    """{threshold: solved share, and mean steps until a row stays where it is}."""
    rows = {}
    for threshold in STOPS:
        model.stop, moving = threshold, np.zeros(len(instances))
        for step in refine(model, task, instances, steps):
            moving += step.residual > 0
        right = task.score(instances, step.answer)["solved"].astype(bool) & step.finite
        rows[str(threshold)] = share(int(right.sum()), len(right)) | {"steps": moving.mean()}
    model.stop = 0.0
    return rows


def measured(path: Path, options: Options) -> dict[str, Any]:
    """Everything of one checkpoint."""
    model, task = load_model(path), load_task(path, "validation")
    instances = instances_of(task, options, options.count)
    few = instances[: options.few]
    with full_float32(model):
        way = Descent(model, Gradient(options.size)) if options.size else model
        found = {"descent": descent(way, task, instances, options.steps)}
        found["rank_correlation"] = rank_correlation(*corruptions(model, task, few))
        found["stopping"] = stopping(model, task, few, options.steps[-1])
    found["step_size"] = float(model.log_step.detach().exp())
    found["restarts"] = restarts(model, task, few, options.restart_steps, options.temperature)
    return found


def main() -> None:
    """Measure and print."""
    parser = of_checkpoints(arguments(__doc__, "measure", count=200))
    parser.add_argument("--few", type=int, default=100, help="for all but the first two")
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 8, 16, 32, 64])
    parser.add_argument("--size", type=float, help="step size of the descent, not the learned one")
    parser.add_argument("--restart-steps", type=int, default=32)
    parser.add_argument("--temperature", type=float, default=0.1)
    measure_all(parser.parse_args(), measured)


if __name__ == "__main__":
    main()
