"""Answers of models and classical methods, step by step: the one refinement loop and its parts."""

from ttc_agents.inference.policy import BranchingPolicy, RefinementPolicy
from ttc_agents.inference.precision import full_float32
from ttc_agents.inference.refine import Step, refine, solved_share

__all__ = ["BranchingPolicy", "RefinementPolicy", "Step", "full_float32", "refine", "solved_share"]
