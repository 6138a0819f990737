"""The directory of a training: who may write into it, and what is lost by that.

One process trains in a directory at a time. Its lock dies with it. What a killed one has left under
temporary names is removed by the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ttc_agents.inference.config import CONFIG
from ttc_envs import clear_leftovers, is_leftover, locked

METRICS = "metrics.jsonl"
WEIGHT_FILE, TRAINING_FILE = "model.safetensors", "training.pt"
FILES = (WEIGHT_FILE, CONFIG, TRAINING_FILE, METRICS, "graph.png", "graph.gif")
"""What a training writes into its directory."""
LOCKED = "training"
LOCK = f".{LOCKED}.lock"
"""The file that a training holds as long as it may write."""


@contextmanager
def held_directory(
    out: Path, resume: bool, overwrite: bool, checked: bool = True
) -> Iterator[None]:
    """Make `out` and hold it for one training, unless that would lose something.

    Args:
        out: The directory.
        resume: Go on from what it holds.
        overwrite: Replace what it holds.
        checked: Whether anything is refused or replaced; not where a stage before is gone on with.

    Raises:
        BlockingIOError: Another process trains there.
        FileExistsError, FileNotFoundError, ValueError: See `check_directory`.
    """
    if checked:
        check_directory(out, resume, overwrite)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(out / LOCKED, wait=False))
        except BlockingIOError as error:
            raise BlockingIOError(f"another process is training in {out}") from error
        if checked:
            check_directory(out, resume, overwrite)  # another training may have ended meanwhile
        everything = checked and (overwrite or is_bare(out))
        for name in FILES:
            clear_leftovers(out / name)
            if everything:
                (out / name).unlink(missing_ok=True)
        yield


def check_directory(out: Path, resume: bool, overwrite: bool) -> None:
    """Refuse a directory that would be lost, or that holds nothing to go on from.

    A training that was killed before its first checkpoint was whole begins anew.

    Raises:
        FileExistsError: It is not empty and neither `resume` nor `overwrite` is given.
        FileNotFoundError: There is nothing to resume.
        ValueError: Both are given.
    """
    if resume and overwrite:
        raise ValueError("resume and overwrite exclude each other")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file, expected a directory")
    if resume and not can_resume(out):
        missing = " and ".join(sorted({CONFIG, TRAINING_FILE} - held_files(out)))
        raise FileNotFoundError(f"nothing to resume: {out} holds no {missing}")
    if held_files(out) and not (resume or overwrite or is_bare(out)):
        raise FileExistsError(f"{out} is not empty: pass --resume, --overwrite or another --out")


def can_resume(out: Path) -> bool:
    """Whether a training began in a directory."""
    return has_checkpoint(out) or is_bare(out)


def has_checkpoint(out: Path) -> bool:
    """Whether a directory holds a whole checkpoint of a training."""
    return held_files(out) >= {TRAINING_FILE, CONFIG}


def held_files(out: Path) -> set[str]:
    """The names in a directory, without the lock and what killed writers have left."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    left = {name for name in names if any(is_leftover(name, file) for file in FILES)}
    return names - left - {LOCK}


def is_bare(out: Path) -> bool:
    """Whether a training began in a directory and its first checkpoint lacks its last file."""
    held = held_files(out)
    begun = METRICS in held or (not held and (out / LOCK).exists())
    return begun and held <= {METRICS, WEIGHT_FILE, TRAINING_FILE}
