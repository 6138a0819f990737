"""`ttc compare`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro import conf

from ttc_agents.cli.presets import PRESETS

if TYPE_CHECKING:
    from ttc_agents.evaluation.comparison import Cell
    from ttc_agents.training.presets import Arena, Preset, Row


def _preset_help() -> str:
    width = max(len(name) for name in PRESETS)
    return "\n".join(f"{p.name:<{width}}  {p.description}" for p in PRESETS.values())


@dataclass(frozen=True)
class Compare:
    """Train agents of all kinds with the same budget and play them on the same instances.

    Writes ARENA.json and ARENA.png into --out, and prints the tables in Markdown. Cells that are in
    a file already, with the same budget, are kept: an interrupted comparison goes on.
    Example: ttc compare --preset rl-cpu --out runs/rl-cpu

    Args:
        out: Directory of the results.
        arena: Only these arenas of the preset.
        only: Only rows whose name contains one of these.
        seconds: CPU seconds of each training, instead of the preset's budget.
        seeds: Seeds of each trained row, instead of the preset's.
        count: Test instances, instead of the arena's.
        trainings: --no-trainings trains nothing, and draws and prints what is there.
    """

    preset: Annotated[str, conf.arg(metavar="NAME", help=_preset_help())]
    out: Path
    arena: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    seconds: float | None = None
    seeds: int | None = None
    count: int | None = None
    trainings: conf.FlagCreatePairsOff[bool] = True

    def run(self) -> int:
        """Compare."""
        import torch

        from ttc_agents.evaluation.comparison import table_lines
        from ttc_agents.evaluation.comparison_figures import comparison_picture

        # Budgets are CPU seconds of the process, in which threads would add up.
        torch.set_num_threads(1)
        preset = self._adjusted()
        self.out.mkdir(parents=True, exist_ok=True)
        for name in self._names(preset):
            cells = self._run_arena(preset, name)
            if cells:
                picture = comparison_picture(name, cells)
                (self.out / f"{name}.png").write_bytes(picture)
                print("\n".join(table_lines(name, cells)), end="\n\n")
        return 0

    def _adjusted(self) -> Preset:
        """The preset with what the options replace."""
        from ttc_agents.training.budget import Budget

        if self.preset not in PRESETS:
            raise ValueError(f"no preset {self.preset!r}, expected one of {', '.join(PRESETS)}")
        preset = PRESETS[self.preset]
        if self.seconds is not None:
            preset = replace(preset, budget=Budget(seconds=self.seconds))
        if self.seeds is not None:
            preset = replace(preset, seeds=self.seeds)
        if self.count is not None:
            arenas = {name: replace(a, count=self.count) for name, a in preset.arenas.items()}
            preset = replace(preset, arenas=arenas)
        if preset.seeds < 1 or any(arena.count < 1 for arena in preset.arenas.values()):
            raise ValueError("--seeds and --count must be at least 1")
        return preset

    def _names(self, preset: Preset) -> tuple[str, ...]:
        """The arenas to run."""
        unknown = [name for name in self.arena if name not in preset.arenas]
        if unknown:
            raise ValueError(
                f"{preset.name} has no arena {unknown[0]!r}, it has {', '.join(preset.arenas)}"
            )
        return self.arena or tuple(preset.arenas)

    def _run_arena(self, preset: Preset, name: str) -> list[Cell]:
        """All cells of an arena, those that are missing made and the file rewritten after each."""
        from ttc_agents.evaluation.comparison import run_cell, settings_of

        arena, path = preset.arenas[name], self.out / f"{name}.json"
        settings = settings_of(preset, name)
        cells = kept_cells(path, settings)
        for row, seed in cells_of(arena, preset.seeds):
            wanted = not self.only or any(word in row.name for word in self.only)
            if not (self.trainings and wanted) or (row.name, seed) in cells:
                continue
            print(f"{name}: {row.name}, seed {seed}", file=sys.stderr, flush=True)
            cells[row.name, seed] = run_cell(arena, row, preset.budget, seed)
            document = {"settings": settings, "cells": in_order(arena, cells)}
            path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        return in_order(arena, cells)


def cells_of(arena: Arena, seeds: int) -> list[tuple[Row, int]]:
    """The rows of an arena, each with its seeds."""
    return [(row, seed) for row in arena.rows for seed in range(seeds if row.trained else 1)]


def in_order(arena: Arena, cells: dict[tuple[str, int], Cell]) -> list[Cell]:
    """All cells, those of more seeds too, in the order of the arena's rows."""
    rows = [row.name for row in arena.rows]
    known = [key for key in cells if key[0] in rows]
    return [cells[key] for key in sorted(known, key=lambda key: (rows.index(key[0]), key[1]))]


def kept_cells(path: Path, settings: dict[str, Any]) -> dict[tuple[str, int], Cell]:
    """The cells of an earlier run, by row and seed.

    Raises:
        ValueError: The file holds something else, or was made with other settings.
    """
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        cells, made = document["cells"], document["settings"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected the results of `ttc compare` ({error})") from error
    if made != settings:
        raise ValueError(f"{path} was made with {made}, now {settings}: give another --out")
    return {(cell["row"], cell["seed"]): cell for cell in cells}
