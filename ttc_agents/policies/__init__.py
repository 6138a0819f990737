"""Models and classical solvers behind SB3's `predict(obs, state, episode_start, deterministic)`."""

from ttc_agents.policies.classical import ImprovePolicy, RandomPolicy, SolvePolicy
from ttc_agents.policies.refinement import PolicyState, RefinementPolicy

__all__ = ["ImprovePolicy", "PolicyState", "RandomPolicy", "RefinementPolicy", "SolvePolicy"]
