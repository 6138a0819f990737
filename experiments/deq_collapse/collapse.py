"""Train an equilibrium network without a cure or with one change, and log what moves.

    python experiments/deq_collapse/collapse.py none --size 4 --seeds 0,1,2,3,4

Writes results/SIZE-SETTING.json: for each seed a curve with a row every few updates (`COLUMNS`).
Training columns are means since the row before. The others are measured on validation puzzles:
`probe` after `STEPS` steps of the network's own solver, `delayed` with `STEPS` more steps of damped
iteration after those, `plain` after `STEPS` steps of z <- f(z). Seconds are process CPU seconds of
training alone. A line of JSON on stdout per seed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.implicit.diagnostics import spectral_radius, state_rms
from ttc_agents.inference.answers import Answers
from ttc_agents.inference.checkpoint import split_task
from ttc_agents.inference.refine import refine
from ttc_agents.models.base import to_batch
from ttc_agents.training.loop import Hook, Metrics, run
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.train import alarms
from ttc_agents.training.update import Training
from ttc_envs import make_task

RESULTS = Path(__file__).parent / "results"
COUNT, STEPS, RADIUS_ROWS = 64, 32, 8
TRAINED = (
    "loss",
    "solved",
    "residual",
    "converged",
    "settled",
    "backward_residual",
    "backward_converged",
    "gradient_norm",
)
MEASURED = (
    "probe",
    "delayed",
    "plain",
    "changed",
    "radius",
    "state_rms",
    "weight_norm",
)
COLUMNS = ("update", "seconds", *TRAINED, *MEASURED)

START_4 = {"env_id": "ttc/Sudoku4-v0", "task": {}, "level": "givens=4..6", "random_start": 0.0}
# {size: (what of the recipe differs, updates between two rows)}
SIZES = {
    4: ({**START_4, "updates": 100}, 5),
    6: ({"task": {"size": 6}, "level": "givens=8..16", "updates": 150}, 10),
    9: ({"task": {}, "level": "givens=17..34", "updates": 400}, 20),
}
RECIPE = RECIPES["sudoku6-deq"]
STUDY = {
    "solver": "anderson",
    "solver_options": {},
    "jacobian_weight": 0.0,
    "max_steps": 20,
    "tol": 0.01,
    "backward_tol": 0.1,
}
"""Anderson forward, implicit gradient, states that are not normalised."""
NORMALISED = {"inner": {"model": "factor_graph_network"}}
DAMPED = {"solver": "picard", "solver_options": {"damping": 0.5}, "max_steps": 40}
# {setting: (what of the recipe differs, what of the model's options differs)}
SETTINGS: dict[str, tuple[dict, dict]] = {
    "none": ({}, {}),
    "state-norm": ({}, NORMALISED),
    "damped": ({}, DAMPED),
    "state-norm-damped": ({}, {**NORMALISED, **DAMPED}),
    "jacobian": ({}, {"jacobian_weight": 1.0}),
    "spectral-norm": ({}, {}),
    "weight-norm": ({}, {}),
    "phantom-first": ({"random_start": 0.5}, {}),
    "late-states": ({}, {"depths": [20, 20, 20, 20, 160]}),
    "carried": ({"restart": 0.25}, {}),
    "rollback": ({"alarm_every": 5}, {}),
    "recipe": (
        {"restart": 0.5, "random_start": 0.5},
        {**NORMALISED, "solver": "picard", **RECIPE.model_options, "inner": NORMALISED["inner"]},
    ),
    "lower-rate": ({"learning_rate": 1e-3, "matrix_learning_rate": 0.005}, {}),
}
PHANTOM_SHARE, PHANTOM_STEPS = 0.4, 5


def recipe_of(setting: str, size: int, seed: int) -> Recipe:
    """The recipe of a setting: the learning rate stays where it is to the end."""
    changes, options = SETTINGS[setting]
    inner = {
        **RECIPE.model_options["inner"],
        "model": "unnormalised:Unnormalised",
        **options.get("inner", {}),
    }
    options = {**STUDY, **options, "inner": inner}
    constant = {"decay_from": 0.999, "restart": 1.0, "seed": seed}
    return RECIPE.replaced(**{**SIZES[size][0], **constant, **changes}, model_options=options)


class CappedNorms(Hook):
    """Keeps a norm of every matrix at most where it began.

    Args:
        training: What is trained.
        order: Of the norm, as `torch.linalg.matrix_norm` has it.
    """

    def __init__(self, training: Training, order: str | int) -> None:
        self.order = order
        self.limits = [self.norm(p) for p in matrices(training)]

    def norm(self, matrix: Tensor) -> Tensor:
        """Of each matrix of a stack (..., m, n)."""
        return torch.linalg.matrix_norm(matrix, self.order)

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Shrink what has grown."""
        for p, limit in zip(matrices(training), self.limits, strict=True):
            p.mul_((limit / self.norm(p)).clamp(max=1)[..., None, None])
        return {}


def matrices(training: Training) -> list[Tensor]:
    """The weight matrices."""
    return [p.data for p in training.learning.parameters if p.ndim >= 2]


