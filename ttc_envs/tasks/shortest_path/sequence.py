"""The sequence task: one fixed map, the answer a path written down place by place.

Shapes: B batch, L slots (the N of other tasks), C places, E = C + 1 edits.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ttc_envs.spec import (
    UNDECIDED,
    Array,
    Baseline,
    EditState,
    Field,
    Instances,
    Parts,
    TaskSpec,
    count_per_row,
)
from ttc_envs.tasks.shortest_path.edits import PathEdits, refuse_strict
from ttc_envs.tasks.shortest_path.fixed_map import SHARES, fixed_map
from ttc_envs.tasks.shortest_path.pairs import Pairs, level_names
from ttc_envs.tasks.shortest_path.scores import check_bound, path_parts, path_scores, readable


class SequenceTask:
    """Shortest path as a sequence: write down the way between two places of a fixed map of the US.

    ## Description
    The map never changes and is not shown: it has to be learnt, as a language model learns it from
    paths. An instance is a source and a target, the answer a sequence of places: the source first,
    the target repeated after arrival. Each refinement step rewrites the sequence or its end.

    ## Action Space
    - `action_mode="full"`: `MultiDiscrete([num_places] * slots)`, a place for every slot. The first
      slot keeps the source.
    - `action_mode="edit"`: `Discrete(num_places + 1)`: a place to go to next, or the last number to
      step back. Arriving at the target fills the slots after it. The mask forbids places to which
      there is no road; a forbidden edit changes nothing and costs the step.
    - `action_mode="logits"`: `Box(-1, 1, (slots * num_places,), float32)`; the answer is the argmax
      over places.

    ## Observation Space
    A `Dict` of 1-d boxes:

    | entry | shape | dtype | values |
    |---|---|---|---|
    | `givens` | (slots,) | int32 | the source in the first slot, else -1 |
    | `target` | (slots,) | int32 | the target, in every slot |
    | `answer` | (slots,) | int32 | place, -1 where undecided |
    | `step` | (1,) | int32 | steps taken |

    (int8 where there are at most 128 places.) With `observation="one_hot"` `givens`, `target` and
    `answer` are (slots * num_places,) int8.

    ## Rewards
    - `reward="verifier"` (default): the gain in quality, the mean of the share of legal jumps,
      whether the last slot is the target, and optimum / length if both hold entirely (else 0).
    - `reward="oracle"`: the gain in accuracy, the share of slots that agree with the labelled path.
    - `reward="sparse"`: nothing.

    All three add 1 at the first step after which the path is a shortest one.

    ## Starting State
    A pair of places drawn by a key from the env's own generator; the source is written, the rest
    undecided. `reset` takes the options `instance_id`, `level` and `instance`.

    ## Episode End
    - Termination: the path is a shortest one (not with `terminate_on_solved=False`).
    - Truncation: after `max_episode_steps`, 32 by default.

    ## Information
    `solved`, `is_success` (bool), `quality`, `accuracy` (float32), `changed`, `first_solved_step`,
    `level` (-1 for `hops=...` and given instances), `instance_id`, in mode `edit` `action_mask`,
    and `illegal_jumps` (jumps without a road, undecided slots and staying anywhere but at the
    target among them), `ends_at_target`, `length_ratio` (length / optimum, infinite for a path with
    an illegal jump or another end), `bounded` (ratio <= `bound`), `optimal` (to 1e-6),
    `within_1_percent`, `reachable` (whether the map has a way at all).

    ## Arguments
    - `cities`: `spread=512` by default; `all`, `largest=K`, `random=K`, `state=TX` or the path of a
      csv file. Places outside of the largest component are left out.
    - `radius_km`: the longest road; by default the shortest one that connects the places.
    - `slots`: 48 by default, which the longest of the default map's shortest paths (41 jumps) fits
      into. All places at 70 km need 122. Pairs that do not fit are not drawn.
    - `bound`: default 1.1.
    - `split`: `train` (default), `validation` or `test`: 80, 10 and 10% of the unordered pairs.
    - `level`: `any` (default), and for maps of up to 1024 places `near` (up to an eighth of the
      jumps that the slots allow), `far` (at least half of them), `hops=LOW..HIGH` and `hops=K`.
    - `action_mode`, `reward`, `terminate_on_solved`, `observation`: see above.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self,
        cities: str = "spread=512",
        radius_km: float | None = None,
        slots: int = 48,
        bound: float = 1.1,
        split: str = "train",
    ) -> None:
        if split not in SHARES:
            raise ValueError(f"split must be one of {tuple(SHARES)}, got {split!r}")
        if isinstance(slots, bool) or not isinstance(slots, int) or not 2 <= slots <= 10_000:
            raise ValueError(f"slots must be an integer in 2..10000, got {slots!r}")
        self.map = fixed_map(str(cities), None if radius_km is None else float(radius_km))
        if len(self.map) < 2:
            raise ValueError(f"a path needs two connected places, {cities!r} has {len(self.map)}")
        self.slots = slots
        self.bound = check_bound(bound)
        self.split = split
        self.spec = _spec(len(self.map), slots)
        self._pairs = Pairs(self.map, slots, split)

    # Instances

    def level_index(self, level: str) -> int:
        """Index of a named level, -1 for `hops=...`."""
        self._pairs.check(level)
        return self.spec.levels.index(level) if level in self.spec.levels else -1

    def sample(self, keys: Array, level: str) -> Instances:
        """Pairs of places determined by (key, level), with a shortest path as label `answer`."""
        keys = np.asarray(keys, dtype=np.uint64)
        return self._instances(keys, *self._pairs.draw(keys, level))

    def _instances(self, keys: Array, source: Array, target: Array) -> Instances:
        path, fits = self.map.paths(source, target, self.slots)
        if not fits.all():
            rows = np.flatnonzero(~fits)[:8]
            raise ValueError(f"no way of at most {self.slots - 1} jumps exists in instances {rows}")
        dtype = self.spec.answer_dtype
        givens = np.full(path.shape, UNDECIDED, dtype=dtype)
        givens[:, 0] = source
        goal = np.repeat(target[:, None], self.slots, axis=1).astype(dtype)
        optimum = self.map.lengths(self.map.codes(path))
        labels = {"answer": path.astype(dtype), "optimum": optimum}
        return Instances(keys, {"givens": givens, "target": goal}, labels)

    def from_fields(self, fields: dict[str, Any]) -> Instances:
        """Pairs of the caller's, labelled with shortest paths."""
        checked = self.spec.check_fields(fields)
        givens, target = checked["givens"], checked["target"]
        if (givens[:, 0] < 0).any() or (givens[:, 1:] >= 0).any():
            raise ValueError("givens must hold the source in the first slot and -1 in the others")
        if (target != target[:, :1]).any():
            raise ValueError("target must hold the same place in every slot")
        keys = np.zeros(len(givens), dtype=np.uint64)
        return self._instances(keys, givens[:, 0].astype(np.int64), target[:, 0].astype(np.int64))

    # Answers

    def initial_answer(self, instances: Instances) -> Array:
        """The source; the rest undecided."""
        return instances.fields["givens"].copy()

    def apply(self, instances: Instances, answer: Array, action: Array, mode: str) -> Array:
        """The next answer (B, L) by whole answers (B, L) or edits (B,), the source kept."""
        if mode == "full":
            after = action.astype(self.spec.answer_dtype)
            after[:, 0] = instances.fields["givens"][:, 0]
            return after
        if mode != "edit":
            raise ValueError(f"mode must be 'full' or 'edit', got {mode!r}")
        rows = np.arange(len(answer))
        allowed = self.edit_mask(instances, answer)[rows, action] > 0
        target = instances.fields["target"][:, 0]
        used = _used(answer, target)
        back = action == len(self.map)
        slots = np.arange(self.slots)
        # Stepping back empties the last used slot and what repeats it; a step ahead fills the next.
        emptied = slots >= (used - 1)[:, None]
        after = np.where((back & allowed)[:, None] & emptied, UNDECIDED, answer)
        ahead = ~back & allowed
        arriving = (action == target)[:, None]
        filled = (slots == used[:, None]) | (arriving & (slots >= used[:, None]))
        written = np.where(ahead[:, None] & filled, action[:, None], after)
        return written.astype(answer.dtype)

    def edit_mask(self, instances: Instances, answer: Array) -> Array:
        """(B, E) int8: roads from the last place, unless it is the target; and a step back."""
        target = instances.fields["target"][:, 0]
        used = _used(answer, target)
        last = answer[np.arange(len(answer)), used - 1].astype(np.int64)
        mask = np.zeros((len(answer), self.spec.num_edits), dtype=np.int8)
        going = (used < self.slots) & (last != target) & (last >= 0)
        rows = going.nonzero()[0]
        mask[rows, :-1] = self.map.neighbour_flags(last[rows])
        mask[:, -1] = used > 1
        return mask

    def edit_state(self, instances: Instances, strict: bool) -> EditState:
        """Answers that change by edits; there are no strict rules."""
        refuse_strict(strict)
        return PathEdits(self, instances)

    def edit_path(self, instances: Instances, answer: Array) -> list[Array]:
        """For each row: back to where the answer leaves the labelled path, then along it."""
        target = instances.fields["target"][:, 0]
        right = instances.labels["answer"]
        used, length = _used(answer, target), _used(right, target)
        same = np.minimum((answer == right).cumprod(axis=1).sum(axis=1), np.minimum(used, length))
        return [
            np.concatenate(
                [np.full(u - s, len(self.map), dtype=np.int64), row[s:n].astype(np.int64)]
            )
            for row, u, s, n in zip(right, used, same, length, strict=True)
        ]

    def score(self, instances: Instances, answer: Array) -> dict[str, Array]:
        """The scores of `path_scores`, and `accuracy` by slots; answers may be any integers."""
        answer = readable(answer, self.spec, len(instances))
        code = self.map.codes(answer)
        there = answer == instances.fields["target"]
        legal = self._legal(code, there)
        illegal = np.int32(self.slots - 1) - count_per_row(legal)
        ends = there[:, -1].copy()
        right = count_per_row(answer == instances.labels["answer"])
        # Only paths that lead from the source to the target have a length.
        begins = answer[:, 0] == instances.fields["givens"][:, 0]
        whole = begins & ends & (illegal == 0)
        optimum = instances.labels["optimum"]
        length = np.where(right == self.slots, optimum, np.inf)
        other = (whole & (right < self.slots)).nonzero()[0]
        if len(other):
            length[other] = self.map.lengths(code[other])
        scores = path_scores(self.slots - 1, illegal, ends, length, optimum, self.bound)
        return {"accuracy": right.astype(np.float32) / np.float32(self.slots), **scores}

    def _legal(self, code: Array, there: Array) -> Array:
        """(B, L) bool, jumps by codes that are allowed; `there` says which slots are the target."""
        legal = self.map.roads(code)
        # Staying is no road, and legal at the target alone. Flat is faster than row by row; it also
        # pairs the last slot with the next row.
        flat, stays = legal.reshape(-1), there.reshape(-1)
        flat[:-1] |= stays[:-1] & stays[1:]
        legal[:, -1] = False
        return legal

    def score_parts(self, instances: Instances, answer: Array) -> Parts:
        """The path itself (P = 1), by the hops of the labelled one."""
        ratio = self.score(instances, answer)["length_ratio"][:, None]
        label = instances.labels["answer"]
        hops = (label != instances.fields["target"]).sum(axis=1, keepdims=True)
        return path_parts(ratio, hops, np.ones(ratio.shape, dtype=bool), self.bound)

    # Classical solvers

    def solve(self, instances: Instances) -> Array:
        """Shortest paths by Dijkstra's method; labels are not looked at."""
        source = instances.fields["givens"][:, 0].astype(np.int64)
        target = instances.fields["target"][:, 0].astype(np.int64)
        path, _ = self.map.paths(source, target, self.slots)
        return path.astype(self.spec.answer_dtype)

    def improve(self, instances: Instances, answer: Array) -> Array:
        """The answer as it is: no classical method refines a path on a map that is not shown."""
        return answer.copy()

    def baselines(self) -> dict[str, Baseline]:
        """None: the map is not shown."""
        return {}

    def render(
        self, instance: Instances, answer: Array, mode: str, confidence: Array | None = None
    ) -> Any:
        """One path (B = 1) as `ansi` text or `rgb_array`; confidence (L,) colours the jumps."""
        from ttc_envs.tasks.shortest_path.render import render
        from ttc_envs.tasks.shortest_path.scene import sequence_scene

        scores = self.score(instance, answer)
        scene = sequence_scene(self.map.graph, instance, answer[0], scores, confidence)
        return render(scene, mode)


def _spec(num_places: int, slots: int) -> TaskSpec:
    index: Literal["int8", "int32"] = "int8" if num_places <= 128 else "int32"
    return TaskSpec(
        name="shortest_path_sequence",
        levels=level_names(num_places),
        fields={
            "givens": Field("node", "given", (slots,), index, UNDECIDED, num_places - 1),
            "target": Field("node", "symbol", (slots,), index, 0, num_places - 1),
        },
        num_nodes=slots,
        num_choices=num_places,
        choices="class",
        num_edits=num_places + 1,
        positions=np.arange(slots, dtype=np.float32)[:, None],
    )


def _used(answer: Array, target: Array) -> Array:
    """(B,) slots in use, up to the first undecided one; a repeated target counts once."""
    slots = answer.shape[1]
    blank = answer < 0
    used = np.where(blank.any(axis=1), blank.argmax(axis=1), slots)
    # Slots at the end that hold the target: all but the first of them repeat it.
    tail = (answer == target[:, None])[:, ::-1].cumprod(axis=1).sum(axis=1)
    counted: Array = np.where(tail > 0, slots - tail + 1, used)
    return np.maximum(counted, 1)
