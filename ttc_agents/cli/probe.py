"""`ttc probe`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro import conf

from ttc_agents.cli.options import Imports
from ttc_agents.cli.output import INTERRUPTED, complain, say, write

if TYPE_CHECKING:
    from ttc_agents.evaluation.probe import Probe


@dataclass(frozen=True, kw_only=True)
class ProbePlaces(Imports):
    """Probe what a model knows of where places are: ridge regression to latitude and longitude.

    Embeddings and hidden states at each step are probed, each place by a probe of others. NAME is a
    checkpoint, or a recipe, which is trained into OUT/model first and probed on the way. Writes
    map.png, for a recipe curve.png, and prints one JSON document as the last line.
    Example: ttc probe city-lstm-cpu-20min --out runs/probe

    Args:
        out: Directory of the pictures.
        steps: Steps after which hidden states are probed.
        count: Instances whose states are averaged.
        seconds: Train a recipe so many seconds instead of its own length.
        seed: Of the division of the places, and of a recipe.
        every: Updates between two probes of a training.
    """

    name: Annotated[str, conf.Positional, conf.arg(metavar="NAME")]
    out: Path
    steps: int = 4
    count: int = 2000
    seconds: float | None = None
    seed: int = 0
    every: int = 100

    def run(self) -> int:
        """Train where NAME is a recipe, then probe, draw the map, and print what was found."""
        from ttc_agents.figures.probe import probe_map
        from ttc_agents.training.recipes import RECIPES

        if min(self.steps, self.count, self.every) < 1:
            raise ValueError("--steps, --count and --every must be at least 1")
        checkpoint: str | Path = self.name
        self.out.mkdir(parents=True, exist_ok=True)
        if self.name in RECIPES:
            checkpoint = self.out / "model"
            if not self._train(checkpoint):
                return complain(f"interrupted: {checkpoint} is saved, probe it", INTERRUPTED)
        found = self._probes(checkpoint)
        for name, each in found.items():
            low, high = each.interval()
            interval = f"(95% interval {low:.3f} to {high:.3f})"
            say(f"{name}: R2 {each.r2:.3f} {interval}, median error {each.median_km:.0f} km")
        picture = probe_map(found["embedding"], "Embeddings of held-out places")
        write(self.out / "map.png", picture)
        document: dict[str, Any] = {"checkpoint": str(checkpoint), "seed": self.seed}
        print(json.dumps({**document, **{name: each.to_json() for name, each in found.items()}}))
        return 0

    def _train(self, out: Path) -> bool:
        """Train the recipe, probing on the way; whether it came to its end."""
        from ttc_agents.evaluation.probe import ProbeWatch
        from ttc_agents.figures.probe import probe_curve
        from ttc_agents.training.train import train

        length: dict[str, Any] = {} if self.seconds is None else {"seconds": self.seconds}
        hooks = [ProbeWatch(self.every)]
        finished = train(self.name, out, hooks=hooks, seed=self.seed, **length).finished
        text = (out / "metrics.jsonl").read_text(encoding="utf-8")
        lines = [line for line in map(json.loads, text.splitlines()) if "probe_r2" in line]
        if lines:
            write(self.out / "curve.png", probe_curve(lines))
        return finished

    def _probes(self, checkpoint: str | Path) -> dict[str, Probe]:
        """A probe of each kind of features; `embedding` comes first."""
        import numpy as np

        from ttc_agents.evaluation.probe import degrees_of, place_embeddings, place_states, probe
        from ttc_agents.inference.checkpoint import load_model, load_task

        model, task = load_model(checkpoint), load_task(checkpoint)
        degrees = degrees_of(task)
        instances = task.sample(np.arange(self.count, dtype=np.uint64), task.spec.levels[0])
        features = {"embedding": place_embeddings(model)}
        features |= place_states(model, instances, self.steps)
        return {name: probe(each, degrees, self.seed) for name, each in features.items()}
