"""`ttc traces`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro import conf

from ttc_agents.cli.options import Imports, task_options
from ttc_agents.cli.output import progress_line, say

if TYPE_CHECKING:
    from ttc_agents.evaluation.datasets import Dataset
    from ttc_agents.evaluation.traces import Actor
    from ttc_envs import Task

Mode = Literal["full", "edit"]


@dataclass(frozen=True, kw_only=True)
class Traces(Imports):
    """Write whole episodes as Minari datasets, for imitation and offline reinforcement learning.

    Every SOURCE plays the same drawn instances, and failures are kept. Each source and mode becomes
    a dataset named ENV/LEVEL-SOURCE-MODE-v0. In mode edit, networks and classical methods write
    down their answers one edit at a time. An episode ends when the rules hold, at the end of the
    step budget, or in mode edit when its source has nothing more to write.
    Without a SOURCE, the classical methods of the task play.
    Example: ttc traces sudoku-cpu solve --mode full edit --count 200 --out runs/minari

    Args:
        env: The id that is played; that of the first checkpoint if not given.
        task: Arguments of the task, as NAME=VALUE.
        level: Level of the instances; minimal where there is such a level, else the first.
        split: The split that instances are drawn from, where the task has splits.
        count: Episodes of each dataset.
        mode: Action modes: full writes whole answers, edit makes one local change at a time.
        steps: The step budget; 32 in mode full and 4 for each node in mode edit if not given.
        whole_budget: Go on after the rules hold, to the end of the budget.
        format: How Minari stores the data; arrow and parquet need pyarrow.
        out: The folder of all datasets, that of Minari if not given.
        namespace: What stands before the names of the datasets, the id if not given.
        version: The number at the end of the names.
        seed: Of the first episode; the next ones follow.
        trust: Load a zip of SB3 although it holds pickles, which may run any code.
        device: Of checkpoints: auto (CUDA where there is one), cpu, cuda, ...
        json: Print one JSON document, as the last line.
    """

    sources: Annotated[
        tuple[str, ...],
        conf.Positional,
        conf.arg(
            metavar="SOURCE",
            help="A checkpoint, solve (exact), improve or another classical method, random, "
            "sb3:ALGORITHM:PATH.zip, MODULE:NAME.",
        ),
    ] = ()
    env: str | None = None
    task: tuple[str, ...] = ()
    level: str | None = None
    split: Literal["train", "validation", "test"] = "train"
    count: int = 100
    mode: tuple[Mode, ...] = ("full",)
    steps: int | None = None
    whole_budget: conf.FlagCreatePairsOff[bool] = False
    format: Literal["hdf5", "arrow", "parquet"] = "hdf5"
    out: Path | None = None
    namespace: str | None = None
    version: int = 0
    seed: int = 0
    trust: conf.FlagCreatePairsOff[bool] = False
    device: str = "auto"
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Write the datasets, and say where they are."""
        from ttc_agents.evaluation.datasets import default_root
        from ttc_agents.evaluation.families import default_level
        from ttc_agents.inference.checkpoint import split_task

        self._check()
        env_id, options = self._environment()
        task = split_task(env_id, options, self.split)
        if task.splits:
            options = {**options, "split": self.split}
        level = self.level or default_level(task)
        root = self.out or default_root()
        jobs = [
            self._job(source, mode, env_id, task, {**options, "level": level})
            for source in self.sources or self._methods(task)
            for mode in self.mode
        ]
        names = [dataset.name for dataset, _, _ in jobs]
        if len(set(names)) < len(names):
            raise ValueError(f"datasets need names of their own, got {', '.join(names)}")
        for dataset, _, _ in jobs:
            dataset.check(root)
        written = [self._write(*job, task, root) for job in jobs]
        if self.json:
            print(json.dumps({"datasets": written}))
            return 0
        for facts in written:
            say(
                f"{facts['id']}: {facts['episodes']} episodes, {facts['steps']} steps, "
                f"{facts['solved']} solved"
            )
        say(f"in {root}; minari.load_dataset(ID) reads it", end="")
        say(f" where MINARI_DATASETS_PATH={root} is set" if self.out else "")
        return 0

    def _check(self) -> None:
        """Refuse numbers that mean nothing."""
        for name in ("count", "steps"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"--{name} must be at least 1, got {number}")
        for name in ("seed", "version"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} must not be negative, got {getattr(self, name)}")

    def _environment(self) -> tuple[str, dict[str, Any]]:
        """The id and the arguments of the task."""
        from ttc_agents.inference.checkpoint import load_config

        options = task_options(self.task)
        if self.env is not None:
            return self.env, options
        for source in self.sources:
            try:
                config = load_config(source)
            except FileNotFoundError:
                continue
            return config["env_id"], {**config["task"], **options}
        got = ", ".join(self.sources) or "none"
        raise ValueError(f"no SOURCE is a checkpoint (got {got}): name the environment by --env")

    def _methods(self, task: Task) -> tuple[str, ...]:
        """The classical methods of the task."""
        from ttc_agents.inference.refine import classical_methods

        return tuple(classical_methods(task))

    def _job(
        self, source: str, mode: Mode, env_id: str, task: Task, options: dict[str, Any]
    ) -> tuple[Dataset, Actor, dict[str, Any]]:
        """A dataset, who plays, and the arguments of the environment that the player sees."""
        from ttc_agents.evaluation.datasets import Dataset, dataset_name, made_as
        from ttc_agents.evaluation.traces import actor_of
        from ttc_agents.policies.loading import load_agent
        from ttc_agents.training.engine import pick_device

        agent = load_agent(
            source,
            task,
            default_mode=mode,
            trust=self.trust,
            seed=self.seed,
            device=pick_device(self.device),
        )
        level = options["level"]
        seen = {"level": level, "action_mode": mode, "observation": agent.observation}
        steps = self.steps or (32 if mode == "full" else 4 * task.spec.num_nodes)
        spec = made_as(
            env_id,
            max_episode_steps=steps,
            terminate_on_solved=not self.whole_budget,
            **{**options, **seen},
        )
        words = (level, source, mode)
        name = dataset_name(self.namespace or env_id.rpartition(":")[2], words, self.version)
        return Dataset(name, spec, source, self.format), actor_of(source, agent, task, mode), seen

    def _write(
        self, dataset: Dataset, actor: Actor, seen: dict[str, Any], task: Task, root: Path
    ) -> dict[str, Any]:
        """Play and write; what came of it."""
        from ttc_agents.evaluation.traces import record

        report = progress_line()
        batches = record(
            actor,
            task,
            self.count,
            dataset.spec.max_episode_steps or 0,
            seed=self.seed,
            whole_budget=self.whole_budget,
            report=lambda done: report(dataset.name, done),
            **seen,
        )
        return {**dataset.write(root, batches), "action_mode": seen["action_mode"]}
