"""The batch of instances whose states are carried from update to update.

A model that is to think longer at test time than in training has to see its own late states.
`CarriedBatch` gives them at no cost: each update refines a batch of instances for one segment of
steps, keeps the detached states, and replaces only some instances by fresh ones. The number of
steps that a state has behind it is then spread over all depths, as in the sample pool of
Mordvintsev et al. 2020 (Growing neural cellular automata).

Models that read the answer also have their answers carried, moved on as an environment would.

While a device computes, a thread samples the instances of the next refill. They are the same as
without it: what a refill replaces is drawn beforehand and in the same order.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ttc_agents.implicit.rows import like
from ttc_agents.inference.answers import Answers
from ttc_agents.models.base import Batch, RefinementModel, Trace, sent, to_batch, to_tensor
from ttc_agents.training.distributed import ALONE, World, share
from ttc_agents.training.objectives import Labels
from ttc_agents.training.schedule import Spent
from ttc_envs import Instances, Task


def random_keys(count: int, generator: torch.Generator) -> np.ndarray[Any, Any]:
    """(count,) uint64 keys of fresh instances."""
    words = torch.randint(-(2**63), 2**63 - 1, (count,), generator=generator, dtype=torch.int64)
    return words.numpy().view(np.uint64)


def read_labels(instances: Instances, device: torch.device | str = "cpu") -> Labels:
    """What objectives read: `answer` (B, N) int64 and, if there is one, `right` (B, N, C) bool."""
    labels = {"answer": to_tensor(instances.labels["answer"], device)}
    if "right" in instances.labels:
        labels["right"] = sent(torch.from_numpy(instances.labels["right"]), device)
    return labels


class Source(Protocol):
    """Where a `CarriedBatch` has fresh instances from, if not from the task as they are."""

    def draw(self, count: int, generator: torch.Generator) -> Instances:
        """So many instances with labels."""

    def metrics(self) -> dict[str, Tensor]:
        """What is worth reporting."""

    def take_cost(self) -> Spent:
        """What the answers have cost since the last call."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs to go on bit by bit."""

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""


@dataclass(frozen=True, eq=False)
class Turn:
    """What one refill replaces, and by what.

    Args:
        before: State of the generator that drew it, before it did.
        rows: (n,) of the whole batch, ascending.
        word: Seeds what one process draws for itself.
        level: Of the fresh instances.
        keys: (n,) uint64, theirs.
        sampled: The instances of this process where a thread samples them; else None.
    """

    before: Tensor
    rows: Tensor
    word: int
    level: str
    keys: np.ndarray[Any, Any]
    sampled: Future[Instances] | None = None