class PhantomFirst(Hook):
    """A few unrolled steps give the gradient at first.

    Args:
        training: What is trained; it begins with phantom gradients from here on.
    """

    def __init__(self, training: Training) -> None:
        self.implicit = training.recipe
        training.recipe = self.implicit.replaced(segment_steps=PHANTOM_STEPS)
        training.model.gradient = "phantom"

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Go over to the implicit gradient where it is time to."""
        if training.updates == round(PHANTOM_SHARE * (self.implicit.updates or 0)):
            training.recipe, training.model.gradient = self.implicit, "implicit"
        return {}


HOOKS: dict[str, Callable[[Training], Hook]] = {
    "spectral-norm": partial(CappedNorms, order=2),
    "weight-norm": partial(CappedNorms, order="fro"),
    "phantom-first": PhantomFirst,
}


class Watch(Hook):
    """Measures a training on validation puzzles.

    Args:
        recipe: Says what is trained.
        every: Updates between two rows.

    Attributes:
        rows: A row of `COLUMNS` for each look.
    """

    counted = False

    def __init__(self, recipe: Recipe, every: int) -> None:
        self.task = split_task(recipe.env_id, recipe.task, "validation")
        self.instances = self.task.sample(np.arange(COUNT, dtype=np.uint64), recipe.levels()[0])
        self.every = every
        self.rows: list[list[float]] = []
        self.seen: list[list[float]] = []

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Collect, and add a row where it is time to."""
        # Phantom gradients solve nothing backward.
        self.seen.append([float(metrics.get(name, 0)) for name in TRAINED])
        if training.updates % self.every == 0:
            counts = training.updates, training.spent.seconds
            measured = self.measured(training)
            row = [*counts, *np.mean(self.seen, axis=0), *(measured[name] for name in MEASURED)]
            self.rows.append([round(float(value), 5) for value in row])
            self.seen = []
        return {}

    def measured(self, training: Training) -> dict[str, float]:
        """The columns `MEASURED`."""
        model = training.model.eval()
        with torch.no_grad():
            before, last = deque(refine(model, self.task, self.instances, STEPS), maxlen=2)
        weights = torch.cat([p.detach().flatten() for p in training.learning.parameters])
        found = {
            "probe": self.share(last.logits),
            "changed": float((before.choice != last.choice).mean()),
            "weight_norm": float(weights.norm()),
            **self.beyond(model, last.state),
        }
        model.train()
        return found

    def beyond(self, model: Any, state: Tensor) -> dict[str, float]:
        """The map at the last state of the solver, and where more steps of other kinds lead."""
        batch = to_batch(self.instances.fields)
        with torch.no_grad():
            context = model.encode(batch)
            f, point = model.linearized(context, state)
            settled, iterated = point, context["x"]
            for _ in range(STEPS):
                settled, iterated = torch.lerp(settled, f(settled), 0.5), f(iterated)
            delayed, plain = (
                self.share(model.inner.readout(context["inner"], z)) for z in (settled, iterated)
            )
        few = model.encode({name: values[:RADIUS_ROWS] for name, values in batch.items()})
        radius = spectral_radius(model.map(few), point[:RADIUS_ROWS])
        return {
            "delayed": delayed,
            "plain": plain,
            "radius": float(radius.median()),
            "state_rms": float(state_rms(point).median()),
        }

    def share(self, logits: Tensor) -> float:
        """The share that logits solve; not finite: unsolved."""
        finite = logits.isfinite().flatten(1).all(1).numpy()
        answers = Answers(self.task, self.instances)
        answers.apply(logits.argmax(-1).numpy())
        return float((self.task.score(self.instances, answers.answer)["solved"] & finite).mean())


def follow(setting: str, size: int, seed: int, updates: int | None) -> dict:
    """Train and log to the end, or until gradients are not finite for long."""
    recipe = recipe_of(setting, size, seed)
    if updates is not None:
        recipe = recipe.replaced(updates=updates)
    training = Training(recipe, make_task(recipe.env_id, **recipe.task))
    changes = [HOOKS[setting](training)] if setting in HOOKS else []
    watch, ended = Watch(recipe, SIZES[size][1]), "at its end"
    hooks = [*alarms(recipe), *changes, watch]
    try:
        run(training, recipe.length, hooks, clock=time.process_time)
    except FloatingPointError:
        ended = "diverged"
    seconds = round(training.spent.seconds, 1)
    return {"seed": seed, "ended": ended, "seconds": seconds, "curve": watch.rows}


def kept_runs(path: Path, recipe: Recipe) -> list[dict]:
    """The runs of the same recipe that a file holds: other seeds may have been run before."""
    if not path.is_file():
        return []
    document = json.loads(path.read_text(encoding="utf-8"))
    same = document["columns"] == list(COLUMNS) and not recipe.differences(document["recipe"])
    return document["runs"] if same else []


def main() -> None:
    """Run one setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setting", choices=sorted(SETTINGS))
    parser.add_argument("--size", type=int, choices=sorted(SIZES), default=4)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--updates", type=int, help="instead of the size's")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = arguments.out / f"{arguments.size}-{arguments.setting}.json"
    recipe = recipe_of(arguments.setting, arguments.size, 0)
    document = {"setting": arguments.setting, "size": arguments.size, "columns": list(COLUMNS)}
    document |= {"recipe": recipe.to_json(), "runs": kept_runs(path, recipe)}
    for seed in map(int, arguments.seeds.split(",")):
        found = follow(arguments.setting, arguments.size, seed, arguments.updates)
        others = [other for other in document["runs"] if other["seed"] != seed]
        document["runs"] = sorted([*others, found], key=lambda each: each["seed"])
        path.write_text(json.dumps(document) + "\n")
        probes = [row[COLUMNS.index("probe")] for row in found["curve"]]
        summary = {
            "seed": seed,
            "seconds": found["seconds"],
            "best": max(probes),
            "last": probes[-1],
        }
        print(json.dumps(summary), flush=True)


if __name__ == "__main__":
    main()
