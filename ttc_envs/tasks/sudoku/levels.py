"""Levels of difficulty: a named one, `minimal`, `extreme`, `givens=K` or `givens=LOW..HIGH`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ttc_envs.tasks.sudoku.grid import grid_of

FEWEST_GIVENS = {4: 4, 6: 8, 9: 17, 16: 80, 25: 267}
"""Fewer never leave one solution (9x9: arXiv 1201.0749), or take long to find (16x16, 25x25)."""

MOST_GIVENS = {4: 14, 6: 35, 9: 80, 16: 255, 25: 624}
"""At least one cell is blank; 4x4 has too few classes with 15 givens to divide among splits."""

EXTREME, FEW = "extreme", "few"
FEW_BELOW = {16: 110}
"""A level that asks for fewer givens than this has a bank of its own, `FEW`."""

NAMED_LEVELS: dict[int, dict[str, str]] = {
    4: {"easy": "givens=8", "medium": "givens=6", "hard": "givens=5", "minimal": "minimal"},
    6: {"easy": "givens=18", "medium": "givens=14", "hard": "givens=11", "minimal": "minimal"},
    9: {"easy": "givens=36", "medium": "givens=30", "hard": "givens=26", "minimal": "minimal"},
    16: {"easy": "givens=180", "medium": "givens=150", "hard": "givens=120"},
    25: {"easy": "givens=365", "medium": "givens=305", "hard": "givens=267"},
}
"""What `TaskSpec.levels` lists, and what is trained on where no level is named."""
UNLISTED_LEVELS = {9: (EXTREME,)}
"""They are drawn where they are named: few puzzles, and harder than any network should begin on."""


@dataclass(frozen=True)
class Level:
    """How many givens a puzzle has: uniform in `low..high`; `low = high = 0` means minimal.

    Args:
        low: The fewest.
        high: The most.
        bank: Whose puzzles are drawn: EXTREME, FEW or those of all other levels.
    """

    low: int
    high: int
    bank: str = ""

    @property
    def minimal(self) -> bool:
        """Whether every given is necessary."""
        return self.high == 0


def level_names(size: int) -> tuple[str, ...]:
    """The levels of a size that are listed, easiest first."""
    return tuple(NAMED_LEVELS[grid_of(size).size])


def parse_level(level: str, size: int) -> Level:
    """The level that `level` names.

    Raises:
        ValueError: It is not a level of this size.
    """
    names = NAMED_LEVELS[grid_of(size).size]
    unlisted = UNLISTED_LEVELS.get(size, ())
    text = names.get(level, level)
    if level in unlisted or (text == "minimal" and text in names):
        return Level(0, 0, level if level in unlisted else "")
    match = re.fullmatch(r"givens=(\d{1,4})(?:\.\.(\d{1,4}))?", text, flags=re.ASCII)
    if not match:
        raise ValueError(
            f"level of {size}x{size} Sudoku must be one of {', '.join([*names, *unlisted])}, "
            f"givens=K or givens=LOW..HIGH, got {level!r}"
        )
    low, high = int(match[1]), int(match[2] or match[1])
    least, most = FEWEST_GIVENS[size], MOST_GIVENS[size]
    if not least <= low <= high <= most:
        raise ValueError(
            f"{size}x{size} Sudoku takes {least} <= givens <= {most}, low to high, got {level!r}"
        )
    return Level(low, high, FEW if low < FEW_BELOW.get(size, 0) else "")
