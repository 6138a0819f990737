"""`ttc solve`."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from tyro import conf

from ttc_agents.cli.output import make_room

if TYPE_CHECKING:
    from ttc_agents.evaluation.animation import Moment
    from ttc_agents.models import RefinementModel
    from ttc_envs import Instances, SudokuTask, Task

DEFAULT_CHECKPOINT = "sudoku-cpu"
FILE_SUFFIXES = (".csv", ".gz", ".txt", ".npy")


@dataclass(frozen=True)
class Solve:
    """Let a model refine its answer to a puzzle, and watch.

    Digits turn from red to green with the model's confidence. The whole step budget is run; the
    last lines say when the answer settled and whether the rules hold. A file of several puzzles
    gives a table; its rows that are no puzzle with one solution are named on stderr and left out.
    Without a PUZZLE one is drawn, of whatever task the checkpoint has learnt: a map, a list. A
    classical method may take the place of the checkpoint, on --env.
    Example: ttc solve puzzles.txt --steps 1024

    Args:
        checkpoint: A shipped name or a directory.
        classical: improve, solve or a method that the task of --env names, instead of a checkpoint.
        env: The id that --classical works on.
        task: Arguments of the task of what is drawn, as NAME=VALUE.
        level: Level of what is drawn.
        seed: Which one is drawn.
        gif: Write all steps here as a film.
        steps: The step budget.
        json: Print one JSON document, as the last line.
        live: Draw every step on a terminal; --no-live draws the last one alone.
    """

    puzzle: Annotated[
        str | None,
        conf.Positional,
        conf.arg(metavar="PUZZLE", help="81 digits, 0 or . for blank; or a file of puzzles."),
    ] = None
    checkpoint: str = DEFAULT_CHECKPOINT
    classical: str | None = None
    env: str | None = None
    task: tuple[str, ...] = ()
    level: str | None = None
    seed: int = 0
    gif: Path | None = None
    steps: int = 256
    json: conf.FlagCreatePairsOff[bool] = False
    live: conf.FlagCreatePairsOff[bool] = True

    def run(self) -> int:
        """Solve."""
        from ttc_agents.cli.puzzles import puzzle_of_digits, puzzles_of_file, sudoku_task
        from ttc_agents.training.checkpoint import load_model, shipped

        if self.steps < 1:
            raise ValueError(f"--steps must be at least 1, got {self.steps}")
        if self.gif is not None:
            make_room(self.gif)
        if self.puzzle is None:
            return self._drawn()
        if self.classical or self.env or self.task or self.level:
            raise ValueError("--classical, --env, --task and --level are for drawn puzzles")
        task = sudoku_task(self.checkpoint)
        if self.puzzle in shipped():
            raise ValueError(f"{self.puzzle} is a network: ttc solve --checkpoint {self.puzzle}")
        if names_a_file(self.puzzle):
            puzzles = puzzles_of_file(task, Path(self.puzzle), skip_bad_rows=True)
        else:
            puzzles = puzzle_of_digits(task, self.puzzle)
        model = load_model(self.checkpoint)
        if len(puzzles) > 1 and self.gif is not None:
            raise ValueError(f"--gif shows one puzzle, got {len(puzzles)}")
        if len(puzzles) > 1:
            self._several(model, task, puzzles)
        else:
            self._one(model, task, puzzles)
        return 0

    def _one(self, model: RefinementModel, task: SudokuTask, puzzle: Instances) -> None:
        seen = self._watch_model(model, task, puzzle)
        outcome = {
            **outcome_of(seen, spelled(task, seen[-1].answer[0])),
            "puzzle": spelled_givens(puzzle)[0],
            "several_solutions": bool(task.count_solutions(puzzle)[0] > 1),
        }
        if self.json:
            print(json.dumps(outcome))
        else:
            print("\n".join(told(outcome)))

    def _drawn(self) -> int:
        """Solve an instance that is drawn."""
        from ttc_agents.cli.puzzles import (
            checkpoint_task,
            default_level,
            families_of_levels,
            task_of_env,
        )
        from ttc_agents.evaluation.animation import classical_moments
        from ttc_agents.training.checkpoint import load_model

        if (self.classical is None) != (self.env is None):
            raise ValueError("--classical and --env belong together")
        if self.env is None:
            task = checkpoint_task(self.checkpoint, "test", self.task)
        else:
            task = task_of_env(self.env, self.task, "test")
        level = self.level or default_level(task)
        instance = families_of_levels(task, [level], 1, self.seed)[level]
        if self.classical is not None:
            answers = classical_answers(self.classical, task, instance)
            seen = self._watch(
                classical_moments(answers, task, instance, self.steps), task, instance
            )
        else:
            model = load_model(self.checkpoint, "cpu", task.spec if self.task else None)
            seen = self._watch_model(model, task, instance)
        outcome = outcome_of(seen, spelled(task, seen[-1].answer[0]))
        outcome |= {"instance_id": int(instance.keys[0]), "level": level}
        scores = task.score(instance, seen[-1].answer)
        # What is infinite is no JSON.
        outcome["scores"] = {
            name: v if math.isfinite(v := values[0].item()) else None
            for name, values in scores.items()
        }
        if self.json:
            print(json.dumps(outcome))
        else:
            print("\n".join(told(outcome)))
        return 0

    def _watch_model(self, model: RefinementModel, task: Task, puzzle: Instances) -> list[Moment]:
        """All moments of a model."""
        from ttc_agents.evaluation.animation import moments
        from ttc_agents.evaluation.precision import full_float32

        with full_float32(model):
            return self._watch(moments(model, task, puzzle, self.steps), task, puzzle)

    def _watch(self, stream: Iterator[Moment], task: Task, puzzle: Instances) -> list[Moment]:
        """All moments; drawn as they come on a terminal, and as a film where that is asked for."""
        from ttc_agents.cli.screen import Screen
        from ttc_agents.evaluation.animation import gif_of

        drawn = sys.stdout.isatty() and not self.json
        if drawn and self.live:
            with Screen(task, puzzle, self.steps) as screen:
                seen = [screen.show(moment) for moment in stream]
        else:
            seen = list(stream)
        if drawn and not self.live:
            print(task.render(puzzle, seen[-1].answer, "ansi", seen[-1].confidence))
        if self.gif is not None:
            self.gif.write_bytes(gif_of(task, puzzle, seen))
        return seen

    def _several(self, model: RefinementModel, task: SudokuTask, puzzles: Instances) -> None:
        from ttc_agents.evaluation import sweep
        from ttc_envs import spell_puzzle

        result = sweep(model, task, {"puzzles": puzzles}, (self.steps,), classical=())
        (records,) = result.records["p1"]["puzzles"]
        outcomes = [
            {
                "puzzle": given,
                "answer": spell_puzzle(records.answer[row]),
                "solved": bool(records.solved[row, -1]),
                "settled": int(records.settled[row]),
                "first_solved": first if (first := int(records.first_solved[row])) >= 0 else None,
                "steps": self.steps,
            }
            for row, given in enumerate(spelled_givens(puzzles))
        ]
        if self.json:
            print(json.dumps({"puzzles": outcomes}))
        else:
            print("\n".join(table_lines(outcomes)))


def names_a_file(word: str) -> bool:
    """Whether the argument means a file rather than digits."""
    # A 16x16 puzzle is longer than a file's name may be, on which Path.is_file raises.
    return word.lower().endswith(FILE_SUFFIXES) or "/" in word or os.path.isfile(word)


def spelled_givens(puzzles: Instances) -> list[str]:
    """Each puzzle as a word."""
    from ttc_envs import spell_puzzle

    return [spell_puzzle(givens) for givens in puzzles.fields["givens"]]


def spelled(task: Task, answer: np.ndarray) -> str:
    """An answer (N,) in one line: digits of a grid, else numbers."""
    from ttc_envs import SudokuTask, spell_puzzle

    if isinstance(task, SudokuTask):
        return spell_puzzle(answer)
    return " ".join(str(choice) for choice in answer.tolist())


def classical_answers(name: str, task: Task, instance: Instances) -> Iterator[np.ndarray]:
    """The answers of a classical method after each step.

    Raises:
        ValueError: The task names no such method.
    """
    baselines = task.baselines()
    if name in baselines:
        return baselines[name](instance)
    if name == "solve":
        return iter([task.solve(instance)])
    if name == "improve":
        return improved(task, instance)
    known = ", ".join(("improve", "solve", *baselines))
    raise ValueError(f"--classical must be one of {known} for {task.spec.name}, got {name!r}")


def improved(task: Task, instance: Instances) -> Iterator[np.ndarray]:
    """The answers after 1, 2, ... classical steps."""
    answer = task.initial_answer(instance)
    while True:
        answer = task.improve(instance, answer)
        yield answer


def outcome_of(seen: list[Moment], answer: str) -> dict[str, Any]:
    """What came of one puzzle, as a document."""
    last = seen[-1]
    return {
        "answer": answer,
        "solved": last.solved,
        "settled": max((m.step for m in seen if m.changed), default=0),
        "first_solved": next((m.step for m in seen if m.solved), None),
        "finite": last.finite,
        "steps": last.step,
    }


def told(outcome: dict[str, Any]) -> list[str]:
    """The outcome in words."""
    lines = [outcome["answer"], when_settled(outcome["settled"], outcome["steps"])]
    if not outcome["finite"]:
        lines.append("the model's state is not finite any more: this answer is no result")
    elif outcome["solved"]:
        lines.append(f"all rules hold (for the first time after step {outcome['first_solved']})")
    elif outcome["first_solved"] is not None:
        lines.append(f"the rules held after step {outcome['first_solved']}, but not at the end")
    else:
        lines.append("the rules do not hold: not solved (more --steps may help)")
    if outcome.get("several_solutions"):
        lines.append("this puzzle has several solutions; models are trained on puzzles with one")
    return lines


def when_settled(settled: int, steps: int) -> str:
    """When the answer came to rest."""
    if settled == steps:
        return f"the answer still changed at the last step, {steps}"
    return f"the answer settled after {settled} of {steps} steps"


def table_lines(outcomes: list[dict[str, Any]]) -> list[str]:
    """One line per puzzle, and the total."""
    lines = [f"{'':>6} {'givens':>7} {'settled':>8} {'rules hold':>11}  answer"]
    for number, outcome in enumerate(outcomes, start=1):
        givens = sum(cell != "." for cell in outcome["puzzle"])
        holds = f"after {outcome['first_solved']}" if outcome["solved"] else "no"
        columns = f"{number:>6} {givens:>7} {outcome['settled']:>8} {holds:>11}"
        lines.append(f"{columns}  {outcome['answer']}")
    solved = sum(outcome["solved"] for outcome in outcomes)
    steps = outcomes[0]["steps"]
    lines.append(f"{solved} of {len(outcomes)} solved in {steps} steps")
    return lines
