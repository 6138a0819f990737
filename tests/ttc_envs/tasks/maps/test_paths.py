import csv
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import networkx
import numpy as np
import pytest

from ttc_envs.files import locked
from ttc_envs.tasks.maps import paths, shards
from ttc_envs.tasks.maps.graph import city_graph, select_cities
from ttc_envs.tasks.maps.paths import shard_file, write_paths

SMALL = {"cities": "spread=30", "radius_km": None, "processes": 1}


def load(out, split):
    """[(source, target, path, km)] of all shards of a split."""
    found = []
    for file in sorted(out.glob(f"{split}-*.npz")):
        with np.load(file, allow_pickle=False) as content:
            tokens, starts = content["tokens"].tolist(), content["starts"].tolist()
            assert len(starts) == len(content["km"]) + 1
            for (a, b), km in zip(pairwise(starts), content["km"].tolist(), strict=True):
                found.append((tokens[a], tokens[b - 1], tuple(tokens[a:b]), km))
    return found


def everything(out):
    return {split: load(out, split) for split in ("train", "validation", "test")}


def test_all_paths_of_a_small_map_are_shortest(tmp_path):
    result = write_paths(tmp_path, count=30 * 29, **SMALL)
    assert (result["paths"], result["paths_written"], result["places"]) == (870, 870, 30)
    graph = city_graph(select_cities("spread=30")).networkx()
    expected = dict(networkx.all_pairs_dijkstra_path_length(graph))
    seen = set()
    for found in everything(tmp_path).values():
        for source, target, path, km in found:
            assert sum(graph.edges[pair]["weight"] for pair in networkx.utils.pairwise(path)) == (
                pytest.approx(km, rel=1e-6)
            )
            assert km == pytest.approx(expected[source][target], rel=1e-6)
            seen.add((source, target))
    assert len(seen) == 870


def test_a_reversed_path_is_never_on_the_other_side(tmp_path):
    write_paths(tmp_path, count=30 * 29, **SMALL)
    pairs = {s: {frozenset(p[:2]) for p in found} for s, found in everything(tmp_path).items()}
    assert all(pairs.values())
    assert not pairs["train"] & pairs["validation"]
    assert not pairs["train"] & pairs["test"]
    assert not pairs["validation"] & pairs["test"]


