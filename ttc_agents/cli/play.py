"""`ttc play`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro import conf

from ttc_agents.cli.options import DEFAULT_STEPS, Families, parse_steps
from ttc_agents.cli.output import make_room, progress_line, report_sweep

if TYPE_CHECKING:
    from ttc_agents.evaluation import SweepResult
    from ttc_envs import Instances, Task


@dataclass(frozen=True, kw_only=True)
class Play(Families):
    """Let anything with SB3's predict play the instances of an environment.

    One trajectory of each instance is played (the protocol P1), and no rule chooses among several.
    Without a POLICY, the classical methods of the task are run. Every trajectory runs to the
    largest of --steps.
    Example: ttc play sb3:ppo:ppo.zip --env ttc/Sudoku4-v0 --trust --steps 1,4,16,64

    Args:
        env: The id that is played, module:id for one of another package.
        action_mode: full, edit or logits, where the policy can act in several.
        trust: Load a zip although it holds pickles, which may run any code.
        stochastic: Let an agent draw its actions.
        steps: The steps to report, separated by commas.
        json: Print one JSON document, as the last line.
        out: Write the JSON here.
        device: Of checkpoints: auto (CUDA where there is one), cpu, cuda, ...
    """

    policies: Annotated[
        tuple[str, ...],
        conf.Positional,
        conf.arg(
            metavar="POLICY",
            help="random, classical, solve, sb3:ALGORITHM:PATH.zip, MODULE:NAME, a checkpoint, or "
            "beam:K:CHECKPOINT, which writes whole paths with a beam.",
        ),
    ] = ()
    env: str
    action_mode: Literal["full", "edit", "logits"] | None = None
    trust: conf.FlagCreatePairsOff[bool] = False
    stochastic: conf.FlagCreatePairsOff[bool] = False
    steps: str = DEFAULT_STEPS
    json: conf.FlagCreatePairsOff[bool] = False
    out: Path | None = None
    device: str = "auto"

    def run(self) -> int:
        """Play every task of the options; prints one table or document of all of them."""
        from ttc_agents.evaluation import joined
        from ttc_agents.inference.checkpoint import split_task

        steps = parse_steps(self.steps)
        pairs = self.tasks_and_families(lambda options: split_task(self.env, options, self.split))
        if self.out is not None:
            make_room(self.out)
        result = joined([self._sweep(*pair, steps) for pair in pairs])
        settings = {"policies": list(self.policies), "env": self.env, **self.settings(pairs[0][0])}
        report_sweep(result, settings, {}, self.out, self.json)
        return 0

    def _sweep(
        self, task: Task, families: dict[str, Instances], steps: Sequence[int]
    ) -> SweepResult:
        """A row of one task for each policy, or one for each of its classical methods."""
        from ttc_agents.evaluation import joined, sweep_classical
        from ttc_agents.evaluation.rollout import sweep_agent
        from ttc_agents.policies.loading import load_agent
        from ttc_agents.training.engine import pick_device
        from ttc_envs import env_options

        if not self.policies:
            return sweep_classical(task, families, steps, seed=self.seed)
        results = []
        for name in self.policies:
            agent = load_agent(
                name,
                task,
                action_mode=self.action_mode,
                default_mode=env_options(self.env).get("action_mode", "full"),
                trust=self.trust,
                seed=self.seed,
                device=pick_device(self.device),
            )
            results.append(
                sweep_agent(
                    name,
                    agent,
                    task,
                    families,
                    steps,
                    deterministic=not self.stochastic,
                    report=progress_line(),
                )
            )
        return joined(results)
