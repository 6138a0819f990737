"""Models that refine an answer, all behind the contract of `base.RefinementModel`."""

from typing import Any

from ttc_agents.models.adjacency_learner import AdjacencyLearner
from ttc_agents.models.base import RefinementModel, Trace
from ttc_agents.models.causal_transformer import CausalTransformer
from ttc_agents.models.choice_network import ChoiceNetwork
from ttc_agents.models.equilibrium import Equilibrium
from ttc_agents.models.factor_graph_network import FactorGraphNetwork
from ttc_agents.models.neural_ode import NeuralODE
from ttc_agents.models.recurrent_path import RecurrentPath
from ttc_agents.models.relational_network import RelationalNetwork
from ttc_agents.models.transformer import Transformer
from ttc_envs import TaskSpec

MODELS: dict[str, type[RefinementModel]] = {
    "adjacency_learner": AdjacencyLearner,
    "causal_transformer": CausalTransformer,
    "choice_network": ChoiceNetwork,
    "equilibrium": Equilibrium,
    "factor_graph_network": FactorGraphNetwork,
    "neural_ode": NeuralODE,
    "recurrent_path": RecurrentPath,
    "relational_network": RelationalNetwork,
    "transformer": Transformer,
}


def make_model(name: str, spec: TaskSpec, options: dict[str, Any]) -> RefinementModel:
    """A model from plain data, as recipes and checkpoints have it.

    Args:
        name: Key of `MODELS`.
        spec: Of the task.
        options: Keyword arguments. Of a model that wraps another, `inner` is `{"model": its name,
            "options": {...}}`; the wrapper's `inner_spec` says what the inner one is made for.
    """
    model = MODELS[name]
    inner = options.get("inner")
    if inner is not None:
        made_for = model.inner_spec(spec, options)
        options = {**options, "inner": make_model(inner["model"], made_for, inner["options"])}
    return model(spec, **options)


__all__ = [
    "MODELS",
    "AdjacencyLearner",
    "CausalTransformer",
    "ChoiceNetwork",
    "Equilibrium",
    "FactorGraphNetwork",
    "NeuralODE",
    "RecurrentPath",
    "RefinementModel",
    "RelationalNetwork",
    "Trace",
    "Transformer",
    "make_model",
]
