"""What commands write: files, and a line of progress."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttc_agents.evaluation.batches import Progress


def make_room(path: Path) -> None:
    """Make the directory of a file that is to be written.

    Raises:
        IsADirectoryError: The path itself is a directory.
        OSError: The directory cannot be made.
    """
    if path.is_dir():
        raise IsADirectoryError(f"expected a file to write, {path} is a directory")
    path.parent.mkdir(parents=True, exist_ok=True)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document on one line."""
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def replace_text(path: Path, text: str) -> None:
    """Write a file that others may be reading: they find the old text or the new one, whole."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def progress_line() -> Progress | None:
    """Shows what is being run on one line of a terminal; nothing where stderr is piped."""
    if not sys.stderr.isatty():
        return None

    def show(label: str, done: float) -> None:
        end = "\n" if done >= 1 else ""
        print(f"\r{label}: {100 * done:3.0f}%", end=end, file=sys.stderr, flush=True)

    return show
