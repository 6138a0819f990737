"""What a training reports: metrics.jsonl always, a progress bar on a terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from ttc_agents.training.recipes import Recipe


class MetricsLog:
    """One JSON line per report; a resumed log is cut back to the update of its checkpoint.

    Args:
        path: The file.
        keep_until: Lines of later updates are dropped.
    """

    def __init__(self, path: Path, keep_until: int) -> None:
        """Cut the log back."""
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if update_of(line) <= keep_until]
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        self.pending: list[dict[str, Tensor]] = []

    def __enter__(self) -> Self:
        """Open for appending."""
        self.file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.file.close()

    def collect(self, metrics: dict[str, Tensor]) -> None:
        """Keep the metrics of one update for the next report."""
        self.pending.append(metrics)

    def write(self, counts: dict[str, Any]) -> dict[str, Any]:
        """Write counts and the means since the last report; returns the line."""
        means = {
            name: float(torch.stack([m[name].float() for m in self.pending]).mean())
            for name in (self.pending[0] if self.pending else {})
        }
        self.pending.clear()
        line = {**counts, **{name: round(value, 6) for name, value in means.items()}}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        return line


def update_of(line: str) -> float:
    """The update of a line; a torn last line counts as beyond any checkpoint."""
    try:
        return float(json.loads(line)["update"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


class Progress:
    """A rich progress bar with loss, solved share, instances per second and time left.

    Args:
        recipe: Named in the bar.
        show: Whether to draw it; None draws on a terminal and is silent when piped.
    """

    def __init__(self, recipe: Recipe, show: bool | None = None) -> None:
        """Set up, drawing nothing yet."""
        self.recipe = recipe
        self.visible = sys.stderr.isatty() if show is None else show

    def __enter__(self) -> Self:
        """Start drawing."""
        if self.visible:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[numbers]}"),
                TimeRemainingColumn(elapsed_when_finished=True),
            )
            self.bar = Bar(*columns, console=Console(stderr=True))
            self.row = self.bar.add_task(self.recipe.name, total=1.0, numbers="")
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing."""
        if self.visible:
            self.bar.stop()

    def line(self, text: str) -> None:
        """Print a line above the bar, or to stderr."""
        if self.visible:
            self.bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr)

    def show(self, metrics: dict[str, Any], done: float) -> None:
        """Draw a report."""
        if not self.visible:
            return
        rate = metrics["instances"] / max(metrics["seconds"], 1e-9)
        numbers = (
            f"loss {metrics['loss']:.3f}  solved {100 * metrics['solved']:5.1f}%"
            f"  {rate:.0f} new/s  update {metrics['update']}"
        )
        self.bar.update(self.row, completed=done, numbers=numbers)
