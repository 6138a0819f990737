"""`ttc report`."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro import conf


@dataclass(frozen=True, kw_only=True)
class Report:
    """Make one page and Markdown of any results that ttc has written.

    A RUN is a JSON file of ttc evaluate, play, compare or an experiment, or the directory of a
    training. Writes report.html (which needs nothing else), report.md, and each chart as PNG, SVG
    and CSV.
    Example: ttc report runs/sweep.json runs/mine --out runs/report

    Args:
        out: The directory that is written.
        json: Print one JSON document, as the last line.
    """

    runs: Annotated[
        tuple[Path, ...],
        conf.Positional,
        conf.arg(metavar="RUN", help="Files of results, or directories of trainings."),
    ]
    out: Path = Path("runs/report")
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Read all, then write."""
        from ttc_agents.cli.output import say
        from ttc_agents.figures.summary import read_source, write_report

        if not self.runs:
            raise ValueError("which RUN? Give files of results or directories of trainings")
        sources = [read_source(path) for path in self.runs]
        command = shlex.join(["ttc", "report", *map(str, self.runs)])
        paths = write_report(sources, self.out, command)
        if self.json:
            print(json.dumps({"page": str(self.out / "report.html"), "files": len(paths)}))
        else:
            say(f"{self.out / 'report.html'}: {len(sources)} sources, {len(paths)} files")
        return 0
