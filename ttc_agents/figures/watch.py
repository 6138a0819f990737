"""The page of `ttc watch`: replays, and a network that solves puzzles in the reader's browser.

One HTML file holds the data (JSON, compressed), styles, and the scripts of `figures/page/` as they
are. It asks no server for anything.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from ttc_agents.figures.replay import group_codes, symbols
from ttc_agents.models.base import RefinementModel
from ttc_envs import Instances, Task

PORTED = ("factor_graph_network",)
"""Models that `page/network.js` can run, by their names in checkpoints."""
WORKER_SCRIPTS = ("network.js", "search.js", "exact.js", "worker.js")
"""What runs in a worker; all but the last define functions only, which the page uses, too."""
PAGE_SCRIPTS = (
    "data.js",
    "puzzle.js",
    "shapes.js",
    "grid.js",
    "map.js",
    "drawings.js",
    "traces.js",
    "tree.js",
    "player.js",
    "live.js",
    "main.js",
)


def live_document(
    name: str, kind: str, model: RefinementModel, task: Task, examples: Instances, title: str
) -> dict[str, Any]:
    """The network that the page runs, as a document.

    Args:
        name: Of the checkpoint.
        kind: The name of its model.
        model: The model.
        task: Its task, with class choices and constraint groups.
        examples: Instances to pick from.
        title: What the examples are.

    Raises:
        ValueError: The page has no port of the model.
    """
    if kind not in PORTED:
        raise ValueError(f"the page can run {', '.join(PORTED)} only, {name} is a {kind}")
    weights = {k: v.detach().cpu().numpy() for k, v in model.state_dict().items()}
    return {
        "name": name,
        "parameters": sum(values.size for values in weights.values()),
        "nodes": task.spec.num_nodes,
        "choices": task.spec.num_choices,
        "symbols": symbols(task),
        "groups": group_codes(task),
        "weights": {k: packed(v) for k, v in weights.items()},
        "view": task.view(examples[:1]),
        "examples": [task.spell(row) for row in task.initial_answer(examples)],
        "examples_title": title,
    }


def watch_page(sets: Sequence[dict[str, Any]], live: dict[str, Any], commands: str) -> str:
    """The page.

    Args:
        sets: Of `replay_set`.
        live: Of `live_document`.
        commands: What made it, as text.
    """
    document = {"sets": list(sets), "live": live}
    data = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)
    return Template(page_file("page.html")).substitute(
        style=page_file("page.css"),
        data=base64.b64encode(data).decode("ascii"),
        worker="\n".join(script_tag(name) for name in WORKER_SCRIPTS),
        scripts="\n".join(script_tag(name) for name in PAGE_SCRIPTS),
        commands=escape(commands),
    )


def script_tag(name: str) -> str:
    """A script of the page. The worker's own waits as text until a worker is made of it."""
    kind = "text/plain" if name == "worker.js" else "text/javascript"
    return f'<script id="{name}" type="{kind}">\n{page_file(name)}</script>'


def page_file(name: str) -> str:
    """The text of a file of the page."""
    folder = resources.files("ttc_agents.figures").joinpath("page")
    return folder.joinpath(name).read_text(encoding="utf-8")


def packed(values: np.ndarray) -> str:
    """Numbers as little-endian float32 in base64."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")
