"""Scores of next hops: of the path from the source, and of the paths from all nodes.

Shapes: B batch, N nodes, D neighbours per node.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.contracts import Parts
from ttc_envs.spec import Array, Instances, count_per_row
from ttc_envs.tasks.maps.scoring import path_parts, path_scores
from ttc_envs.tasks.next_hop.instances import with_hops
from ttc_envs.tasks.next_hop.walks import walk, walk_all


def score(instances: Instances, answer: Array, bound: float) -> dict[str, Array]:
    """The scores of `path_scores` for the path from the source, and `accuracy` of all hops.

    Args:
        instances: Labelled, B of them.
        answer: (B, N) slots, -1 where undecided.
        bound: As in `path_scores`.
    """
    fields, labels = instances.fields, instances.labels
    path = walk(
        fields["neighbours"], fields["distances"], answer, labels["source"], labels["target"]
    )
    scores = path_scores(path.jumps, path.illegal, path.ends, path.length, labels["optimum"], bound)
    degree = fields["neighbours"].shape[2]
    slot = np.arange(0, answer.size * degree, degree)
    slot += answer.ravel()
    # An undecided hop reads the slot before its own, which the sign masks.
    right = labels["right"].ravel().take(slot, mode="clip") & (answer.ravel() >= 0)
    counted = np.maximum(labels["counted"], 1)
    share = count_per_row(right.reshape(answer.shape)) / counted
    return {"accuracy": share.astype(np.float32), **scores}


def score_all_sources(instances: Instances, answer: Array) -> dict[str, Array]:
    """(B, N) `length_ratio` and `counted`: the paths from all nodes at once.

    A node counts if it is not the target and the target can be reached from it; the others have
    ratio 1.
    """
    fields, labels = instances.fields, instances.labels
    length = walk_all(fields["neighbours"], fields["distances"], answer, labels["target"])
    counted = with_hops(labels["right"])
    ratio = np.ones(length.shape)
    np.divide(length, labels["distance"], out=ratio, where=counted)
    return {"length_ratio": ratio, "counted": counted}


def score_parts(instances: Instances, scores: dict[str, Array], bound: float) -> Parts:
    """The paths from all nodes, by the hops of the shortest ones, from `score_all_sources`."""
    fields, labels = instances.fields, instances.labels
    ones = np.ones_like(fields["distances"])
    hops = walk_all(fields["neighbours"], ones, labels["answer"], labels["target"])
    return path_parts(scores["length_ratio"], hops, scores["counted"], bound)
