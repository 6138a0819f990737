"""The sequence task: one fixed map, the answer a path written down place by place.

Shapes: B batch, L slots (the N of other tasks), C places, E = C + 1 edits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_envs.contracts import Parts
from ttc_envs.spec import Array, Instances
from ttc_envs.task import Task
from ttc_envs.tasks.maps.fixed_map import SHARES, fixed_map
from ttc_envs.tasks.maps.scene import map_wording
from ttc_envs.tasks.maps.scoring import check_bound, path_parts, readable
from ttc_envs.tasks.path_sequence import edits, scoring
from ttc_envs.tasks.path_sequence.instances import Pairs, labelled, sequence_spec


class SequenceTask(Task):
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
    - `solved`, `is_success` (bool); `quality`, `accuracy` (float32).
    - `changed`: slots that the step changed. `first_solved_step`: -1 before.
    - `level`: index into `task.spec.levels`, -1 for `hops=...` and given
      instances. `instance_id` (uint64): the key.
    - `action_mask` in mode `edit`, int8. `action_masks()` returns it as bool.

    Of the path:

    - `illegal_jumps`: jumps without a road, undecided slots and staying anywhere but at the target.
    - `ends_at_target`.
    - `length_ratio`: length / optimum, infinite for an illegal jump or another end.
    - `bounded` (ratio <= `bound`), `optimal` (to 1e-6), `within_1_percent`.
    - `reachable`: whether the map has a way at all.

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

    splits = tuple(SHARES)
    wording = map_wording("the map of the US from its paths", "no step at all")

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
        self.spec = sequence_spec(len(self.map), slots)
        self._pairs = Pairs(self.map, slots, split)

    @property
    def sources(self) -> dict[str, str]:
        """The content of the file of places, where there is one."""
        return {"cities": self.map.sha256} if self.map.sha256 else {}

    # Instances

    def level_index(self, level: str) -> int:
        """Index of a named level, -1 for `hops=...`."""
        self._pairs.check(level)
        return self.spec.levels.index(level) if level in self.spec.levels else -1

    def sample(self, keys: Array, level: str) -> Instances:
        """Pairs of places determined by (key, level), with a shortest path as label `answer`."""
        keys = np.asarray(keys, dtype=np.uint64)
        return labelled(self.map, self.spec, keys, *self._pairs.draw(keys, level))

    def from_fields(self, fields: dict[str, Any]) -> Instances:
        """Pairs of the caller's, labelled with shortest paths."""
        checked = self.spec.check_fields(fields)
        givens, target = checked["givens"], checked["target"]
        if (givens[:, 0] < 0).any() or (givens[:, 1:] >= 0).any():
            raise ValueError("givens must hold the source in the first slot and -1 in the others")
        if (target != target[:, :1]).any():
            raise ValueError("target must hold the same place in every slot")
        keys = np.zeros(len(givens), dtype=np.uint64)
        ends = (givens[:, 0].astype(np.int64), target[:, 0].astype(np.int64))
        return labelled(self.map, self.spec, keys, *ends)

    # Answers

    def apply(self, instances: Instances, answer: Array, action: Array, mode: str) -> Array:
        """The next answer (B, L) by whole answers (B, L) or edits (B,), the source kept."""
        if mode == "full":
            after = action.astype(self.spec.answer_dtype)
            after[:, 0] = instances.fields["givens"][:, 0]
            return after
        if mode != "edit":
            raise ValueError(f"mode must be 'full' or 'edit', got {mode!r}")
        return edits.edited(self.map, instances.fields["target"][:, 0], answer, action)

    def edit_mask(self, instances: Instances, answer: Array) -> Array:
        """(B, E) int8: roads from the last place, unless it is the target; and a step back."""
        return edits.edit_mask(self.map, instances.fields["target"][:, 0], answer)

    def edit_path(self, instances: Instances, answer: Array) -> list[Array]:
        """For each row: back to where the answer leaves the labelled path, then along it."""
        target = instances.fields["target"][:, 0]
        return edits.edit_path(self.map, target, instances.labels["answer"], answer)

    def score(self, instances: Instances, answer: Array) -> dict[str, Array]:
        """The scores of `path_scores`, and `accuracy` by slots; answers may be any integers."""
        return scoring.score(
            self.map, instances, readable(answer, self.spec, len(instances)), self.bound
        )

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

    def places(self) -> Array:
        """(C, 2) latitude and longitude of the places of the map, in degrees."""
        cities = self.map.graph.cities
        return np.stack([cities["latitude"], cities["longitude"]], axis=1)

    def view(self, instance: Instances) -> dict[str, Any]:
        """The map of one instance (B = 1)."""
        from ttc_envs.tasks.maps.render import view_of
        from ttc_envs.tasks.path_sequence.render import scene_of

        answer = self.initial_answer(instance)
        scores = self.score(instance, answer)
        return view_of(scene_of(self.map.graph, instance, answer[0], scores, None), None)

    def render(
        self, instance: Instances, answer: Array, mode: str, confidence: Array | None = None
    ) -> Any:
        """One path (B = 1) as `ansi` text or `rgb_array`; confidence (L,) colours the jumps."""
        from ttc_envs.tasks.maps.render import render
        from ttc_envs.tasks.path_sequence.render import scene_of

        scores = self.score(instance, answer)
        scene = scene_of(self.map.graph, instance, answer[0], scores, confidence)
        return render(scene, mode)
