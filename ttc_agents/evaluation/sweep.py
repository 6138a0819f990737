"""Share of solved instances as a function of refinement steps, by protocols kept apart.

- `p1`: one trajectory from the model's own first state.
- `p2`: K trajectories from random first states; at each step the answer of the trajectory with the
  lowest energy counts, or of a model without energies that with the smallest residual
  |z_t - z_{t-1}| / |z_t|, so the rules of the task choose nothing.
- `p3`: the same trajectories; an instance counts where the rules accept the answer of any of them
  at that step: the rules are a verifier.
- `p2-branch`, `p3-branch`: a search over pins, see `branching`. Steps are then budgets: the total
  of steps of all boards of an instance.

Every trajectory runs the whole step budget, in float32. Stopping at the solution would leak an
oracle and hide a later collapse. A row that is not finite counts as unsolved.

Shapes: n instances of a family, R recorded steps, K trajectories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from ttc_agents.evaluation.branching import RULES_ACCEPT, Searched, sweep_branching
from ttc_agents.evaluation.records import Recorder, Records, concatenate
from ttc_agents.evaluation.results import PROTOCOLS, SEVERAL, SweepResult
from ttc_agents.inference.batches import Report, map_batches, pick_batch_size
from ttc_agents.inference.boards import DEFAULT
from ttc_agents.inference.refine import Source, acted, classical_methods, refine
from ttc_agents.inference.search import Branching
from ttc_agents.models.base import RefinementModel, device_of
from ttc_envs import Baseline, Instances, Task

CLASSICAL = ("random", "improve", "solve")
"""Rows that every task has; `Task.baselines` names more."""
CLASSICAL_BATCH = 256


def sweep(
    model: RefinementModel,
    task: Task,
    families: dict[str, Instances],
    steps: Sequence[int],
    *,
    protocols: Sequence[str] = ("p1",),
    classical: Sequence[str] | None = None,
    num_trajectories: int = 5,
    branching: Branching = DEFAULT,
    batch_size: int | None = None,
    seed: int = 0,
    report: Report = lambda label, done: None,
) -> SweepResult:
    """Refine every instance for the whole step budget and record who is solved when.

    Args:
        model: The model.
        task: The task, whose rules say what is solved.
        families: Sets of instances by name.
        steps: The steps to record; the largest is the budget.
        protocols: Some of `PROTOCOLS`.
        classical: Some of `random`, `improve`, `solve` and the task's baselines; None takes all.
        num_trajectories: K, for p2 and p3.
        branching: How p2-branch and p3-branch search.
        batch_size: Instances at a time; None takes what is quick on the model's device. Random
            first states depend on it.
        seed: Seed of random first states and random answers.
        report: Called after each batch.

    Raises:
        ValueError: An argument is out of range, a family is empty, or the model is of another task.
    """
    steps = _checked_steps(steps)
    _check_names("protocol", protocols, PROTOCOLS)
    classical = _checked_rows(task, families, classical)
    _check_model(model, task)
    if num_trajectories < 1:
        raise ValueError(f"num_trajectories must be at least 1, got {num_trajectories}")
    size = pick_batch_size(model, batch_size)
    kinds: dict[str, list[int | None]] = {"p1": [None]} if "p1" in protocols else {}
    if {"p2", "p3"} & set(protocols):
        kinds[SEVERAL] = list(range(num_trajectories))
    records: dict[str, dict[str, list[Records]]] = {kind: {} for kind in kinds}
    for family, instances in families.items():
        for kind, members in kinds.items():
            records[kind][family] = [
                _run(model, task, instances, steps, size, _seeds(seed, k), partial(report, family))
                for k in members
            ]
    rows = _classical_rows(task, families, steps, classical, seed)
    settings: dict[str, Any] = {
        "seed": seed,
        "num_trajectories": num_trajectories,
        "batch_size": size,
    }
    solved = {**_by_protocol(protocols, records), **_solved(rows)}
    searched: dict[str, dict[str, Searched]] = {}
    for name in [name for name in protocols if name in RULES_ACCEPT]:
        settings["branching"] = branching.settings()
        searched[name] = {
            family: sweep_branching(
                model,
                task,
                instances,
                steps,
                branching,
                rules=RULES_ACCEPT[name],
                early=partial(_early, model, task, instances, size),
                seed=seed,
                batch_size=size,
                report=partial(report, family),
            )
            for family, instances in families.items()
        }
    return SweepResult(steps, solved, {**records, **rows}, settings, searched)


def _early(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    batch_size: int,
    steps: tuple[int, ...],
) -> np.ndarray:
    """(n, R) bool: who is solved by one trajectory."""
    return _run(model, task, instances, steps, batch_size, _seeds(0, None)).solved


def sweep_classical(
    task: Task,
    families: dict[str, Instances],
    steps: Sequence[int],
    *,
    classical: Sequence[str] | None = None,
    seed: int = 0,
) -> SweepResult:
    """The classical rows of a sweep alone, without a model; arguments and errors as in `sweep`."""
    steps = _checked_steps(steps)
    names = _checked_rows(task, families, classical)
    rows = _classical_rows(task, families, steps, names, seed)
    return SweepResult(steps, _solved(rows), rows, {"seed": seed})


def _run(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    steps: tuple[int, ...],
    batch_size: int,
    seeds: Callable[[int], int | None],
    report: Callable[[float], None] = lambda done: None,
) -> Records:
    """One trajectory of each instance of a family."""

    def work(rows: Instances, start: int, check: Callable[[], None]) -> Records:
        seed = seeds(start)
        generator = None if seed is None else torch.Generator(device_of(model)).manual_seed(seed)
        return _recorded(model, task, rows, steps, generator, check)

    return concatenate(map_batches(work, model, instances, batch_size, report))


def _recorded(
    source: Source,
    task: Task,
    instances: Instances,
    steps: tuple[int, ...],
    generator: torch.Generator | None = None,
    check: Callable[[], None] = lambda: None,
) -> Records:
    """One trajectory of each instance of a batch."""
    recorder = Recorder(task, instances, steps)
    for step in refine(source, task, instances, steps[-1], generator=generator):
        check()
        recorder.add(step)
    return recorder.records()


def _seeds(seed: int, trajectory: int | None) -> Callable[[int], int | None]:
    """The seed of the first states of a batch, by its first row; None for the model's own."""
    if trajectory is None:
        return lambda start: None
    return lambda start: int(np.random.SeedSequence([seed, trajectory, start]).generate_state(1)[0])


