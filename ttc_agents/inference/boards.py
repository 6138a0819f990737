"""Refining the boards of many searches in common batches.

The searches of a family end one by one, and their visits are small. Some searches run at a time,
and the boards that they ask for go into one batch, so that the last boards of one search fill a
batch together with the first ones of others.

Shapes: B instances, n boards, N nodes, C choices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from ttc_agents.inference.batches import map_batches, pick_batch_size
from ttc_agents.inference.refine import energies, finite_rows, norms
from ttc_agents.inference.search import Accept, Branching, Search
from ttc_agents.inference.tree import Refined, Tree, Visit
from ttc_agents.models.base import Batch, Context, RefinementModel, device_of, sent, to_batch
from ttc_envs import UNDECIDED, Instances, Task, TaskSpec

CHECK_EVERY = 8
"""Refinement steps after which boards that are sure stop."""
RUNNING = 32
"""Searches that run at a time, on each thread."""
SHARE = 128
"""Instances that a thread takes over at a time."""
DEFAULT = Branching()
BUDGET = 16_384
"""Refinement steps of a search."""


def cannot_search(model: RefinementModel) -> str | None:
    """None, or the reason why no search over pins works with the model."""
    spec = model.spec
    if spec.choices != "class":
        return f"the choices of {spec.name} are pointers ({spec.choices}), not classes"
    if spec.given_field is None:
        return f"{spec.name} has no field of givens, so nothing can be pinned"
    if model.autoregressive:
        return f"a {type(model).__name__} writes whole answers"
    return None


def tension(spec: TaskSpec, probability: np.ndarray, givens: np.ndarray) -> np.ndarray:
    """(n,): how far probabilities are from one member of each constraint group, per free node.

    Args:
        spec: With the groups.
        probability: (n, N, C), of each choice; that of givens does not matter.
        givens: (n, N), givens and pins.
    """
    belief = probability.copy()
    belief[givens != UNDECIDED] = 0.0
    rows, nodes = np.nonzero(givens != UNDECIDED)
    belief[rows, nodes, givens[rows, nodes]] = 1.0
    total = np.zeros(len(belief), dtype=np.float32)
    for group in spec.groups:
        held = belief[:, group.members[..., 0], group.members[..., 1]].sum(-1)
        total += np.abs(held - 1.0).sum(-1)
    return total / np.maximum(1, (givens == UNDECIDED).sum(1))


def check_search(model: RefinementModel) -> None:
    """Raises a ValueError where the model cannot search."""
    reason = cannot_search(model)
    if reason is not None:
        raise ValueError(f"no search over pins: {reason}")


class Boards:
    """Refines boards of some instances by a model.

    Args:
        model: In evaluation mode and full float32.
        fields: {name: (B, ...)}, the instance fields.
        how: Of its search: `steps` and `sure` say when a board stops.
        batch_size: Boards at a time; None takes what is quick on the model's device.

    Raises:
        ValueError: The model cannot search, see `cannot_search`.
    """

    def __init__(
        self,
        model: RefinementModel,
        fields: dict[str, np.ndarray],
        how: Branching,
        batch_size: int | None = None,
    ) -> None:
        check_search(model)
        self.model, self.fields, self.how = model, fields, how
        self.device, self.size = device_of(model), pick_batch_size(model, batch_size)
        self.given = str(model.spec.given_field)
        self.told = False

    def begin(self, row: int, budget: int, accept: Accept | None = None, seed: int = 0) -> Search:
        """The search of the instance in a row of the fields; arguments as of `Search`."""
        givens = self.fields[self.given][row]
        return Search(givens, budget, self.how, accept, (seed, crc32(givens.tobytes())))

    def advance(self, searches: Sequence[tuple[int, Search]]) -> None:
        """One visit of each search, whose instance is in a row of the fields."""
        visits = [(row, visit) for row, search in searches if (visit := search.visit) is not None]
        for (_, search), seen in zip(searches, self.refine(visits), strict=True):
            search.tell(seen)

    def refine(self, visits: Sequence[tuple[int, Visit]]) -> list[Refined]:
        """What came of visits to boards of the instances in these rows of the fields."""
        counts = [len(visit.givens) for _, visit in visits]
        rows = np.repeat([row for row, _ in visits], counts)
        givens = np.concatenate([visit.givens for _, visit in visits])
        starts: list[Tensor | None] = []
        for _, visit in visits:
            starts += visit.start
        boards = Refined.begun(givens, self.model.spec.num_choices, starts)
        begun = np.array([start is not None for start in starts])
        for part in (np.flatnonzero(~begun), np.flatnonzero(begun)):
            for first in range(0, len(part), self.size):
                self._refine(boards, rows, part[first : first + self.size])
        ends = np.cumsum(counts)
        return [boards.part(slice(end - n, end)) for n, end in zip(counts, ends, strict=True)]

    def _refine(self, boards: Refined, rows: np.ndarray, left: np.ndarray) -> None:
        """Take the boards `left` on until each is sure or has had its steps."""
        left, taken = self._possible(boards, rows, left), 0
        context: Context | None = None
        starts = [state for i in left if (state := boards.state[i]) is not None]
        z = torch.stack(starts) if starts else None
        while len(left):
            batch = self._shown(boards, rows, left)
            if context is None or self.model.reads_answer:
                context = self.model.encode(batch)
            z = self.model.initial_state(context) if z is None else z
            stride = min(CHECK_EVERY, self.how.steps - taken)
            *_, (logits, z) = self.model.steps(context, z, stride, partial(self._next, batch))
            taken += stride
            over = self._enter(boards, left, logits, z, taken)
            if self.model.has_energy and over.any():
                boards.energy[left[over]] = energies(self.model, context, z)[over]
            if over.any():
                rest = np.flatnonzero(~over)
                left, z, context = left[rest], z[sent(torch.from_numpy(rest), z.device)], None

    def _possible(self, boards: Refined, rows: np.ndarray, left: np.ndarray) -> np.ndarray:
        """The boards that leave every node a choice; the others are not alive."""
        possible = self.model.possible_choices(self.model.encode(self._shown(boards, rows, left)))
        self.told = possible is not None
        if possible is None:
            return left
        boards.possible[left] = possible.cpu().numpy()
        boards.alive[left] = boards.possible[left].any(-1).all(-1)
        return left[boards.alive[left]]

    def _enter(
        self, boards: Refined, left: np.ndarray, logits: Tensor, z: Tensor, taken: int
    ) -> np.ndarray:
        """Note what boards have come to; (n,) bool, which of them go no further."""
        finite = finite_rows(logits, norms(z)).float()[:, None]
        probability = logits.float().softmax(-1).nan_to_num(0.0)
        known = torch.cat([finite, probability.flatten(1)], 1).cpu().numpy()  # one wait for both
        boards.finite[left] = boards.alive[left] = known[:, 0] > 0
        boards.probability[left] = known[:, 1:].reshape(logits.shape) * boards.possible[left]
        boards.steps[left] = taken
        givens = boards.givens[left]
        if self.told:
            boards.tension[left] = tension(self.model.spec, boards.probability[left], givens)
        free = givens == UNDECIDED
        sure = np.where(free, boards.probability[left].max(-1), 1.0).min(1) >= self.how.sure
        over: np.ndarray = sure | ~boards.alive[left] | (taken == self.how.steps)
        for i in np.flatnonzero(over):
            boards.state[left[i]] = z[i]
        return over

    def _shown(self, boards: Refined, rows: np.ndarray, left: np.ndarray) -> Batch:
        """What the model reads of boards."""
        fields = {name: values[rows[left]] for name, values in self.fields.items()}
        answer = {"answer": boards.answer[left]} if self.model.reads_answer else {}
        return to_batch({**fields, self.given: boards.givens[left], **answer}, self.device)

    def _next(self, batch: Batch, logits: Tensor) -> Batch:
        """What a model that reads the answer reads next: givens and pins stay."""
        given = batch[self.given]
        return {**batch, "answer": torch.where(given == UNDECIDED, logits.argmax(-1), given)}


def search(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    budget: int,
    how: Branching = DEFAULT,
    *,
    rules: bool = False,
    seed: int = 0,
    batch_size: int | None = None,
    report: Callable[[float], None] = lambda done: None,
) -> list[Tree]:
    """The search trees of B instances, in float32; several threads share them on a CPU.

    Args:
        model: See `cannot_search` for those that can.
        task: The task.
        instances: B of them.
        budget: Refinement steps of all boards of an instance together.
        how: The search.
        rules: Whether the rules of the task accept a board, in the place of the model.
        seed: Of doubt, with the givens of the instance.
        batch_size: Boards at a time; None takes what is quick on the model's device.
        report: Called with the share of instances that are done.

    Raises:
        ValueError: The model cannot search.
    """

    def work(part: Instances, start: int, check: Callable[[], None]) -> list[Tree]:
        boards = Boards(model, part.fields, how, batch_size)
        trees: dict[int, Tree] = {}
        waiting, running = iter(range(len(part))), dict[int, Search]()
        while True:
            check()
            for row in islice(waiting, RUNNING - len(running)):
                accept = partial(rules_hold, task, part[row : row + 1]) if rules else None
                running[row] = boards.begin(row, budget, accept, seed)
            for row in [row for row, one in running.items() if one.visit is None]:
                trees[row] = running.pop(row).tree
            if running:
                boards.advance(list(running.items()))
            elif len(trees) == len(part):
                return [trees[row] for row in range(len(part))]

    parts = map_batches(work, model, instances, SHARE, report)
    return [tree for trees in parts for tree in trees]


def rules_hold(task: Task, instance: Instances, boards: Refined) -> np.ndarray:
    """(n,) bool: which boards the rules of the task accept as answers of an instance."""
    same = instance[np.zeros(len(boards), dtype=np.int64)]
    solved: np.ndarray = task.score(same, boards.answer)["solved"]
    return solved
