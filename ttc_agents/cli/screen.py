"""An instance being refined, drawn in place on a terminal."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ttc_agents.figures.animation import Frame
from ttc_envs import Instances, Task

CHANGE_SECONDS = 0.09
"""How long a step that changed something stays in view; the others pass as fast as they come."""


class Screen:
    """Shows frames one after the other, in one place.

    Args:
        task: Draws the answer.
        instance: The instance (B = 1).
        num_steps: The budget, which the status line names.
    """

    def __init__(self, task: Task, instance: Instances, num_steps: int) -> None:
        self._task, self._instance, self._num_steps = task, instance, num_steps
        # A console of its own: the shared one keeps what stdout was when it was first asked for.
        self._live = Live(console=Console(), auto_refresh=False)
        self._due, self._note = 0.0, ""

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave the last picture where it is."""
        self._live.stop()

    def show(self, frame: Frame) -> Frame:
        """Draw a frame and hand it back."""
        news = frame.changed or frame.note != self._note
        quiet = frame.step and not news and frame.step < self._num_steps
        self._note = frame.note
        if quiet and time.perf_counter() < self._due:
            return frame
        board = self._task.render(self._instance, frame.answer, "ansi", frame.confidence)
        status = f"step {frame.step} of {self._num_steps}, {frame.changed} changed"
        if frame.solved:
            status += ", all rules hold"
        if frame.note:
            status += f"\n{frame.note}"
        if not quiet:
            time.sleep(max(0.0, self._due - time.perf_counter()))
        self._live.update(Group(Text.from_ansi(board), Text(status)), refresh=True)
        self._due = time.perf_counter() + CHANGE_SECONDS
        return frame
