"""Several processes are one training: joined by gloo, forked here, by `torchrun` outside."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from ttc_agents.training.distributed import ALONE, World, current, joined, share
from ttc_agents.training.hooks import Saver
from ttc_agents.training.train import train
from ttc_agents.training.update import check_world

ROOT = Path(__file__).parents[3]
CLOSE = 1e-5
# Since Python 3.12 a fork beside other threads is warned of; those of PyTorch wait for work.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def body(rank, size, place, work):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}/meet", rank=rank, world_size=size)
    torch.save(work(current()), place / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture
def together(tmp_path_factory):
    """Runs work(world) in so many processes; gives what each of them has returned."""

    def run(size, work):
        place = tmp_path_factory.mktemp("together")
        context = multiprocessing.get_context("fork")
        arguments = [(rank, size, place, work) for rank in range(size)]
        processes = [context.Process(target=body, args=each) for each in arguments]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
            if process.is_alive():
                process.kill()
        assert [process.exitcode for process in processes] == [0] * size
        return [torch.load(place / f"{rank}.pt") for rank in range(size)]

    return run


def trained(begun, recipe, world, updates, saved=None, place=None):
    """The weights after some updates, and the metrics of the last one."""
    training = begun(recipe, world=world)
    if saved is not None:
        Saver(saved, []).load(training)
    for _ in range(updates):
        metrics = training.update(0.0)
    if place is not None:
        Saver(place, []).save(training)
    weights = [p.detach().clone() for p in training.learning.parameters]
    return weights, {name: float(value) for name, value in metrics.items()}, training.carried.drawn


def furthest(ones, others):
    return max(float((a - b).abs().max()) for a, b in zip(ones, others, strict=True))


@pytest.mark.parametrize(("kind", "updates"), [("plain", 50), ("reader", 10)])
def test_two_processes_with_half_the_batch_are_one(begun, kinds, together, kind, updates):
    recipe = kinds[kind].replaced(updates=updates, batch_size=8)
    one, expected, drawn = trained(begun, recipe, ALONE, updates)
    (first, metrics, its), (second, others, _) = together(
        2, lambda world: trained(begun, recipe, world, updates)
    )
    assert furthest(first, one) < CLOSE
    assert furthest(first, second) == 0
    assert metrics == others
    assert metrics["loss"] == pytest.approx(expected["loss"], abs=1e-4)
    assert metrics["age"] == expected["age"]
    assert its == drawn


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_any_number_of_processes_can_go_on(begun, kinds, together, tmp_path, before, after):
    recipe = kinds["reader"].replaced(updates=6, batch_size=8)
    one, _, _ = trained(begun, recipe, ALONE, 6)

    def several(size, *arguments):
        if size == 1:
            return trained(begun, recipe, ALONE, *arguments)
        return together(size, lambda world: trained(begun, recipe, world, *arguments))[0]

    several(before, 3, None, tmp_path)
    assert furthest(several(after, 3, tmp_path)[0], one) < CLOSE


def test_rows_that_are_not_finite_leave_the_common_stream_alone(begun, kinds, together):
    recipe = kinds["plain"].replaced(batch_size=8)

    def work(world):
        training = begun(recipe, world=world)
        training.update(0.0)
        if world.rank == 1:
            training.carried.discard()
        training.update(0.0)
        carried = training.carried
        assert torch.isfinite(carried.state).all()
        return carried.generator.get_state(), carried.batch["givens"]

    (stream, givens), (other, others) = together(2, work)
    assert torch.equal(stream, other)
    assert not (givens[:, None] == others).all(2).any()


def test_the_first_process_writes_for_all(kinds, together, tmp_path):
    recipe = kinds["plain"].replaced(batch_size=8)
    results = together(2, lambda world: train(recipe, tmp_path / "out", show=False).updates)
    assert results == [6, 6]
    lines = (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()
    updates = [json.loads(line)["update"] for line in lines]
    assert updates == sorted(set(updates))  # each once, also on a machine that reports often
    assert updates[-1] == 6
    again = together(
        2, lambda world: train(recipe, tmp_path / "out", resume=True, updates=8).updates
    )
    assert again == [8, 8]


def test_what_cannot_be_shared_out_is_refused(kinds):
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 3 processes, got 4"):
        check_world(kinds["plain"], World(0, 3))
    with pytest.raises(ValueError, match="target='search' is for one process"):
        check_world(kinds["expert"], World(0, 2))


def test_rows_are_shared_out_and_joined():
    rows = {"a": torch.arange(6), "b": {"c": torch.ones(6, 2)}, "none": None}
    parts = [share(rows, World(rank, 3).rows(6)) for rank in range(3)]
    assert parts[1]["a"].tolist() == [2, 3]
    whole = joined(parts)
    assert torch.equal(whole["a"], rows["a"])
    assert whole["b"]["c"].shape == (6, 2)
    assert whole["none"] is None


@pytest.mark.slow
def test_torchrun_trains_a_recipe(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["-m", "ttc_agents.cli", "train", "sudoku4-demo", "--updates", "20"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("20 updates") == 1
