"""`ttc evaluate`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro import conf

from ttc_agents.cli.options import (
    CHECKPOINT_ARG,
    DEFAULT_STEPS,
    Families,
    descended,
    parse_steps,
    task_options,
)
from ttc_agents.cli.output import make_room, progress_line, report_sweep, say, write

if TYPE_CHECKING:
    from ttc_agents.evaluation import SweepResult
    from ttc_agents.inference.search import Branching
    from ttc_agents.models import RefinementModel
    from ttc_envs import Instances, Task

STABILITY_COUNT = 100


@dataclass(frozen=True, kw_only=True)
class Evaluate(Families):
    """Sweep the refinement steps: percent of instances solved after 1, 2, 4, ... steps.

    P1 is one trajectory. P2 takes several and lets the network choose: the lowest energy where it
    has one, else the smallest residual (the change of its state in the last step). P3 lets the
    rules choose among several. Every trajectory runs to the largest of --steps. In the branching
    forms of P2 and P3 a search pins doubtful cells, and --steps count the steps of all its boards.
    What is no checkpoint (an agent of SB3, a classical method, a policy of your own) is measured by
    `ttc play`.
    Example: ttc evaluate sudoku-cpu --puzzles puzzles.csv --steps 1,16,64,256 --json

    Args:
        steps: The steps to report, separated by commas.
        protocol: What may be tried for an answer, some of p1,p2,p3,p2-branch,p3-branch. p1: one
            trajectory. p2: several, of which the network chooses (lowest energy, else smallest
            residual). p3: several, of which the rules choose. p2-branch: a search whose answer the
            network accepts. p3-branch: a search whose answer the rules accept.
        trajectories: Trajectories of p2 and p3.
        descent: Another way down the energy of a model that has one: gradient, momentum, langevin,
            annealed, adam, lbfgs or scipy. Those with noise or annealing end at the largest of
            --steps.
        branching: How p2-branch and p3-branch search, as NAME=VALUE: steps, at_once, keep,
            possible, tried, sure, doubts, doubted, warm.
        classical: Leave the rows of classical methods out of the table.
        calibration: Also measure what confidence means; with --out, draw it, too.
        stability: Also follow the first 100 instances of each family to 64 times the depth of
            training: residual, spectral radius, solved; with --out, draw it, too.
        json: Print one JSON document, as the last line.
        out: Write the JSON here, with one entry per instance besides.
        device: auto (CUDA where there is one), cpu, cuda, ...
    """

    checkpoint: Annotated[
        str,
        conf.Positional,
        CHECKPOINT_ARG,
    ]
    steps: str = DEFAULT_STEPS
    protocol: str = "p1"
    trajectories: int = 5
    descent: str | None = None
    branching: tuple[str, ...] = ()
    classical: conf.FlagCreatePairsOff[bool] = True
    calibration: conf.FlagCreatePairsOff[bool] = False
    stability: conf.FlagCreatePairsOff[bool] = False
    json: conf.FlagCreatePairsOff[bool] = False
    out: Path | None = None
    device: str = "auto"

    def run(self) -> int:
        """Sweep every task of the options; prints one table or document of all of them."""
        from ttc_agents.evaluation import joined
        from ttc_agents.inference.checkpoint import load_task

        steps = parse_steps(self.steps)
        pairs = self.tasks_and_families(
            lambda options: load_task(self.checkpoint, self.split, **options)
        )
        if self.out is not None:
            make_room(self.out)
        results = []
        extra: dict[str, dict[str, Any]] = {}
        for task, families in pairs:
            model = self._model(task)
            results.append(self._sweep(model, task, families, steps))
            for kind, measure, picture in self._measures(model, task, steps):
                for family, instances in families.items():
                    found = measure(instances)
                    extra.setdefault(kind, {})[family] = found.to_json()
                    self._draw(f"{kind}-{family}", partial(picture, found))
        settings = {"checkpoint": self.checkpoint, **self.settings(pairs[0][0])}
        if self.descent is not None:
            settings["descent"] = self.descent
        report_sweep(joined(results), settings, extra, self.out, self.json)
        return 0

    def _model(self, task: Task) -> RefinementModel:
        """The model, of the task's sizes where --task gives others than those of its training."""
        from ttc_agents.inference.checkpoint import load_model
        from ttc_agents.training.engine import pick_device

        spec = task.spec if self.task else None
        model = load_model(self.checkpoint, pick_device(self.device), spec)
        return descended(model, self.descent)

    def _sweep(
        self,
        model: RefinementModel,
        task: Task,
        families: dict[str, Instances],
        steps: Sequence[int],
    ) -> SweepResult:
        from ttc_agents.evaluation import sweep

        return sweep(
            model,
            task,
            families,
            steps,
            protocols=[name.strip() for name in self.protocol.split(",")],
            classical=None if self.classical else (),
            num_trajectories=self.trajectories,
            branching=self._branching(),
            seed=self.seed,
            report=progress_line(),
        )

    def _branching(self) -> Branching:
        """The search of --branching."""
        from ttc_agents.inference.search import Branching

        options = task_options(self.branching)
        known = [name for name, value in Branching().settings().items() if type(value) is not str]
        for name in options:
            if name not in known:
                raise ValueError(f"--branching knows {', '.join(known)}, got {name!r}")
        return Branching(**options)

    def _measures(
        self, model: RefinementModel, task: Task, steps: Sequence[int]
    ) -> Iterator[tuple[str, Callable[[Instances], Any], Callable[[Any], bytes]]]:
        """Yield what else is asked for: its name, what measures a family, what draws the result."""
        if self.calibration:
            from ttc_agents.evaluation import calibrate
            from ttc_agents.figures.calibration import calibration_picture

            yield "calibration", lambda own: calibrate(model, task, own, steps), calibration_picture
        if self.stability:
            from ttc_agents.evaluation.stability import stability, trained_depth
            from ttc_agents.figures.stability import stability_picture
            from ttc_agents.inference.checkpoint import load_config

            depth, few = trained_depth(model, load_config(self.checkpoint)), slice(STABILITY_COUNT)
            yield (
                "stability",
                lambda own: stability(model, task, own[few], depth),
                stability_picture,
            )

    def _draw(self, name: str, picture: Callable[[], bytes]) -> None:
        """Write a picture beside --out and name it on stderr; without --out nothing is drawn."""
        if self.out is None:
            return
        name = re.sub(r"[^\w.=-]+", "_", name)
        path = self.out.with_name(f"{self.out.stem}-{name}.png")
        write(path, picture())
        say(str(path), file=sys.stderr)
