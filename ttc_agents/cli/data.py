"""`ttc data`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro import conf


@dataclass(frozen=True)
class Data:
    """Write a data set: `paths`, shortest paths between US places, for models that read them.

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

    what: Annotated[Literal["paths"], conf.Positional]
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
