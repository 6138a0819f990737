"""What models do on the same instances, as plain data for a page: frames, search trees, graphs.

A *set* is a task with some instances and a *run* is one way to answer them: a model, and how it
thinks. Every frame comes from `refine` or `search`, as it does for sweeps.

Shapes: B = 1 instance, N nodes, C choices, k neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttc_agents.evaluation.solve import thought
from ttc_agents.figures.animation import Frame, frames, thinned
from ttc_agents.inference.batches import Report
from ttc_agents.inference.boards import search
from ttc_agents.inference.precision import exactly, full_float32
from ttc_agents.inference.refine import Source
from ttc_agents.inference.search import Branching
from ttc_agents.inference.tree import Board, Tree
from ttc_agents.models.base import RefinementModel, to_batch
from ttc_envs import UNDECIDED, Instances, Task

TREE = "branch"
"""The way to think of which the page shows the tree, a board per frame."""
MOST_BOARDS = 128
"""Boards of a tree that are kept."""
LEVELS = 90
"""Confidence is rounded to one in so many, which one printable character holds."""
FIRST, BACKSLASH = 35, 92


@dataclass(frozen=True, eq=False)
class Run:
    """One way to answer the instances of a set.

    Args:
        name: Of the checkpoint or the method.
        source: What refines.
        think: How it spends its steps.
        steps: The budget.
    """

    name: str
    source: Source
    think: str
    steps: int

    @property
    def title(self) -> str:
        """The name, with the way to think where it is not the usual one."""
        return self.name if self.think == "steps" else f"{self.name}, {self.think}"


def replay_set(
    title: str,
    task: Task,
    instances: Instances,
    runs: Sequence[Run],
    report: Report = lambda label, done: None,
) -> dict[str, Any]:
    """A set as a document.

    Args:
        title: Of the set.
        task: The task.
        instances: All that are shown.
        runs: In the order in which they stand side by side.
        report: Called with the share of instances that are done.
    """
    spec, shown = task.spec, []
    for row in range(len(instances)):
        instance = instances[row : row + 1]
        replays = [replay(run, task, instance) for run in runs]
        answer = task.initial_answer(instance)[0]
        given = np.where(answer != UNDECIDED)[0] if spec.given_field else np.zeros(0, dtype=int)
        shown.append(
            {"view": task.view(instance), "given": given.tolist(), "text": task.spell(answer)}
            | {"runs": replays}
        )
        report(title, (row + 1) / len(instances))
    return {
        "title": title,
        "note": task.wording.animation,
        "nodes": spec.num_nodes,
        "choices": spec.num_choices,
        "symbols": symbols(task),
        "groups": group_codes(task),
        "neighbours": None if spec.neighbours is None else spec.neighbours.tolist(),
        "runs": [{"title": run.title, "think": run.think} for run in runs],
        "instances": shown,
    }


def replay(run: Run, task: Task, instance: Instances) -> dict[str, Any]:
    """What came of one instance: `frames`, and where there are such the `tree` and the `graph`."""
    if run.think == TREE and isinstance(run.source, RefinementModel):
        (tree,) = search(run.source, task, instance, run.steps)
        return tree_replay(tree, task, instance)
    with exactly(run.source):
        steps = thought(run.think, run.source, task, instance, run.steps)
        seen = thinned(list(frames(steps, task, instance)))
    found: dict[str, Any] = {"frames": coded(seen, task, instance)}
    graph = learned_graph(run.source, instance)
    return found if graph is None else {**found, "graph": graph.tolist()}


def learned_graph(source: Source, instance: Instances) -> np.ndarray | None:
    """(N, k), the neighbours that a model infers for an instance; None where it learns no graph."""
    if not isinstance(source, RefinementModel) or not source.learns_graph:
        return None
    with full_float32(source):
        graph: np.ndarray = source.likely_graph(to_batch(instance.fields))[0].cpu().numpy()
    return graph


def tree_replay(tree: Tree, task: Task, instance: Instances) -> dict[str, Any]:
    """A search: the board of each visit as a frame, and the tree that they form."""
    boards = tree.boards[:MOST_BOARDS]
    seen = [Frame(0, task.initial_answer(instance), None, 0, False, True)]
    for board in boards:
        # A board that leaves a node without a choice was not refined, and has no probabilities.
        answer = board.answer[None] if board.steps else board.givens[None]
        changed = int((answer != seen[-1].answer).sum())
        solved = bool(task.score(instance, answer)["solved"][0])
        step = seen[-1].step + max(1, board.steps)
        confidence = board.confidence if board.steps else None
        seen.append(Frame(step, answer, confidence, changed, solved, True))
    nodes = [board_node(board, Branching().steps) for board in boards]
    more = {"boards": len(tree.boards), "used": tree.used, "accepted": tree.accepted}
    return {"frames": coded(seen, task, instance), "tree": nodes, "search": more}


def board_node(board: Board, steps: int) -> dict[str, Any]:
    """A board of a tree without its answer, which the frame has."""
    least = float(board.confidence.min()) if board.steps else None
    return {
        "parent": board.parent,
        "pin": board.pin,
        "fate": board.fate,
        "steps": min(board.steps, steps),
        "least": None if least is None else round(least, 3),
        "tension": round(board.tension, 3),
    }


def coded(seen: Sequence[Frame], task: Task, instance: Instances) -> dict[str, list[Any]]:
    """Frames as columns; answers as what changed, [node, choice, node, choice, ...]."""
    before = np.full(task.spec.num_nodes, UNDECIDED)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("step", "changes", "confidence", "residual", "solved", "quality")
    }
    for frame in seen:
        answer = frame.answer[0].astype(np.int64)
        nodes = np.flatnonzero(answer != before)
        before = answer
        quality = float(task.score(instance, frame.answer)["quality"][0])
        columns["step"].append(frame.step)
        columns["changes"].append(np.stack([nodes, answer[nodes]], axis=1).flatten().tolist())
        columns["confidence"].append(coded_confidence(frame.confidence))
        columns["residual"].append(short(frame.residual))
        columns["solved"].append(int(frame.solved))
        columns["quality"].append(round(quality, 4))
    return columns


def coded_confidence(confidence: np.ndarray | None) -> str:
    """One printable character per node, without `"` and the backslash; "" where it is not known."""
    if confidence is None:
        return ""
    levels = np.rint(LEVELS * np.clip(confidence, 0, 1)).astype(int) + FIRST
    return "".join(chr(level + (level >= BACKSLASH)) for level in levels.tolist())


def short(number: float | None) -> float | None:
    """Three digits; None for what is not finite."""
    return float(f"{number:.3g}") if number is not None and np.isfinite(number) else None


def symbols(task: Task) -> list[str]:
    """How the task spells each choice."""
    spec = task.spec
    choices, free = np.arange(spec.num_choices), np.full(spec.num_nodes, UNDECIDED)
    rows = [np.where(np.arange(spec.num_nodes) == 0, choice, free) for choice in choices]
    texts = [task.spell(row) for row in rows]
    # One character per node, or words with blanks between.
    return [t[0] if len(t) == spec.num_nodes else t.split()[0] for t in texts]


def group_codes(task: Task) -> list[dict[str, Any]]:
    """The constraint groups, with each member as one code, node * C + choice."""
    return [
        {
            "kind": group.kind,
            "members": (group.members[..., 0] * task.spec.num_choices + group.members[..., 1])
            .astype(int)
            .tolist(),
        }
        for group in task.spec.groups
    ]
