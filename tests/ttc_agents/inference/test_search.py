"""The search of one instance, told by hand what came of its boards."""

import numpy as np
import pytest
import torch

from ttc_agents.inference.boards import Boards, cannot_search, search, tension
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.policy import BranchingPolicy, Searches
from ttc_agents.inference.search import (
    Branching,
    EnergyRank,
    LowEnergy,
    Search,
    fewest_choices,
)
from ttc_agents.inference.tree import Refined
from ttc_agents.models import make_model
from ttc_envs import make_task

FREE = np.full(3, -1, dtype=np.int8)
HOW = Branching(steps=10, doubts=0)


def refined(visit, *boards, steps=10, alive=True):
    """Boards with probabilities (N, C) each."""
    seen = Refined.begun(visit.givens, len(boards[0][0]), [None] * len(visit.givens))
    seen.probability[:] = boards
    seen.steps[:], seen.alive[:] = steps, alive
    return seen


def sure(digit):
    """Probabilities of a node that holds a choice; of three."""
    return [0.995 if choice == digit else 0.0025 for choice in range(3)]


def test_the_node_with_the_fewest_choices_is_branched_on():
    probability = np.array([[0.5, 0.3, 0.2], [0.6, 0.4, 0.0], [0.55, 0.45, 0.0], [1.0, 0.0, 0.0]])
    free = np.array([True, True, True, True])
    assert fewest_choices(probability, free, 1e-3) == 2
    assert fewest_choices(probability, free & [True, False, False, True], 1e-3) == 0
    assert fewest_choices(probability, free, 0.5) == 0  # none has two: the least confident


def test_likely_pins_come_first_and_unlikely_ones_in_the_end():
    tree = Search(FREE, 1000, HOW)
    tree.tell(refined(tree.visit, [sure(0), [0.7, 0.29, 0.01], sure(1)]))
    tried = []
    while tree.visit is not None:
        tried.append(int(tree.visit.givens[0, 1]))
        tree.tell(refined(tree.visit, [sure(0)] * 3, alive=False))
    assert tried == [0, 1, 2]
    assert [board.fate for board in tree.tree.boards] == ["open", "dropped", "dropped", "dropped"]
    assert tree.tree.boards[1].chance == pytest.approx(np.log(0.7))
    assert not tree.tree.accepted


def test_a_board_that_is_not_finite_is_lost_and_the_tree_says_so():
    tree = Search(FREE, 1000, HOW)
    tree.tell(refined(tree.visit, [sure(0), [0.7, 0.29, 0.01], sure(1)]))
    assert Searches([tree]).finite.tolist() == [True]
    seen = refined(tree.visit, [sure(0)] * 3, alive=False)
    seen.finite[:] = False
    tree.tell(seen)
    assert [board.fate for board in tree.tree.boards] == ["open", "not finite"]
    assert Searches([tree]).finite.tolist() == [False]


def test_a_board_of_low_energy_is_accepted_in_the_place_of_a_sure_one():
    how = Branching(steps=10, doubts=0, judge=LowEnergy(-1.0))
    tree = Search(FREE, 1000, how)
    seen = refined(tree.visit, [sure(0), [0.6, 0.4, 0.0], sure(1)])
    seen.energy[:] = -0.5
    tree.tell(seen)
    assert not tree.tree.accepted
    seen = refined(tree.visit, [sure(0), [0.6, 0.4, 0.0], sure(1)])
    seen.energy[:] = -1.5
    tree.tell(seen)
    assert tree.tree.accepted
    hesitant = Search(FREE, 1000, how)
    seen = refined(hesitant.visit, [[0.4, 0.3, 0.3]] * 3)
    seen.energy[:] = -1.5
    hesitant.tell(seen)
    assert not hesitant.tree.accepted
    assert how.settings()["judge"] == "LowEnergy(below=-1.0, sure=0.5)"
    assert Branching().settings()["judge"] is None


def test_boards_wait_by_the_energy_of_their_parents():
    tree = Search(FREE, 1000, Branching(steps=10, doubts=0, evidence=EnergyRank(2.0)))
    tree.tell(refined(tree.visit, [sure(0), [0.55, 0.45, 0.0], sure(1)]))
    seen = refined(tree.visit, [[0.9, 0.1, 0.0], sure(0), sure(1)])
    seen.energy[:] = 5.0
    tree.tell(seen)
    assert tree.visit.givens[0].tolist() == [-1, 1, -1]


def test_boards_have_the_energies_of_their_states():
    task = make_task("ttc/Sudoku4-v0")
    inner = {"model": "factor_graph_network", "options": {"width": 8}}
    model = make_model("energy", task.spec, {"inner": inner}).eval()
    fields = task.sample(np.arange(3, dtype=np.uint64), "minimal").fields
    boards = Boards(model, fields, Branching(steps=5))
    searches = [boards.begin(row, 5) for row in range(3)]
    with torch.no_grad():
        refined_ones = boards.refine([(i, s.visit) for i, s in enumerate(searches)])
    for row, seen in enumerate(refined_ones):
        context = model.encode({"givens": torch.from_numpy(fields["givens"][row : row + 1]).long()})
        wanted = model.energy(context, seen.state[0][None]).item()
        assert seen.energy[0] == pytest.approx(wanted, rel=1e-5)


