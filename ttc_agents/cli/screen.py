"""A puzzle being refined, drawn in place on a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.text import Text

from ttc_agents.evaluation.animation import Moment
from ttc_envs import Instances, Task

CHANGE_SECONDS = 0.09
"""How long a step that changed something stays in view; the others pass as fast as they come."""


class Screen:
    """Shows moments one after the other, in one place.

    Args:
        task: Draws the board.
        puzzle: The puzzle (B = 1).
        num_steps: The budget, which the status line names.
    """

    def __init__(self, task: Task, puzzle: Instances, num_steps: int) -> None:
        self._task, self._puzzle, self._num_steps = task, puzzle, num_steps
        self._live = Live(auto_refresh=False)
        self._due = 0.0

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last picture where it is."""
        self._live.stop()

    def show(self, moment: Moment) -> Moment:
        """Draw a moment and hand it back."""
        quiet = moment.step and not moment.changed and moment.step < self._num_steps
        if quiet and time.perf_counter() < self._due:
            return moment
        board = self._task.render(self._puzzle, moment.answer, "ansi", moment.confidence)
        status = f"step {moment.step} of {self._num_steps}, {moment.changed} changed"
        if moment.solved:
            status += ", all rules hold"
        if not quiet:
            time.sleep(max(0.0, self._due - time.perf_counter()))
        self._live.update(Group(Text.from_ansi(board), Text(status)), refresh=True)
        self._due = time.perf_counter() + CHANGE_SECONDS
        return moment