def _by_protocol(
    protocols: Sequence[str], records: dict[str, dict[str, list[Records]]]
) -> dict[str, dict[str, np.ndarray]]:
    """{protocol: {family: (n, R) bool}}."""
    solved = {}
    if "p1" in protocols:
        solved["p1"] = {family: own.solved for family, (own,) in records["p1"].items()}
    several = records.get(SEVERAL, {})
    if "p2" in protocols:
        solved["p2"] = {family: _least(parts) for family, parts in several.items()}
    if "p3" in protocols:
        solved["p3"] = {
            f: np.any([r.solved for r in parts], axis=0) for f, parts in several.items()
        }
    return solved


def _least(parts: Sequence[Records]) -> np.ndarray:
    """(n, R) bool: whether the trajectory that the model judges best had the answer."""
    chosen = np.stack([r.judgement for r in parts]).argmin(axis=0)
    return np.take_along_axis(np.stack([r.solved for r in parts]), chosen[None], axis=0)[0]


def _solved(rows: dict[str, dict[str, list[Records]]]) -> dict[str, dict[str, np.ndarray]]:
    """{row: {family: (n, R) bool}} of rows with one trajectory each."""
    return {
        row: {f: own.solved for f, (own,) in families.items()} for row, families in rows.items()
    }


def _classical_rows(
    task: Task,
    families: dict[str, Instances],
    steps: tuple[int, ...],
    names: Sequence[str],
    seed: int,
) -> dict[str, dict[str, list[Records]]]:
    """{row: {family: [one trajectory]}}."""
    return {
        name: {
            family: [_classical(name, task, instances, steps, seed)]
            for family, instances in families.items()
        }
        for name in names
    }


def _classical(
    name: str, task: Task, instances: Instances, steps: tuple[int, ...], seed: int
) -> Records:
    """One trajectory of a classical row."""
    method: Baseline = classical_methods(task, seed)[name]
    if name in CLASSICAL:
        method = acted(method, task)
    starts = range(0, len(instances), CLASSICAL_BATCH)
    batches = [instances[start : start + CLASSICAL_BATCH] for start in starts]
    return concatenate([_recorded(method, task, batch, steps) for batch in batches])


def _checked_steps(steps: Sequence[int]) -> tuple[int, ...]:
    numbers = tuple(sorted(set(steps)))
    if not numbers or numbers[0] < 1:
        raise ValueError(f"steps must be positive integers, got {list(steps)}")
    return numbers


def _checked_rows(
    task: Task, families: dict[str, Instances], names: Sequence[str] | None
) -> Sequence[str]:
    """The classical rows that are asked for, on families that hold something."""
    known = (*CLASSICAL, *task.baselines())
    names = known if names is None else names
    _check_names("classical row", names, known)
    for family, instances in families.items():
        if not len(instances):
            raise ValueError(f"family {family!r} holds no instance")
    return names


def _check_names(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown {kind} {unknown[0]!r}, expected some of {', '.join(known)}")


def _check_model(model: RefinementModel, task: Task) -> None:
    """A model with class outputs is bound to its task's sizes."""
    own, other = model.spec, task.spec
    if own.choices == "class" and (own.name, own.num_choices) != (other.name, other.num_choices):
        raise ValueError(
            f"the model is made for {own.name} with {own.num_choices} choices, "
            f"the instances are of {other.name} with {other.num_choices}"
        )
