"""Training into a directory: it resumes bit by bit, refuses to lose anything, stops politely."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from ttc_agents.inference import checkpoint
from ttc_agents.inference.config import read_config, write_config
from ttc_agents.inference.refine import solved_share
from ttc_agents.training.hooks import Alarm
from ttc_agents.training.loop import Hook, run
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.train import alarms, check_same, train
from ttc_envs import make_task

HALF = 3


class Stop(Hook):
    """Ctrl-C at an update."""

    def __init__(self, update):
        self.update = update

    def after_update(self, training, metrics, done):
        if training.updates == self.update:
            os.kill(os.getpid(), signal.SIGINT)
        return {}


class Nudge(Hook):
    """Moves a weight by a number that grows with each call, which its state keeps."""

    def __init__(self, calls):
        self.calls = calls

    def after_update(self, training, metrics, done):
        self.calls += 1
        with torch.no_grad():
            training.learning.parameters[0].view(-1)[0] += 1e-3 * self.calls
        return {"calls": torch.tensor(float(self.calls))}

    def state_dict(self):
        return {"calls": self.calls}

    def load_state_dict(self, saved):
        self.calls = saved["calls"]


def everything(directory):
    """What a checkpoint holds, flat, but for the seconds: they are never alike."""
    state = checkpoint.load_training(directory)
    del state["spent"]["seconds"]
    weights = checkpoint.load_model(directory).state_dict()
    return dict(flat({"weights": weights, **state}))


def flat(value, path=()):
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from flat(inner, (*path, key))
    else:
        yield path, value


def alike(one, other):
    """Whether two checkpoints agree bit by bit."""
    one, other = everything(one), everything(other)
    return list(one) == list(other) and all(
        torch.equal(value.nan_to_num(7.0), other[path].nan_to_num(7.0))
        if isinstance(value, torch.Tensor)
        else value == other[path]
        for path, value in one.items()
    )


KINDS = ("plain", "muon", "expert", "reader", "forced", "graphs", "equilibrium")
WARM = "model_options.warm_backward=true"


@pytest.mark.parametrize(
    ("kind", "settings"), [*((kind, ()) for kind in KINDS), ("equilibrium", (WARM,))]
)
def test_resume_is_bit_identical(kinds, tmp_path, kind, settings):
    recipe = kinds[kind].changed(settings)
    train(recipe, tmp_path / "whole", show=False)
    first = train(recipe, tmp_path / "parts", show=False, hooks=[Stop(HALF)])
    assert (first.finished, first.updates) == (False, HALF)
    assert not alike(tmp_path / "whole", tmp_path / "parts")
    last = train(recipe, tmp_path / "parts", resume=True, show=False)
    assert (last.finished, last.updates) == (True, recipe.updates)
    assert alike(tmp_path / "whole", tmp_path / "parts")


def test_resume_keeps_the_state_of_hooks(tiny, tmp_path):
    # Two of one class are kept apart.
    train(tiny, tmp_path / "whole", show=False, hooks=[Nudge(0), Nudge(20)])
    train(tiny, tmp_path / "parts", show=False, hooks=[Nudge(0), Nudge(20), Stop(HALF)])
    resumed = [Nudge(0), Nudge(0)]
    train(tiny, tmp_path / "parts", resume=True, show=False, hooks=resumed)
    assert [hook.calls for hook in resumed] == [6, 26]
    assert alike(tmp_path / "whole", tmp_path / "parts")
    # The state of a training is that of another where its hooks are not gone on with.
    train(tiny, tmp_path / "lost", show=False, hooks=[Nudge(0), Nudge(20), Stop(HALF)])
    train(tiny, tmp_path / "lost", resume=True, show=False)
    assert not alike(tmp_path / "whole", tmp_path / "lost")


def test_a_resumed_training_may_have_another_hook(tiny, tmp_path):
    train(tiny, tmp_path, show=False, hooks=[Stop(HALF)])
    late = Nudge(7)
    train(tiny, tmp_path, resume=True, show=False, hooks=[Stop(0), late])
    assert late.calls == 7 + HALF


def test_resume_goes_through_a_rollback(kinds, tmp_path, monkeypatch):
    shares = []
    monkeypatch.setattr(
        "ttc_agents.training.hooks.solved_share", lambda *args: 0.5 if shares.pop(0) else 0.2
    )
    monkeypatch.setitem(sys.modules["ttc_agents.training.hooks"].KEEP, "settled", 0.0)
    recipe = kinds["equilibrium"]
    shares[:] = [1, 1, 0, 1]
    train(recipe, tmp_path / "whole", show=False)
    assert checkpoint.load_config(tmp_path / "whole")["rollbacks"] == 1
    for split in (5, 6):
        shares[:] = [1, 1, 0, 1]
        out = tmp_path / str(split)
        train(recipe, out, show=False, hooks=[Stop(split)])
        train(recipe, out, resume=True, show=False)
        assert checkpoint.load_config(out)["rollbacks"] == 1
        assert alike(tmp_path / "whole", out)


def test_an_optimizer_of_the_users_is_resumed(tiny, module, tmp_path):
    name = module(
        "my_optimizer",
        "import torch\n"
        "def halves(parameters, recipe):\n"
        "    half = len(parameters) // 2\n"
        "    groups = [{'params': parameters[:half], 'lr': recipe.learning_rate},\n"
        "              {'params': parameters[half:], 'lr': 2 * recipe.learning_rate}]\n"
        "    return torch.optim.SGD(groups, momentum=0.9)\n",
    )
    recipe = dataclasses.replace(tiny, optimizer=f"{name}:halves")
    train(recipe, tmp_path / "whole", show=False)
    train(recipe, tmp_path / "parts", show=False, hooks=[Stop(HALF)])
    train(recipe, tmp_path / "parts", resume=True, show=False)
    assert alike(tmp_path / "whole", tmp_path / "parts")
    (optimizer,) = checkpoint.load_training(tmp_path / "parts")["optimizer"]
    slow, fast = (group["lr"] for group in optimizer["param_groups"])
    assert fast == 2 * slow > 0
    assert set(optimizer["state"][0]) == {"momentum_buffer"}


def test_training_in_python_is_that_of_the_command(begun, tiny, tmp_path):
    train(tiny, tmp_path, show=False)
    training = begun(tiny)
    run(training, tiny.length)
    saved = checkpoint.load_model(tmp_path).state_dict()
    for name, values in training.learning.averaged_weights().items():
        assert torch.equal(saved[name], values), name


def test_a_name_is_enough(tiny, monkeypatch, tmp_path):
    monkeypatch.setitem(RECIPES, "tiny", tiny)
    result = train("tiny", str(tmp_path), show=False, updates=2, seed=3)
    assert (result.checkpoint, result.updates, result.finished) == (tmp_path, 2, True)
    saved = checkpoint.load_config(tmp_path)["recipe"]
    assert (saved["updates"], saved["seed"]) == (2, 3)


def test_metrics_are_cut_back_to_the_checkpoint(tiny, tmp_path):
    train(tiny, tmp_path, show=False)
    log = tmp_path / "metrics.jsonl"
    with log.open("a") as file:
        file.write('{"update": 99, "loss": 1}\n{"torn')
    train(dataclasses.replace(tiny, updates=8), tmp_path, resume=True, show=False)
    updates = [json.loads(line)["update"] for line in log.read_text().splitlines()]
    assert updates == [6, 8]


def test_a_directory_with_something_in_it_is_refused(tiny, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="--resume, --overwrite"):
        train(tiny, tmp_path, show=False)
    train(tiny, tmp_path, overwrite=True, show=False)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(ValueError, match="exclude"):
        train(tiny, tmp_path, overwrite=True, resume=True, show=False)
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        train(tiny, tmp_path / "none", resume=True, show=False)


def test_another_recipe_is_not_resumed(tiny, tmp_path):
    train(tiny, tmp_path, show=False)
    with pytest.raises(ValueError, match=r"learning_rate: 0\.003 there, 0\.1 asked"):
        train(tiny, tmp_path, resume=True, show=False, learning_rate=0.1, updates=9)


def test_a_checkpoint_without_alarm_is_not_resumed_with_one(kinds, tmp_path):
    recipe = kinds["equilibrium"]
    train(recipe, tmp_path, show=False, alarm_every=None, updates=2)
    with pytest.raises(ValueError, match="alarm_every: None there, 2 asked"):
        train(recipe, tmp_path, resume=True, show=False)


def test_a_checkpoint_of_before_a_field_is_resumed(begun, tiny, tmp_path):
    train(tiny, tmp_path, show=False)
    config = read_config(tmp_path / "config.json")
    del config["recipe"]["random_start"], config["recipe"]["alarm_every"]
    write_config(tmp_path, config)
    check_same(begun(tiny), tmp_path)
    assert train(tiny, tmp_path, resume=True, show=False, updates=7).updates == 7
    config = read_config(tmp_path / "config.json")
    config["recipe"]["restart"] = 0.5
    write_config(tmp_path, config)
    with pytest.raises(ValueError, match=r"restart: 0\.5 there, 0\.25 asked"):
        train(tiny, tmp_path, resume=True, show=False, updates=9)


def puzzles(path, first):
    task = make_task("ttc/Sudoku4-v0")
    drawn = task.sample(np.arange(first, first + 200, dtype=np.uint64), "easy")
    path.write_text("\n".join({task.spell(puzzle) for puzzle in drawn.fields["givens"]}))


def test_files_of_other_content_are_not_resumed(tiny, tmp_path):
    level, own = tmp_path / "a,b.txt", tmp_path / "own.txt"
    puzzles(level, 0)
    puzzles(own, 0)
    changes = {"level": f"easy,file:{level}", "task": {"puzzles": str(own)}, "updates": 2}
    train(tiny, tmp_path / "out", show=False, **changes)
    assert checkpoint.load_task(tmp_path / "out").sources.keys() == {"puzzles"}
    puzzles(level, 500)
    with pytest.raises(ValueError, match=rf"trained on other content of file:{level}"):
        train(tiny, tmp_path / "out", show=False, resume=True, **{**changes, "updates": 3})
    puzzles(level, 0)
    puzzles(own, 500)
    with pytest.raises(ValueError, match="trained on other content of puzzles='"):
        train(tiny, tmp_path / "out", show=False, resume=True, **{**changes, "updates": 3})
    with pytest.raises(ValueError, match="trained on other content of puzzles='"):
        checkpoint.load_task(tmp_path / "out")
    assert checkpoint.load_task(tmp_path / "out", puzzles=str(own)).sources.keys() == {"puzzles"}


def test_seconds_go_on_where_they_were(tiny, tmp_path):
    short = tiny.replaced(seconds=0.5)
    first = train(short, tmp_path, show=False)
    again = train(short, tmp_path, resume=True, show=False)
    assert first.finished
    assert (again.updates, again.seconds) == (first.updates, first.seconds)


def test_seconds_are_those_of_the_clock(tiny, tmp_path):
    ticks = iter(range(10**6))
    result = train(tiny, tmp_path / "a", seconds=8, show=False, clock=lambda: float(next(ticks)))
    assert result.finished
    assert result.seconds == 8
    assert 1 < result.updates <= 8


def test_a_diverging_training_says_so(tiny, tmp_path):
    with pytest.raises(FloatingPointError, match="diverged"):
        train(tiny, tmp_path, show=False, learning_rate=float("inf"), updates=20)


def test_a_recipe_has_the_alarm_that_it_asks_for(tiny, kinds):
    assert alarms(tiny) == []
    (alarm,) = alarms(kinds["equilibrium"])
    assert isinstance(alarm, Alarm)
    assert alarm.every == 2


# Signals and threads


def test_the_first_interrupt_saves(tiny, tmp_path):
    code = (
        "import pathlib, sys\n"
        "from ttc_agents.training.recipe import Recipe\n"
        "from ttc_agents.training.train import train\n"
        f"recipe = Recipe(**{ {**tiny.to_json(), 'updates': 10**6}!r})\n"
        "result = train(recipe, pathlib.Path(sys.argv[1]), show=False)\n"
        "print(result.finished, result.updates)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            wait_for(lambda: (tmp_path / "metrics.jsonl").is_file())
            time.sleep(0.5)
            child.send_signal(signal.SIGINT)
            out, _ = child.communicate(timeout=300)
        finally:
            child.kill()
    finished, updates = out.split()
    assert child.returncode == 0
    assert finished == "False"
    assert checkpoint.load_training(tmp_path)["spent"]["updates"] == int(updates)


def wait_for(condition, seconds=300.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


def test_the_second_interrupt_leaves_at_once(tiny, tmp_path):
    before = signal.getsignal(signal.SIGINT)

    class Twice(Hook):
        def after_update(self, training, metrics, done):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            return {}

    with pytest.raises(KeyboardInterrupt):
        train(tiny, tmp_path, show=False, hooks=[Twice()])
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "training.pt").exists()


def test_training_works_outside_the_main_thread(tiny, tmp_path):
    thread = threading.Thread(target=train, args=(tiny, tmp_path), kwargs={"show": False})
    thread.start()
    thread.join()
    assert checkpoint.load_training(tmp_path)["spent"]["updates"] == 6


# A recipe before another


class Following(Hook):
    """Notes the models that are trained, one after the other."""

    def __init__(self):
        self.models = []

    def after_update(self, training, metrics, done):
        self.models.append(type(training.model.inner).__name__)
        return {}


@pytest.fixture
def second(kinds, monkeypatch):
    """A recipe with one of four updates before it."""
    first = dataclasses.replace(kinds["graphs"], name="first", updates=4)
    monkeypatch.setitem(RECIPES, "first", first)
    return dataclasses.replace(
        RECIPES["learned-graph-4x4"], first="first", updates=3, batch_size=4, segment_steps=2
    )


def test_a_recipe_begins_with_what_its_first_has_learnt(begun, second, tmp_path):
    following = Following()
    train(second, tmp_path, show=False, hooks=[following], seed=4)
    assert following.models == ["CountNetwork"] * 4 + ["ChoiceNetwork"] * 3
    first, whole = (checkpoint.load_model(d) for d in (tmp_path / "first", tmp_path))
    assert checkpoint.load_config(tmp_path / "first")["recipe"]["seed"] == 4
    fresh = begun(second)
    for name, values in first.edges.state_dict().items():
        assert torch.equal(whole.edges.state_dict()[name], values), name
    assert first.edges.table.abs().sum() > 0
    assert any(
        not torch.equal(values, whole.inner.state_dict()[name])
        for name, values in fresh.model.inner.state_dict().items()
    )
    train(second, tmp_path, resume=True, show=False, seed=4, updates=4)
    assert checkpoint.load_training(tmp_path)["spent"]["updates"] == 4


def test_an_interrupted_first_is_gone_on_with(second, tmp_path):
    train(second, tmp_path / "whole", show=False)
    stopped = train(second, tmp_path / "parts", show=False, hooks=[Stop(2)])
    assert (stopped.checkpoint, stopped.finished) == (tmp_path / "parts" / "first", False)
    assert not (tmp_path / "parts" / "training.pt").exists()
    following = Following()
    resumed = train(second, tmp_path / "parts", resume=True, show=False, hooks=[following])
    assert resumed.finished
    assert following.models == ["CountNetwork"] * 2 + ["ChoiceNetwork"] * 3
    assert alike(tmp_path / "whole", tmp_path / "parts")
    assert alike(tmp_path / "whole" / "first", tmp_path / "parts" / "first")


@pytest.mark.slow
def test_4x4_is_learnt_from_scratch(tmp_path):
    train(RECIPES["sudoku4-demo"], tmp_path, show=False, seconds=20)
    task = make_task("ttc/Sudoku4-v0", split="test")
    instances = task.sample(np.arange(200, dtype=np.uint64), "minimal")
    assert solved_share(checkpoint.load_model(tmp_path), task, instances, 64) >= 0.99
