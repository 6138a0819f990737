"""Models that refine an answer, all behind the contract of `base.RefinementModel`."""

from typing import Any

from ttc_agents.models.adjacency_learner import AdjacencyLearner
from ttc_agents.models.base import RefinementModel, Trace
from ttc_agents.models.causal_transformer import CausalTransformer
from ttc_agents.models.choice_network import ChoiceNetwork
from ttc_agents.models.energy import Energy
from ttc_agents.models.equilibrium import Equilibrium
from ttc_agents.models.factor_graph_network import FactorGraphNetwork
from ttc_agents.models.neural_ode import NeuralODE
from ttc_agents.models.recurrent_path import RecurrentPath
from ttc_agents.models.relational_network import RelationalNetwork
from ttc_agents.models.transformer import Transformer
from ttc_agents.names import find
from ttc_envs import TaskSpec

MODELS: dict[str, type[RefinementModel]] = {
    "adjacency_learner": AdjacencyLearner,
    "causal_transformer": CausalTransformer,
    "choice_network": ChoiceNetwork,
    "energy": Energy,
    "equilibrium": Equilibrium,
    "factor_graph_network": FactorGraphNetwork,
    "neural_ode": NeuralODE,
    "recurrent_path": RecurrentPath,
    "relational_network": RelationalNetwork,
    "transformer": Transformer,
}


def find_model(name: str, import_modules: bool = True) -> type[RefinementModel]:
    """The class of a model.

    Args:
        name: Key of `MODELS`, or `module:NAME` of a class in anybody's module.
        import_modules: See `names.find`.

    Raises:
        ValueError: The name stands for no model.
    """
    found = find("model", name, MODELS, import_modules)
    if not (isinstance(found, type) and issubclass(found, RefinementModel)):
        raise ValueError(f"expected a subclass of RefinementModel at {name!r}, got {found!r}")
    return found


def make_model(
    name: str, spec: TaskSpec, options: dict[str, Any], import_modules: bool = True
) -> RefinementModel:
    """A model from plain data, as recipes and checkpoints have it.

    Args:
        name: See `find_model`.
        spec: Of the task.
        options: Keyword arguments. Of a model that wraps another, `inner` is `{"model": its name,
            "options": {...}}`; the wrapper's `inner_spec` says what the inner one is made for.
        import_modules: See `find_model`; False is for options that stand in a file.

    Raises:
        ValueError: There is no such model, or it does not support the task.
    """
    model = find_model(name, import_modules)
    inner = options.get("inner")
    if inner is not None:
        made_for = model.inner_spec(spec, options)
        made = make_model(inner["model"], made_for, inner["options"], import_modules)
        options = {**options, "inner": made}
    return model(spec, **options)


__all__ = [
    "MODELS",
    "AdjacencyLearner",
    "CausalTransformer",
    "ChoiceNetwork",
    "Energy",
    "Equilibrium",
    "FactorGraphNetwork",
    "NeuralODE",
    "RecurrentPath",
    "RefinementModel",
    "RelationalNetwork",
    "Trace",
    "Transformer",
    "find_model",
    "make_model",
]
