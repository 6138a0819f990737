"""`ttc evaluate`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro import conf

from ttc_agents.cli.output import make_room, progress_line, write_json

if TYPE_CHECKING:
    from ttc_agents.evaluation import Calibration, SweepResult
    from ttc_agents.models import RefinementModel
    from ttc_envs import Instances, Task

DEFAULT_COUNT = 1000
STABILITY_COUNT = 100
DEFAULT_STEPS = "1,2,4,8,16,32,64,128,256"


@dataclass(frozen=True)
class Evaluate:
    """Sweep the refinement steps: percent of puzzles solved after 1, 2, 4, ... steps.

    P1 is one trajectory; P2 takes the one of several with the smallest residual; P3 lets the rules
    choose among several. Every trajectory runs to the largest of --steps. With --policy, anything
    that has SB3's predict takes the place of the checkpoint, on --env, by P1; --env alone gives the
    classical rows.
    Example: ttc evaluate sudoku-cpu --puzzles puzzles.csv --steps 1,16,64,256 --json

    Args:
        policy: random, classical, solve, sb3:ALGORITHM:PATH.zip, MODULE:NAME, a checkpoint, or
            beam:K:CHECKPOINT, which writes whole paths with a beam.
        env: The id that the policy or the classical methods play; a checkpoint knows its own.
        task: Arguments of the task, as NAME=VALUE; given several times, each is a task of its own:
            --task size=16 --task size=256.
        action_mode: full, edit or logits, where the policy can act in several.
        trust: Load a zip although it holds pickles, which may run any code.
        stochastic: Let an agent of --policy draw its actions.
        puzzles: Files of puzzles (csv, csv.gz, txt, npy), a family each.
        level: Draw puzzles of these levels instead: easy, medium, hard, minimal, givens=K.
        count: How many to draw (1000 if not given), or to take of each file (all if not given).
        split: The split that puzzles are drawn from, where the task has splits.
        skip_bad_rows: Report bad rows of a file on stderr and leave them out.
        steps: The steps to report, separated by commas.
        protocol: Some of p1,p2,p3.
        trajectories: Trajectories of P2 and P3.
        classical: Rows of classical policies in the table; --no-classical leaves them out.
        calibration: Also measure what confidence means; with --out, draw it, too.
        stability: Also follow the first 100 puzzles of each family to 64 times the depth of
            training: residual, spectral radius, solved; with --out, draw it, too.
        json: Print one JSON document, as the last line.
        out: Write the JSON here, with one entry per puzzle besides.
        seed: Of drawn puzzles, random first states and random answers.
        device: auto (CUDA where there is one), cpu, cuda, ...
    """

    checkpoint: Annotated[
        str | None,
        conf.Positional,
        conf.arg(metavar="CHECKPOINT", help="A shipped name (sudoku-cpu) or a directory."),
    ] = None
    policy: str | None = None
    env: str | None = None
    task: conf.UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    action_mode: Literal["full", "edit", "logits"] | None = None
    trust: conf.FlagCreatePairsOff[bool] = False
    stochastic: conf.FlagCreatePairsOff[bool] = False
    puzzles: conf.UseAppendAction[tuple[tuple[Path, ...], ...]] = ()
    level: tuple[str, ...] = ()
    count: int | None = None
    split: Literal["train", "validation", "test"] = "test"
    skip_bad_rows: conf.FlagCreatePairsOff[bool] = False
    steps: str = DEFAULT_STEPS
    protocol: str = "p1"
    trajectories: int = 5
    classical: conf.FlagCreatePairsOff[bool] = True
    calibration: conf.FlagCreatePairsOff[bool] = False
    stability: conf.FlagCreatePairsOff[bool] = False
    json: conf.FlagCreatePairsOff[bool] = False
    out: Path | None = None
    seed: int = 0
    device: str = "auto"

    def run(self) -> int:
        """Evaluate."""
        if (self.checkpoint is None) == (self.policy is None and self.env is None):
            raise ValueError("give either a CHECKPOINT, or --policy, or --env")
        return self._sweep_policy() if self.policy is not None else self._sweep_tasks()

    def _sweep_tasks(self) -> int:
        """Sweep a refinement model by its protocols, or classical methods alone."""
        from ttc_agents.evaluation import joined
        from ttc_agents.evaluation.policies import has_splits

        for name in ("action_mode", "trust", "stochastic"):
            if getattr(self, name):
                raise ValueError(f"--{name.replace('_', '-')} belongs to --policy")
        measured = self.calibration or self.stability
        if self.checkpoint is None and (measured or self.protocol != "p1" or not self.classical):
            raise ValueError(
                "--calibration, --stability, --protocol and --no-classical: needs a CHECKPOINT"
            )
        steps = parse_steps(self.steps)
        # All tasks and puzzles now, rather than an error after minutes of work.
        tasks = [self._task(words) for words in self.task or ((),)]
        families = [self._families(task) for task in tasks]
        if len(tasks) > 1:
            families = [
                named_after(words, own) for words, own in zip(self.task, families, strict=True)
            ]
        names = [name for own in families for name in own]
        if len(set(names)) < len(names):
            raise ValueError(f"families need names of their own, got {', '.join(names)}")
        if self.out is not None:
            make_room(self.out)
        runs = [self._sweep(*pair, steps) for pair in zip(tasks, families, strict=True)]
        result = joined([run[0] for run in runs])
        document = result.to_json()
        document["settings"] |= {
            "checkpoint": self.checkpoint,
            "env": self.env,
            "split": self.split if has_splits(tasks[0]) else None,
            "task": [" ".join(words) for words in self.task],
        }
        extra: dict[str, Any] = {}
        for _, documents in runs:
            for kind, by_family in documents.items():
                extra.setdefault(kind, {}).update(by_family)
        per_puzzle = {**result.to_json(per_puzzle=True), **document} if self.out else {}
        self._report({**document, **extra}, {**per_puzzle, **extra})
        return 0

    def _task(self, words: Sequence[str]) -> Task:
        """The task of the checkpoint or of --env, with these arguments."""
        from ttc_agents.cli.puzzles import checkpoint_task, task_of_env

        if self.checkpoint is not None:
            return checkpoint_task(self.checkpoint, self.split, words)
        assert self.env is not None
        return task_of_env(self.env, words, self.split)

    def _sweep(
        self, task: Task, families: dict[str, Instances], steps: Sequence[int]
    ) -> tuple[SweepResult, dict[str, dict[str, Any]]]:
        """The sweep over one task, and by family what else is asked for."""
        from ttc_agents.evaluation import sweep, sweep_classical
        from ttc_agents.training.checkpoint import load_model
        from ttc_agents.training.engine import pick_device

        if self.checkpoint is None:
            return sweep_classical(task, families, steps, seed=self.seed), {}
        spec = task.spec if self.task else None
        model = load_model(self.checkpoint, pick_device(self.device), spec)
        result = sweep(
            model,
            task,
            families,
            steps,
            protocols=[name.strip() for name in self.protocol.split(",")],
            classical=None if self.classical else (),
            num_trajectories=self.trajectories,
            seed=self.seed,
            progress=progress_line(),
        )
        extra = {}
        if self.calibration:
            extra["calibration"] = self._calibrate(model, task, families, steps)
        if self.stability:
            extra["stability"] = self._stability(model, task, families)
        return result, extra

    def _sweep_policy(self) -> int:
        """Sweep anything with `predict` through the environment."""
        from ttc_agents.cli.puzzles import default_mode, policy_task
        from ttc_agents.evaluation.policies import has_splits, sweep_player
        from ttc_agents.policies.loading import load_policy
        from ttc_agents.training.engine import pick_device

        assert self.policy is not None
        if self.calibration or self.stability or self.protocol != "p1":
            raise ValueError(
                "--protocol, --calibration and --stability are for checkpoints, --policy is P1"
            )
        steps = parse_steps(self.steps)
        if len(self.task) > 1:
            raise ValueError(f"--policy plays one --task, got {len(self.task)}")
        task = policy_task(self.policy, self.env, sum(self.task, ()), self.split)
        player = load_policy(
            self.policy,
            task,
            action_mode=self.action_mode,
            default_mode=default_mode(self.env),
            trust=self.trust,
            seed=self.seed,
            device=pick_device(self.device),
        )
        families = self._families(task)
        if self.out is not None:
            make_room(self.out)
        result = sweep_player(
            player,
            task,
            families,
            steps,
            deterministic=not self.stochastic,
            report=progress_line() or (lambda label, done: None),
        )
        document = result.to_json()
        document["settings"] |= {
            "policy": self.policy,
            "env": self.env,
            "split": self.split if has_splits(task) else None,
        }
        self._report(document, document)
        return 0

    def _report(self, document: dict[str, Any], written: dict[str, Any]) -> None:
        """Print a document or its table, and write the longer one where asked."""
        from ttc_agents.evaluation.calibration import calibration_text
        from ttc_agents.evaluation.report import text_table
        from ttc_agents.evaluation.stability import stability_text

        if self.out is not None:
            write_json(self.out, written)
        if self.json:
            print(json.dumps(document))
            return
        print(text_table(document))
        for family, numbers in document.get("calibration", {}).items():
            print(calibration_text(family, numbers))
        for family, numbers in document.get("stability", {}).items():
            print(stability_text(family, numbers))

    def _families(self, task: Task) -> dict[str, Instances]:
        from ttc_agents.cli.puzzles import default_level, families_of_files, families_of_levels

        files = [path for group in self.puzzles for path in group]
        if files and self.level:
            raise ValueError("--puzzles and --level exclude each other")
        if self.count is not None and self.count < 1:
            raise ValueError(f"--count must be at least 1, got {self.count}")
        if files:
            return families_of_files(task, files, self.count, self.skip_bad_rows)
        levels = self.level or (default_level(task),)
        return families_of_levels(task, levels, self.count or DEFAULT_COUNT, self.seed)

    def _calibrate(
        self,
        model: RefinementModel,
        task: Task,
        families: dict[str, Instances],
        steps: Sequence[int],
    ) -> dict[str, Any]:
        """Numbers by family; pictures beside `out`."""
        from ttc_agents.evaluation import calibrate
        from ttc_agents.evaluation.calibration_figures import calibration_picture

        measured: dict[str, Calibration] = {
            family: calibrate(model, task, instances, steps)
            for family, instances in families.items()
        }
        for family, calibration in measured.items():
            self._draw("calibration", family, partial(calibration_picture, calibration))
        return {family: c.to_json() for family, c in measured.items()}

    def _stability(
        self, model: RefinementModel, task: Task, families: dict[str, Instances]
    ) -> dict[str, Any]:
        """Numbers by family; pictures beside `out`."""
        from ttc_agents.evaluation.stability import stability, trained_depth
        from ttc_agents.evaluation.stability_figures import stability_picture
        from ttc_agents.training.checkpoint import load_config

        assert self.checkpoint is not None
        depth = trained_depth(model, load_config(self.checkpoint))
        documents = {}
        for family, instances in families.items():
            report = stability(model, task, instances[:STABILITY_COUNT], depth)
            documents[family] = report.to_json()
            self._draw("stability", family, partial(stability_picture, report))
        return documents

    def _draw(self, kind: str, family: str, picture: Callable[[], bytes]) -> None:
        """Write a picture beside `out`, where there is one."""
        if self.out is None:
            return
        name = re.sub(r"[^\w.=-]+", "_", family)
        path = self.out.with_name(f"{self.out.stem}-{kind}-{name}.png")
        path.write_bytes(picture())
        print(path, file=sys.stderr)


def named_after(words: Sequence[str], families: dict[str, Instances]) -> dict[str, Instances]:
    """The families of one of several tasks, called by its arguments."""
    name = " ".join(words)
    several = len(families) > 1
    return {f"{name} {family}" if several else name: own for family, own in families.items()}


def parse_steps(text: str) -> tuple[int, ...]:
    """The steps of `1,16,64`.

    Raises:
        ValueError: It is not a list of positive integers.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise ValueError(f"steps must be positive integers separated by commas, got {text!r}")
    return tuple(sorted({int(word) for word in words}))
