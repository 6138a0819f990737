"""The tables of this page from results/*.json, as Markdown on stdout.

python experiments/learned_graph/tables.py
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SETTINGS = (
    ("9x9, k = 20, one step of counting (settings chosen on these seeds)", "9x9", range(5)),
    ("the same, fresh seeds", "9x9", range(5, 10)),
    (
        "9x9, single stage: beliefs, 3 steps from the start (chosen on these)",
        "9x9-single-stage",
        range(5),
    ),
    ("the same, fresh seeds", "9x9-single-stage", range(5, 10)),
    ("9x9, k = 28, pruned", "9x9-pruned", range(99)),
    ("9x9, no table, positions embedded: the saddle", "9x9-axes", range(99)),
    ("9x9, per instance, one step of counting", "9x9-per-instance", range(99)),
    ("9x9, the study's setting: per instance, beliefs, 3 steps", "9x9-study", range(99)),
    ("9x9, per instance, LSTM network, 4 steps", "9x9-study-lstm", range(99)),
    ("6x6, k = 12", "6x6", range(99)),
    ("16x16, k = 39, chance 0.15", "16x16", range(99)),
)
ESTIMATORS = (
    ("score function, per node, leave one out, 4 graphs", "9x9"),
    ("the same with 2 graphs of twice as many boards", "9x9-two-graphs"),
    ("per node, no baseline", "9x9-reinforce-per-node"),
    ("one reward per graph, leave one out", "9x9-one-reward"),
    ("REINFORCE", "9x9-reinforce"),
    ("straight through (biased)", "9x9-straight-through"),
    ("SIMPLE (biased)", "9x9-simple"),
)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def read(name: str, results: Path = RESULTS) -> dict:
    """A document; without runs where there is no file."""
    path = results / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {"runs": []}


def listed(values: Iterable[Any], digits: int) -> str:
    """Numbers with commas between them; a dash for what was not reached."""
    return ", ".join("-" if v is None else f"{round(v, digits):g}" for v in values)


def reached(run: dict, bound: float) -> float | None:
    """CPU seconds until precision and recall were first at least so high."""
    return next((point[1] for point in run["curve"] if min(point[2:4]) >= bound), None)


def settings(results: Path) -> str:
    """Every setting and seed."""
    head = ["setting", "seeds", "precision", "recall", "s to 0.999", "s to 1", "s in all"]
    rows = []
    for label, name, seeds in SETTINGS:
        runs = [run for run in read(name, results)["runs"] if run["seed"] in seeds]
        if runs:
            rows.append(
                [
                    label,
                    listed((r["seed"] for r in runs), 0),
                    listed((r["edge_precision"] for r in runs), 4),
                    listed((r["edge_recall"] for r in runs), 4),
                    listed((reached(r, 0.999) for r in runs), 1),
                    listed((reached(r, 1.0) for r in runs), 1),
                    listed((r["seconds"] for r in runs), 0),
                ]
            )
    return table(head, rows)


def estimators(results: Path) -> str:
    """The time of each estimator to 99% precision."""
    head = ["estimator", "seeds", "precision at the end", "s to 0.99", "updates"]
    rows = []
    for label, name in ESTIMATORS:
        runs = read(name, results)["runs"]
        if runs:
            rows.append(
                [
                    label,
                    listed((r["seed"] for r in runs), 0),
                    listed((r["edge_precision"] for r in runs), 3),
                    listed((reached(r, 0.99) for r in runs), 1),
                    listed((r["updates"] for r in runs), 0),
                ]
            )
    return table(head, rows)


def variances(results: Path) -> str:
    """Variance of the estimators."""
    rows = []
    for name, row in read("variance", results).get("estimators", {}).items():
        low, high = row["interval"]
        ratio = f"{row['times_less_variance']:,.0f} ({low:,.0f}-{high:,.0f})"
        rows.append([name, ratio, row["cosine"]])
    head = ["estimator", "times less variance", "cosine with per node, leave one out"]
    return table(head, rows)


def sorting(results: Path) -> str:
    """What was chosen for sorting."""
    head = ["setting", "seed", "edges per item", "likeliest", "blind", "complete", "s"]
    head += ["next rank", "most drawn rank"]
    rows = []
    for run in read("sorting", results)["runs"]:
        shares = [
            f"{100 * g['accuracy']:.1f} / {100 * g['solved']:.1f}" for g in run["graphs"].values()
        ]
        row = [run["setting"], run["seed"], run["edges_per_item"], *shares, f"{run['seconds']:.0f}"]
        rows.append([*row, run["nearest_ranks"], run["most_drawn_rank"]])
    return table(head, rows)


def hidden_map(results: Path) -> str:
    """Roads found, and networks on them."""
    head = ["map", "roads", "precision", "recall", "s", "right hops, one step"]
    head += ["network on found", "on true", "on blind"]
    rows = []
    for run in read("hidden-map", results)["runs"]:
        row = [run["seed"], run["roads"] // 2, run["edge_precision"], run["edge_recall"]]
        row += [f"{run['seconds']:.0f}", f"{100 * run['one_step']['hops_right']:.1f}"]
        for graph in ("found", "true", "blind"):
            found = run.get("second_stage", {}).get(graph, {}).get("32")
            share = found and f"{100 * found['hops_right']:.1f} / {100 * found['solved']:.0f}"
            row.append(share or "-")
        rows.append(row)
    return table(head, rows)


def transfer(results: Path) -> str:
    """Solved % of minimal 6x6 puzzles."""
    rows = []
    for run in read("transfer", results)["runs"]:
        for graph in ("learned", "true"):
            cells = [f"{v:.1f} ({low:.1f}-{high:.1f})" for v, low, high in run[graph].values()]
            rows.append([run["seed"], graph, *cells])
    return table(["seed", "graph", "8 steps", "16", "32", "64"], rows)


def inference(results: Path) -> str:
    """Right cells by the number of graphs."""
    head = ["updates", "precision", "likeliest", "1 drawn", "4 drawn", "16 drawn"]
    runs = read("inference", results)["runs"]
    rows = []
    for updates in sorted({run["updates"] for run in runs}):
        here = [run for run in runs if run["updates"] == updates]
        precision = listed((run["edge_precision"] for run in here), 3)
        shares = [
            listed((100 * run["right"][count] for run in here), 1)
            for count in ("0", "1", "4", "16")
        ]
        rows.append([updates, precision, *shares])
    return table(head, rows)


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    results = parser.parse_args().results
    for part in (settings, estimators, variances, sorting, hidden_map, transfer, inference):
        print(f"{part.__name__}:\n\n{part(results)}")


if __name__ == "__main__":
    main()
