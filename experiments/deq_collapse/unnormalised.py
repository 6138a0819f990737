"""The network of the study: a factor-graph network whose states may grow.

Recipes name it `unnormalised:Unnormalised`.
"""

from __future__ import annotations

from torch import Tensor

from ttc_agents.models import FactorGraphNetwork


class Unnormalised(FactorGraphNetwork):
    """The network without the normalisation of its states."""

    def normalised(self, h: Tensor) -> Tensor:
        """Packed states (R, H) as they are."""
        return h
