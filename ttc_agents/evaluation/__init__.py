"""Measuring: sweeps over test-time compute, calibration, stability, rollouts, probes."""

from ttc_agents.evaluation.calibration import Calibration, calibrate
from ttc_agents.evaluation.intervals import share, wilson
from ttc_agents.evaluation.records import Records
from ttc_agents.evaluation.results import SweepResult, joined
from ttc_agents.evaluation.rollout import rollout
from ttc_agents.evaluation.sweep import sweep, sweep_classical

__all__ = [
    "Calibration",
    "Records",
    "SweepResult",
    "calibrate",
    "joined",
    "rollout",
    "share",
    "sweep",
    "sweep_classical",
    "wilson",
]
