"""The sorting task: what an instance is, what an answer is, how it is scored.

An answer (B, N) gives each position an item, the index of a key in the list. It is right if the
items are a permutation whose keys do not decrease.

Shapes: B batch, N items and positions, E edits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import numpy as np

from ttc_envs.contracts import Baseline, EditState, Wording
from ttc_envs.spec import Array, Field, Instances, TaskSpec
from ttc_envs.task import Task
from ttc_envs.tasks.sorting import scoring
from ttc_envs.tasks.sorting.edits import SortingEdits, swap_mask, swap_path, swaps_of
from ttc_envs.tasks.sorting.exchanges import exchanged_towards, odd_even_round
from ttc_envs.tasks.sorting.instances import LEVELS, PADDING, draw, gap_ticks
from ttc_envs.tasks.sorting.networks import bitonic_network, exchange_items

VIEWS = ("complete", "adjacent")
SIZES = range(2, 1025)


class SortingTask(Task):
    """Sorting: give each position an item, so that the keys do not decrease.

    ## Description
    An instance is a list of keys, numbers in [0, 1). The answer gives each position an item, the
    index of a key in the list, and begins as the list itself: item i at position i. Equal keys are
    interchangeable. There are two views:

    - `view="complete"`: every item sees every other. Keys are shown in the order of the list, and a
      step may give any answer. One step of counting smaller keys sorts, so steps need not matter.
    - `view="adjacent"`: keys are shown in the order of the current answer, a position is linked to
      its two neighbours alone, and a step is one round of exchanges between neighbours. No item
      moves by more than one position in a step, so steps must matter: odd-even transposition sort
      needs up to `size` of them.

    ## Action Space
    - `action_mode="full"` (`ttc/Sorting-v0`): `MultiDiscrete([size] * size)`, an item for every
      position. An item may be named twice; the answer is then no permutation. In the adjacent view
      the action is the order that is asked for. Neighbours exchange their items where these are
      asked for in the other order; of several such pairs in a row, the first, the third, ... do.
      The answer stays a permutation.
    - `action_mode="edit"`: `Discrete(size * (size - 1) / 2)`, swaps of two positions i < j in the
      order (0, 1), (0, 2), ..., (1, 2), ...; at most 523,776, for size 1024. In the adjacent view
      `Discrete(size - 1)`: edit i swaps the positions i and i + 1. The mask forbids swaps behind
      the end of a shorter list; they change nothing and cost the step. There are no strict rules.
    - `action_mode="logits"`: `Box(-1, 1, (size * size,), float32)`; the action is the argmax over
      items. More than 10^6 entries, from size 1001 on, are refused.

    ## Observation Space
    A `Dict` of 1-d boxes:

    | entry | shape | dtype | values |
    |---|---|---|---|
    | `numbers` | (size,) | float32 | keys in [0, 1]; 1 behind a shorter list |
    | `mask` | (size,) | int8 | 1 for what is in the list, 0 behind a shorter one |
    | `answer` | (size,) | int8, int32 above size 128 | the item at each position |
    | `step` | (1,) | int32 | steps taken |

    Keys come in the order of the list, in the adjacent view in the order of the current answer.
    With `observation="one_hot"` `answer` is (size * size,) int8: 1 at `position * size + item`.

    ## Rewards
    - `reward="verifier"` (default): the gain in quality: 1 - inversions / most for permutations, 0
      for other answers. An inversion is a pair of positions with keys in the wrong order (the
      Kendall distance counts them), `most` the number of pairs of unequal keys.
    - `reward="oracle"`: the gain in accuracy, the share of positions that hold the right key.
    - `reward="sparse"`: nothing.

    All three add 1 at the first step after which the list is sorted.

    ## Starting State
    A list drawn by a key from the env's own generator; the answer is the list as it stands. `reset`
    takes these options: `instance_id` (a key, to replay a list), `level`, and `instance`
    (`{"numbers": ...}`, numbers in [0, 1], with a `mask` where it is shorter than `size`; or
    `Instances`) for a list of one's own. Labels are not shown.

    ## Episode End
    - Termination: the answer is a permutation in order (not with `terminate_on_solved=False`).
    - Truncation: after `max_episode_steps`, 32 by default; in mode `edit` 4 * size is a fair limit.

    ## Information
    - `solved`, `is_success` (bool); `quality`, `accuracy` (float32).
    - `changed`: positions that the step changed. `first_solved_step`: -1 before.
    - `level`: index into `task.spec.levels`, -1 for given lists. `instance_id` (uint64): the key.
    - `sorted` (bool): no key is smaller than one in front of it, permutation or not.
    - `position_accuracy` (float32): the accuracy, under the name that it has elsewhere.
    - `inversions` (int32, a count), `valid_permutation` (bool).
    - `action_mask` in mode `edit`, int8. `action_masks()` returns it as bool.

    ## Arguments
    - `size`: 16 (default), 2 to 1024: positions.
    - `min_size`: default `size`; lists have `min_size` to `size` keys, uniformly.
    - `min_gap`: default 0.0; different keys are at least that far apart, below 1 / (size - 1).
    - `view`: `complete` (default) or `adjacent`, see above.
    - `level`: `uniform` (default), `nearly_sorted` (no key is 4 places or more from its own),
      `few_distinct` (about sqrt(n) values), `reversed`.
    - `action_mode`, `reward`, `terminate_on_solved`, `observation`: see above.

    ## Version History
    - v0: first version.
    """

    wording = Wording(
        "to sort lists",
        "odd-even rounds",
        "Bars are the answer, tinted by the confidence of the network, from red to green; threads "
        "lead to where each item stood. A red mark stands under neighbours in the wrong order.",
    )

    def __init__(
        self,
        size: int = 16,
        min_size: int | None = None,
        min_gap: float = 0.0,
        view: Literal["complete", "adjacent"] = "complete",
    ) -> None:
        if view not in VIEWS:
            raise ValueError(f"view must be one of {VIEWS}, got {view!r}")
        self.size = _checked_size("size", size, SIZES)
        least = size if min_size is None else min_size
        self.min_size = _checked_size("min_size", least, range(SIZES[0], size + 1))
        self.min_gap = min_gap
        self._gap = gap_ticks(min_gap, size)
        self.adjacent = view == "adjacent"
        self.spec = _spec(size, self.adjacent)

    # Instances

    def sample(self, keys: Array, level: str) -> Instances:
        """Lists determined by (key, level)."""
        keys = np.asarray(keys, dtype=np.uint64)
        self.level_index(level)
        values, mask = draw(keys, level, self.size, self.min_size, self._gap)
        return self._labelled(keys, values, mask)

    def from_fields(self, fields: dict[str, Any]) -> Instances:
        """Lists of the caller's; without a field `mask` they fill all positions."""
        if "numbers" in fields and "mask" not in fields:
            rows = np.shape(fields["numbers"])[:1]
            fields = {**fields, "mask": np.ones((*rows, self.size), dtype=np.int8)}
        checked = self.spec.check_fields(fields)
        values, mask = checked["numbers"], checked["mask"]
        if not mask[:, 0].all() or (mask[:, 1:] > mask[:, :-1]).any():
            raise ValueError("mask must be ones, at least one, followed by zeros")
        values[mask == 0] = PADDING
        return self._labelled(np.zeros(len(values), dtype=np.uint64), values, mask)

    def _labelled(self, keys: Array, values: Array, mask: Array) -> Instances:
        labels = scoring.labels_of(values, mask, self.spec.answer_dtype)
        return Instances(keys, {"numbers": values, "mask": mask}, labels)

    # Answers

    def initial_answer(self, instances: Instances) -> Array:
        """The list as it stands."""
        return np.tile(np.arange(self.size, dtype=self.spec.answer_dtype), (len(instances), 1))

    def apply(self, instances: Instances, answer: Array, action: Array, mode: str) -> Array:
        """The next answer (B, N) by a whole answer (B, N) or a swap (B,).

        In the adjacent view a whole answer is what is asked for; see `exchanged_towards`.
        """
        if mode == "full":
            asked = self._padded(instances, action.astype(self.spec.answer_dtype))
            return exchanged_towards(answer, asked) if self.adjacent else asked
        if mode != "edit":
            raise ValueError(f"mode must be 'full' or 'edit', got {mode!r}")
        swaps = swaps_of(self.size, self.adjacent)
        allowed = self.edit_mask(instances, answer)[np.arange(len(answer)), action] != 0
        rows = np.flatnonzero(allowed)
        left, right = swaps.left[action[rows]], swaps.right[action[rows]]
        after = answer.copy()
        after[rows, left], after[rows, right] = answer[rows, right], answer[rows, left]
        return after

    def _padded(self, instances: Instances, answer: Array) -> Array:
        """The answers with each position behind a shorter list in its own place."""
        mask = instances.fields["mask"]
        if mask.all():
            return answer
        own = np.arange(self.size, dtype=answer.dtype)
        return np.where(mask == 0, own, answer)

    def edit_mask(self, instances: Instances, answer: Array) -> Array:
        """(B, E) int8: swaps within the lists."""
        return swap_mask(instances.fields["mask"], self.adjacent)

    def edit_state(self, instances: Instances, strict: bool) -> EditState:
        """Answers that change by swaps."""
        self.refuse_strict(strict)
        return SortingEdits(instances, self.adjacent)

    def edit_path(self, instances: Instances, answer: Array) -> list[Array]:
        """For each row swaps that put the labelled items in their places, from the first on."""
        labels = instances.labels["answer"]
        return [swap_path(*row, self.adjacent) for row in zip(labels, answer, strict=True)]

    def score(self, instances: Instances, answer: Array) -> dict[str, Array]:
        """Scores of answers (B, N), which may be any integers; see `scoring`."""
        labels, fields = instances.labels, instances.fields
        if "place" not in labels:
            labels = scoring.labels_of(fields["numbers"], fields["mask"], self.spec.answer_dtype)
        return scoring.score(labels, fields["mask"], answer)

    # Classical methods

    def solve(self, instances: Instances) -> Array:
        """The items by their keys, equal ones in the order of the list."""
        order = instances.fields["numbers"].argsort(axis=1, kind="stable")
        return order.astype(self.spec.answer_dtype)

    def improve(self, instances: Instances, answer: Array) -> Array:
        """One round of odd-even transposition sort; from the list where there is no permutation."""
        answer = self._padded(instances, answer)
        items = np.arange(self.size)
        whole = (np.sort(answer, axis=1) == items).all(axis=1, keepdims=True)
        answer = np.where(whole, answer, items).astype(self.spec.answer_dtype)
        return odd_even_round(instances.fields["numbers"], answer)

    def baselines(self) -> dict[str, Baseline]:
        """Rounds of bitonic sort, which compare positions of any distance, whatever the view."""
        return {"bitonic": self._bitonic}

    def _bitonic(self, instances: Instances) -> Iterator[Array]:
        """The answers after each round of the network."""
        answer = self.initial_answer(instances)
        for pairs in bitonic_network(self.size):
            answer = exchange_items(instances.fields["numbers"], answer, pairs)
            yield answer

    def view(self, instance: Instances) -> dict[str, Any]:
        """The list of one instance (B = 1), without padding."""
        length = int(instance.fields["mask"][0].sum())
        return {"kind": "bars", "values": instance.fields["numbers"][0, :length].tolist()}

    def render(
        self, instance: Instances, answer: Array, mode: str, confidence: Array | None = None
    ) -> Any:
        """One list (B = 1) as `ansi` text or `rgb_array`; confidence (N,) colours the bars."""
        from ttc_envs.tasks.sorting.render import render

        length = int(instance.fields["mask"][0].sum())
        keys, items = instance.fields["numbers"][0, :length], answer[0, :length]
        return render(keys, items, mode, None if confidence is None else confidence[:length])


