"""Which score tells a board that can still be solved from one with a wrong pin?

    .venv/bin/python experiments/three_axes/ranking.py sudoku-cpu --puzzles hard.csv --count 64

Every puzzle is searched breadth first, accepted by the rules. A board is right if all its pins are
in the solution. For each score the last line on stdout has the area under the ROC curve over all
boards but the first of each puzzle: the probability that a right board scores higher than a wrong.

- `mean confidence`, `least confidence`: of the answer of the board;
- `pins`: the logarithm of the probability of its pins, each as its parent saw it;
- `tension`: minus how far its probabilities are from one member of each constraint group;
- `priority`: pins minus two times the tension, by which a search orders the children of a board.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from ttc_agents.evaluation.families import read_file
from ttc_agents.inference.boards import search
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.search import TENSION, Board, Branching, Refined, Tree
from ttc_envs import UNDECIDED

SCORES = {
    "mean confidence": lambda board: board.confidence.mean(),
    "least confidence": lambda board: board.confidence.min(),
    "pins": lambda board: board.chance,
    "tension": lambda board: -board.tension,
    "priority": lambda board: board.chance - TENSION * board.tension,
}


def shallow(boards: Refined, first: float) -> np.ndarray:
    """(n,): as evidence, boards with fewer pins come first whatever these are."""
    return -1e3 * (boards.givens != UNDECIDED).sum(1)


def judged(tree: Tree, solution: np.ndarray) -> list[tuple[bool, Board]]:
    """Visited boards but the first, and whether all their pins are in the solution (N,)."""
    found = []
    for board in tree.boards[1:]:
        if board.steps:
            held = board.givens != UNDECIDED
            found.append((bool((board.givens[held] == solution[held]).all()), board))
    return found


def area(right: np.ndarray, wrong: np.ndarray) -> float:
    """The area under the ROC curve of scores."""
    above = (right[:, None] > wrong).mean() + (right[:, None] == wrong).mean() / 2
    return round(float(above), 3)


def main() -> None:
    """Search, and compare the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--puzzles", type=Path, required=True)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--budget", type=int, default=8192)
    options = parser.parse_args()
    task, model = load_task(options.checkpoint, "test"), load_model(options.checkpoint)
    instances = read_file(task, options.puzzles, False, print)[: options.count]
    how = Branching(evidence=shallow, at_once=8)
    trees = search(model, task, instances, options.budget, how, rules=True)
    solutions = task.solve(instances)
    boards = [pair for row, tree in enumerate(trees) for pair in judged(tree, solutions[row])]
    right = np.array([is_right for is_right, _ in boards])
    scores = {name: np.array([score(b) for _, b in boards]) for name, score in SCORES.items()}
    areas = {name: area(values[right], values[~right]) for name, values in scores.items()}
    counts = {"right": int(right.sum()), "wrong": int((~right).sum())}
    document = {"checkpoint": options.checkpoint, "puzzles": len(trees), **counts, "area": areas}
    print(json.dumps(document))


if __name__ == "__main__":
    main()
