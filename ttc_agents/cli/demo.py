"""`ttc demo`, which `make demo` runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro import conf

from ttc_agents.cli.options import DEFAULT_COUNT, DEFAULT_STEPS, Imports, parse_steps
from ttc_agents.cli.output import INTERRUPTED, complain, progress_line, say

CALIBRATION_COUNT = 100
WHOLE_SECONDS, FEWEST = 120.0, 20
"""Trainings that are shorter are measured on fewer instances, and at least on so many."""


def default_count(seconds: float) -> int:
    """Test instances after a training of so many seconds."""
    return max(FEWEST, round(DEFAULT_COUNT * min(1.0, seconds / WHOLE_SECONDS)))


@dataclass(frozen=True, kw_only=True)
class Demo(Imports):
    """Train from nothing, then measure what longer thinking is worth.

    Writes a report with the sweep, the picture of it, and one instance being solved; what an
    earlier demo left in --out is replaced.
    Example: ttc demo --out runs/demo

    Args:
        out: Directory of everything that is written.
        seconds: Length of the training.
        recipe: What to train; see ttc train --help.
        count: Test instances, of level minimal or the task's first one, from the split that
            training never sees. Without it 1000, and fewer in proportion for trainings under two
            minutes, so that measuring does not take longer than they do.
        steps: Refinement steps to report, separated by commas.
        seed: Of the weights and the training instances, instead of the recipe's; the test instances
            are always the same.
        device: auto (CUDA where there is one), cpu, cuda, ...
        json: Print the document of the sweep, as the last line; it is that of sweep.json.
    """

    out: Path = Path("runs/demo")
    seconds: float = 120.0
    recipe: str = "sudoku9-cpu-2min"
    count: int | None = None
    steps: str = DEFAULT_STEPS
    seed: int | None = None
    device: str = "auto"
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Train, sweep, report."""
        from ttc_agents.evaluation import calibrate, sweep
        from ttc_agents.evaluation.families import default_level, draw
        from ttc_agents.figures.demo import Findings
        from ttc_agents.figures.tables import text_table
        from ttc_agents.inference.checkpoint import load_model, load_task
        from ttc_agents.training.engine import pick_device
        from ttc_agents.training.recipes import find_recipe
        from ttc_agents.training.train import train

        steps, checkpoint = parse_steps(self.steps), self.out / "checkpoint"
        recipe = find_recipe(self.recipe).replaced(seconds=self.seconds)
        if self.seed is not None:
            recipe = recipe.replaced(seed=self.seed)
        print(f"1/3 training {recipe.name} from nothing for {self.seconds:g} s", flush=True)
        trained = train(recipe, checkpoint, overwrite=True, device=self.device)
        if not trained.finished:
            return complain("interrupted: nothing was measured", INTERRUPTED)
        task = load_task(checkpoint, "test")
        model = load_model(checkpoint, pick_device(self.device))
        level = default_level(task)
        count = default_count(self.seconds) if self.count is None else self.count
        tests = draw(task, level, count, seed=0)
        print(f"2/3 refining {count} test instances for {steps[-1]} steps", flush=True)
        result = sweep(model, task, {level: tests}, steps, report=progress_line())
        calibration = calibrate(model, task, tests[:CALIBRATION_COUNT], steps)
        print("3/3 drawing", flush=True)
        found = Findings(recipe, trained, model, task, level, tests, result, calibration)
        paths = found.write(self.out)
        say(f"\n{text_table(result.to_json())}\n")
        say("\n".join(str(path) for path in paths))
        print("\nnext:")
        say("\n".join(f"  {command}" for command in found.commands()))
        if self.json:
            print((self.out / "sweep.json").read_text("utf-8"), end="")
        return 0
