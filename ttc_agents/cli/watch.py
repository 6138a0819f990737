"""`ttc watch`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro import conf

from ttc_agents.cli.options import Imports, warn
from ttc_agents.cli.output import make_room, progress_line, say, write

if TYPE_CHECKING:
    from ttc_agents.figures.replay import Run
    from ttc_envs import Instances, Task

SHOWN = ("sudoku-cpu", "sudoku-learned-graph-cpu", "shortest-path-cpu", "sorting-adjacent-cpu")
"""What is shown if nothing is named."""
BRANCH_BUDGET = 4096
EXAMPLES = 10


@dataclass(frozen=True, kw_only=True)
class Watch(Imports):
    """Write a page that replays how networks refine their answers, and solves your own puzzles.

    The page is one HTML file that needs no server: open it in a browser. It has a slider, the
    networks of one task side by side, confidence, broken rules, residuals, search trees and learned
    graphs. A small network runs in the page itself, on puzzles that you type or paste.
    Example: ttc watch sudoku-cpu sudoku-best --count 20 --out runs/watch.html

    Args:
        out: The page that is written.
        level: Level of the drawn instances, instead of each task's usual one.
        puzzles: Show the instances of this file instead of drawn ones.
        count: How many instances of each task.
        steps: The step budget of one trajectory.
        think: Ways to think that are shown, see ttc solve --help. Networks that cannot branch are
            shown without it.
        live: The network that runs in the page: a factor-graph network on class choices.
        seed: Of the drawn instances.
        gif: Write the first instance, refined by the first network, as a film here instead of the
            page.
        terminal: Play the first instance, refined by the first network, on the terminal instead of
            writing the page.
        json: Print one JSON document, as the last line.
    """

    checkpoints: Annotated[
        tuple[str, ...],
        conf.Positional,
        conf.arg(metavar="CHECKPOINT", help="Shipped names, directories or hf://owner/name; one of "
                 "each task if not given."),
    ] = ()  # fmt: skip
    out: Path = Path("runs/watch.html")
    level: str | None = None
    puzzles: Path | None = None
    count: int = 12
    steps: int = 64
    think: tuple[str, ...] = ("steps", "branch")
    live: str = "sudoku-cpu"
    seed: int = 0
    gif: Path | None = None
    terminal: conf.FlagCreatePairsOff[bool] = False
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Write the page or the film, or play."""
        if min(self.count, self.steps) < 1:
            raise ValueError("--count and --steps must be at least 1")
        if self.puzzles is not None and self.level is not None:
            raise ValueError("--puzzles and --level exclude each other")
        sets = self._sets()
        if self.terminal or self.gif is not None:
            self._film(sets[0])
            return 0
        make_room(self.out)
        page = self._page(sets)
        write(self.out, page)
        if self.json:
            print(json.dumps({"page": str(self.out), "bytes": len(page), "sets": len(sets)}))
            return 0
        say(f"{self.out}: {len(page) / 1000:.0f} kB; open it in a browser")
        return 0

    def _sets(self) -> list[tuple[str, Task, Instances, list[Run]]]:
        """Title, task, instances and runs of each task that a checkpoint is named for."""
        from ttc_agents.inference.checkpoint import load_config, load_task

        by_task: dict[str, list[str]] = {}
        for name in self.checkpoints or SHOWN:
            config = load_config(name)
            by_task.setdefault(json.dumps([config["env_id"], config["task"]]), []).append(name)
        sets = []
        for key, names in by_task.items():
            task = load_task(names[0], "test")
            instances, what = self._instances(task)
            title = f"{json.loads(key)[0]}, {what}"
            runs = [run for name in names for run in self._runs(name)]
            sets.append((title, task, instances, runs))
        return sets

    def _instances(self, task: Task) -> tuple[Instances, str]:
        """What is shown, and where it comes from."""
        from ttc_agents.evaluation.families import default_level, draw, read_file

        if self.puzzles is not None:
            return read_file(task, self.puzzles, True, warn)[: self.count], self.puzzles.name
        level = self.level or default_level(task)
        return draw(task, level, self.count, self.seed), level

    def _runs(self, name: str) -> list[Run]:
        """The ways in which a network is shown."""
        from ttc_agents.figures.replay import TREE, Run
        from ttc_agents.inference.boards import cannot_search
        from ttc_agents.inference.checkpoint import load_model

        model = load_model(name)
        ways = [way for way in self.think if way == "steps" or cannot_search(model) is None]
        budgets = {TREE: BRANCH_BUDGET}
        return [Run(name, model, way, budgets.get(way, self.steps)) for way in ways or ["steps"]]

    def _page(self, sets: list[tuple[str, Task, Instances, list[Run]]]) -> bytes:
        """The page."""
        from ttc_agents.figures.replay import replay_set
        from ttc_agents.figures.watch import watch_page

        report = progress_line()
        words = " ".join(["ttc watch", *self.checkpoints, f"--count {self.count}"])
        documents = [replay_set(*each, report) for each in sets]
        return watch_page(documents, self._live(), words).encode()

    def _live(self) -> dict[str, Any]:
        """The network that runs in the page."""
        from ttc_agents.evaluation.families import default_level, draw
        from ttc_agents.figures.watch import live_document
        from ttc_agents.inference.checkpoint import load_config, load_model, load_task

        task, kind = load_task(self.live, "test"), load_config(self.live)["model"]
        level = default_level(task)
        examples = draw(task, level, EXAMPLES, self.seed + 1)
        return live_document(self.live, kind, load_model(self.live), task, examples, level)

    def _film(self, shown: tuple[str, Task, Instances, list[Run]]) -> None:
        """The first instance on the terminal, or as a film."""
        from ttc_agents.cli.screen import Screen
        from ttc_agents.evaluation.solve import thought
        from ttc_agents.figures.animation import frames, gif_of
        from ttc_agents.inference.precision import exactly

        _, task, instances, (run, *_) = shown
        first = instances[:1]
        with exactly(run.source):
            stream = frames(thought(run.think, run.source, task, first, run.steps), task, first)
            if self.terminal:
                with Screen(task, first, run.steps) as screen:
                    seen = [screen.show(frame) for frame in stream]
            else:
                seen = list(stream)
        if self.gif is not None:
            make_room(self.gif)
            write(self.gif, gif_of(task, first, seen))
            say(str(self.gif))
