"""Directories of trainings: held by one, refused where something would be lost, no dead ends."""

import os

import pytest

from ttc_agents.inference.directory import (
    LOCK,
    can_resume,
    check_directory,
    has_checkpoint,
    held_directory,
    held_files,
    is_bare,
)

WHOLE = ("config.json", "model.safetensors", "training.pt", "metrics.jsonl")
# What a training that was killed before its first checkpoint was whole may have left.
BARE = [
    (LOCK,),
    ("metrics.jsonl",),
    (LOCK, "metrics.jsonl"),
    (LOCK, "metrics.jsonl", ".model.safetensors-abc"),
    (LOCK, "metrics.jsonl", "model.safetensors"),
    (LOCK, "metrics.jsonl", "model.safetensors", "training.pt", ".config.json-abc"),
]


@pytest.fixture
def fill(tmp_path):
    def filled(names):
        for name in names:
            (tmp_path / name).write_text("x")
        return tmp_path

    return filled


@pytest.mark.parametrize("names", BARE)
@pytest.mark.parametrize("resume", [False, True])
def test_what_was_killed_before_its_first_checkpoint_begins_anew(fill, names, resume):
    out = fill(names)
    assert is_bare(out)
    assert can_resume(out)
    with held_directory(out, resume, False):
        assert [path.name for path in out.iterdir()] == [LOCK]


@pytest.mark.parametrize(
    "names",
    [
        WHOLE,
        ("training.pt",),
        ("model.safetensors",),
        ("notes.txt",),
        ("metrics.jsonl", "notes.txt"),
        ("metrics.jsonl", "config.json"),
        (".hidden",),
    ],
)
def test_what_may_be_dear_is_not_begun_in(fill, names):
    out = fill(names)
    assert not is_bare(out)
    with pytest.raises(FileExistsError, match="pass --resume, --overwrite or another"):
        check_directory(out, False, False)
    with pytest.raises(FileExistsError), held_directory(out, False, False):
        pass
    assert {path.name for path in out.iterdir()} == set(names)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ((), "config.json and training.pt"),
        (("training.pt",), "config.json"),
        (("config.json", "model.safetensors"), "training.pt"),
        (("notes.txt",), "config.json and training.pt"),
    ],
)
def test_nothing_is_resumed_where_nothing_was_begun(fill, names, missing):
    out = fill(names)
    assert not has_checkpoint(out)
    with pytest.raises(FileNotFoundError, match=rf"nothing to resume: .* holds no {missing}$"):
        check_directory(out, True, False)


def test_resuming_keeps_and_overwriting_removes_what_a_training_writes(fill):
    out = fill([*WHOLE, "notes.txt", ".training.pt-abc", ".metrics.jsonl-def"])
    with held_directory(out, True, False):
        assert held_files(out) == {*WHOLE, "notes.txt"}
        assert not (out / ".training.pt-abc").exists()
    with held_directory(out, False, True):
        assert held_files(out) == {"notes.txt"}


def test_a_directory_is_held_by_one(fill):
    pytest.importorskip("fcntl")
    out = fill(WHOLE)
    with held_directory(out, True, False):
        with (
            pytest.raises(BlockingIOError, match=rf"another process is training in {out}$"),
            held_directory(out, False, True),
        ):
            pass
        assert held_files(out) == set(WHOLE)
        with held_directory(out / "first", False, False):
            pass
    with held_directory(out, True, False):
        pass


def test_the_lock_dies_with_its_owner(fill):
    pytest.importorskip("fcntl")
    out = fill(WHOLE)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with held_directory(out, True, False):
            os.write(write, b"x")
            os.read(read, 0)
            os.kill(os.getpid(), 9)
    assert os.read(read, 1) == b"x", "the child holds the directory"
    assert os.waitpid(child, 0)[1] == 9, "it was killed while it did"
    with held_directory(out, True, False):
        assert held_files(out) == set(WHOLE)


def test_an_error_in_a_held_directory_is_its_own(fill):
    with pytest.raises(BlockingIOError, match="mine"), held_directory(fill(()), False, False):
        raise BlockingIOError("mine")


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="is a file, expected a directory"):
        check_directory(tmp_path / "file", False, True)