@dataclass
class CarriedBatch:
    """B instances with the states that a model has reached on them.

    Args:
        task: Where fresh instances come from.
        levels: Their levels; each refill draws one of them.
        size: B.
        restart: The share of the instances that is replaced by fresh ones after a segment.
        generator: Source of all randomness (on the CPU).
        device: Where the tensors live.
        random_start: The probability that the first state of a fresh instance is drawn at random.
        source: Gives fresh instances in the place of the task at its levels.
        world: The processes that share the rows out; this one holds B / size of them.
    """

    task: Task
    levels: tuple[str, ...]
    size: int
    restart: float
    generator: torch.Generator
    device: torch.device | str = "cpu"
    random_start: float = 0.0
    source: Source | None = None
    world: World = ALONE
    batch: Batch = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)
    state: Tensor | None = None
    age: Tensor = field(default_factory=lambda: torch.empty(0))
    drawn: int = 0
    answers: Answers | None = None
    finite: bool = False
    ahead: Turn | None = None

    def __post_init__(self) -> None:
        """A thread for what is sampled ahead, where a device computes meanwhile."""
        busy = torch.device(self.device).type != "cpu" and self.source is None
        self._sampler = ThreadPoolExecutor(1) if busy else None

    def refill(self, model: RefinementModel) -> None:
        """Replace instances by fresh ones: all at first, later a share `restart`.

        Which rows, is drawn. How many, is one of the two whole numbers next to that share of B, so
        that shapes stand still. A row whose state is not finite is always replaced.

        All processes of a training draw the same here, for the whole batch. What depends on how
        things stand in one of them is drawn from `own`.
        """
        turn, self.ahead = self.ahead or self.turn(), None
        own = torch.Generator().manual_seed(turn.word + self.world.rank)
        rows, keys = self.mine(turn)
        broken = self.broken(rows)
        self.drawn += len(turn.rows) + len(broken)
        if len(broken):
            rows, keys = torch.cat([rows, broken]), np.append(keys, random_keys(len(broken), own))
        if len(rows):
            self.replace(rows, self.fresh(turn, keys), model, own)
        if self._sampler is not None:
            self.ahead = turn = self.turn()
            _, keys = self.mine(turn)
            if len(keys):
                sampled = self._sampler.submit(self.task.sample, keys, turn.level)
                self.ahead = replace(turn, sampled=sampled)

    def turn(self) -> Turn:
        """Draw what the next refill replaces."""
        before = self.generator.get_state()
        rows = torch.arange(self.size) if self.state is None else self.due()
        word = int(torch.randint(2**62, (), generator=self.generator))
        level = self.levels[int(torch.randint(len(self.levels), (), generator=self.generator))]
        return Turn(before, rows, word, level, random_keys(len(rows), self.generator))

    def mine(self, turn: Turn) -> tuple[Tensor, np.ndarray[Any, Any]]:
        """The rows, as this process counts them, and keys of a turn that are this process's."""
        mine = self.world.rows(self.size)
        here = (turn.rows >= mine.start) & (turn.rows < mine.stop)
        return turn.rows[here] - mine.start, turn.keys[here.numpy()]

    def fresh(self, turn: Turn, keys: np.ndarray[Any, Any]) -> Instances:
        """The instances of these keys: from the source, from the thread, or sampled now."""
        if self.source is not None:
            return self.source.draw(len(keys), self.generator)
        if turn.sampled is not None:
            sampled = turn.sampled.result()
            if np.array_equal(sampled.keys, keys):  # else there are broken rows besides
                return sampled
        return self.task.sample(keys, turn.level)

    def due(self) -> Tensor:
        """(n,) rows of the whole batch whose turn it is, ascending."""
        share = self.restart * self.size
        count = int(share + float(torch.rand((), generator=self.generator)))
        rows = torch.randperm(self.size, generator=self.generator)[: min(count, self.size)]
        return rows.sort().values

    def broken(self, but: Tensor) -> Tensor:
        """(n,) rows whose state is not finite, without these; the host waits only where it must."""
        if self.finite or self.state is None:
            return but[:0]
        broken = ~torch.isfinite(self.state.flatten(1)).all(1).cpu()
        broken[but] = False
        return broken.nonzero()[:, 0]

    def replace(
        self,
        rows: Tensor,
        instances: Instances,
        model: RefinementModel,
        generator: torch.Generator,
    ) -> None:
        """Put fresh instances, with their first states, into the rows (n,).

        Args:
            rows: Which; all of them at first.
            instances: n of them.
            model: Gives the first states.
            generator: Draws those that are random.
        """
        batch, labels = to_batch(instances.fields, self.device), read_labels(instances, self.device)
        if model.reads_answer:
            fresh = Answers(self.task, instances)
            batch = fresh.shown(self.device)
            if self.answers is None:
                self.answers = fresh
            else:
                self.answers.replace(rows.numpy(), instances)
        with torch.no_grad():
            state = self.first_states(model, batch, generator)
        if self.state is None:
            self.batch, self.labels, self.state = batch, labels, state
            self.age = torch.zeros(len(rows), dtype=torch.int64, device=self.device)
            return
        rows = sent(rows, self.device)
        for mine, new in ((self.batch, batch), (self.labels, labels)):
            for name, values in new.items():
                mine[name].index_copy_(0, rows, values)
        self.state.index_copy_(0, rows, state.to(self.state))
        self.age.index_fill_(0, rows, 0)

    def first_states(
        self, model: RefinementModel, batch: Batch, generator: torch.Generator
    ) -> Tensor:
        """The model's own first state for some instances, a random one for the others."""
        context = model.encode(batch)
        # Rows are written over later, which a view of a parameter would not bear.
        state = model.initial_state(context).clone()
        if self.random_start:
            rows = torch.rand(len(state), generator=generator) < self.random_start
            drawn = model.initial_state(context, generator)
            state = torch.where(like(sent(rows, state.device), state), drawn, state)
        return state

    def keep(self, trace: Trace, steps: int) -> None:
        """Carry the detached state that `steps` more steps have led to, and their answer.

        `refill` looks whether the state is finite, unless `finite` is set to True before.
        """
        self.state, self.finite = trace.state.detach(), False
        self.age += steps
        if self.answers is not None:
            self.move_on(trace.logits[-1])

    def move_on(self, logits: Tensor) -> Batch:
        """Move the answers on by logits (B, N, C); what the next step reads."""
        assert self.answers is not None
        self.answers.apply(logits.detach().argmax(-1).cpu().numpy())
        self.batch = self.answers.shown(self.device)
        return self.batch

    def discard(self) -> None:
        """Mark all states as broken, so that the next refill replaces every instance."""
        if self.state is not None:
            self.state, self.finite = torch.full_like(self.state, torch.nan), False

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs to go on bit by bit.

        The first of several processes has the rows of all.
        """
        rows = {
            "batch": self.batch,
            "labels": self.labels,
            "state": self.state,
            "age": self.age,
            "answers": None if self.answers is None else self.answers.state_dict(),
        }
        return {
            **self.world.gathered(rows),
            "drawn": self.drawn,
            "generator": self.generator.get_state() if self.ahead is None else self.ahead.before,
            **({} if self.source is None else {"source": self.source.state_dict()}),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""

        def mine(values: Tensor) -> Tensor:
            return sent(values.clone(), self.device)

        self.drawn = saved["drawn"]
        self.generator.set_state(saved["generator"])
        self.ahead = None
        if self.source is not None:
            self.source.load_state_dict(saved["source"])
        if saved["state"] is None:  # it was saved before its first update
            return
        rows = {name: saved[name] for name in ("batch", "labels", "state", "age", "answers")}
        saved = share(rows, self.world.rows(self.size))
        self.batch = {name: mine(values) for name, values in saved["batch"].items()}
        self.labels = {name: mine(values) for name, values in saved["labels"].items()}
        self.state, self.age = mine(saved["state"]), mine(saved["age"])
        if saved["answers"] is not None:
            self.answers = Answers.restored(self.task, saved["answers"])


class Passed:
    """The answers that a model passes through in a segment: called after each step, it moves on.

    Args:
        carried: A batch with answers, which is moved on by the logits of each step.
    """

    def __init__(self, carried: CarriedBatch) -> None:
        assert carried.answers is not None
        self._carried, self._answers = carried, carried.answers
        self.before = [self._answers.answer]

    def __call__(self, logits: Tensor) -> Batch:
        """What the step after these logits (B, N, C) reads."""
        batch = self._carried.move_on(logits)
        self.before.append(self._answers.answer)
        return batch

    def improved(self) -> Tensor:
        """(T, B, N) int64, what one classical step makes of the answer before each step."""
        task, instances = self._answers.task, self._answers.instances
        targets = [task.improve(instances, answer) for answer in self.before]
        return torch.stack([to_tensor(target, self._carried.device) for target in targets])
