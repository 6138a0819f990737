"""The report of a demo: what was trained, what longer thinking is worth, one answer as a film."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ttc_agents.evaluation import Calibration, SweepResult
from ttc_agents.figures.animation import showcase, solve_gif
from ttc_agents.figures.calibration import calibration_picture
from ttc_agents.figures.report import Page
from ttc_agents.figures.sweep import sweep_picture
from ttc_agents.models import RefinementModel
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.train import TrainResult
from ttc_envs import Instances, Task, write_atomically

LEAD = (
    "A small network learned {what}, from nothing, in {seconds:.0f} "
    "seconds. It refines its whole answer step by step; the picture shows how many test instances "
    "it solves when it may take more steps than the {depth} that a training update looks at."
)


@dataclass(frozen=True)
class Findings:
    """What a demo has trained and measured.

    Args:
        recipe: What was trained.
        trained: What came of it.
        model: The network.
        task: Its task, test split.
        level: Of the test instances.
        instances: The test instances.
        result: The sweep over them.
        calibration: What its confidence means.
    """

    recipe: Recipe
    trained: TrainResult
    model: RefinementModel
    task: Task
    level: str
    instances: Instances
    result: SweepResult
    calibration: Calibration

    def write(self, out: Path) -> list[Path]:
        """Write report.html, sweep.png, sweep.json and solve.gif; returns their paths."""
        document = self.result.to_json(per_instance=True)
        document["training"] = {
            "recipe": self.recipe.to_json(),
            "updates": self.trained.updates,
            "seconds": self.trained.seconds,
            "instances": self.trained.instances,
        }
        document["calibration"] = {self.level: self.calibration.to_json()}
        depth = self.model.training_depth(self.recipe.segment_steps)
        title = "Solved instances against refinement steps"
        light, dark = (
            sweep_picture(document, title=title, trained_steps=depth, theme=theme)
            for theme in ("light", "dark")
        )
        gif = solve_gif(self.model, self.task, self.example(), self.result.steps[-1])
        files = {
            "report.html": self.page(document, (light, dark), gif).encode(),
            "sweep.png": light,
            "sweep.json": (json.dumps(document) + "\n").encode(),
            "solve.gif": gif,
        }
        for name, data in files.items():
            write_atomically(out / name, data)
        return [out / name for name in files]

    def example(self) -> Instances:
        """One instance that is worth watching."""
        chosen = showcase(self.result.records["p1"][self.level][0])
        return self.instances[chosen : chosen + 1]

    def page(self, document: dict[str, Any], images: tuple[bytes, bytes], gif: bytes) -> str:
        """The report."""
        wording = self.task.wording
        depth = self.model.training_depth(self.recipe.segment_steps)
        return Page(
            "A network that thinks longer",
            LEAD.format(what=wording.what, seconds=self.trained.seconds, depth=depth),
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
        steps, rows = self.result.steps, document["rows"]
        shares, improve = rows["p1"][self.level], rows["improve"][self.level][str(steps[-1])]
        shown = [steps[0], *(s for s in (64, 256) if s in steps[1:])]
        solved = [
            (f"{100 * shares[str(step)]['solved']:.1f}%", f"solved after {step} steps")
            for step in shown
        ]
        alone = f"solved by {self.task.wording.classical} alone"
        return [
            *solved,
            (f"{100 * improve['solved']:.1f}%", alone),
            (f"{self.num_parameters():,}", "parameters"),
        ]

    def facts(self) -> list[tuple[str, str]]:
        """What was run."""
        trained, recipe = self.trained, self.recipe
        apart = "of the test split" if self.task.splits else "drawn by keys of their own"
        return [
            ("recipe", f"{recipe.name}, random seed {recipe.seed}"),
            ("model", f"{type(self.model).__name__}, {self.num_parameters():,} parameters"),
            (
                "training",
                f"{trained.seconds:.0f} s, {trained.updates:,} updates, "
                f"{trained.instances:,} generated instances of level {recipe.level}",
            ),
            (
                "test",
                f"{len(self.instances)} instances of level {self.level}, {apart}; "
                f"{self.result.steps[-1]} steps in float32",
            ),
            (
                "machine",
                f"{platform.machine()} {platform.system()}, {torch.get_num_threads()} threads, "
                f"Python {platform.python_version()}, PyTorch {torch.__version__}",
            ),
        ]

    def commands(self) -> list[str]:
        """How to go on."""
        where, imports = self.trained.checkpoint, self.imports()
        levels = " ".join(self.task.spec.levels)
        return [
            f"ttc solve {self.spelled()}--checkpoint {where}{imports}",
            f"ttc evaluate {where} --level {levels} --steps 1,16,64,256,1024{imports}",
            f"ttc evaluate {where} --protocol p1,p2,p3 --calibration --count 200{imports}",
        ]

    def imports(self) -> str:
        """The option that a model or task of another package needs."""
        return "".join(f" --import {module}" for module in self.recipe.modules())

    def spelled(self) -> str:
        """The example as an argument; nothing where instances have no text form."""
        text = self.task.spell(self.task.initial_answer(self.example())[0])
        try:
            self.task.parse(text)
        except ValueError:
            return "--seed 1 "
        return f"{text} "

    def num_parameters(self) -> int:
        """Of the model."""
        return sum(parameter.numel() for parameter in self.model.parameters())
