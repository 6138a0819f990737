"""The visit to a GPU, rehearsed without one: in its minutes, whole at any kill, gone on with."""

import argparse
import importlib.util
import json
import multiprocessing
import random
import sys
import time
from pathlib import Path

import pytest
import torch

from ttc_agents.inference.checkpoint import load_model
from ttc_agents.inference.directory import has_checkpoint
from ttc_agents.training.loop import Look

SCRIPT = Path(__file__).parents[1] / "scripts" / "gpu_visit.py"
EVERY, SECONDS, WHOLE, LONG, KILLS = 0.5, 6.0, 12.0, 30.0, 20
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("gpu_visit", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


@pytest.fixture
def short(script, monkeypatch):
    """The visit with what takes long left out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(script, "tests", lambda visit: visit.note("tests", passed=True))
    monkeypatch.setattr(script, "MODELS", ("graph-4x4",))
    monkeypatch.setattr(script, "COUNTS", (4, 10**6))
    monkeypatch.setattr(script, "STEPS", (1, 4))
    yield script
    torch.set_num_threads(threads)


def asked(out, seconds=SECONDS):
    return argparse.Namespace(
        minutes=seconds / 60, out=out, device="cpu", recipe="sudoku4-demo", every=EVERY
    )


def document(out):
    return json.loads((out / "visit.json").read_text())


def stubbed(script, monkeypatch):
    """The parts, each of which notes when it began."""
    for part, name in (("ceilings",) * 2, ("speed",) * 2, ("sweep", "sweeping")):
        monkeypatch.setattr(script, name, lambda visit, part=part: visit.note(part, ran=True))
    monkeypatch.setattr(script, "training", lambda visit, *rest: visit.note("training", ran=True))


def test_what_a_part_has_found_is_on_the_disk_before_the_next_begins(short, tmp_path, monkeypatch):
    stubbed(short, monkeypatch)
    seen = []
    monkeypatch.setattr(short, "speed", lambda visit: seen.append(document(tmp_path)["parts"]))
    found = short.visited(asked(tmp_path))
    assert list(seen[0]) == ["tests", "ceilings"]
    assert list(found["parts"]) == ["tests", "ceilings", "speed", "training", "sweep"]
    assert found["finished"]
    assert found == document(tmp_path)


def test_a_part_that_fails_leaves_the_others(short, tmp_path, monkeypatch):
    stubbed(short, monkeypatch)
    monkeypatch.setattr(short, "speed", lambda visit: 1 / 0)
    parts = short.visited(asked(tmp_path))["parts"]
    assert parts["speed"]["error"] == "ZeroDivisionError: division by zero"
    assert parts["sweep"]["ran"]


@pytest.mark.parametrize("minutes", [1.0, 2.0, 8.0, 15.0])
def test_the_training_has_what_the_other_parts_leave(short, tmp_path, minutes):
    visit = short.Visit(tmp_path, minutes, torch.device("cpu"))
    others = sum(visit.allowed(part) for part in short.PARTS)
    assert others <= 60 * minutes * 0.4
    if minutes == 8.0:
        assert others == sum(short.PARTS.values()) == 180.0


def test_a_part_without_an_end_is_cut_off_and_the_others_have_their_time(
    short, tmp_path, monkeypatch
):
    stubbed(short, monkeypatch)

    def endless(visit):
        while True:
            visit.note("speed", ran=True)

    monkeypatch.setattr(short, "speed", endless)
    found = short.visited(asked(tmp_path, 3.0))
    assert found == document(tmp_path)
    assert found["parts"]["speed"]["unfinished"] == "cut off: no time"
    # All but the share of the sweep, an eighth, the least of the training, and the reserve.
    assert 1.0 < found["parts"]["speed"]["seconds"] < 2.0
    assert found["parts"]["sweep"]["ran"]
    assert not found["parts"]["sweep"].get("unfinished")


def test_minutes_that_are_over_leave_out_every_part(short, tmp_path, monkeypatch):
    stubbed(short, monkeypatch)
    parts = short.visited(asked(tmp_path, 1.0), time.perf_counter() - 1.0)["parts"]
    assert list(parts) == ["tests", "ceilings", "speed", "training", "sweep"]
    assert all("no time" in part["unfinished"] for part in parts.values())
    assert not any("ran" in part for part in parts.values())


def test_a_training_ends_when_the_time_of_the_sweep_begins(short, tmp_path, monkeypatch):
    visit = short.Visit(tmp_path, 1.0, torch.device("cpu"))
    monkeypatch.setattr(visit, "left", lambda after=0.0: 100.0)
    hook = short.EveryMinute(visit, 60.0)

    def late(training, metrics):
        if training.updates == 3:
            monkeypatch.setattr(visit, "left", lambda after=0.0: -1.0)

    monkeypatch.setattr(short, "EveryMinute", lambda visit, every: hook)
    look, after = Look(late), hook.after_update
    hook.after_update = lambda *a: (look.after_update(*a), after(*a))[1]
    short.training(visit, "sudoku4-demo", 60.0)
    assert document(tmp_path)["parts"]["training"]["updates"] == 3
    assert json.loads((tmp_path / "checkpoint" / "config.json").read_text())["updates"] == 3


def test_a_sweep_without_weights_is_left_out(short, tmp_path):
    visit = short.Visit(tmp_path, 1.0, torch.device("cpu"))
    short.sweeping(visit)
    assert document(tmp_path)["parts"]["sweep"] == {"left_out": "no weights"}


def stretched(seconds):
    """Seconds in which this machine, with its other work, does as much as alone in so many."""
    wall, cpu = time.perf_counter(), time.process_time()
    while time.process_time() - cpu < 0.5:
        sum(range(1000))
    return seconds * max(1.0, (time.perf_counter() - wall) / 0.5)


@pytest.mark.slow
def test_a_visit_keeps_to_its_minutes_and_says_what_it_left_out(short, tmp_path):
    whole = stretched(WHOLE)
    start = time.perf_counter()
    found = short.visited(asked(tmp_path, whole))
    assert time.perf_counter() - start < whole
    assert found == document(tmp_path)
    assert found["finished"]
    parts = found["parts"]
    assert list(parts) == ["tests", "ceilings", "speed", "training", "sweep"]
    assert not any("error" in part for part in parts.values())
    assert 0 < parts["speed"]["graph-4x4"]["share_of_peak"] < 2
    assert parts["training"]["updates"] > 0
    assert parts["sweep"]["instances"] == 4
    assert "no time" in parts["sweep"]["left_out"]


def going(script, out, trace, seconds):
    """A visit whose training writes down the seconds that it has had."""
    hooks = script.EveryMinute

    def traced(visit, every):
        hook = hooks(visit, every)

        def look(training, metrics):
            with trace.open("a") as file:
                file.write(f"{training.spent.seconds}\n")

        looking, after = Look(look), hook.after_update
        hook.after_update = lambda *a: (looking.after_update(*a), after(*a))[1]
        return hook

    script.EveryMinute = traced
    script.visited(asked(out, seconds))


@pytest.mark.slow
def test_a_kill_loses_no_more_than_it_may(short, tmp_path, monkeypatch):
    for part in ("ceilings", "speed"):
        monkeypatch.setattr(short, part, lambda visit: None)
    draw, trained = random.Random(0), 0
    for attempt in range(KILLS):
        out, trace = tmp_path / str(attempt), tmp_path / f"{attempt}.txt"
        process = multiprocessing.get_context("fork").Process(
            target=going, args=(short, out, trace, LONG)
        )
        process.start()
        # Half of the kills come at any time, half while the training runs, however slow it is.
        if attempt % 2:
            while process.is_alive() and not trace.exists():
                time.sleep(0.05)
        time.sleep(draw.uniform(0.0, SECONDS / 2))
        process.kill()
        process.join()
        if (out / "visit.json").exists():
            assert document(out)["parts"] is not None
        had = [float(line) for line in trace.read_text().split()] if trace.exists() else []
        if not had:
            continue
        trained += 1
        longest = max(b - a for a, b in zip([0.0, *had], had, strict=False))
        kept = 0.0
        if has_checkpoint(out / "checkpoint"):
            load_model(out / "checkpoint")
            kept = json.loads((out / "checkpoint" / "config.json").read_text())["seconds"]
        assert had[-1] - kept <= EVERY + 3 * longest
    assert trained >= KILLS // 2
    again = short.visited(asked(out, LONG))
    assert again["parts"]["training"]["updates"] > 0
