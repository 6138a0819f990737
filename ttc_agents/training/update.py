"""The state of a training, and what one update does to it.

`Training` refines a carried batch (`data.CarriedBatch`) for one segment of steps, and hands the
trace to `optimizer.Update`, which turns it into new weights and their moving average, which is what
gets evaluated. How long a training is, and what happens between updates, is the business of `loop`.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttc_agents.inference import checkpoint
from ttc_agents.inference.boards import check_search
from ttc_agents.models import RefinementModel, Trace, make_model
from ttc_agents.models.base import free_nodes
from ttc_agents.training.data import CarriedBatch, Passed
from ttc_agents.training.distributed import ALONE, World
from ttc_agents.training.engine import Engine, Pace, choose_engine, threads
from ttc_agents.training.expert import Expert
from ttc_agents.training.objectives import Labels, solved_rows
from ttc_agents.training.objectives.metrics import energy_metrics, solver_metrics
from ttc_agents.training.optimizer import Update
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.schedule import NOTHING, Spent, rate
from ttc_envs import Task

MAX_SKIPPED = 20


class Training:
    """The state of a training run: model, carried batch, `Update`, and what it has cost.

    Args:
        recipe: What to train. Its length is not looked at: `loop.run` is given one.
        task: Where instances come from.
        device: Where the model lives.
        say: Told the engine that was chosen.
        world: The processes that train it together.

    Raises:
        ValueError: The recipe asks for what the model, the task or several processes cannot do.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        device: torch.device | str = "cpu",
        say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
        world: World = ALONE,
    ) -> None:
        self.recipe, self.task, self.device = recipe, task, torch.device(device)
        self.world = world
        check_world(recipe, world)
        self._say = say
        self.engine: Engine | None = None
        self.pace = Pace()
        torch.manual_seed(recipe.seed)
        self.model = model_of(recipe, task)
        self.model.to(self.device)
        self.learning = Update(self.model, recipe)
        self.carried = CarriedBatch(
            task,
            recipe.levels(),
            recipe.batch_size,
            recipe.restart,
            torch.Generator().manual_seed(recipe.seed),
            self.device,
            recipe.random_start,
            self.expert(),
            world,
        )
        if world.size > 1:  # what a model draws differs from process to process
            torch.manual_seed(recipe.seed + world.rank)
        self.spent, self.skipped, self.rollbacks = NOTHING, 0, 0

    @property
    def updates(self) -> int:
        """Updates done, skipped ones not among them."""
        return self.spent.updates

    def take_over(self, directory: Path) -> None:
        """Begin with the weights of a checkpoint that have the names and shapes of this model's."""
        mine = self.model.state_dict()
        theirs = checkpoint.load_model(directory).state_dict()
        for name, values in theirs.items():
            if name in mine and mine[name].shape == values.shape:
                mine[name].copy_(values)
        self.learning.restart_average()

    def expert(self) -> Expert | None:
        """The searches that teach the model, where the recipe has it so."""
        if self.recipe.target != "search":
            return None
        check_search(self.model)
        return Expert(self.task, self.recipe.levels(), self.averaged_model)

    # One update

    def update(self, done: float) -> dict[str, Tensor]:
        """One update; what is worth reporting comes back as tensors, unsynchronised.

        Args:
            done: The share of the training that is done, 0 to 1, on which the rate depends.

        Raises:
            FloatingPointError: Too many gradients in a row were not finite.
        """
        engine, start = self.engine or self.begin(), time.perf_counter()
        with threads(engine.threads):
            metrics = self._update(engine, done)
        if self.pace.slow(time.perf_counter() - start) and self.world.size == 1:
            self.begin()
        return self.world.means(metrics, self.device)

    def _update(self, engine: Engine, done: float) -> dict[str, Tensor]:
        carried, source = self.carried, self.carried.source
        carried.refill(self.model)
        free = free_nodes(self.task.spec, carried.batch)
        loss = torch.zeros((), device=self.device)
        for steps in self.pieces():
            trace, labels = self.refine(engine, steps)
            weight = steps / self.recipe.segment_steps
            loss += self.learning.differentiate(trace, labels, free, weight)
            carried.keep(trace, steps)
        norm, rate = self.learning.clipped(), self.rate(done)
        # The one look of an update at its device. A sum is finite where all of it is.
        usable, finite = torch.stack([norm, trace.state.detach().float().sum()]).isfinite().tolist()
        if usable:
            self.learning.take(rate)
            carried.finite = finite
            env_steps = self.recipe.batch_size * self.recipe.segment_steps
            self.spent, self.skipped = self.spent + Spent(updates=1, env_steps=env_steps), 0
            self.spent += source.take_cost() if source else NOTHING
        else:
            self.skip()
        return {
            "rate": torch.tensor(rate),
            "loss": loss,
            "gradient_norm": norm,
            "solved": solved_rows(trace.logits[-1].detach(), labels, free).float().mean(),
            "age": carried.age.float().mean(),
            **solver_metrics(trace),
            **energy_metrics(trace),
            **(source.metrics() if source else {}),
        }

    def rate(self, done: float) -> float:
        """An update's share of the peak rates, halved by each time it was rolled back."""
        recipe = self.recipe
        return rate(self.updates, done, recipe.warmup, recipe.decay_from) * 0.5**self.rollbacks

    def pieces(self) -> list[int]:
        """The steps of each backward pass of an update."""
        total = self.recipe.segment_steps
        size = self.recipe.backward_every or total
        return [min(size, total - done) for done in range(0, total, size)]

    def refine(self, engine: Engine, num_steps: int) -> tuple[Trace, Labels]:
        """So many steps, and what each was to give.

        A model that reads the answer is shown at each step what its last one has led to. Where the
        target is `improve`, each step is to do what the task's classical method would do there
        (the learner's own states, the expert's actions: Ross et al. 2011, DAgger).
        """
        carried, inputs = self.carried, self.inputs(num_steps)
        if self.recipe.forcing or carried.answers is None:
            return engine.run(*inputs), carried.labels
        passed = Passed(carried)
        trace = engine.run(*inputs, observe=passed)
        if self.recipe.target == "improve":
            return trace, {"answer": passed.improved()}
        return trace, carried.labels

    def inputs(self, num_steps: int) -> tuple[Any, ...]:
        """What the model is run on: where it was, or with teacher forcing the right answer."""
        carried = self.carried
        if self.recipe.forcing:
            return carried.batch, carried.labels["answer"]
        return carried.batch, num_steps, carried.state

    def skip(self) -> None:
        """Leave the weights as they are and draw the batch anew."""
        self.skipped += 1
        if self.skipped == MAX_SKIPPED:
            raise FloatingPointError(
                f"training diverged: {MAX_SKIPPED} gradients in a row are not finite (update "
                f"{self.updates}); the last checkpoint is kept, a lower learning rate may help"
            )
        self.carried.discard()
        self.model.zero_grad()

    def begin(self) -> Engine:
        """Fill the batch and choose how the model is run, in the first update and where it is slow.

        The other engine that comes of it may be the same one.
        """
        if self.carried.state is None:  # a resumed one goes on with what it had
            self.carried.refill(self.model)
        forward = self.model.forced if self.recipe.forcing else self.model
        settings = forward, self.model, self.recipe, self.inputs, self._say, self.engine
        engine = choose_engine(*settings)
        if self.world.size > 1:  # each may take its own threads; the rest is the same for all
            joining = self.world.joining(self.model, engine.forward)
            number, layout = self.world.agreed((engine.bfloat16, engine.layout))
            engine = replace(engine, forward=joining, bfloat16=number, layout=layout)
            engine.lay_out(self.model)
        self.engine, each = engine, engine.seconds
        self.pace = Pace(None if each is None else each * self.recipe.segment_steps)
        return self.engine

    def averaged_model(self) -> RefinementModel:
        """A copy of the model with the averaged weights, in evaluation mode."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.learning.averaged_weights())
        return model.eval()

    def roll_back(self, learnt: dict[str, Any]) -> None:
        """Return to earlier weights with fresh instances, at half of the rate from here on."""
        self.learning.load_state_dict(learnt)
        self.carried.discard()
        self.rollbacks += 1

    # Checkpoints

    def config(self) -> dict[str, Any]:
        """What config.json says beside the format and the spec."""
        return {
            "model": self.recipe.model,
            "model_options": self.recipe.model_options,
            "env_id": self.recipe.env_id,
            "task": self.recipe.task,
            "sources": self.task.sources,
            "recipe": self.recipe.to_json(),
            "updates": self.updates,
            "seconds": round(self.spent.seconds, 3),
            "instances": self.carried.drawn,
            "rollbacks": self.rollbacks,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs to go on bit by bit."""
        return {
            **self.learning.state_dict(),
            "carried": self.carried.state_dict(),
            "spent": asdict(self.spent),
            "rollbacks": self.rollbacks,
            "random": torch.get_rng_state(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.learning.load_state_dict(saved)
        self.carried.load_state_dict(saved["carried"])
        self.spent = Spent(**saved["spent"])
        self.learning.taken, self.rollbacks = self.updates, saved["rollbacks"]
        torch.set_rng_state(saved["random"])


def check_world(recipe: Recipe, world: World) -> None:
    """Refuse what several processes cannot train together.

    Raises:
        ValueError: They cannot share the batch out, or their searches would be the same.
    """
    world.rows(recipe.batch_size)
    if world.size > 1 and recipe.target == "search":
        raise ValueError("target='search' is for one process: its searches use all cores")


def model_of(recipe: Recipe, task: Task) -> RefinementModel:
    """The model of a recipe, as it begins.

    Raises:
        ValueError: It takes no such options, or cannot be trained in this way.
    """
    try:
        model = make_model(recipe.model, task.spec, recipe.model_options)
    except (TypeError, KeyError) as error:
        raise ValueError(f"{recipe.model} with {recipe.model_options}: {error}") from error
    if recipe.target == "improve" and not model.reads_answer:
        raise ValueError(
            "target='improve' trains models that read the answer; "
            f"{recipe.model} does not on {model.spec.name}"
        )
    if recipe.forcing and not model.autoregressive:
        raise ValueError(f"forcing=True is for autoregressive models, not {recipe.model}")
    if recipe.forcing and recipe.backward_every:
        raise ValueError("forcing=True runs all slots at once: backward_every must be none")
    return model
