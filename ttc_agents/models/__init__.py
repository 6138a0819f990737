"""Models that refine an answer, all behind the contract of `base.RefinementModel`."""

from ttc_agents.models.base import RefinementModel, Trace
from ttc_agents.models.factor_graph_network import FactorGraphNetwork
from ttc_agents.models.relational_network import RelationalNetwork

MODELS: dict[str, type[RefinementModel]] = {
    "factor_graph_network": FactorGraphNetwork,
    "relational_network": RelationalNetwork,
}

__all__ = ["MODELS", "FactorGraphNetwork", "RefinementModel", "RelationalNetwork", "Trace"]
