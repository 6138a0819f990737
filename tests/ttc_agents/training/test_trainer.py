"""Training: it learns, resumes bit by bit, refuses to lose anything, and stops politely."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from ttc_agents.training import checkpoint, trainer
from ttc_agents.training.engine import pick_device
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.state import Training
from ttc_agents.training.trainer import train
from ttc_envs import make_task

TINY = Recipe(
    name="tiny",
    description="a few updates on 4x4",
    env_id="ttc/Sudoku4-v0",
    model="factor_graph_network",
    level="minimal",
    model_options={"width": 8, "message_width": 8, "hidden_width": 8},
    updates=6,
    batch_size=4,
    segment_steps=2,
    warmup=2,
    precision="float32",
    compile="off",
)


READER = dataclasses.replace(
    TINY,
    env_id="ttc/Sorting-v0",
    model="relational_network",
    level="uniform,reversed",
    task={"size": 4, "view": "adjacent"},
    model_options={"width": 8, "message_layers": 1, "node_layers": 1},
    target="improve",
)
"""A model that reads the answer."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("recipe", [TINY, READER], ids=["blind", "reader"])
def test_resume_is_bit_identical(tmp_path, recipe):
    train(recipe, tmp_path / "whole", show=False)
    task = make_task(recipe.env_id, **recipe.task)
    whole, parts = (Training(recipe, task, torch.device("cpu")) for _ in range(2))
    engine = whole.engine(str)
    parts.engine(str)
    for _ in range(6):
        whole.update(engine)
    for _ in range(3):
        parts.update(parts.engine(str))
    (tmp_path / "b").mkdir()
    parts.save(tmp_path / "b")
    train(recipe, tmp_path / "b", resume=True, show=False)
    one, other = (checkpoint.load_model(tmp_path / d).state_dict() for d in ("whole", "b"))
    for name, values in whole.averaged_weights().items():
        assert torch.equal(one[name], values), name
        assert torch.equal(other[name], values), name


@pytest.mark.parametrize("target", ["solution", "improve"])
def test_a_reader_is_trained_towards_its_target(target):
    fast = {"updates": 40, "batch_size": 32, "matrix_learning_rate": 0.02}
    recipe = dataclasses.replace(READER, target=target, **fast)
    training = Training(recipe, make_task(recipe.env_id, **recipe.task), torch.device("cpu"))
    engine = training.engine(str)
    losses = [float(training.update(engine)["loss"]) for _ in range(40)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_only_readers_can_imitate():
    recipe = dataclasses.replace(TINY, target="improve")
    with pytest.raises(ValueError, match="models that read the answer; factor_graph_network does"):
        Training(recipe, make_task(recipe.env_id), torch.device("cpu"))


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path):
    train(TINY, tmp_path, show=False)
    log = tmp_path / "metrics.jsonl"
    with log.open("a") as file:
        file.write('{"update": 99, "loss": 1}\n{"torn')
    train(dataclasses.replace(TINY, updates=8), tmp_path, resume=True, show=False)
    updates = [json.loads(line)["update"] for line in log.read_text().splitlines()]
    assert updates == [6, 8]


def test_a_directory_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="--resume, --overwrite"):
        train(TINY, tmp_path, show=False)
    train(TINY, tmp_path, overwrite=True, show=False)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(ValueError, match="exclude"):
        train(TINY, tmp_path, overwrite=True, resume=True, show=False)
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        train(TINY, tmp_path / "none", resume=True, show=False)


def test_another_recipe_is_not_resumed(tmp_path):
    train(TINY, tmp_path, show=False)
    with pytest.raises(ValueError, match=r"learning_rate: 0\.003 there, 0\.1 asked"):
        train(
            dataclasses.replace(TINY, learning_rate=0.1, updates=9),
            tmp_path,
            resume=True,
            show=False,
        )


def test_seconds_go_on_where_they_were(tmp_path):
    short = dataclasses.replace(TINY, updates=None, seconds=0.5)
    first = train(short, tmp_path, show=False)
    again = train(short, tmp_path, resume=True, show=False)
    assert first.finished
    assert (again.updates, again.seconds) == (first.updates, first.seconds)


def test_a_diverging_training_says_so(tmp_path):
    bad = dataclasses.replace(TINY, learning_rate=float("inf"), updates=20)
    with pytest.raises(FloatingPointError, match="diverged"):
        train(bad, tmp_path, show=False)


