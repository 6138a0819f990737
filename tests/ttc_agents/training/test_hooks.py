"""What a training reports and saves, and that it is silent where nobody looks."""

import json
import sys

import pytest
import torch

from ttc_agents.inference import checkpoint
from ttc_agents.training import hooks
from ttc_agents.training.hooks import ProgressBar, Reporter, Saver
from ttc_agents.training.loop import Hook, run

NAME = "sudoku4-demo"
METRICS = {"loss": 0.25, "solved": 0.5, "instances": 30, "seconds": 2.0, "update": 7}


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")


def reported(capsys, monkeypatch, terminal=False, show=None):
    """What a report and a line leave on stderr."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with ProgressBar(NAME, show) as progress:
        progress.show(METRICS, 0.5)
        progress.line("a line")
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_bar_is_drawn_on_a_terminal(capsys, monkeypatch):
    text = reported(capsys, monkeypatch, terminal=True)
    assert NAME in text
    assert "loss 0.250  solved  50.0%  15 new/s  update 7" in text
    assert "a line\n" in text.replace("\r", "")


def test_no_bar_is_drawn_where_none_is_wanted(capsys, monkeypatch):
    assert reported(capsys, monkeypatch, terminal=True, show=False) == "a line\n"


def test_a_bar_is_drawn_without_a_terminal_if_it_is_wanted(capsys, monkeypatch):
    assert "update 7" in reported(capsys, monkeypatch, show=True)


def test_piped_output_has_only_lines(capsys, monkeypatch):
    assert reported(capsys, monkeypatch) == "a line\n"


# metrics.jsonl


class Every(Hook):
    """A number at some updates alone."""

    def __init__(self, updates):
        self.updates = updates

    def after_update(self, training, metrics, done):
        if training.updates not in self.updates:
            return {}
        return {"own": torch.tensor(float(training.updates))}


def reports(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_report_has_counts_and_means_since_the_last(begun, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(hooks, "REPORT_SECONDS", 0.0)
    path = tmp_path / "metrics.jsonl"
    training = begun(tiny)
    with Reporter(path, 0, ProgressBar(NAME, False)) as each:
        run(training, tiny.length, [each])
    lines = reports(path)
    assert [line["update"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert list(lines[0])[:4] == ["update", "seconds", "instances", "rate"]
    assert lines[0]["rate"] == 1
    assert lines[-1]["instances"] == training.carried.drawn
    monkeypatch.setattr(hooks, "REPORT_SECONDS", 1000.0)
    path = tmp_path / "once.jsonl"
    with Reporter(path, 0, ProgressBar(NAME, False)) as once:
        run(begun(tiny), tiny.length, [once])
    (line,) = reports(path)
    for name in ("loss", "solved", "age", "gradient_norm"):
        mean = sum(each[name] for each in lines) / 6
        assert line[name] == pytest.approx(mean, abs=2e-6)


def test_a_metric_of_some_updates_has_the_mean_over_those(begun, tiny, tmp_path):
    path = tmp_path / "metrics.jsonl"
    with Reporter(path, 0, ProgressBar(NAME, False)) as reporter:
        run(begun(tiny), tiny.length, [Every((2, 5)), reporter])
    (line,) = reports(path)
    assert line["own"] == 3.5
    assert "loss" in line


def test_the_bar_shows_what_is_written(begun, tiny, tmp_path, capsys, monkeypatch):
    with ProgressBar(NAME, True) as bar, Reporter(tmp_path / "m.jsonl", 0, bar) as reporter:
        run(begun(tiny), tiny.length, [reporter])
    assert "update 6" in capsys.readouterr().err


def test_lines_of_updates_that_are_still_to_do_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"update": k}) for k in (2, 4, 6)]
    path.write_text("\n".join([*lines, "[]", '{"torn']))
    Reporter(path, 4, ProgressBar(NAME, False))
    assert reports(path) == [{"update": 2}, {"update": 4}]
    Reporter(tmp_path / "none.jsonl", 4, ProgressBar(NAME, False))
    assert not (tmp_path / "none.jsonl").exists()


def test_metrics_that_stay_are_not_written_anew(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"update": 2}\n{"update": 4}\n')
    monkeypatch.setattr(hooks, "write_atomically", None)
    Reporter(path, 4, ProgressBar(NAME, False))
    monkeypatch.undo()
    # A last line that was cut before its end of line would be gone on with.
    path.write_bytes(b'{"update": 2}\n\xff\xfe\n{"update": 4}')
    Reporter(path, 4, ProgressBar(NAME, False))
    assert path.read_text() == '{"update": 2}\n{"update": 4}\n'


# Checkpoints


def test_a_checkpoint_is_written_every_few_minutes(begun, tiny, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Saver, "save", lambda self, training: saved.append(training.updates))
    for seconds in (0.0, 1000.0):
        monkeypatch.setattr(hooks, "CHECKPOINT_SECONDS", seconds)
        run(begun(tiny), tiny.length, [Saver(tmp_path, [])])
    assert saved == [1, 2, 3, 4, 5, 6]


def test_a_checkpoint_is_the_averaged_model_and_says_what_was_trained(begun, tiny, tmp_path):
    training = begun(tiny)
    run(training, tiny.length)
    Saver(tmp_path, []).save(training)
    weights = training.learning.averaged_weights()
    for name, values in checkpoint.load_model(tmp_path).state_dict().items():
        assert torch.equal(values, weights[name])
    config = checkpoint.load_config(tmp_path)
    assert config["recipe"] == tiny.to_json()
    assert (config["updates"], config["instances"]) == (6, training.carried.drawn)


def test_the_state_of_another_training_is_refused(begun, tiny, tmp_path):
    Saver(tmp_path, []).save(begun(tiny))
    with pytest.raises(ValueError, match=r"training\.pt: not of this training"):
        Saver(tmp_path, []).load(begun(tiny, model_options={}))
    with pytest.raises(FileNotFoundError, match=r"no training\.pt"):
        Saver(tmp_path / "nowhere", []).load(begun(tiny))
