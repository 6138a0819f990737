"""`ttc train`."""

import pytest

from ttc_agents.cli import main
from ttc_agents.training import checkpoint


def test_train_then_resume(capsys, tmp_path, complaint):
    out = tmp_path / "run"
    arguments = ["train", "sudoku4-demo", "--out", str(out), "--device", "cpu"]
    assert main([*arguments, "--seconds", "0.2", "--seed", "7"]) == 0
    text = capsys.readouterr().out
    assert "updates" in text
    assert f"ttc evaluate {out}" in text
    assert checkpoint.load_config(out)["recipe"]["seed"] == 7
    line = complaint(*arguments, "--resume", "--seconds", "0.4")
    assert "seed" in line
    assert main([*arguments, "--resume", "--seconds", "0.4", "--seed", "7"]) == 0


def test_an_interrupted_training_says_how_to_go_on(capsys, monkeypatch, tmp_path):
    from ttc_agents.training import trainer

    result = trainer.TrainResult(tmp_path, 3, 1.0, 48, finished=False)
    monkeypatch.setattr(trainer, "train", lambda *args, **options: result)
    assert main(["train", "sudoku4-demo", "--out", str(tmp_path)]) == 130
    assert "--resume" in capsys.readouterr().err
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert "nothing was measured" in capsys.readouterr().err


@pytest.mark.slow
def test_a_graph_and_a_network_on_it_are_learnt_from_raw_digits(tmp_path, document):
    assert main(["train", "learned-graph-4x4", "--out", str(tmp_path), "--json"]) == 0
    found = document()
    assert found["edge_precision"] == found["edge_recall"] == 1
    assert found["solved"] >= 0.995
    assert found["seconds"] > 0
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "graph.gif").read_bytes().startswith(b"GIF")
