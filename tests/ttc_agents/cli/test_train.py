"""`ttc train`."""

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
