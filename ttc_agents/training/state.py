"""The state of a training run, and what an update does to it.

Each update refines a carried batch (see `data.CarriedBatch`) for one segment with a loss at every
step: clipped gradient, linear warm-up, cosine decay, and an exponential moving average of
the weights, which is what gets evaluated.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttc_agents.models import RefinementModel, Trace, make_model
from ttc_agents.models.base import Batch, free_nodes
from ttc_agents.models.path_model import PathModel
from ttc_agents.training import checkpoint
from ttc_agents.training.alarm import Alarm, solver_metrics
from ttc_agents.training.data import CarriedBatch
from ttc_agents.training.engine import Engine, choose_engine
from ttc_agents.training.objectives import OBJECTIVES, Labels, solved_rows
from ttc_agents.training.optimizer import Optimizer
from ttc_agents.training.recipes import Recipe
from ttc_envs import Task

MAX_SKIPPED = 20


class Training:
    """The state of a training run: model, optimizer, averaged weights, carried batch, counts."""

    def __init__(self, recipe: Recipe, task: Task, device: torch.device) -> None:
        """Make everything anew from the recipe's seed."""
        self.recipe, self.task, self.device = recipe, task, device
        torch.manual_seed(recipe.seed)
        self.model: RefinementModel = make_model(recipe.model, task.spec, recipe.model_options)
        if recipe.target == "improve" and not self.model.reads_answer:
            raise ValueError(
                "target='improve' trains models that read the answer; "
                f"{recipe.model} does not on {task.spec.name}"
            )
        if recipe.forcing and not isinstance(self.model, PathModel):
            raise ValueError(f"forcing=True is for language models over paths, not {recipe.model}")
        self.model.to(device)
        trained = {name: p for name, p in self.model.named_parameters() if not self.frozen(name)}
        self.model.requires_grad_(False)
        for parameter in trained.values():
            parameter.requires_grad_(True)
        self.names, self.parameters = list(trained), list(trained.values())
        self.optimizer = Optimizer(
            self.model,
            recipe.learning_rate,
            recipe.matrix_learning_rate,
            recipe.weight_decay,
            recipe.beta2,
        )
        self.average = [p.detach().clone() for p in self.parameters]
        generator = torch.Generator().manual_seed(recipe.seed)
        self.carried = CarriedBatch(
            task,
            recipe.levels(),
            recipe.batch_size,
            recipe.restart,
            generator,
            device,
            recipe.random_start,
        )
        self.updates, self.seconds, self.skipped = 0, 0.0, 0
        self.alarm = Alarm(recipe) if recipe.alarm_every else None

    def frozen(self, name: str) -> bool:
        """Whether a parameter is not trained."""
        return bool(self.recipe.frozen) and name.startswith(self.recipe.frozen)

    def take_over(self, directory: Path) -> None:
        """Begin with the weights of a checkpoint that have the names and shapes of this model's."""
        mine = self.model.state_dict()
        theirs = checkpoint.load_model(directory).state_dict()
        for name, values in theirs.items():
            if name in mine and mine[name].shape == values.shape:
                mine[name].copy_(values)
        self.average = [p.detach().clone() for p in self.parameters]

    def progress(self) -> float:
        """The share of the training that is done, 0 to 1."""
        if self.recipe.seconds is not None:
            return min(1.0, self.seconds / self.recipe.seconds)
        return min(1.0, self.updates / (self.recipe.updates or 1))

    def rate(self) -> float:
        """The next update's share of the peak rate: warm-up, plateau, cosine to 1%, alarms."""
        recipe, done = self.recipe, self.progress()
        warm = min(1.0, (self.updates + 1) / max(1, recipe.warmup))
        warm *= self.alarm.scale if self.alarm else 1.0
        if done <= recipe.decay_from:
            return warm
        left = (done - recipe.decay_from) / (1 - recipe.decay_from)
        return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * left)))

    def engine(self, say: Callable[[str], None]) -> Engine:
        """The engine to use, chosen on the carried batch."""
        carried = self.carried
        if carried.state is None:
            carried.refill(self.model)
        assert carried.state is not None
        return choose_engine(self.model, self.recipe, carried.batch, carried.state, say)

    def update(self, engine: Engine) -> dict[str, Tensor]:
        """One update; what is worth reporting comes back as tensors, unsynchronised."""
        carried, recipe = self.carried, self.recipe
        carried.refill(self.model)
        free = free_nodes(self.task.spec, carried.batch)
        trace, labels = self.refine(engine)
        loss = OBJECTIVES[recipe.objective](trace, labels, free)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, recipe.clip)
        if torch.isfinite(norm):
            self.take_step(trace)
        else:
            self.skip()
        solved = solved_rows(trace.logits[-1].detach(), labels).float().mean()
        metrics = {"loss": loss.detach(), "gradient_norm": norm, "solved": solved}
        metrics |= {"age": carried.age.float().mean(), **solver_metrics(self.model, trace)}
        return self.alarm.after_update(self, metrics) if self.alarm else metrics

    def take_step(self, trace: Trace) -> None:
        """Move the weights by their gradients, and carry the states."""
        self.skipped = 0
        self.optimizer.step(self.rate())
        self.updates += 1
        self.track_average()
        self.carried.keep(trace.state, self.recipe.segment_steps)

    def refine(self, engine: Engine) -> tuple[Trace, Labels]:
        """One segment of steps, and what each was to give.

        A model that reads the answer is shown at each step what its last one has led to. Where the
        target is `improve`, each step is to do what the task's classical method would do there
        (the learner's own states, the expert's actions: Ross et al. 2011, DAgger).
        """
        carried, recipe = self.carried, self.recipe
        if recipe.forcing:
            labels = carried.labels
            return engine.run(carried.batch, recipe.segment_steps, labels["answer"]), labels
        if not self.model.reads_answer:
            return engine.run(carried.batch, recipe.segment_steps, carried.state), carried.labels
        assert carried.answers is not None
        targets: list[Tensor] = []

        def observe(logits: Tensor) -> Batch:
            targets.append(answers.improved(self.device))
            return carried.observe(logits)

        answers = carried.answers
        trace = engine.run(carried.batch, recipe.segment_steps, carried.state, observe)
        observe(trace.logits[-1])
        if recipe.target == "improve":
            return trace, {"answer": torch.stack(targets)}
        return trace, carried.labels

    def skip(self) -> None:
        """Leave the weights as they are and draw the batch anew.

        Raises:
            FloatingPointError: It happened too often in a row.
        """
        self.skipped += 1
        if self.skipped == MAX_SKIPPED:
            raise FloatingPointError(
                f"training diverged: {MAX_SKIPPED} gradients in a row are not finite (update "
                f"{self.updates}); the last checkpoint is kept, a lower learning rate may help"
            )
        self.carried.discard()
        self.model.zero_grad()

    def track_average(self) -> None:
        """Move the averaged weights towards the present ones; early on the window is shorter."""
        decay = min(self.recipe.ema, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    def averaged_weights(self) -> dict[str, Tensor]:
        """The state of the model with the averaged weights in place."""
        state = dict(self.model.state_dict())
        return {**state, **dict(zip(self.names, self.average, strict=True))}

    def save(self, directory: Path) -> None:
        """Write the whole checkpoint."""
        config = {
            "model": self.recipe.model,
            "model_options": self.recipe.model_options,
            "env_id": self.recipe.env_id,
            "task": self.recipe.task,
            "recipe": self.recipe.to_json(),
            "updates": self.updates,
            "seconds": round(self.seconds, 3),
            "instances": self.carried.drawn,
            "rollbacks": self.alarm.rollbacks if self.alarm else 0,
        }
        checkpoint.save_model(directory, self.averaged_weights(), self.task.spec, config)
        state = {
            **self.learnt(),
            "carried": self.carried.state_dict(),
            "alarm": self.alarm.state_dict() if self.alarm else None,
            "updates": self.updates,
            "seconds": self.seconds,
            "random": torch.get_rng_state(),
        }
        checkpoint.save_training(directory, state)

    def learnt(self) -> dict[str, Any]:
        """What updates change: weights, averaged weights, optimizer; no copies."""
        return {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, learnt: dict[str, Any]) -> None:
        """The inverse of `learnt`."""
        self.model.load_state_dict(learnt["model"])
        # An optimizer takes tensors over as they are, and would go on writing into them.
        self.optimizer.load_state_dict(copy.deepcopy(learnt["optimizer"]))
        for mine, saved in zip(self.average, learnt["average"], strict=True):
            mine.copy_(saved)

    def load(self, directory: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            FileNotFoundError: There is no training.pt.
            ValueError: It is damaged, or of another training.
        """
        state = checkpoint.load_training(directory)
        try:
            self.restore(state)
            self.carried.load_state_dict(state["carried"])
            if self.alarm:
                self.alarm.load_state_dict(state["alarm"])
            self.updates, self.seconds = state["updates"], state["seconds"]
            torch.set_rng_state(state["random"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            path = directory / "training.pt"
            raise ValueError(f"{path}: not of this training ({error})") from error
