"""What a training reports and saves, and that it is silent where nobody looks."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch

from ttc_agents.inference import checkpoint
from ttc_agents.training import hooks
from ttc_agents.training.hooks import Alarm, ProgressBar, Reporter, Saver
from ttc_agents.training.loop import Hook, run
from ttc_agents.training.schedule import Spent

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
    assert lines[0]["rate"] == 0.5  # of this update, in the middle of the warm-up
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


# The alarm


@pytest.fixture
def recipe(kinds):
    return kinds["equilibrium"]


@pytest.fixture
def probes(monkeypatch):
    """Makes probes find these shares, one after the other, and nothing else an alarm."""
    shares = []
    monkeypatch.setitem(hooks.KEEP, "settled", 0.0)
    monkeypatch.setattr(hooks, "solved_share", lambda *args: shares.pop(0))
    return shares


def weights(training):
    learning = training.learning
    return [p.detach().clone() for p in (*learning.parameters, *learning.average)]


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def first_moment(training):
    return next(iter(training.learning.optimizer.state_dict()[0]["state"].values()))["exp_avg"]


def test_it_rolls_back_to_the_best_and_halves_the_rate(begun, until, recipe, probes):
    training, watch = begun(recipe), Alarm(recipe)
    probes += [0.1, 0.5, 0.4, 0.3]
    run(training, recipe.length, [watch], stop=until(training, 4))
    kept, moment = weights(training), first_moment(training).clone()
    run(training, recipe.length, [watch], stop=until(training, 6))
    assert not equal(kept, weights(training))
    assert not torch.equal(moment, first_moment(training))
    run(training, recipe.length, [watch], stop=until(training, 7))
    metrics = training.update(7 / 8)
    found = watch.after_update(training, metrics, 1.0)
    assert (float(found["validation"]), float(found["rollbacks"])) == (pytest.approx(0.3), 1)
    assert equal(kept, weights(training))
    assert torch.equal(first_moment(training), moment)
    assert training.rate(0.0) == 0.5
    assert training.carried.state.isnan().all()


def test_a_second_fall_goes_back_to_the_same_weights(begun, recipe, probes):
    recipe = recipe.replaced(alarm_every=1)
    training, watch = begun(recipe), Alarm(recipe)
    probes += [0.5, 0.1, 0.1]
    watch.after_update(training, training.update(0.0), 0.0)
    kept = weights(training)
    for _ in range(2):
        metrics = training.update(0.0)
        assert not equal(kept, weights(training))
        watch.after_update(training, metrics, 0.0)
        assert equal(kept, weights(training))
    assert training.rollbacks == 2


def test_nothing_happens_before_it_has_learnt(begun, recipe, probes):
    training, watch = begun(recipe), Alarm(recipe)
    probes += [0.19, 0.0, 0.19, 0.0]
    run(training, recipe.length, [watch])
    assert probes == []
    assert training.rollbacks == 0
    assert watch.kept is None


def test_solves_that_come_nowhere_are_an_alarm(begun, recipe, probes, monkeypatch):
    monkeypatch.setitem(hooks.KEEP, "settled", 0.5)
    training, watch = begun(recipe.replaced(alarm_every=1)), Alarm(recipe.replaced(alarm_every=1))
    training.update(0.0)
    probes += [0.5, 0.5]
    watch.after_update(training, {"settled": torch.tensor(0.9)}, 0.0)
    found = watch.after_update(training, {"settled": torch.tensor(0.4)}, 0.0)
    assert found["rollbacks"] == 1


def test_the_probe_is_right_about_an_answer(begun, recipe, monkeypatch):
    training, watch = begun(recipe), Alarm(recipe)
    labels = torch.from_numpy(watch.instances.labels["answer"]).long()
    logits = 9.0 * torch.nn.functional.one_hot(labels, watch.task.spec.num_choices)
    wrong = logits.clone()
    wrong[::2, :, 0] = torch.nan
    for said, share in ((logits, 1.0), (wrong, 0.5)):
        monkeypatch.setattr(
            training.model, "steps", lambda *args, said=said: [(said, torch.zeros(len(said), 1))]
        )
        watch.check(training)
        assert watch.last == share
    assert training.model.training
    assert watch.task.split == "validation"


def test_it_looks_at_tasks_without_splits_too(kinds):
    watch = Alarm(kinds["reader"].replaced(alarm_every=2))
    assert len(watch.instances) == hooks.COUNT


def test_a_probe_leaves_the_training_as_it_was(begun, recipe):
    plain, watched = begun(recipe), begun(recipe)
    run(plain, recipe.length)
    run(watched, recipe.length, [Alarm(recipe)])
    assert watched.rollbacks == 0
    assert equal(weights(plain), weights(watched))


# A slow machine


def test_a_training_that_is_far_slower_than_measured_says_so_once():
    said = []
    watch = hooks.SlowWatch(10.0, said.append)
    training = SimpleNamespace(updates=1, spent=Spent(seconds=0.5))
    for updates, seconds in ((1, 0.5), (5, 9.0), (10, 20.5), (11, 40.0)):
        training.updates, training.spent = updates, Spent(seconds=seconds)
        watch.after_update(training, {}, 0.0)
    assert len(said) == 1
    assert said[0].startswith("0.45 updates a second: this recipe made 10 where")


@pytest.mark.parametrize("expected", [None, 0.5])
def test_nothing_is_said_where_nothing_is_slow(expected):
    watch = hooks.SlowWatch(expected, pytest.fail)
    for updates, seconds in ((1, 0.5), (10, 20.5)):
        training = SimpleNamespace(updates=updates, spent=Spent(seconds=seconds))
        assert watch.after_update(training, {}, 0.0) == {}
