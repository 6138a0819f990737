"""`ttc solve`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro import conf

if TYPE_CHECKING:
    from ttc_agents.evaluation.animation import Moment
    from ttc_agents.models import RefinementModel
    from ttc_envs import Instances, SudokuTask

FILE_SUFFIXES = (".csv", ".gz", ".txt", ".npy")


@dataclass(frozen=True)
class Solve:
    """Let a model refine its answer to a puzzle, and watch.

    Digits turn from red to green with the model's confidence. The whole step budget is run; the
    last lines say when the answer settled and whether the rules hold. A file of several puzzles
    gives a table; its rows that are no puzzle with one solution are named on stderr and left out.
    Example: ttc solve puzzles.txt --steps 1024

    Args:
        checkpoint: A shipped name or a directory.
        steps: The step budget.
        json: Print one JSON document, as the last line.
        live: Draw every step on a terminal; --no-live draws the last one alone.
    """

    puzzle: Annotated[
        str,
        conf.Positional,
        conf.arg(metavar="PUZZLE", help="81 digits, 0 or . for blank; or a file of puzzles."),
    ]
    checkpoint: str = "sudoku-cpu"
    steps: int = 256
    json: conf.FlagCreatePairsOff[bool] = False
    live: conf.FlagCreatePairsOff[bool] = True

    def run(self) -> int:
        """Solve."""
        from ttc_agents.cli.puzzles import puzzle_of_digits, puzzles_of_file, sudoku_task
        from ttc_agents.training.checkpoint import load_model

        if self.steps < 1:
            raise ValueError(f"--steps must be at least 1, got {self.steps}")
        task = sudoku_task(self.checkpoint)
        if names_a_file(self.puzzle):
            puzzles = puzzles_of_file(task, Path(self.puzzle), skip_bad_rows=True)
        else:
            puzzles = puzzle_of_digits(task, self.puzzle)
        model = load_model(self.checkpoint)
        if len(puzzles) > 1:
            self._several(model, task, puzzles)
        else:
            self._one(model, task, puzzles)
        return 0

    def _one(self, model: RefinementModel, task: SudokuTask, puzzle: Instances) -> None:
        seen = self._watch(model, task, puzzle)
        outcome = {
            **outcome_of(seen),
            "puzzle": spelled_givens(puzzle)[0],
            "several_solutions": bool(task.count_solutions(puzzle)[0] > 1),
        }
        if self.json:
            print(json.dumps(outcome))
        else:
            print("\n".join(told(outcome)))

    def _watch(self, model: RefinementModel, task: SudokuTask, puzzle: Instances) -> list[Moment]:
        """All moments; drawn as they come on a terminal."""
        from ttc_agents.cli.screen import Screen
        from ttc_agents.evaluation.animation import moments
        from ttc_agents.evaluation.precision import full_float32

        drawn = sys.stdout.isatty() and not self.json
        with full_float32(model):
            stream = moments(model, task, puzzle, self.steps)
            if drawn and self.live:
                with Screen(task, puzzle, self.steps) as screen:
                    return [screen.show(moment) for moment in stream]
            seen = list(stream)
        if drawn:
            print(task.render(puzzle, seen[-1].answer, "ansi", seen[-1].confidence))
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


def outcome_of(seen: list[Moment]) -> dict[str, Any]:
    """What came of one puzzle, as a document."""
    from ttc_envs import spell_puzzle

    last = seen[-1]
    return {
        "answer": spell_puzzle(last.answer[0]),
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
    if outcome["several_solutions"]:
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