def test_the_folder_says_what_the_tokens_mean(tmp_path):
    write_paths(tmp_path, count=100, **SMALL)
    with (tmp_path / "cities.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cities = select_cities("spread=30")
    assert [int(row["token"]) for row in rows] == list(range(30))
    assert [row["name"] for row in rows] == cities["name"].tolist()
    assert [float(row["latitude"]) for row in rows] == cities["latitude"].tolist()
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert (settings["cities"], settings["count"], settings["seed"]) == ("spread=30", 100, 0)
    assert [path.name for path in tmp_path.glob(".*")] == [".paths.lock"]


@pytest.fixture
def many_shards(monkeypatch):
    """A few targets per shard, so that a small data set has several."""
    monkeypatch.setattr(shards, "SHARD_PATHS", 90)
    monkeypatch.setattr(shards, "PER_TARGET", 10)


def contents(out):
    return {file.name: file.read_bytes() for file in sorted(out.iterdir())}


@pytest.mark.usefixtures("many_shards")
def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    result = write_paths(whole, count=205, **SMALL)
    assert result["shards"] == 3
    sizes = [len(found) for found in everything(whole).values()]
    assert sum(sizes) == 205

    def stop(label, share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_paths(broken, count=205, progress=stop, **SMALL)
    assert shard_file(broken, "train", 0).exists()
    assert not shard_file(broken, "train", 1).exists()
    shown = []
    again = write_paths(broken, count=205, progress=lambda *p: shown.append(p), **SMALL)
    assert again["paths_written"] == 205 - 90
    assert [share for _, share in shown] == pytest.approx([2 / 3, 1])
    assert write_paths(broken, count=205, **SMALL)["paths_written"] == 0
    assert contents(whole).keys() == contents(broken).keys()
    assert everything(whole) == everything(broken)


@pytest.mark.usefixtures("many_shards")
def test_the_seed_determines_the_pairs(tmp_path):
    first, again, other = (
        write_paths(tmp_path / name, count=205, seed=seed, **SMALL) and everything(tmp_path / name)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    assert first != other


def test_other_settings_are_refused(tmp_path):
    write_paths(tmp_path, count=100, **SMALL)
    with pytest.raises(ValueError, match="holds paths of other settings"):
        write_paths(tmp_path, count=101, **SMALL)


PLACES = ["Ash,TX,30.0,-97.0", "Birch,TX,30.1,-97.1", "Cedar,TX,30.2,-97.0", "Elm,TX,30.1,-96.9"]


def places_file(path, rows):
    path.write_text("\n".join(["city,state,lat,lng", *rows]))
    return str(path)


def test_an_edited_file_of_places_is_another_one(tmp_path):
    file, out = tmp_path / "places.csv", tmp_path / "out"
    settings = {"radius_km": None, "count": 12, "processes": 1}
    write_paths(out, cities=places_file(file, PLACES), **settings)
    assert write_paths(out, cities=str(file), **settings)["paths_written"] == 0
    # As many places and roads, one of them elsewhere.
    places_file(file, [*PLACES[:3], "Elm,TX,30.1,-96.91"])
    for shard in out.glob("*.npz"):
        shard.unlink()
    with pytest.raises(ValueError, match="holds paths of other settings"):
        write_paths(out, cities=str(file), **settings)
    # The same places in a file of another form are the same.
    places_file(file, [f'"{row.split(",")[0]}",{row.partition(",")[2]}' for row in PLACES])
    assert write_paths(out, cities=str(file), **settings)["paths_written"] == 12


@pytest.mark.usefixtures("many_shards")
def test_a_file_that_is_edited_meanwhile_is_noticed(tmp_path):
    file = tmp_path / "places.csv"
    rows = [f"P{i},TX,{30 + i / 50},{-97 + i % 3 / 50}" for i in range(20)]

    def edit(label, share):
        places_file(file, [*rows[:-1], "Elm,TX,30.39,-97.0"])

    with pytest.raises(ValueError, match="has changed since these paths were begun"):
        write_paths(
            tmp_path / "out",
            cities=places_file(file, rows),
            radius_km=None,
            count=300,
            processes=1,
            progress=edit,
        )


def test_damaged_settings_and_another_vocabulary_are_errors(tmp_path):
    write_paths(tmp_path, count=100, **SMALL)
    cities, settings = tmp_path / "cities.csv", tmp_path / "settings.json"
    kept = cities.read_bytes()
    cities.write_bytes(kept.replace(b"New York", b"Old York"))
    with pytest.raises(ValueError, match=r"cities\.csv has been changed since its paths"):
        write_paths(tmp_path, count=100, **SMALL)
    cities.unlink()
    write_paths(tmp_path, count=100, **SMALL)
    assert cities.read_bytes() == kept
    for damaged in ("", "[" * 100_000, "{" * 10, "x" * 100_000):
        settings.write_text(damaged)
        with pytest.raises(ValueError, match=r"settings\.json: "):
            write_paths(tmp_path, count=100, **SMALL)


def test_a_folder_takes_one_writer_at_a_time(tmp_path):
    with (
        locked(tmp_path / "paths"),
        pytest.raises(BlockingIOError, match=f"another process is writing in {tmp_path}"),
    ):
        write_paths(tmp_path, count=100, **SMALL)
    (tmp_path / ".train-00000.npz-of-a-killed-run").write_bytes(b"half")
    write_paths(tmp_path, count=100, **SMALL)
    assert [p.name for p in tmp_path.glob(".*")] == [".paths.lock"]


@pytest.mark.parametrize("count", [0, -1, 871])
def test_a_count_that_the_map_does_not_have_is_refused(tmp_path, count):
    with pytest.raises(ValueError, match=r"count must lie in 1\.\.870 on a map of 30 places"):
        write_paths(tmp_path, count=count, **SMALL)
    with pytest.raises(ValueError, match="3107 more are not connected"):
        write_paths(
            tmp_path, count=5_000_000, **(SMALL | {"cities": "largest=4134", "radius_km": 70})
        )


def test_no_processes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="processes must be at least 1"):
        write_paths(tmp_path, count=5, **(SMALL | {"processes": 0}))


@pytest.mark.usefixtures("many_shards")
def test_a_pool_makes_all_shards_and_ends_with_its_parent(tmp_path, monkeypatch):
    """Threads in the place of processes, which do not see what a test has patched."""
    begun = []

    def pool(processes, context, initializer):
        begun.append((processes, context.get_start_method(), initializer))
        return ThreadPoolExecutor(processes)

    monkeypatch.setattr(paths, "ProcessPoolExecutor", pool)
    result = write_paths(tmp_path / "two", count=205, **(SMALL | {"processes": 2}))
    write_paths(tmp_path / "one", count=205, **SMALL)
    assert begun == [(2, "spawn", paths.end_with_parent)]
    assert result["paths_written"] == 205
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.usefixtures("many_shards")
def test_a_pool_that_is_interrupted_drops_the_shards_that_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(
        paths, "ProcessPoolExecutor", lambda processes, *_, initializer: ThreadPoolExecutor(1)
    )

    def stop(label, share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_paths(tmp_path, count=870, progress=stop, **(SMALL | {"processes": 2}))
    assert 1 <= len(list(tmp_path.glob("train-*.npz"))) < 10


def test_a_worker_ends_with_its_parent(monkeypatch):
    ended, over = [], threading.Event()
    monkeypatch.setattr(os, "_exit", lambda status: (ended.append(status), over.set()))
    paths.end_with_parent()  # in a process that nobody has started
    assert not ended
    parent = threading.Event()
    parent.join = parent.wait
    monkeypatch.setattr(paths, "parent_process", lambda: parent)
    paths.end_with_parent()
    assert not over.wait(0.1)
    parent.set()
    assert over.wait(10)
    assert ended == [1]


@pytest.mark.slow
def test_several_processes_write_the_same(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    write_paths(one, cities="spread=400", radius_km=None, count=150_000, processes=1)
    write_paths(two, cities="spread=400", radius_km=None, count=150_000, processes=2)
    assert len(contents(one)) > 5
    assert everything(one) == everything(two)


START = """
import sys
from ttc_envs import write_paths
write_paths(sys.argv[1], cities="spread=400", radius_km=None, count=150_000, processes=2)
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_goes_on(tmp_path):
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-c", START, str(broken)])
    while not list(broken.glob("test-*.npz")):
        assert process.poll() is None
        time.sleep(0.01)
    children = children_of(process.pid)
    process.kill()
    process.wait()
    assert children
    deadline = time.monotonic() + 30
    while any(map(is_running, children)):
        assert time.monotonic() < deadline, "the workers of a killed run are still there"
        time.sleep(0.05)
    again = write_paths(broken, cities="spread=400", radius_km=None, count=150_000, processes=1)
    assert 0 < again["paths_written"] < 150_000
    write_paths(whole, cities="spread=400", radius_km=None, count=150_000, processes=1)
    assert contents(whole) == contents(broken)


def is_running(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # A zombie has ended.
    return status.rpartition(")")[2].split()[0] != "Z"


def children_of(pid):
    """The processes that a process has started, from Linux's list."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if not path.exists():
        pytest.skip("needs /proc")
    return path.read_text().split()
