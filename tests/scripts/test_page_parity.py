"""The page's network under Node against PyTorch, as the documented command compares them."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "page_parity.py"
SPEC = importlib.util.spec_from_file_location("page_parity", SCRIPT)
parity = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(parity)

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")


@needs_node
def test_answers_are_equal_and_logits_agree(capsys):
    assert parity.main(["--puzzles", "2", "--steps", "12"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["puzzles"], found["steps"], found["other_answers"]) == (2, 12, 0)
    assert found["largest"] < 1e-8
    assert found["within_1e-05"] == found["within_1e-04"] == 2


@needs_node
def test_a_network_with_another_weight_is_found(monkeypatch):
    true = parity.described

    def changed(checkpoint):
        network = true(checkpoint)
        network["weights"]["to_logit"] = [-w for w in network["weights"]["to_logit"]]
        return network

    monkeypatch.setattr(parity, "described", changed)
    found = parity.compare("sudoku-cpu", "minimal", 1, 12)
    assert found["other_answers"] == 1
    assert found["within_1e-04"] == 0


def test_differences_are_by_puzzle():
    theirs = np.zeros((2, 3, 4))
    theirs[:, :, 0] = 1
    ours = theirs.copy()
    ours[1, 0, 2] = 0.5  # an early step of the second puzzle
    ours[1, 2, 1] = 2  # its last answer
    largest, other = parity.differences(ours, theirs, choices=2)
    assert largest.tolist() == [0, 2]
    assert other.tolist() == [False, True]


def test_without_node_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(parity.shutil, "which", lambda name: None)
    assert parity.main([]) == 2
    assert "no `node`" in capsys.readouterr().err
