"""`ttc data`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro import conf


@dataclass(frozen=True)
class Paths:
    """Shortest paths between US places, for models that read them.

    The folder holds the vocabulary with coordinates (cities.csv), and train, validation and test
    shards (npz: tokens, starts, km). A path and its reverse are always in the same split. Run again
    after an interruption, it writes what is missing.
    Example: ttc data paths --cities all --radius-km 70 --count 5000000 --out runs/paths

    Args:
        out: The folder.
        cities: all, largest=K, random=K, spread=K, state=TX, or a csv file of places.
        radius_km: The longest road; 0 for the shortest that connects all places.
        count: Paths in all splits together.
        seed: Of the choice of pairs.
        processes: One per CPU if not given.
        json: Print one JSON document, as the last line.
    """

    out: Path
    cities: str = "all"
    radius_km: float = 70.0
    count: int = 5_000_000
    seed: int = 0
    processes: int | None = None
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Write the shards that are missing, and say how many paths these are."""
        from ttc_agents.cli.output import progress_line, say
        from ttc_envs import write_paths

        result = write_paths(
            self.out,
            cities=self.cities,
            radius_km=self.radius_km or None,
            count=self.count,
            seed=self.seed,
            processes=self.processes,
            progress=progress_line(),
        )
        if self.json:
            print(json.dumps(result))
            return 0
        rate = result["paths_written"] / max(result["seconds"], 1e-9)
        say(
            f"{result['paths']} paths over {result['places']} places in {result['out']} "
            f"({result['dropped']} places off the largest component left out), "
            f"{result['paths_written']} of them written now, {rate:.0f} per second"
        )
        return 0


@dataclass(frozen=True)
class Sudoku:
    """New Sudoku puzzles, no two of one symmetry class.

    The file is a csv with the columns puzzle, solution and guesses (of the exact solver), for
    --puzzles of ttc train and ttc evaluate. Run again after an interruption, it goes on.
    Example: ttc data sudoku --level extreme --count 5000 --seed 1 --out runs/extreme.csv.gz

    Args:
        out: The file; gzip'd if its name ends in .gz.
        level: extreme (9x9), minimal, easy, ..., givens=K or givens=LOW..HIGH.
        count: Puzzles.
        seed: Of the puzzles.
        size: 4, 6, 9, 16 or 25.
        json: Print one JSON document, as the last line.
    """

    out: Path
    level: str = "minimal"
    count: int = 1000
    seed: int = 0
    size: int = 9
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Write the puzzles that are missing, and say how hard all are."""
        from ttc_agents.cli.output import progress_line
        from ttc_envs import write_puzzles

        result = write_puzzles(
            self.out, self.level, self.count, self.seed, self.size, progress_line()
        )
        if self.json:
            print(json.dumps(result))
            return 0
        rate = result["puzzles_written"] / max(result["seconds"], 1e-9)
        median, most_of_them, most = result["guesses"]
        print(
            f"{result['puzzles']} puzzles in {result['out']}, {result['puzzles_written']} of them "
            f"written now, {rate:.0f} per second; guesses of the exact solver: "
            f"median {median:.0f}, 90% {most_of_them:.0f}, most {most:.0f}"
        )
        return 0


@dataclass(frozen=True)
class Data:
    """Write a data set: `paths` or `sudoku`."""

    what: conf.OmitArgPrefixes[
        conf.OmitSubcommandPrefixes[
            Annotated[Paths, conf.subcommand("paths")]
            | Annotated[Sudoku, conf.subcommand("sudoku")]
        ]
    ]

    def run(self) -> int:
        """Write it."""
        return self.what.run()
