"""The next-hop task: a new map in every instance, the answer one next hop per node.

Shapes: B batch, N nodes, D neighbours per node, E = N D edits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_envs.contracts import Baseline, Parts
from ttc_envs.spec import Array, Instances
from ttc_envs.task import Task
from ttc_envs.tasks.maps.pools import (
    SPLITS,
    map_pool,
    most_neighbours,
    through,
    tight_slots,
)
from ttc_envs.tasks.maps.scene import map_wording
from ttc_envs.tasks.maps.scoring import check_bound, readable
from ttc_envs.tasks.next_hop import scoring
from ttc_envs.tasks.next_hop.classical import bellman_ford, greedy, one_step_a_star
from ttc_envs.tasks.next_hop.instances import (
    distances_to,
    drawn,
    labelled,
    next_hop_spec,
    with_hops,
)
from ttc_envs.tasks.next_hop.levels import parse_level
from ttc_envs.tasks.next_hop.walks import walk_all

MOST_PLACES = 2048


class NextHopTask(Task):
    """Shortest path by next hops: from every place of a map, which neighbour leads to the target?

    ## Description
    An instance is a map of US places, a source and a target. The answer points from every node to
    one of its neighbours; following it from the source gives the path. Each refinement step
    rewrites all hops or one. Every instance has its own map (out of a pool per split), so what is
    learnt is how to search, and it can be tested on maps of other sizes.

    ## Action Space
    - `action_mode="full"`: `MultiDiscrete([degree] * places)`, a neighbour slot for every node.
      Those of the target and of nodes that cannot reach it are ignored.
    - `action_mode="edit"`: `Discrete(places * degree)`; edit `node * degree + slot` points a node
      elsewhere. The mask forbids slots without a neighbour, the target, and edits that change
      nothing; a forbidden edit changes nothing and costs the step.
    - `action_mode="logits"`: `Box(-1, 1, (places * degree,), float32)`; the answer is the argmax
      over slots.

    ## Observation Space
    A `Dict` of 1-d boxes:

    | entry | shape | dtype | values |
    |---|---|---|---|
    | `neighbours` | (places * degree,) | int8 or int32 | nodes, nearest first; -1 for padding |
    | `distances` | (places * degree,) | float32 | in units of the map's radius; 0 for padding |
    | `source` | (places,) | int8 | 1 at the source |
    | `target` | (places,) | int8 | 1 at the target |
    | `coordinates` | (places * 2,) | float32 | only with `coordinates=True`: latitude, longitude |
    | `answer` | (places,) | int8 | neighbour slot, -1 where undecided |
    | `step` | (1,) | int32 | steps taken |

    With `observation="one_hot"` `source` and `target` are (places * 2,) and `answer` is
    (places * degree,) int8.

    ## Rewards
    - `reward="verifier"` (default): the gain in quality, the mean of the share of legal jumps on
      the path, whether it arrives, and optimum / length if it does (else 0).
    - `reward="oracle"`: the gain in accuracy, the share of nodes whose hop begins a shortest path.
    - `reward="sparse"`: nothing.

    All three add 1 at the first step after which the path is a shortest one.

    ## Starting State
    A map, a target and a source drawn by a key from the env's own generator; no hop is decided.
    `reset` takes the options `instance_id`, `level` and `instance`.

    ## Episode End
    - Termination: the path is a shortest one (not with `terminate_on_solved=False`).
    - Truncation: after `max_episode_steps`, 32 by default.

    ## Information
    - `solved`, `is_success` (bool); `quality`, `accuracy` (float32).
    - `changed`: nodes that the step changed. `first_solved_step`: -1 before.
    - `level`: index into `task.spec.levels`, -1 for other sizes and given
      instances. `instance_id` (uint64): the key.
    - `action_mask` in mode `edit`, int8. `action_masks()` returns it as bool.

    Of the path from the source:

    - `illegal_jumps`: 1 if it runs into an undecided node or an empty slot. `ends_at_target`.
    - `length_ratio`: length / optimum, infinite for one that does not arrive.
    - `bounded` (ratio <= `bound`), `optimal` (to 1e-6), `within_1_percent`.
    - `reachable`: whether the map has a way at all.

    ## Arguments
    - `places`: 64 by default, 2..2048; the number of nodes, and of places of the named levels.
    - `degree`: the neighbour slots of a node, by default 8 up to 64 places, 12 up to 512, 20 up to
      1,024, 32 beyond. Named levels need no fewer, `dense` ones twice as many.
    - `coordinates`: default False. Going to the neighbour closest to the target is right for half
      of all pairs, without any search.
    - `bound`: default 1.1.
    - `split`: `train` (default), `validation` or `test`: maps of their own.
    - `level`: `spreadK` (spread places, the smallest radius that connects them) or `denseK` (1.5
      times this radius) with K places, padded; by default `spread64`, as many as there are nodes.
    - `action_mode`, `reward`, `terminate_on_solved`, `observation`: see above.

    ## Version History
    - v0: first version.
    """

    splits = SPLITS
    wording = map_wording("shortest paths from maps of US places", "policy iteration")

    def __init__(
        self,
        places: int = 64,
        degree: int | None = None,
        coordinates: bool = False,
        bound: float = 1.1,
        split: str = "train",
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
        if not isinstance(coordinates, bool):
            raise ValueError(f"coordinates must be True or False, got {coordinates!r}")
        places = _integer("places", places, 2, MOST_PLACES)
        fewest = most_neighbours("spread", places)
        self.degree = fewest if degree is None else _integer("degree", degree, fewest, 64)
        self.coordinates = coordinates
        self.bound = check_bound(bound)
        self.split = split
        self.spec = next_hop_spec(places, self.degree, coordinates)

    # Instances

    def level_index(self, level: str) -> int:
        """Index of a named level, -1 for other sizes."""
        parse_level(level, self.spec.num_nodes, self.degree)
        return self.spec.levels.index(level) if level in self.spec.levels else -1

    def sample(self, keys: Array, level: str) -> Instances:
        """Maps, targets and sources determined by (key, level)."""
        kind, places = parse_level(level, self.spec.num_nodes, self.degree)
        pool = map_pool(kind, places, self.spec.num_nodes, self.degree, self.split)
        return drawn(np.asarray(keys, dtype=np.uint64), pool, self.spec)

    def from_fields(self, fields: dict[str, Any]) -> Instances:
        """Instances of the caller's maps."""
        return labelled(self.spec.check_fields(fields), self.spec)

    # Answers

    def apply(self, instances: Instances, answer: Array, action: Array, mode: str) -> Array:
        """The next answer (B, N) by whole answers (B, N) or edits (B,)."""
        if mode == "full":
            return action.astype(self.spec.answer_dtype)
        if mode != "edit":
            raise ValueError(f"mode must be 'full' or 'edit', got {mode!r}")
        rows = np.arange(len(answer))
        node, slot = np.divmod(action, self.degree)
        allowed = instances.fields["neighbours"][rows, node, slot] >= 0
        allowed &= instances.fields["target"][rows, node] == 0
        after = answer.copy()
        after[rows, node] = np.where(allowed, slot, answer[rows, node])
        return after

    def edit_mask(self, instances: Instances, answer: Array) -> Array:
        """(B, E) int8: hops to another neighbour, of any node but the target."""
        allowed = instances.fields["neighbours"] >= 0
        allowed &= answer[:, :, None] != np.arange(self.degree, dtype=answer.dtype)
        allowed &= instances.fields["target"][:, :, None] == 0
        mask: Array = allowed.view(np.int8).reshape(len(answer), -1)
        return mask

    def edit_path(self, instances: Instances, answer: Array) -> list[Array]:
        """For each row the edits that set the hops that are not right, in order of the nodes."""
        right = instances.labels["answer"]
        wrong = (answer != right) & with_hops(instances.labels["right"])
        edits = np.arange(self.spec.num_nodes) * self.degree + right.astype(np.int64)
        return [row[here] for row, here in zip(edits, wrong, strict=True)]

    def score(self, instances: Instances, answer: Array) -> dict[str, Array]:
        """The scores of `path_scores` for the path from the source, and `accuracy` of all hops.

        Answers may be any integers.
        """
        return scoring.score(instances, readable(answer, self.spec, len(instances)), self.bound)

    def score_all_sources(self, instances: Instances, answer: Array) -> dict[str, Array]:
        """(B, N) `length_ratio` and `counted`: the paths from all nodes at once.

        A node counts if it is not the target and the target can be reached from it; the others
        have ratio 1.
        """
        return scoring.score_all_sources(instances, readable(answer, self.spec, len(instances)))

    def score_parts(self, instances: Instances, answer: Array) -> Parts:
        """The paths from all nodes at once, by the hops of the shortest ones."""
        scores = self.score_all_sources(instances, answer)
        return scoring.score_parts(instances, scores, self.bound)

    # Classical solvers

    def solve(self, instances: Instances) -> Array:
        """Exact answers by Dijkstra's method; labels are not looked at."""
        neighbours, distances, target = self._map(instances)
        distance = distances_to(target, neighbours, distances)
        tight = tight_slots(neighbours, distances, distance)
        answer: Array = tight.argmax(axis=2).astype(self.spec.answer_dtype)
        return answer

    def improve(self, instances: Instances, answer: Array) -> Array:
        """Each node takes the best hop, going by the paths that its neighbours have now.

        Paths are followed to their end (policy iteration), so it is never behind the relaxations
        of Bellman-Ford, and sometimes ahead: an earlier hop that gets better helps at once.
        """
        neighbours, distances, target = self._map(instances)
        length = walk_all(neighbours, distances, answer, target)
        ways = through(neighbours, distances, length)
        known = ways.min(axis=2) < np.inf
        known[np.arange(len(target)), target] = False
        best = ways.argmin(axis=2).astype(self.spec.answer_dtype)
        return np.where(known, best, answer)

    def baselines(self) -> dict[str, Baseline]:
        """Greedy on coordinates, one-step A* and Bellman-Ford; see `classical`."""
        return {"greedy": greedy, "one_step_a_star": one_step_a_star, "bellman_ford": bellman_ford}

    def _map(self, instances: Instances) -> tuple[Array, Array, Array]:
        fields = instances.fields
        return fields["neighbours"], fields["distances"], fields["target"].argmax(axis=1)

    def view(self, instance: Instances) -> dict[str, Any]:
        """The map of one instance (B = 1), and where each hop leads."""
        from ttc_envs.tasks.maps.render import view_of
        from ttc_envs.tasks.next_hop.render import scene_of

        answer = self.initial_answer(instance)
        scene = scene_of(instance, answer[0], self.score(instance, answer), None)
        return view_of(scene, instance.fields["neighbours"][0])

    def render(
        self, instance: Instances, answer: Array, mode: str, confidence: Array | None = None
    ) -> Any:
        """One map (B = 1) as `ansi` text or `rgb_array`; confidence (N,) colours the hops."""
        from ttc_envs.tasks.maps.render import render
        from ttc_envs.tasks.next_hop.render import scene_of

        scores = self.score(instance, answer)
        return render(scene_of(instance, answer[0], scores, confidence), mode)


def _integer(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} must be an integer in {low}..{high}, got {value!r}")
    return value
