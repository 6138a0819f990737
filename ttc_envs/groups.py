"""Counts of the constraint groups of a spec that an answer satisfies.

A group is satisfied if exactly one of its (node, choice) members holds. An answer holds N members
at most, one for each node, so counting these per group costs B N K, where K is the number of groups
that a member belongs to. Looking at all members of all groups would cost about C times as much.

Shapes: B batch, N nodes, C choices per node, G groups of all kinds together, K groups per member.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import Array, TaskSpec, count_per_row


class GroupCounter:
    """Counts satisfied groups.

    Args:
        spec: The groups, and N and C.
    """

    def __init__(self, spec: TaskSpec) -> None:
        self._choices = spec.num_choices
        self._first = np.arange(spec.num_nodes) * spec.num_choices
        self.num_groups = sum(len(group.members) for group in spec.groups)
        self._groups_of = _groups_of_members(spec)

    def satisfied(self, answer: Array) -> Array:
        """(B,) int32, how many groups answers (B, N) satisfy; what is no choice holds nothing."""
        batch, slots = len(answer), self.num_groups + 1
        decided = (answer >= 0) & (answer < self._choices)
        member = np.where(decided, self._first + answer, len(self._groups_of) - 1)
        held = self._groups_of.take(member, axis=0) + (np.arange(batch) * slots)[:, None, None]
        counts = np.bincount(held.ravel(), minlength=batch * slots).reshape(batch, slots)
        return count_per_row(counts[:, :-1] == 1)


def _groups_of_members(spec: TaskSpec) -> Array:
    """(N * C + 1, K) int64: the numbers of the groups of each (node, choice), padded with G.

    The last row belongs to a node without a choice and is padding throughout.
    """
    members = [group.members.astype(np.int64) for group in spec.groups]
    pairs = [m[..., 0] * spec.num_choices + m[..., 1] for m in members]
    starts = np.cumsum([0, *map(len, pairs)])
    numbers = [
        np.repeat(np.arange(len(p)) + start, p.shape[1])
        for p, start in zip(pairs, starts[:-1], strict=True)
    ]
    pair, number = (np.concatenate([p.ravel() for p in parts]) for parts in (pairs, numbers))
    order = pair.argsort(kind="stable")
    pair, number = pair[order], number[order]
    count = np.bincount(pair, minlength=spec.num_nodes * spec.num_choices)
    groups = np.full((len(count) + 1, count.max()), starts[-1], dtype=np.int64)
    groups[pair, np.arange(len(pair)) - (count.cumsum() - count)[pair]] = number
    return groups
