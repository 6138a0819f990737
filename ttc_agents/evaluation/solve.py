"""Solving some instances, and saying what came of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

from ttc_agents.evaluation.records import NEVER, Recorder, Records
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.precision import exactly
from ttc_agents.inference.refine import Source, Step, refine
from ttc_agents.inference.think import THINKING
from ttc_agents.models import RefinementModel
from ttc_agents.names import find
from ttc_envs import Instances, Task

Outcome = dict[str, Any]
"""What came of an instance: a JSON document, see `outcomes`."""


def solve(
    source: Source | str,
    instances: Instances | str | Sequence[str],
    num_steps: int = 256,
    *,
    think: str = "steps",
    task: Task | None = None,
) -> list[Outcome]:
    """Let a model or a classical method refine its answers for the whole step budget.

    Args:
        source: A model, a shipped name or directory of one, or a classical method.
        instances: Instances of the task, or texts that its `parse` reads, such as 81 digits.
        num_steps: The step budget.
        think: How a model spends it, one of `THINKING`.
        task: Whose rules hold; None takes that of the checkpoint `source`.

    Returns:
        See `outcomes`.

    Raises:
        ValueError: A text is no instance, or the task is not known.
    """
    if isinstance(source, str):
        checkpoint, source = source, load_model(source, spec=task.spec if task else None)
        task = task or load_task(checkpoint)
    if task is None:
        raise ValueError("task is missing: only a checkpoint's name says which one it is")
    if not isinstance(instances, Instances):
        texts = [instances] if isinstance(instances, str) else instances
        parsed = [task.parse(text) for text in texts]
        return [o for own in parsed for o in solve(source, own, num_steps, think=think, task=task)]
    if think != "steps" and len(instances) > 1:
        ones = [instances[row : row + 1] for row in range(len(instances))]
        return [solve(source, one, num_steps, think=think, task=task)[0] for one in ones]
    recorder = Recorder(task, instances, (num_steps,))
    with exactly(source):
        for step in thought(think, source, task, instances, num_steps):
            recorder.add(step)
    return outcomes(task, instances, recorder.records())


def thought(
    think: str, source: Source, task: Task, instances: Instances, num_steps: int
) -> Iterator[Step]:
    """Yield so many steps of a way to think; where it ends before, its last answer stands.

    Args:
        think: One of `THINKING`, or `module:NAME` of a function like those. A classical method
            knows `steps` alone.
        source: What gives answers.
        task: The task.
        instances: One (B = 1); `steps` takes several.
        num_steps: The step budget.

    Raises:
        ValueError: There is no such way, or the source cannot go it.
    """
    way = find("way to think", think, THINKING)
    if think == "steps":
        way = refine
    elif not isinstance(source, RefinementModel):
        raise ValueError(f"a classical method knows think='steps' alone, got {think!r}")
    left, last = num_steps, None
    for step in way(source, task, instances, num_steps):
        left, last = left - 1, step
        yield step
    if last is None:
        raise ValueError(f"a budget of {num_steps} steps is too small for think={think!r}")
    yield from repeat(last, left)


def outcomes(task: Task, instances: Instances, records: Records) -> list[Outcome]:
    """For each instance how it is spelled, its last answer, and when that was found.

    Returns:
        `puzzle` and `answer` as text, `solved` (whether the rules hold at the end), `settled` (the
        last step that changed the answer), `first_solved` (the first step after which the rules
        held, or None), `finite`, `steps`, `several_solutions`, and the task's `scores` at the end.
    """
    puzzles = task.initial_answer(instances)
    several = task.several_solutions(instances)
    return [
        {
            "puzzle": task.spell(puzzles[row]),
            "answer": task.spell(records.answer[row]),
            "solved": bool(records.solved[row, -1]),
            "settled": int(records.settled[row]),
            "first_solved": None if (first := int(records.first_solved[row])) == NEVER else first,
            "finite": int(records.nonfinite[row]) == NEVER,
            "steps": records.steps[-1],
            "several_solutions": bool(several[row]),
            "scores": {name: _number(values[row, -1]) for name, values in records.scores.items()},
        }
        for row in range(len(instances))
    ]


def _number(value: Any) -> float | bool | None:
    """A number as JSON has it: what is infinite is none."""
    plain = value.item()
    return plain if math.isfinite(plain) else None


def told(outcome: Outcome) -> list[str]:
    """The outcome in words."""
    lines = [outcome["answer"], when_settled(outcome["settled"], outcome["steps"])]
    if not outcome["finite"]:
        lines.append("the model's state is not finite any more: this answer is no result")
    elif outcome["solved"]:
        lines.append(f"all rules hold (for the first time after step {outcome['first_solved']})")
    elif outcome["first_solved"] is not None:
        lines.append(f"the rules held after step {outcome['first_solved']}, but not at the end")
    else:
        hint = "" if outcome["several_solutions"] else " (more --steps may help)"
        lines.append("the rules do not hold: not solved" + hint)
    if outcome["several_solutions"]:
        lines.append("this puzzle has several solutions; models are trained on puzzles with one")
    return lines


def when_settled(settled: int, steps: int) -> str:
    """When the answer came to rest."""
    if settled == steps:
        return f"the answer still changed at the last step, {steps}"
    return f"the answer settled after {settled} of {steps} steps"


def table_lines(found: list[Outcome]) -> list[str]:
    """One line per instance, the total, and what the total does not say."""
    lines = [f"{'':>6} {'givens':>7} {'settled':>8} {'rules hold':>11}  answer"]
    for number, outcome in enumerate(found, start=1):
        givens = sum(symbol not in ". " for symbol in outcome["puzzle"])
        holds = f"after {outcome['first_solved']}" if outcome["solved"] else "no"
        holds = holds if outcome["finite"] else "not finite"
        columns = f"{number:>6} {givens:>7} {outcome['settled']:>8} {holds:>11}"
        lines.append(f"{columns}  {outcome['answer']}")
    solved = sum(outcome["solved"] for outcome in found)
    lines.append(f"{solved} of {len(found)} solved in {found[0]['steps']} steps")
    for number, outcome in enumerate(found, start=1):
        if outcome["several_solutions"]:
            lines.append(f"{number:>6} has several solutions, of which any counts")
    return lines
