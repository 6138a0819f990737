"""Measuring: sweeps over test-time compute, calibration, rollouts through environments, reports."""

from ttc_agents.evaluation.calibration import Calibration, calibrate
from ttc_agents.evaluation.intervals import share, wilson
from ttc_agents.evaluation.records import Records
from ttc_agents.evaluation.results import SweepResult, joined
from ttc_agents.evaluation.rollout import follow, play, rollout
from ttc_agents.evaluation.sweep import refine, sweep, sweep_classical

__all__ = [
    "Calibration",
    "Records",
    "SweepResult",
    "calibrate",
    "follow",
    "joined",
    "play",
    "refine",
    "rollout",
    "share",
    "sweep",
    "sweep_classical",
    "wilson",
]
