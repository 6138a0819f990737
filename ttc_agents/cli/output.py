"""What commands write: complaints, files, tables, and a line of progress."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ttc_agents.evaluation import SweepResult
    from ttc_agents.inference.batches import Report


USER_ERROR, INTERRUPTED = 2, 130
"""Exit codes."""


def plain(text: str) -> str:
    """The text with everything but line ends and what can be seen spelt out.

    Names of files and families may hold sequences that a terminal would obey.
    """
    return "".join(
        c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def say(text: str, end: str = "\n", file: TextIO | None = None) -> None:
    """Print text that may hold names which others have chosen."""
    print(plain(text), end=end, file=file, flush=True)


def complain(message: str, code: int = USER_ERROR) -> int:
    """Print one line on stderr and return the exit code."""
    say(f"ttc: {' '.join(message.split())}", file=sys.stderr)
    return code


def make_room(path: Path) -> None:
    """Make the directory of a file that is to be written.

    Raises:
        IsADirectoryError: The path itself is a directory.
        OSError: The directory cannot be made.
    """
    if path.is_dir():
        raise IsADirectoryError(f"expected a file to write, {path} is a directory")
    path.parent.mkdir(parents=True, exist_ok=True)


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    from ttc_envs import write_atomically

    write_atomically(path, data)


def report_sweep(
    result: SweepResult,
    settings: dict[str, Any],
    extra: dict[str, Any],
    out: Path | None,
    as_json: bool,
) -> None:
    """Print the document of a sweep or its table, and write it with every instance where asked.

    Args:
        result: The sweep.
        settings: What joins its settings.
        extra: What else was measured: `calibration` and `stability`, by family.
        out: Where to write, or None.
        as_json: Print the document.
    """
    from ttc_agents.evaluation.calibration import calibration_text
    from ttc_agents.evaluation.stability import stability_text
    from ttc_agents.figures.tables import text_table

    document = result.to_json(per_instance=out is not None) | extra
    document["settings"] = document["settings"] | settings
    if out is not None:
        write(out, (json.dumps(document) + "\n").encode())
        del document["records"]
    if as_json:
        print(json.dumps(document))
        return
    say(text_table(document))
    for family, numbers in extra.get("calibration", {}).items():
        say(calibration_text(family, numbers))
    for family, numbers in extra.get("stability", {}).items():
        say(stability_text(family, numbers))


BAR, WIDTH = 20, 70
"""Characters of a bar, and of the line that it stands in."""
QUIET_SECONDS = 5.0
"""What is done sooner, a pipe is not told of."""


def progress_line() -> Report:
    """Shows what is being run on one line of a terminal: a bar, percent, and the time left.

    Where stderr is piped, a line comes with each tenth, once it has taken `QUIET_SECONDS`.
    """
    begun: dict[str, float] = {}
    tenths: dict[str, int] = {}
    terminal = sys.stderr.isatty()

    def show(label: str, done: float) -> None:
        now = time.monotonic()
        spent = now - begun.setdefault(label, now)
        left = spent * (1 - done) / done if done else 0.0
        time_text = clock(spent) if done >= 1 else f"{clock(left)} left" if done else ""
        if terminal:
            bar = "#" * round(BAR * done)
            line = f"{plain(label)}: [{bar:<{BAR}}] {100 * done:3.0f}%  {time_text}"
            # The end of a longer line before this one is wiped out.
            end = "\n" if done >= 1 else ""
            print(f"\r{line:<{WIDTH}}", end=end, file=sys.stderr, flush=True)
        elif spent >= QUIET_SECONDS and int(10 * done) > tenths.get(label, 0):
            tenths[label] = int(10 * done)
            say(f"{label}: {100 * done:.0f}%, {time_text}", file=sys.stderr)

    return show


def clock(seconds: float) -> str:
    """Such as 0:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def coloured(text: str) -> str:
    """A picture in terminal colours; without them where stdout is piped or NO_COLOR is set."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return text
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
