"""The kinds of rows of a comparison, and how each is trained.

A kind is a function that trains one row within a `Job` and gives an `Agent`; a new kind is one
function and one line in `KINDS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ttc_agents.inference.policy import RefinementPolicy
from ttc_agents.models import RefinementModel, find_model
from ttc_agents.policies.loading import Agent, load_agent
from ttc_agents.training.engine import pick_device
from ttc_agents.training.flops import COSTED, AnswerCost, answer_cost
from ttc_agents.training.loop import Hook, Metrics, run
from ttc_agents.training.policy_gradient import PolicyGradient, VerifierTraining
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes import find_recipe
from ttc_agents.training.schedule import NOTHING, Length, Spent
from ttc_agents.training.train import alarms
from ttc_agents.training.update import Training
from ttc_envs import Task

POINTS = 8
"""Parts of a training between which a learning curve is measured."""

Midway = Callable[[Agent, Spent], None]
"""Called in the middle of a training."""


@dataclass(frozen=True)
class Job:
    """What a row is to learn, and what that may cost.

    Args:
        task: The task that it learns on.
        env_id: The id.
        level: The level that it learns on, unless the row says otherwise.
        length: What it may cost.
        seed: Of everything.
        report: Called in the middle of the training.
    """

    task: Task
    env_id: str
    level: str
    length: Length
    seed: int
    report: Midway


@dataclass(frozen=True)
class Trained:
    """A row that is ready to play.

    Args:
        agent: The policy and its modes.
        spent: What its training has cost.
        parameters: Trained numbers.
        cost: Of its answers, where it is a refinement model.
    """

    agent: Agent
    spent: Spent = NOTHING
    parameters: int = 0
    cost: AnswerCost | None = None


class Curve(Hook):
    """Reports at equal parts of a training, but for the end of the last.

    Args:
        report: Called with what the agent is then and what it has cost.
        agent: Gives the agent of a training.
        before: What was spent earlier.
    """

    counted: ClassVar[bool] = False

    def __init__(
        self, report: Midway, agent: Callable[[Any], Agent], before: Spent = NOTHING
    ) -> None:
        self._report, self._agent, self._before = report, agent, before
        self._reported = 0

    def after_update(self, training: Any, metrics: Metrics, done: float) -> Metrics:
        """Report where a part is done."""
        if done < 1 and int(done * POINTS) > self._reported:
            self._reported = int(done * POINTS)
            self._report(self._agent(training), self._before + training.spent)
        return {}


def prepare_policy(job: Job, **options: Any) -> Trained:
    """A policy that is ready, by the names of `load_agent`."""
    return Trained(load_agent(options.pop("policy"), job.task, seed=job.seed, **options))


def prepare_sb3(
    job: Job,
    *,
    algorithm: str,
    action_mode: str = "full",
    observation: str = "one_hot",
    hyperparameters: dict[str, Any] | None = None,
    env_options: dict[str, Any] | None = None,
    tuned_as: str | None = None,
    recipe: str | None = None,
    labels: float = 0.5,
) -> Trained:
    """An agent of SB3 or sb3-contrib, from nothing or with a network that labels have taught.

    Args:
        job: What to learn.
        algorithm: Key of `ALGORITHMS`.
        action_mode: `full`, `edit` or `logits`.
        observation: `default` or `one_hot`.
        hyperparameters: What replaces entries of the file.
        env_options: More arguments of its environments.
        tuned_as: The id under which its hyperparameters stand, if not that of the job.
        recipe: Name of a recipe; the refinement model in the agent's policy is trained by it first.
        labels: Share of the length for that.
    """
    from ttc_agents.policies.sb3 import SB3Agent
    from ttc_agents.policies.sb3_network import warm_start
    from ttc_agents.policies.sb3_training import make_agent, read_hyperparameters, train_agent

    sb3 = make_agent(
        algorithm,
        job.task,
        {**read_hyperparameters(algorithm, tuned_as or job.env_id), **(hyperparameters or {})},
        {
            "level": job.level,
            "action_mode": action_mode,
            "observation": observation,
            "max_episode_steps": 32 if action_mode != "edit" else 4 * job.task.spec.num_nodes,
            **(env_options or {}),
        },
        job.seed,
    )
    agent, before, length = Agent(SB3Agent(sb3), action_mode, observation), NOTHING, job.length
    if recipe is not None:
        model, before = _taught(_plan_for(sb3, recipe, job.seed), job, length.part(labels))
        warm_start(sb3, model)
        length = length.part(1 - labels)
    curve = Curve(job.report, lambda training: agent, before)
    spent = before + train_agent(sb3, length, [curve])
    return Trained(agent, spent, sum(p.numel() for p in sb3.policy.parameters()))


def _plan_for(sb3: Any, name: str, seed: int) -> Recipe:
    """The recipe for a model of the sizes of the one in an agent."""
    kind = type(sb3.policy.features_extractor.model)
    plan = find_recipe(name).replaced(model_options=sb3.policy_kwargs["model_options"], seed=seed)
    if find_model(plan.model) is not kind:
        raise ValueError(f"{name} trains a {plan.model}, the agent has a {kind.__name__}")
    return plan


def prepare_refinement(
    job: Job,
    *,
    recipe: str,
    changes: dict[str, Any] | None = None,
    verifier: float = 0.0,
    verifier_options: dict[str, Any] | None = None,
    device: str = "cpu",
) -> Trained:
    """A refinement model by a recipe, by the verifier, or by one after the other.

    Args:
        job: What to learn; the verifier draws from its level, the recipe has its own.
        recipe: Name of a recipe (`find_recipe`), whose length the job's replaces, and whose task
            the job's.
        changes: Entries of the recipe to replace, by name, such as its level.
        verifier: Share of the length for training by the verifier, which follows the recipe.
        verifier_options: Arguments of `PolicyGradient`.
        device: As `ttc train` has it. Lengths in CPU seconds are for `cpu`.
    """
    plan = find_recipe(recipe).replaced(**(changes or {}), seed=job.seed)
    labelled = job.length.part(1 - verifier) if verifier < 1 else None
    model, spent = _taught(plan, job, labelled, device)
    if verifier > 0:
        settings = PolicyGradient(**(verifier_options or {}))
        tuned = VerifierTraining(model, job.task, job.level, settings, job.seed)
        curve = Curve(job.report, lambda training: _as_agent(training.model), spent)
        spent = spent + _run(tuned, job.length.part(verifier), [curve])
    parameters = sum(p.numel() for p in model.parameters())
    typical = job.task.sample(np.arange(COSTED, dtype=np.uint64), job.level)
    return Trained(_as_agent(model), spent, parameters, answer_cost(model, job.task, typical))


def prepare_expert(
    job: Job,
    *,
    recipe: str,
    levels: str | None = None,
    changes: dict[str, Any] | None = None,
    device: str = "cpu",
) -> Trained:
    """A refinement model that its own searches teach, with the rules as verifier (`Expert`).

    Args:
        job: What to learn.
        recipe: Name of a recipe, whose length the job's replaces, and whose task the job's.
        levels: The curriculum, easiest first, with commas between them; None takes the recipe's.
        changes: Other entries of the recipe to replace, by name.
        device: As `ttc train` has it. Lengths in CPU seconds are for `cpu`.
    """
    entries = {**(changes or {}), "target": "search"}
    if levels is not None:
        entries["level"] = levels
    return prepare_refinement(job, recipe=recipe, changes=entries, device=device)


def _taught(
    recipe: Recipe, job: Job, length: Length | None, device: str = "cpu"
) -> tuple[RefinementModel, Spent]:
    """A model after labelled training of some length; without one as it begins."""
    recipe = recipe.replaced(precision="float32", compile="off")
    training = Training(recipe, job.task, pick_device(device))
    if recipe.target != "search":
        training.begin()  # the first update is charged for searches, but not for first states
    if length is not None:
        curve = Curve(job.report, lambda training: _as_agent(training.averaged_model()))
        _run(training, length, [*alarms(recipe), curve])
    return training.averaged_model(), training.spent


def _run(training: Any, length: Length, hooks: list[Hook]) -> Spent:
    """Train by CPU time, which does not depend on who else is on the machine."""
    return run(training, length, hooks, clock=time.process_time, count_flops=True)


def _as_agent(model: RefinementModel) -> Agent:
    return Agent(RefinementPolicy(model))


KINDS: dict[str, Callable[..., Trained]] = {
    "policy": prepare_policy,
    "sb3": prepare_sb3,
    "refinement": prepare_refinement,
    "expert": prepare_expert,
}
