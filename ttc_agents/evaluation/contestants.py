"""Who stands in a comparison, and how each kind is trained.

A kind is a function that trains one row within a budget and gives a `Player`; a new kind is one
function and one line in `KINDS`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ttc_agents.evaluation.flops import ForwardCost, forward_cost
from ttc_agents.models import MODELS, RefinementModel
from ttc_agents.models.base import to_batch
from ttc_agents.policies.loading import Player, load_policy
from ttc_agents.policies.refinement import RefinementPolicy, device_of
from ttc_agents.training.budget import NOTHING, Budget, Meter, Spent
from ttc_agents.training.data import Answers
from ttc_agents.training.engine import pick_device
from ttc_agents.training.flops import FlopMeter
from ttc_agents.training.policy_gradient import PolicyGradient, VerifierTraining
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.state import Training
from ttc_envs import Task

COSTED = 16
"""Instances over which the cost of an answer is a mean."""


@dataclass(frozen=True)
class Prepared:
    """A row that is ready to play.

    Args:
        player: The policy and its modes.
        spent: What its training has cost.
        parameters: Trained numbers.
        cost: Of its answers, where it is a refinement model.
    """

    player: Player
    spent: Spent = NOTHING
    parameters: int = 0
    cost: ForwardCost | None = None


Report = Callable[[Player, Spent], None]
"""Called in the middle of a training."""


def prepare_policy(
    task: Task, env_id: str, level: str, budget: Budget, seed: int, report: Report, **options: Any
) -> Prepared:
    """A policy that is ready, by the names of `load_policy`."""
    return Prepared(load_policy(options.pop("policy"), task, seed=seed, **options))


def prepare_sb3(
    task: Task,
    env_id: str,
    level: str,
    budget: Budget,
    seed: int,
    report: Report,
    *,
    algorithm: str,
    action_mode: str = "full",
    observation: str = "one_hot",
    hyperparameters: dict[str, Any] | None = None,
    env_options: dict[str, Any] | None = None,
    tuned_as: str | None = None,
    recipe: str | None = None,
    labels: float = 0.5,
) -> Prepared:
    """An agent of SB3 or sb3-contrib, from nothing or with a network that labels have taught.

    Args:
        task: The task that it learns on.
        env_id: The id.
        level: The level that it learns on, unless `env_options` has another.
        budget: What it may cost.
        seed: Of everything.
        report: Called in the middle of the training.
        algorithm: Key of `ALGORITHMS`.
        action_mode: `full`, `edit` or `logits`.
        observation: `default` or `one_hot`.
        hyperparameters: What replaces entries of the file.
        env_options: More arguments of its environments.
        tuned_as: The id under which its hyperparameters stand, if not `env_id`.
        recipe: Key of `RECIPES`; the refinement model in the agent's policy is trained by it first.
        labels: Share of the budget for that.
    """
    from ttc_agents.policies.sb3 import SB3Agent
    from ttc_agents.policies.sb3_network import warm_start
    from ttc_agents.training.rl import make_agent, read_hyperparameters, train_agent

    agent = make_agent(
        algorithm,
        task,
        {**read_hyperparameters(algorithm, tuned_as or env_id), **(hyperparameters or {})},
        {
            "level": level,
            "action_mode": action_mode,
            "observation": observation,
            "max_episode_steps": 32 if action_mode != "edit" else 4 * task.spec.num_nodes,
            **(env_options or {}),
        },
        seed,
    )
    player, spent = Player(SB3Agent(agent), action_mode, observation), NOTHING
    if recipe is not None:
        model, spent = _taught_for(agent, recipe, task, budget.part(labels), seed, report)
        warm_start(agent, model)
        budget = budget.part(1 - labels)
    spent = train_agent(agent, budget, partial(report, player), before=spent)
    parameters = sum(p.numel() for p in agent.policy.parameters())
    return Prepared(player, spent, parameters)


def _taught_for(
    agent: Any, recipe: str, task: Task, budget: Budget, seed: int, report: Report
) -> tuple[RefinementModel, Spent]:
    """A model of the sizes of the one in an agent, trained with labels."""
    model = type(agent.policy.features_extractor.model)
    options = agent.policy_kwargs["model_options"]
    plan = dataclasses.replace(RECIPES[recipe], model_options=options, seed=seed)
    if MODELS[plan.model] is not model:
        raise ValueError(f"{recipe} trains a {plan.model}, the agent has a {model.__name__}")
    return _taught(plan, task, budget, report)


def prepare_refinement(
    task: Task,
    env_id: str,
    level: str,
    budget: Budget,
    seed: int,
    report: Report,
    *,
    recipe: str,
    recipe_level: str | None = None,
    changes: dict[str, Any] | None = None,
    verifier: float = 0.0,
    verifier_options: dict[str, Any] | None = None,
    device: str = "cpu",
) -> Prepared:
    """A refinement model by a recipe, by the verifier, or by one after the other.

    Args:
        task: The task that it learns on.
        env_id: The id.
        level: The level that the verifier draws from; the recipe has its own.
        budget: What both may cost together.
        seed: Of everything.
        report: Called in the middle of the training.
        recipe: Key of `RECIPES`, whose length the budget replaces, and whose task the given one.
        recipe_level: The level that the labelled training draws from instead of the recipe's.
        changes: Other entries of the recipe to replace, by name.
        verifier: Share of the budget for training by the verifier, which follows the recipe.
        verifier_options: Arguments of `PolicyGradient`.
        device: As `ttc train` has it. Budgets in CPU seconds are for `cpu`.
    """
    plan = dataclasses.replace(RECIPES[recipe], **(changes or {}), seed=seed)
    if recipe_level is not None:
        plan = dataclasses.replace(plan, level=recipe_level)
    labelled = budget.part(1 - verifier) if verifier < 1 else None
    model, spent = _taught(plan, task, labelled, report, device)
    if verifier > 0:
        settings = PolicyGradient(**(verifier_options or {}))
        tuned = VerifierTraining(model, task, level, settings, seed)
        spent = _by_verifier(tuned, budget.part(verifier), spent, report)
    parameters = sum(p.numel() for p in model.parameters())
    cost = answering_cost(model.eval(), task, level)
    return Prepared(Player(RefinementPolicy(model)), spent, parameters, cost)


def _taught(
    recipe: Recipe, task: Task, budget: Budget | None, report: Report, device: str = "cpu"
) -> tuple[RefinementModel, Spent]:
    """A model after labelled training until the budget is used up; without one as it begins."""
    # Its own length only paces the schedule, by the share that is done.
    recipe = dataclasses.replace(
        recipe, seconds=1.0, updates=None, precision="float32", compile="off"
    )
    training = Training(recipe, task, pick_device(device))
    if budget is None:
        return _averaged(training), NOTHING
    engine = training.engine(lambda line: None)
    flops = FlopMeter()

    def show(spent: Spent) -> None:
        report(Player(RefinementPolicy(_averaged(training))), spent)

    def counts() -> tuple[int, float]:
        steps = training.updates * recipe.batch_size * recipe.segment_steps
        return steps, flops.total

    meter = Meter(budget, show)
    while (share := meter.share(*counts())) < 1:
        training.seconds = share
        flops.run(partial(training.update, engine))
    return _averaged(training), meter.own(*counts())


def _by_verifier(tuned: VerifierTraining, budget: Budget, before: Spent, report: Report) -> Spent:
    """Training by the rules until the budget is used up."""
    flops = FlopMeter()

    def show(spent: Spent) -> None:
        report(Player(RefinementPolicy(tuned.model)), spent)

    def counts() -> tuple[int, float]:
        return tuned.env_steps, flops.total

    meter = Meter(budget, show, before=before)
    while meter.share(*counts()) < 1:
        flops.run(tuned.update)
    return meter.total(*counts())


def _averaged(training: Training) -> RefinementModel:
    """A copy of the model with the averaged weights."""
    model = copy.deepcopy(training.model)
    model.load_state_dict(training.averaged_weights())
    return model.eval()


def answering_cost(model: RefinementModel, task: Task, level: str) -> ForwardCost:
    """The cost of a model on instances of a level."""
    instances, device = task.sample(np.arange(COSTED, dtype=np.uint64), level), device_of(model)
    if not model.reads_answer:
        return forward_cost(model, to_batch(instances.fields, device))
    answers = Answers(task, instances, task.initial_answer(instances))
    return forward_cost(model, answers.shown(device))


KINDS: dict[str, Callable[..., Prepared]] = {
    "policy": prepare_policy,
    "sb3": prepare_sb3,
    "refinement": prepare_refinement,
}
