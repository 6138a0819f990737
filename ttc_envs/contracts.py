"""What a task hands to environments, harness and reports: answers in progress, parts, words, files.

Axis letters: see `spec`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ttc_envs.spec import Array, Instances

Baseline = Callable[[Instances], Iterator[Array]]
"""A classical method: yields the answers (B, N) after its steps 1, 2, ..., until it rests."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Scores of the parts of answers that settle many questions at once.

    Args:
        depth_name: What the depth counts, such as `hops`.
        depth: (B, P) int32, how deep the P parts of each answer lie; -1 where one does not count.
        holds: {metric: (B, P) bool}.
    """

    depth_name: str
    depth: Array
    holds: dict[str, Array]


@dataclass(frozen=True)
class Wording:
    """The words for a task in pictures and reports.

    Args:
        what: What was learnt, as in "a network learned ...".
        classical: What the steps of `Task.improve` are, as in "solved by ... alone".
        animation: One or two sentences on how to read `Task.render` with a confidence.
    """

    what: str = "the task"
    classical: str = "classical steps"
    animation: str = (
        "Cells are tinted by the confidence of the network, from red to green; grey cells are "
        "given."
    )


@dataclass(frozen=True, eq=False)
class Loaded:
    """What `Task.load` has read from a file.

    Args:
        instances: The good rows, each once; keys are 0, 1, ...
        rejected: (line, reason) of each bad row.
        duplicates: How many rows repeat an earlier one.
        sha256: Of the file, to know it by its content; "" where the task does not say.
    """

    instances: Instances
    rejected: tuple[tuple[int, str], ...]
    duplicates: int
    sha256: str = ""


class AnswerState(Protocol):
    """The current answers of B episodes, moved on one refinement step at a time.

    It is made on a live batch of instances that its owner changes row by row as episodes begin.

    Args:
        answer: (B, N), the current answers.
        changed: (B,) int32, nodes that the last step changed.
        ended: (B,) bool, episodes that the rules end after the last step whatever the score.
    """

    answer: Array
    changed: Array
    ended: Array

    def set_rows(self, rows: Any, answer: Array) -> dict[str, Array]:
        """Begin anew at the rows (slice or index array), whose instances have been replaced.

        Returns `Task.score` of the rows.
        """

    def apply(self, actions: Array) -> dict[str, Array]:
        """One refinement step of each row, in place; returns `Task.score` of the new answers."""


class EditState(AnswerState, Protocol):
    """An `AnswerState` whose actions are edits (B,), so that whole answers need no rescoring.

    Args:
        mask: (B, E) int8, 1 where an edit is allowed. A forbidden edit changes nothing.
    """

    mask: Array
