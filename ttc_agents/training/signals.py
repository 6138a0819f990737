"""A polite end: the first Ctrl-C or SIGTERM asks the loop to stop, a second one leaves at once."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any, Self


class StopRequest:
    """Context in which SIGINT and SIGTERM first only set `requested`.

    Outside the main thread, where Python takes no signals, it does nothing.
    """

    def __init__(self) -> None:
        """Nothing is requested yet."""
        self.requested = False
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self.handle)
        return self

    def __exit__(self, *exc: object) -> None:
        """Give them back."""
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal, obey the second."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print("stopping after this update; once more to leave at once", file=sys.stderr)
