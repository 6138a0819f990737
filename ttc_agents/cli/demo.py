"""`ttc demo`, which `make demo` runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttc_agents.cli.evaluate import DEFAULT_STEPS

if TYPE_CHECKING:
    from ttc_agents.evaluation import Calibration, SweepResult
    from ttc_agents.models import RefinementModel
    from ttc_agents.training.recipes import Recipe
    from ttc_agents.training.trainer import TrainResult
    from ttc_envs import Instances, Task

CALIBRATION_PUZZLES = 100
LEAD = (
    "A small network learned {what}, from nothing, in {seconds:.0f} "
    "seconds. It refines its whole answer step by step; the picture shows how many test puzzles it "
    "solves when it may take more steps than the {depth} that a training update looks at."
)


@dataclass(frozen=True)
class Wording:
    """What a report says of a task.

    Args:
        what: What was learnt.
        classical: What one classical step is.
        animation: How to read the film.
    """

    what: str
    classical: str
    animation: str


MAPS = (
    "The path that the answer gives stands out on the shortest one, which lies light behind it; "
    "jumps are tinted by the confidence of the network, from red to green, and a jump without a "
    "road is dashed in red."
)
WORDINGS = {
    "sudoku": Wording(
        "Sudoku from generated puzzles",
        "classical singles",
        "Digits are tinted by the confidence of the network, from red to green; grey cells are "
        "given.",
    ),
    "sorting": Wording(
        "to sort lists",
        "odd-even rounds",
        "Bars are the answer, tinted by the confidence of the network, from red to green; threads "
        "lead to where each item stood. A red mark stands under neighbours in the wrong order.",
    ),
    "shortest_path": Wording("shortest paths from maps of US places", "policy iteration", MAPS),
    "shortest_path_sequence": Wording("the map of the US from its paths", "no step at all", MAPS),
}
"""By the name of the task."""


@dataclass(frozen=True)
class Demo:
    """Train from nothing, then measure what longer thinking is worth.

    Writes a report with the sweep, the picture of it, and one puzzle being solved; what an earlier
    demo left in --out is replaced.
    Example: ttc demo --out runs/demo

    Args:
        out: Directory of everything that is written.
        seconds: Length of the training.
        recipe: What to train; see ttc train --help.
        puzzles: Test puzzles, of level minimal or the task's first one, from the split that
            training never sees.
        steps: Refinement steps to report, separated by commas.
        seed: Of the weights and the training puzzles, instead of the recipe's; the test puzzles are
            always the same.
        device: auto (CUDA where there is one), cpu, cuda, ...
    """

    out: Path = Path("runs/demo")
    seconds: float = 120.0
    recipe: str = "sudoku9-cpu-2min"
    puzzles: int = 1000
    steps: str = DEFAULT_STEPS
    seed: int | None = None
    device: str = "auto"

    def run(self) -> int:
        """Train, sweep, report."""
        from ttc_agents.cli import INTERRUPTED, complain
        from ttc_agents.cli.evaluate import parse_steps
        from ttc_agents.cli.output import progress_line
        from ttc_agents.cli.puzzles import checkpoint_task, default_level, families_of_levels
        from ttc_agents.cli.train import adjusted, find_recipe
        from ttc_agents.evaluation import calibrate, sweep
        from ttc_agents.training.checkpoint import load_model
        from ttc_agents.training.engine import pick_device
        from ttc_agents.training.trainer import train

        steps = parse_steps(self.steps)
        recipe = adjusted(find_recipe(self.recipe), self.seconds, self.seed)
        checkpoint = self.out / "checkpoint"
        print(f"1/3 training {recipe.name} from nothing for {self.seconds:g} s", flush=True)
        trained = train(recipe, checkpoint, overwrite=True, device=self.device)
        if not trained.finished:
            return complain("interrupted: nothing was measured", INTERRUPTED)
        task = checkpoint_task(str(checkpoint), "test")
        model = load_model(checkpoint, pick_device(self.device))
        level = default_level(task)
        puzzles = families_of_levels(task, (level,), self.puzzles, seed=0)[level]
        print(f"2/3 refining {self.puzzles} test puzzles for {steps[-1]} steps", flush=True)
        result = sweep(model, task, {level: puzzles}, steps, progress=progress_line())
        calibration = calibrate(model, task, puzzles[:CALIBRATION_PUZZLES], steps)
        print("3/3 drawing", flush=True)
        findings = Findings(recipe, trained, model, task, level, puzzles, result, calibration)
        findings.publish(self.out)
        return 0


@dataclass(frozen=True)
class Findings:
    """What a demo has trained and measured, to be shown."""

    recipe: Recipe
    trained: TrainResult
    model: RefinementModel
    task: Task
    level: str
    puzzles: Instances
    result: SweepResult
    calibration: Calibration

    def publish(self, out: Path) -> None:
        """Write everything, print the table, the paths and what to try next."""
        from ttc_agents.evaluation.report import text_table

        paths = self.write(out)
        print(f"\n{text_table(self.result.to_json())}\n")
        print("\n".join(str(path) for path in paths))
        print("\nnext:")
        print("\n".join(f"  {command}" for command in self.commands()))

    def write(self, out: Path) -> list[Path]:
        """Write sweep.json, sweep.png, solve.gif and report.html; returns their paths."""
        from ttc_agents.cli.output import write_json
        from ttc_agents.evaluation.animation import solve_gif
        from ttc_agents.evaluation.figures import sweep_picture

        document = self.result.to_json(per_puzzle=True)
        document["training"] = {
            "recipe": self.recipe.to_json(),
            "updates": self.trained.updates,
            "seconds": self.trained.seconds,
            "instances": self.trained.instances,
        }
        document["calibration"] = {self.level: self.calibration.to_json()}
        title = "Solved puzzles against refinement steps"
        light, dark = (
            sweep_picture(
                document, title=title, trained_steps=self.recipe.segment_steps, theme=theme
            )
            for theme in ("light", "dark")
        )
        gif = solve_gif(self.model, self.task, self.example(), self.result.steps[-1])
        paths = [out / n for n in ("report.html", "sweep.png", "sweep.json", "solve.gif")]
        paths[0].write_text(self.page(document, (light, dark), gif), encoding="utf-8")
        paths[1].write_bytes(light)
        write_json(paths[2], document)
        paths[3].write_bytes(gif)
        return paths

    def example(self) -> Instances:
        """One puzzle that is worth watching."""
        from ttc_agents.evaluation.animation import showcase

        chosen = showcase(self.result.records["p1"][self.level][0])
        return self.puzzles[chosen : chosen + 1]

    def page(self, document: dict[str, Any], images: tuple[bytes, bytes], gif: bytes) -> str:
        """The report."""
        from ttc_agents.evaluation.calibration_figures import calibration_picture
        from ttc_agents.evaluation.report import Report

        wording = WORDINGS[self.task.spec.name]
        lead = LEAD.format(
            what=wording.what, seconds=self.trained.seconds, depth=self.recipe.segment_steps
        )
        return Report(
            "A network that thinks longer",
            lead,
            self.tiles(document),
            document,
            images,
            gif,
            wording.animation,
            tuple(calibration_picture(self.calibration, theme) for theme in ("light", "dark")),
            facts=self.facts(),
            commands=self.commands(),
        ).html()

    def tiles(self, document: dict[str, Any]) -> list[tuple[str, str]]:
        """The figures that matter most."""
        steps, shares = self.result.steps, document["p1"][self.level]
        shown = [steps[0], *(s for s in (64, 256) if s in steps[1:])]
        improve = document["classical"]["improve"][self.level][str(steps[-1])]
        classical = WORDINGS[self.task.spec.name].classical
        return [
            *(
                (f"{100 * shares[str(step)]['solved']:.1f}%", f"solved after {step} steps")
                for step in shown
            ),
            (f"{100 * improve['solved']:.1f}%", f"solved by {classical} alone"),
            (f"{self.num_parameters():,}", "parameters"),
        ]

    def facts(self) -> list[tuple[str, str]]:
        """What was run."""
        import platform

        import torch

        trained, recipe = self.trained, self.recipe
        return [
            ("recipe", f"{recipe.name}, random seed {recipe.seed}"),
            ("model", f"{type(self.model).__name__}, {self.num_parameters():,} parameters"),
            (
                "training",
                f"{trained.seconds:.0f} s, {trained.updates:,} updates, "
                f"{trained.instances:,} generated puzzles of level {recipe.level}",
            ),
            (
                "test",
                f"{len(self.puzzles)} puzzles of level {self.level}{self.apart()}; "
                f"{self.result.steps[-1]} steps in float32",
            ),
            (
                "machine",
                f"{platform.machine()} {platform.system()}, {torch.get_num_threads()} threads, "
                f"Python {platform.python_version()}, PyTorch {torch.__version__}",
            ),
        ]

    def apart(self) -> str:
        """How the test puzzles keep apart from those of the training."""
        from ttc_agents.evaluation.policies import has_splits
        from ttc_envs import SudokuTask

        if isinstance(self.task, SudokuTask):
            return " from the test split, which shares no puzzle with training up to symmetry"
        return " from the test split" if has_splits(self.task) else ", drawn by keys of their own"

    def commands(self) -> list[str]:
        """How to go on."""
        from ttc_envs import SudokuTask, spell_puzzle

        where = self.trained.checkpoint
        if not isinstance(self.task, SudokuTask):
            return [
                f"ttc solve --checkpoint {where} --seed 1 --gif runs/solve.gif",
                f"ttc evaluate {where} --steps 1,16,64,256,1024",
                f"ttc evaluate {where} --protocol p1,p2,p3 --calibration --count 200",
            ]
        puzzle = spell_puzzle(self.example().fields["givens"][0])
        return [
            f"ttc solve {puzzle} --checkpoint {where}",
            f"ttc evaluate {where} --level easy medium hard minimal --steps 1,16,64,256,1024",
            f"ttc evaluate {where} --protocol p1,p2,p3 --calibration --count 200",
            "ttc train sudoku9-cpu-30min --out runs/longer",
        ]

    def num_parameters(self) -> int:
        """Of the model."""
        return sum(parameter.numel() for parameter in self.model.parameters())
