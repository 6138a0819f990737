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
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ttc_agents.implicit.diagnostics import answers_changed, spectral_radius, state_rms
from ttc_agents.models import MODELS, FactorGraphNetwork
from ttc_agents.models.base import to_batch
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.state import Training
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

# {size: (what of the recipe differs, updates between two rows)}
SIZES = {
    4: ({"env_id": "ttc/Sudoku4-v0", "task": {}, "level": "givens=4..6", "updates": 100}, 5),
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
    "phantom-first": ({}, {}),
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


class Unnormalised(FactorGraphNetwork):
    """The network without the normalisation of its states."""

    def normalised(self, h: torch.Tensor) -> torch.Tensor:
        """Packed states (R, H) as they are."""
        return h


MODELS["unnormalised"] = Unnormalised


def recipe_of(setting: str, size: int, seed: int) -> Recipe:
    """The recipe of a setting: the learning rate stays where it is to the end."""
    changes, options = SETTINGS[setting]
    inner = {**RECIPE.model_options["inner"], "model": "unnormalised", **options.get("inner", {})}
    options = {**STUDY, **options, "inner": inner}
    constant = {"seconds": None, "decay_from": 0.999, "restart": 1.0, "seed": seed}
    return dataclasses.replace(
        RECIPE, **{**SIZES[size][0], **constant, **changes}, model_options=options
    )


Hook = Callable[[Training], None]


def matrices(training: Training) -> list[torch.Tensor]:
    """The weight matrices."""
    return [p.data for p in training.parameters if p.ndim >= 2]


def capped(order: str | int) -> Callable[[Training], Hook]:
    """Keeps a norm of every matrix at most where it began."""

    def begin(training: Training) -> Hook:
        limits = [torch.linalg.matrix_norm(p, order) for p in matrices(training)]

        def after(training: Training) -> None:
            for p, limit in zip(matrices(training), limits, strict=True):
                shrink = (limit / torch.linalg.matrix_norm(p, order)).clamp(max=1)
                p.mul_(shrink[..., None, None])

        return after

    return begin


def phantom_first(training: Training) -> Hook:
    """A few unrolled steps give the gradient at first."""
    implicit = training.recipe
    training.recipe = dataclasses.replace(implicit, segment_steps=PHANTOM_STEPS)
    training.model.gradient = "phantom"

    def after(training: Training) -> None:
        if training.updates == round(PHANTOM_SHARE * (implicit.updates or 0)):
            training.recipe, training.model.gradient = implicit, "implicit"

    return after


HOOKS = {"spectral-norm": capped(2), "weight-norm": capped("fro"), "phantom-first": phantom_first}


class Watch:
    """Measures a training on validation puzzles."""

    def __init__(self, training: Training) -> None:
        recipe = training.recipe
        self.task = make_task(recipe.env_id, **{**recipe.task, "split": "validation"})
        keys = np.arange(COUNT, dtype=np.uint64)
        self.instances = self.task.sample(keys, training.recipe.levels()[0])
        self.batch = to_batch(self.instances.fields)

    def share(self, logits: torch.Tensor) -> float:
        """The share that logits solve; not finite: unsolved."""
        finite = logits.isfinite().flatten(1).all(1).numpy()
        first = self.task.initial_answer(self.instances)
        answer = self.task.apply(self.instances, first, logits.argmax(-1).numpy(), "full")
        return float((self.task.score(self.instances, answer)["solved"] & finite).mean())

    def __call__(self, training: Training) -> dict[str, float]:
        """The columns `MEASURED`."""
        model = training.model.eval()
        with torch.no_grad():
            context = model.encode(self.batch)
            z, t = model.initial_state(context), torch.zeros(COUNT, dtype=torch.int64)
            for _ in range(STEPS):
                before, z = z, model.step(context, z, t)
            last, logits = (model.readout(context, state) for state in (before, z))
            point, f = model.unpack(context, z).z, model.map(context)
            settled, iterated = point, context["x"]
            for _ in range(STEPS):
                settled, iterated = torch.lerp(settled, f(settled), 0.5), f(iterated)
            delayed, plain = (
                model.inner.readout(context["inner"], state) for state in (settled, iterated)
            )
        few = {name: values[:RADIUS_ROWS] for name, values in self.batch.items()}
        radius = spectral_radius(model.map(model.encode(few)), point[:RADIUS_ROWS])
        model.train()
        return {
            "probe": self.share(logits),
            "delayed": self.share(delayed),
            "plain": self.share(plain),
            "changed": float(answers_changed(last.argmax(-1), logits.argmax(-1)).mean()),
            "radius": float(radius.median()),
            "state_rms": float(state_rms(point).median()),
            "weight_norm": float(
                torch.cat([p.detach().flatten() for p in training.parameters]).norm()
            ),
        }


def follow(setting: str, size: int, seed: int, updates: int | None) -> dict:
    """Train and log to the end, or until gradients are not finite for long."""
    recipe = recipe_of(setting, size, seed)
    if updates is not None:
        recipe = dataclasses.replace(recipe, updates=updates)
    training = Training(recipe, make_task(recipe.env_id, **recipe.task), torch.device("cpu"))
    hook = HOOKS.get(setting, lambda training: lambda training: None)(training)
    engine, watch, rows, seen, spent = training.engine(print), Watch(training), [], [], 0.0
    every, ended = SIZES[size][1], "at its end"
    while training.updates < recipe.updates:
        start = time.process_time()
        try:
            metrics = training.update(engine)
        except FloatingPointError:
            ended = "diverged"
            break
        hook(training)
        spent += time.process_time() - start
        # Phantom gradients solve nothing backward.
        seen.append([float(metrics.get(name, 0)) for name in TRAINED])
        if training.updates % every == 0 and seen:
            row = [training.updates, spent, *np.mean(seen, axis=0), *watch(training).values()]
            rows.append([round(float(value), 5) for value in row])
            seen = []
    return {"seed": seed, "ended": ended, "seconds": round(spent, 1), "curve": rows}


def kept_runs(path: Path, recipe: Recipe) -> list[dict]:
    """The runs of the same recipe that a file holds: other seeds may have been run before."""
    if not path.is_file():
        return []
    document = json.loads(path.read_text(encoding="utf-8"))
    mine = json.loads(json.dumps(recipe.to_json()))
    same = document["columns"] == list(COLUMNS) and {**mine, **document["recipe"]} == mine
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
        run = follow(arguments.setting, arguments.size, seed, arguments.updates)
        others = [other for other in document["runs"] if other["seed"] != seed]
        document["runs"] = sorted([*others, run], key=lambda each: each["seed"])
        path.write_text(json.dumps(document) + "\n")
        probes = [row[COLUMNS.index("probe")] for row in run["curve"]]
        summary = {"seed": seed, "seconds": run["seconds"], "best": max(probes), "last": probes[-1]}
        print(json.dumps(summary), flush=True)


if __name__ == "__main__":
    main()