def test_a_tense_board_waits_behind_the_others():
    tree = Search(FREE, 1000, HOW)
    tree.tell(refined(tree.visit, [sure(0), [0.55, 0.45, 0.0], sure(1)]))
    seen = refined(tree.visit, [[0.9, 0.1, 0.0], sure(0), sure(1)])
    seen.tension[:] = 5.0
    tree.tell(seen)
    assert tree.visit.givens[0].tolist() == [-1, 1, -1]


def test_the_first_sure_board_is_the_answer():
    tree = Search(FREE, 1000, HOW)
    tree.tell(refined(tree.visit, [sure(0), [0.7, 0.3, 0.0], sure(1)]))
    tree.tell(refined(tree.visit, [sure(0), sure(0), sure(1)], steps=4))
    assert tree.visit is None
    assert tree.tree.accepted
    assert (tree.tree.used, tree.tree.answer.tolist()) == (14, [0, 0, 1])


def test_a_verifier_is_asked_in_the_place_of_confidence():
    asked = []

    def accept(boards):
        asked.append(boards.answer.tolist())
        return (boards.answer[:, 1] == 1) & (boards.givens[:, 1] == 1)

    tree = Search(FREE, 1000, HOW, accept)
    tree.tell(refined(tree.visit, [sure(0), sure(0), sure(0)]))
    while tree.visit is not None:
        tree.tell(refined(tree.visit, [sure(0)] * 3))
    assert tree.tree.accepted
    assert tree.tree.answer[1] == 1
    assert len(asked) == len(tree.tree.boards)


def test_doubt_asks_again_from_parts_of_the_answer():
    how = Branching(steps=10, doubts=2, doubted=0.34)
    for stands in (True, False):
        tree = Search(FREE, 1000, how)
        tree.tell(refined(tree.visit, [sure(0), sure(1), sure(2)]))
        parts = tree.visit.givens
        assert ((parts != -1).sum(1) == 1).all()
        assert all(part[part != -1] == np.array([0, 1, 2])[part != -1] for part in parts)
        other = [sure(0), sure(1), sure(2 if stands else 0)]
        tree.tell(refined(tree.visit, [sure(0), sure(1), sure(2)], other))
        assert tree.tree.boards[0].fate == ("accepted" if stands else "refused")
        assert tree.tree.accepted == (tree.visit is None) == stands
        assert tree.used == 30


def test_budgets_and_options_out_of_range_are_refused():
    with pytest.raises(ValueError, match="one board of 32 steps, got 31"):
        Search(FREE, 31, Branching())
    with pytest.raises(ValueError, match="at_once must be at least 1, got 0"):
        Branching(at_once=0)
    with pytest.raises(ValueError, match=r"sure must be in \(0, 1\), got 1"):
        Branching(sure=1)


def test_tension_is_how_far_beliefs_are_from_one_of_each_group():
    task = make_task("ttc/Sudoku4-v0")
    solution = task.sample(np.arange(2, dtype=np.uint64), "minimal").labels["answer"]
    belief = np.eye(4, dtype=np.float32)[solution]
    free = np.full_like(solution, -1)
    assert (tension(task.spec, belief, free) == 0).all()
    belief[0, 0] = belief[0, 1]  # a digit twice and one not at all, in a row; the same in a column
    assert tension(task.spec, belief, free)[0] >= 4 / 16
    assert tension(task.spec, belief, free)[1] == 0
    assert (tension(task.spec, belief, solution) == 0).all()  # givens count as what they are


def test_models_that_write_paths_cannot_search_and_say_why():
    task = make_task("ttc/ShortestPath-v0")
    model = make_model("relational_network", task.spec, {})
    assert "pointers" in str(cannot_search(model))
    with pytest.raises(ValueError, match="no search over pins: the choices of"):
        BranchingPolicy(model)
    with pytest.raises(ValueError, match="no search over pins"):
        Boards(model, {}, Branching())


def test_branching_solves_what_a_thousand_steps_do_not():
    """A puzzle that A. Inkala published in 2012 as the hardest."""
    task, model = load_task("sudoku-cpu"), load_model("sudoku-cpu")
    hard = task.parse(
        "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
    )
    for rules in (False, True):
        (tree,) = search(model, task, hard, 2000, rules=rules)
        assert tree.accepted
        assert task.score(hard, tree.answer[None])["solved"].all()
        assert len(tree.boards) > 1
    cold, warm = (
        search(model, task, hard, 4000, Branching(warm=warm))[0].boards for warm in (False, True)
    )
    assert (cold[0].confidence == warm[0].confidence).all()
    assert (cold[1].confidence != warm[1].confidence).any()
