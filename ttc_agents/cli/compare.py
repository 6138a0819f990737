"""`ttc compare`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro import conf

from ttc_agents.cli.output import replace_text
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
    a file already, with the same budget, are kept: an interrupted comparison goes on, and several
    processes with different --only may fill one folder. Where a preset sets recurrent models
    against larger ones, it also says in words which of them crosses which, and draws
    ARENA-frontier.png: solved share against test-time FLOPs.
    Example: ttc compare --preset rl-cpu --out runs/rl-cpu

    Args:
        out: Directory of the results; runs/NAME if not given.
        arena: Only these arenas of the preset.
        only: Only rows whose name contains one of these.
        seconds: CPU seconds of each training, instead of the preset's budget.
        flops: Floating-point operations of each training, instead of the preset's budget.
        seeds: Seeds of each trained row, instead of the preset's.
        count: Test instances, instead of the arena's.
        trainings: --no-trainings trains nothing, and draws and prints what is there.
        json: Print all of it as one JSON document, as the last line.
    """

    preset: Annotated[str, conf.arg(metavar="NAME", help=_preset_help())]
    out: Path | None = None
    arena: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    seconds: float | None = None
    flops: float | None = None
    seeds: int | None = None
    count: int | None = None
    trainings: conf.FlagCreatePairsOff[bool] = True
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Compare."""
        import torch

        from ttc_agents.evaluation.comparison import table_lines

        # Budgets are CPU seconds of the process, in which threads would add up.
        torch.set_num_threads(1)
        preset = self._adjusted()
        self._folder().mkdir(parents=True, exist_ok=True)
        documents = {}
        for name in self._names(preset):
            document = self._run_arena(preset, name)
            if document["cells"]:
                documents[name] = document
                self._draw(preset.arenas[name], name, document["cells"])
                print("\n".join(table_lines(name, document["cells"])), end="\n\n")
                for said in document["verdicts"]:
                    print(f"- {said['words']}")
        if self.json:
            print(json.dumps({"preset": preset.name, "arenas": documents}))
        return 0

    def _folder(self) -> Path:
        """Where results go."""
        return Path("runs") / self.preset if self.out is None else self.out

    def _draw(self, arena: Arena, name: str, cells: list[Cell]) -> None:
        """Draw the pictures of an arena."""
        from ttc_agents.evaluation.comparison import by_row
        from ttc_agents.evaluation.comparison_figures import comparison_picture
        from ttc_agents.evaluation.verdict_figures import frontier_picture

        (self._folder() / f"{name}.png").write_bytes(comparison_picture(name, cells))
        rows = {n: own for n, own in by_row(cells).items() if "test_flops" in own[0]}
        if arena.pairs and rows:
            (self._folder() / f"{name}-frontier.png").write_bytes(frontier_picture(name, rows))

    def _adjusted(self) -> Preset:
        """The preset with what the options replace."""
        from ttc_agents.training.budget import Budget

        if self.preset not in PRESETS:
            raise ValueError(f"no preset {self.preset!r}, expected one of {', '.join(PRESETS)}")
        preset = PRESETS[self.preset]
        if self.seconds is not None or self.flops is not None:
            preset = replace(preset, budget=Budget(self.seconds, self.flops))
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

    def _run_arena(self, preset: Preset, name: str) -> dict[str, Any]:
        """An arena's document; cells that are missing are made, the file rewritten after each."""
        from ttc_agents.evaluation.comparison import run_cell, settings_of, verdicts

        def document() -> dict[str, Any]:
            own = in_order(arena, cells)
            return {"settings": settings, "cells": own, "verdicts": verdicts(arena, own)}

        arena, path = preset.arenas[name], self._folder() / f"{name}.json"
        settings = settings_of(preset, name)
        cells = kept_cells(path, settings)
        for row, seed in cells_of(arena, preset.seeds):
            wanted = not self.only or any(word in row.name for word in self.only)
            if not (self.trainings and wanted) or (row.name, seed) in cells:
                continue
            print(f"{name}: {row.name}, seed {seed}", file=sys.stderr, flush=True)
            cell = run_cell(arena, row, preset.budget, seed)
            # Another process may have added others meanwhile.
            cells = {**kept_cells(path, settings), (row.name, seed): cell}
            replace_text(path, json.dumps(document(), indent=1) + "\n")
        return document()


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