def _checked_size(name: str, size: Any, allowed: range) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or size not in allowed:
        raise ValueError(f"{name} must be an integer in {allowed[0]}..{allowed[-1]}, got {size!r}")
    return size


@cache
def _spec(size: int, adjacent: bool) -> TaskSpec:
    """The spec of a size and a view."""
    return TaskSpec(
        name="sorting",
        levels=LEVELS,
        fields={
            "numbers": Field(
                "answer" if adjacent else "node", "real", (size,), "float32", 0.0, 1.0
            ),
            "mask": Field("node", "mask", (size,), "int8", 0, 1),
        },
        num_nodes=size,
        num_choices=size,
        choices="node",
        num_edits=size - 1 if adjacent else size * (size - 1) // 2,
        neighbours=_neighbours(size, adjacent),
        positions=np.arange(size, dtype=np.float32)[:, None],
    )


def _neighbours(size: int, adjacent: bool) -> Array:
    """(N, 2) the position in front and the one behind, -1 at the ends; or (N, N - 1) all others."""
    positions = np.arange(size, dtype=np.int32)
    if adjacent:
        behind = np.where(positions < size - 1, positions + 1, -1)
        return np.stack([positions - 1, behind], axis=1).astype(np.int32)
    others = np.arange(size - 1, dtype=np.int32)
    return others + (others >= positions[:, None])