def test_unknown_device_is_one_clear_error(tmp_path):
    with pytest.raises(ValueError, match="'abacus' cannot be used"):
        pick_device("abacus")


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 1.0},
        {"updates": 0},
        {"batch_size": 0},
        {"restart": 0.0},
        {"updates": None},
        {"precision": "float8"},
        {"compile": "perhaps"},
        {"ema": 1.0},
        {"clip": 0.0},
    ],
)
def test_impossible_recipes_are_refused(change):
    with pytest.raises(ValueError, match="got"):
        dataclasses.replace(TINY, **change)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_every_recipe_updates(recipe):
    assert Recipe(**json.loads(json.dumps(recipe.to_json()))) == recipe
    small = dataclasses.replace(
        recipe, batch_size=2, segment_steps=2, precision="float32", compile="off"
    )
    training = Training(small, make_task(recipe.env_id, **recipe.task), torch.device("cpu"))
    before = [p.clone() for p in training.parameters]
    metrics = training.update(training.engine(str))
    assert torch.isfinite(metrics["loss"])
    assert any((a != b).any() for a, b in zip(before, training.parameters, strict=True))


def test_the_state_of_another_training_is_refused(tmp_path):
    train(TINY, tmp_path, show=False)
    other = Training(
        dataclasses.replace(TINY, model_options={}), make_task(TINY.env_id), torch.device("cpu")
    )
    with pytest.raises(ValueError, match="not of this training"):
        other.load(tmp_path)


def test_the_first_interrupt_saves(tmp_path):
    code = (
        "import dataclasses, pathlib, sys\n"
        "from ttc_agents.training.recipes import Recipe\n"
        "from ttc_agents.training.trainer import train\n"
        f"recipe = Recipe(**{ {**TINY.to_json(), 'updates': 10**6}!r})\n"
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
    assert checkpoint.load_training(tmp_path)["updates"] == int(updates)


def wait_for(condition, seconds=300.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


def test_the_second_interrupt_leaves_at_once(tmp_path, monkeypatch):
    updates = []

    def interrupted(self, engine):
        updates.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        return {}

    monkeypatch.setattr(trainer.Training, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path, show=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_training_works_outside_the_main_thread(tmp_path):
    thread = threading.Thread(target=train, args=(TINY, tmp_path), kwargs={"show": False})
    thread.start()
    thread.join()
    assert checkpoint.load_training(tmp_path)["updates"] == 6


GRAPHS = dataclasses.replace(
    RECIPES["graph-4x4"], name="tiny", updates=4, batch_size=4, segment_steps=2
)


def test_resume_is_bit_identical_where_a_model_draws(tmp_path):
    task = make_task(GRAPHS.env_id)
    whole = Training(GRAPHS, task, torch.device("cpu"))
    engine = whole.engine(str)
    for _ in range(4):
        whole.update(engine)
    parts = Training(GRAPHS, task, torch.device("cpu"))
    for _ in range(2):
        parts.update(parts.engine(str))
    parts.save(tmp_path)
    train(GRAPHS, tmp_path, resume=True, show=False)
    resumed = checkpoint.load_model(tmp_path).state_dict()
    for name, values in whole.averaged_weights().items():
        assert torch.equal(resumed[name], values), name


def test_a_recipe_begins_with_what_its_first_has_learnt(tmp_path, monkeypatch):
    from ttc_agents.training import recipes

    monkeypatch.setitem(recipes.RECIPES, "tiny", GRAPHS)
    second = dataclasses.replace(
        RECIPES["learned-graph-4x4"], first="tiny", updates=3, batch_size=4, segment_steps=2
    )
    calls = []
    train(second, tmp_path, show=False, watch=lambda training: calls.append(training) or {})
    assert [type(t.model.inner).__name__ for t in calls] == ["CountNetwork"] * 4 + [
        "ChoiceNetwork"
    ] * 3
    first, whole = (checkpoint.load_model(d) for d in (tmp_path / "first", tmp_path))
    fresh = Training(second, make_task(second.env_id), torch.device("cpu"))
    for name, values in first.edges.state_dict().items():
        assert torch.equal(whole.edges.state_dict()[name], values), name
    assert first.edges.table.abs().sum() > 0
    assert any(
        not torch.equal(values, whole.inner.state_dict()[name])
        for name, values in fresh.model.inner.state_dict().items()
    )
    train(dataclasses.replace(second, updates=4), tmp_path, resume=True, show=False)
    assert checkpoint.load_training(tmp_path)["updates"] == 4


@pytest.mark.slow
def test_4x4_is_learnt_from_scratch(tmp_path):
    train(dataclasses.replace(RECIPES["sudoku4-demo"], seconds=20), tmp_path, show=False)
    task = make_task("ttc/Sudoku4-v0", split="test")
    instances = task.sample(torch.arange(200).numpy().astype("uint64"), "minimal")
    from ttc_agents.models.base import to_batch

    model = checkpoint.load_model(tmp_path)
    with torch.no_grad():
        answer = model(to_batch(instances.fields), 64).logits[-1].argmax(-1).numpy()
    assert task.score(instances, answer)["solved"].mean() >= 0.99
