"""`ttc solve`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro import conf

from ttc_agents.cli.options import Imports, descended, task_options, warn
from ttc_agents.cli.output import coloured, make_room, say, write

if TYPE_CHECKING:
    from ttc_agents.figures.animation import Frame
    from ttc_agents.inference.refine import Source
    from ttc_envs import Instances, Task

DEFAULT_CHECKPOINT = "sudoku-cpu"
BUDGETS = {"branch": 4096, "auto": 4096}
FILE_SUFFIXES = (
    *(".csv", ".gz", ".txt", ".npy", ".zip", ".sdk", ".sdm", ".ss"),
    *(".json", ".jsonl", ".xml", ".opensudoku"),
)


@dataclass(frozen=True, kw_only=True)
class Solve(Imports):
    """Let a model refine its answer to a puzzle, and watch.

    Digits turn from red to green with the model's confidence. The whole step budget is run; the
    last lines say when the answer settled and whether the rules hold. A file of several puzzles
    gives a table; its rows that are no puzzle are named on stderr and left out. A puzzle with
    several solutions is solved by any that obeys the rules, and marked as such.
    Without a PUZZLE one is drawn, of whatever task the checkpoint has learnt: a map, a list. A
    classical method may take the place of the checkpoint, on --env.
    Example: ttc solve puzzles.txt --steps 1024

    Args:
        checkpoint: A shipped name, a directory or hf://owner/name.
        classical: improve, solve or a method that the task of --env names, instead of a checkpoint.
        env: The id that --classical works on.
        task: Arguments of the task of what is drawn, as NAME=VALUE.
        level: Level of what is drawn.
        seed: Which one is drawn.
        gif: Write all steps here as a film.
        think: How the model spends the budget. steps: one trajectory. restarts: several from random
            first states. branch: it also pins doubtful cells to each of their values. auto: steps
            while they gain, then branch.
        descent: Another way down the energy of a model that has one: gradient, momentum, langevin,
            annealed, adam, lbfgs or scipy.
        steps: The step budget, over all trajectories and boards: 256 if not given, 4096 where it
            branches.
        json: Print one JSON document, as the last line.
        live: Draw the last step alone on a terminal, instead of every step.
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
    think: str = "steps"
    descent: str | None = None
    steps: int | None = None
    json: conf.FlagCreatePairsOff[bool] = False
    live: conf.FlagCreatePairsOff[bool] = True

    def run(self) -> int:
        """Watch one instance, or print a table of several."""
        if self.budget < 1:
            raise ValueError(f"--steps must be at least 1, got {self.budget}")
        if (self.classical is None) != (self.env is None):
            raise ValueError("--classical and --env belong together")
        if self.classical is not None and self.descent is not None:
            raise ValueError("--descent is for a model with an energy, --classical has none")
        if self.gif is not None:
            make_room(self.gif)
        task = self._task()
        instances, extra = self._instances(task)
        source = self._source(task)
        if self.puzzle is None and not self.json:
            self._introduce(task, instances, extra["level"])
        if len(instances) > 1:
            if self.gif is not None:
                raise ValueError(f"--gif shows one puzzle, got {len(instances)}")
            self._several(source, task, instances)
        else:
            self._one(source, task, instances, extra)
        return 0

    @property
    def budget(self) -> int:
        """The step budget."""
        return BUDGETS.get(self.think, 256) if self.steps is None else self.steps

    def _task(self) -> Task:
        """The task of the checkpoint, or of --env."""
        from ttc_agents.inference.checkpoint import load_task, split_task

        options = task_options(self.task)
        if self.env is not None:
            return split_task(self.env, options, "test")
        return load_task(self.checkpoint, "test", **options)

    def _instances(self, task: Task) -> tuple[Instances, dict[str, Any]]:
        """What is to be solved, and what the outcome says of it."""
        from ttc_agents.evaluation.families import default_level, draw, read_file, read_text
        from ttc_agents.inference.checkpoint import shipped
        from ttc_agents.inference.hub import is_hub_name

        if self.puzzle is None:
            level = self.level or default_level(task)
            drawn = draw(task, level, 1, self.seed)
            return drawn, {"instance_id": int(drawn.keys[0]), "level": level}
        if self.level:
            raise ValueError("--level is for what is drawn, without a PUZZLE")
        if self.puzzle in shipped() or is_hub_name(self.puzzle):
            raise ValueError(f"{self.puzzle} is a network: ttc solve --checkpoint {self.puzzle}")
        if names_a_file(self.puzzle):
            return read_file(task, Path(self.puzzle), True, warn, True), {}
        return read_text(task, self.puzzle, True, warn), {}

    def _introduce(self, task: Task, drawn: Instances, level: str) -> None:
        """Show an instance that the user has not named."""
        answer = task.initial_answer(drawn)
        say(f"No PUZZLE was given, so one of level {level} is drawn; --seed draws others:")
        print(coloured(task.render(drawn, answer, "ansi")))
        with suppress(ValueError):  # not every task reads what it spells
            task.parse(spelled := task.spell(answer[0]))
            say(spelled)

    def _source(self, task: Task) -> Source:
        """What refines: the method of --classical, or the model of the checkpoint."""
        from ttc_agents.inference.checkpoint import load_model
        from ttc_agents.inference.refine import classical_methods

        if self.classical is None:
            model = load_model(self.checkpoint, "cpu", task.spec if self.task else None)
            return descended(model, self.descent)
        methods = classical_methods(task, self.seed)
        if self.classical not in methods:
            known = ", ".join(methods)
            raise ValueError(
                f"--classical must be one of {known} for {task.spec.name}, got {self.classical!r}"
            )
        return methods[self.classical]

    def _one(self, source: Source, task: Task, instance: Instances, extra: dict[str, Any]) -> None:
        """Watch one instance and say what came of it."""
        from ttc_agents.evaluation.records import Recorder
        from ttc_agents.evaluation.solve import outcomes, thought, told
        from ttc_agents.figures.animation import frames, gif_of
        from ttc_agents.inference.precision import exactly

        recorder = Recorder(task, instance, (self.budget,))
        with exactly(source):
            steps = recorder.through(thought(self.think, source, task, instance, self.budget))
            seen = self._watched(frames(steps, task, instance), task, instance)
        if self.gif is not None:
            write(self.gif, gif_of(task, instance, seen))
        outcome = {**outcomes(task, instance, recorder.records())[0], **extra}
        say(json.dumps(outcome) if self.json else "\n".join(told(outcome)))

    def _watched(self, stream: Iterator[Frame], task: Task, instance: Instances) -> list[Frame]:
        """All frames: drawn as they come on a terminal, with --no-live the last one alone."""
        from ttc_agents.cli.screen import Screen

        drawn = sys.stdout.isatty() and not self.json
        if drawn and self.live:
            with Screen(task, instance, self.budget) as screen:
                return [screen.show(frame) for frame in stream]
        seen = list(stream)
        if drawn:
            print(coloured(task.render(instance, seen[-1].answer, "ansi", seen[-1].confidence)))
        return seen

    def _several(self, source: Source, task: Task, instances: Instances) -> None:
        """Print one line per instance and the total, or all outcomes as a document."""
        from ttc_agents.evaluation.solve import solve, table_lines

        outcomes = solve(source, instances, self.budget, think=self.think, task=task)
        if self.json:
            print(json.dumps({"puzzles": outcomes}))
        else:
            say("\n".join(table_lines(outcomes)))


def names_a_file(word: str) -> bool:
    """Whether the argument means a file rather than digits."""
    # A 16x16 puzzle is longer than a file's name may be, on which Path.is_file raises.
    if os.path.isfile(word):
        return True
    text = "\n" in word or "<" in word
    return not text and (word.lower().endswith(FILE_SUFFIXES) or "/" in word)
