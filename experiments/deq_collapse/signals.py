"""Which signal moves first before an equilibrium network dies, and what keeps it alive.

    python experiments/deq_collapse/signals.py experiments/deq_collapse/results/*.json

Reads what collapse.py wrote. A run has *learnt* at the first row whose probe is at least 20%; it
*dies* at the first of three rows in a row whose probes are below half of the best so far. A
signal has *fallen* by the logarithm of how much worse it is than its own best since the run
has learnt. It *fires* where its fall is larger than any in the control runs of that size (settings
`CONTROLS`) that did not die: none of them would have been a false alarm. The states of the second
setting are free to grow, as those of the runs that die. Signals are judged by the deaths of all
settings: by how often they fire ahead of one, and without any threshold by how well they tell a
row some rows ahead of a death from the rows of control runs (area under the ROC curve: 1/2 is
chance; an interval by drawing runs anew). Draws results/SIZE.png. The last line on stdout is one
JSON document.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ttc_agents.evaluation.intervals import share
from ttc_agents.figures.theme import LINES, THEMES, canvas, png

LEARNT, DEAD, ROWS = 0.2, 0.5, 3
AHEAD = (1, 2, 4)
"""Rows ahead of a death at which signals are judged without thresholds."""
DRAWS = 1000
CONTROLS = ("state-norm-damped", "jacobian")
# {signal: whether more of it is worse}
SIGNALS = {
    "probe": False,
    "converged": False,
    "settled": False,
    "residual": True,
    "changed": True,
    "backward_residual": True,
    "backward_converged": False,
    "gradient_norm": True,
    "radius": True,
    "state_rms": True,
    "weight_norm": True,
    "loss": True,
}
SMALLEST = 1e-3
"""What is smaller counts as this much: a share of nothing has no logarithm."""

Run = dict[str, np.ndarray]


def columns_of(document: dict[str, Any], run: dict[str, Any]) -> Run:
    """{column: (R,)} of a run."""
    values = np.array(run["curve"], dtype=float)
    return dict(zip(document["columns"], values.T, strict=True))


def learnt(run: Run) -> int | None:
    """The row where a run has learnt."""
    rows = np.flatnonzero(run["probe"] >= LEARNT)
    return int(rows[0]) if len(rows) else None


def death(run: Run) -> int | None:
    """The row where a run dies."""
    start = learnt(run)
    if start is None:
        return None
    low = run["probe"] < DEAD * np.maximum.accumulate(run["probe"])
    low[:start] = False
    for row in range(start, len(low) - ROWS + 1):
        if low[row : row + ROWS].all():
            return row
    return None


def falls(run: Run, signal: str, start: int) -> np.ndarray:
    """(R,) how much worse than its best so far, as a logarithm; 0 before `start`."""
    values = np.log(np.maximum(run[signal], SMALLEST))
    values = values if SIGNALS[signal] else -values
    worse = values.copy()
    worse[start:] -= np.minimum.accumulate(values[start:])
    worse[:start] = 0
    return worse


def thresholds(controls: Sequence[Run]) -> dict[str, float]:
    """The largest fall of each signal in runs that hold; 0 where there is none."""
    held = [run for run in controls if learnt(run) is not None and death(run) is None]
    return {
        signal: max((falls(run, signal, learnt(run) or 0).max() for run in held), default=0.0)
        for signal in SIGNALS
    }


def fired(run: Run, limits: dict[str, float]) -> dict[str, float]:
    """{signal: update at which it fires}, in the order of firing."""
    start = learnt(run)
    if start is None:
        return {}
    found = {}
    for signal, limit in limits.items():
        rows = np.flatnonzero(falls(run, signal, start) > limit)
        if len(rows):
            found[signal] = float(run["update"][rows[0]])
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def summary(run: Run, limits: dict[str, float]) -> dict[str, Any]:
    """What became of a run."""
    dead, start = death(run), learnt(run)
    found = {
        "learnt": None if start is None else float(run["update"][start]),
        "died": None if dead is None else float(run["update"][dead]),
        "updates": float(run["update"][-1]),
        "seconds": float(run["seconds"][-1]),
        **{f"best_{name}": float(run[name].max()) for name in ("probe", "delayed", "plain")},
        **{f"last_{name}": float(run[name][-1]) for name in ("probe", "delayed", "plain")},
    }
    return {**found, "fired": fired(run, limits) if dead is not None else {}}


def leads(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """{signal: in how many deaths it fired before the death, and by how many updates}."""
    dead = [run for run in runs if run["died"] is not None]
    found = {}
    for signal in SIGNALS:
        ahead = [run["died"] - run["fired"][signal] for run in dead if signal in run["fired"]]
        early = [lead for lead in ahead if lead > 0]
        if dead:
            middle = float(np.median(early)) if early else None
            found[signal] = {**share(len(early), len(dead)), "median_lead": middle}
    return found


def auc(early: Sequence[float], controls: np.ndarray) -> float:
    """The probability that a value ahead of a death is above one of the controls, ties half."""
    values = np.asarray(early)[:, None]
    return float(((values > controls).mean() + (values >= controls).mean()) / 2)


def foretold(dying: Sequence[Run], holding: Sequence[Run], signal: str, ahead: int) -> Any:
    """[AUC, low, high, deaths] of a signal so many rows ahead; None where no run has learnt."""
    early = []
    for run in dying:
        row, start = (death(run) or 0) - ahead, learnt(run) or 0
        if row > start:
            early.append(float(falls(run, signal, start)[row]))
    held = [falls(run, signal, learnt(run) or 0)[(learnt(run) or 0) + 1 :] for run in holding]
    if not early or not held:
        return None
    rng, drawn = np.random.default_rng(0), []
    for _ in range(DRAWS):
        some = [held[i] for i in rng.integers(len(held), size=len(held))]
        drawn.append(auc(rng.choice(early, len(early)), np.concatenate(some)))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return [auc(early, np.concatenate(held)), float(low), float(high), len(early)]


def draw(size: int, settings: dict[str, list[Run]], told: dict[str, Any], path: Path) -> None:
    """The probes of all runs, a panel for each setting, and what foretells a death."""
    columns = 5
    figure, axes = canvas(THEMES["light"], (12.5, 8.0), -(-(len(settings) + 2) // columns), columns)
    panels = axes.flat
    for panel, (setting, runs) in zip(panels, sorted(settings.items()), strict=False):
        for run in runs:
            colour = LINES[0] if death(run) is None else LINES[6]
            panel.plot(run["update"], 100 * run["probe"], color=colour, linewidth=1.2)
        panel.set_title(setting, loc="left", fontsize=10)
        panel.set_ylim(-2, 102)
    rows = {name: numbers for name, numbers in told.items() if numbers is not None}
    last = figure.add_axes((0.74, 0.04, 0.24, 0.24))
    last.tick_params(length=0, labelsize=8)
    for panel in list(axes.flat)[len(settings) :]:
        panel.set_axis_off()
    for i, (low, high) in enumerate((n[1], n[2]) for n in rows.values()):
        last.plot((low, high), (i, i), color=LINES[0], linewidth=1.5)
    last.plot([n[0] for n in rows.values()], range(len(rows)), "o", color=LINES[0], markersize=4)
    last.axvline(0.5, color=THEMES["light"].soft, linewidth=1, linestyle=(0, (4, 3)))
    last.set_yticks(range(len(rows)), list(rows))
    last.set_title(f"AUC {AHEAD[1]} rows ahead of a death", loc="left", fontsize=10)
    figure.suptitle(f"{size}x{size}: % of 64 puzzles by update; red: died", fontsize=11)
    path.write_bytes(png(figure))


def counted(entry: dict[str, Any]) -> str:
    """A share as a count, with its 95% interval in percent."""
    count = round(entry["solved"] * entry["n"])
    return f"{count} of {entry['n']} ({100 * entry['low']:.0f}-{100 * entry['high']:.0f})"


def interval(numbers: Sequence[float] | None) -> str:
    """An area under a curve with its interval."""
    if numbers is None:
        return ""
    return "{:.2f} ({:.2f}-{:.2f}), {} runs".format(*numbers)


def row_of(setting: str, runs: Sequence[dict[str, Any]]) -> str:
    """A Markdown row; alive are those that have learnt and have not died."""
    well = [run for run in runs if run["learnt"] is not None and run["died"] is None]
    alive = counted(share(len(well), len(runs)))

    def several(name: str) -> str:
        return ", ".join(f"{100 * run[name]:.0f}" for run in runs)

    when = ", ".join("-" if run["died"] is None else f"{run['died']:.0f}" for run in runs)
    return (
        f"| {setting} | {alive} | {when} | "
        f"{several('best_probe')} | {several('last_probe')} | {several('last_delayed')} | "
        f"{several('last_plain')} |"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables of all sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="JSON files that collapse.py wrote")
    paths: list[Path] = parser.parse_args(words).files
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    result: dict[str, Any] = {}
    for size in sorted({document["size"] for document in documents}):
        settings = {
            document["setting"]: [columns_of(document, run) for run in document["runs"]]
            for document in documents
            if document["size"] == size
        }
        kept = [run for name in CONTROLS for run in settings.get(name, [])]
        limits = thresholds(kept)
        found = {name: [summary(run, limits) for run in runs] for name, runs in settings.items()}
        early = leads([run for runs in found.values() for run in runs])
        every = [run for runs in settings.values() for run in runs]
        dying = [run for run in every if death(run) is not None]
        holding = [run for run in kept if learnt(run) is not None and death(run) is None]
        for signal, entry in early.items():
            entry["auc"] = {n: foretold(dying, holding, signal, n) for n in AHEAD}
        print(f"\n{size}x{size}\n")
        print("| setting | alive | died at | best | last | delayed | plain |")
        print("|---|---|---|---|---|---|---|")
        print("\n".join(row_of(name, runs) for name, runs in found.items()))
        head = " | ".join(f"AUC {n} rows ahead" for n in AHEAD)
        print(f"\n| signal | ahead of so many deaths | median lead, updates | {head} |")
        print("|---|---|---|" + "---|" * len(AHEAD))
        for signal, entry in early.items():
            told = " | ".join(interval(numbers) for numbers in entry["auc"].values())
            print(f"| {signal} | {counted(entry)} | {entry['median_lead']} | {told} |")
        told = {signal: entry["auc"][AHEAD[1]] for signal, entry in early.items()}
        draw(size, settings, told, paths[0].parent / f"{size}.png")
        result[str(size)] = {"runs": found, "thresholds": limits, "leads": early}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
