"""Policies behind SB3's `predict(obs, state, episode_start, deterministic)`, by name."""

from ttc_agents.policies.loading import Agent, MethodPolicy, Policy, load_agent

__all__ = ["Agent", "MethodPolicy", "Policy", "load_agent"]
