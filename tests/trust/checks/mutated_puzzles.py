"""Puzzle files of every layout, damaged at random."""

import gzip
import io
import json
import zipfile

from damage import faults_of_damage

PROMISE = "A damaged puzzle file is read or refused in one line, in 20 s of CPU and 1 GB."
TRIES, SHORT = 1000, 40
TEXTS = (b"9" * 400, b"[" * 5000, b"\n" * 5000, b"(" * 60)

USE = """
from ttc_envs import load_puzzles

def use(name):
    try:
        load_puzzles(name, on_error="skip")
    except (ValueError, OSError) as error:
        assert name in str(error), f"the file is not named: {error}"
        raise
"""


def word(task, grid, blank="."):
    return task.spell(grid).replace(".", blank)


def layouts():
    """{name: bytes} of good files."""
    import numpy as np

    from ttc_envs import SudokuTask

    task, large = SudokuTask(9), SudokuTask(16)
    drawn = task.sample(np.arange(6, dtype=np.uint64), "medium")
    puzzles, solutions = drawn.fields["givens"], drawn.labels["answer"]
    words = [word(task, p) for p in puzzles]
    answers = [word(task, s) for s in solutions]
    pairs = list(zip(words, answers, strict=True))
    squares = ["\n".join(w[i : i + 9] for i in range(0, 81, 9)) for w in words]
    bars = [s.replace("\n", "|\n|") for s in squares]
    games = "".join(f'<game data="{w.replace(".", "0")}"/>' for w in words)
    texts = {
        "lines": "\n".join(words),
        "csv": "\n".join(["puzzle,solution", *(f"{p},{s}" for p, s in pairs)]),
        "quoted": "\n".join(["id;question", *(f'"a;b";"{p}"' for p in words)]),
        "tabs": "\n".join(f"{i}\t{p}\t{s}" for i, (p, s) in enumerate(pairs)),
        "hodoku": "\n".join(f":0701:2:{p}:345:r1c2:" for p in words),
        "grids": "\n\n".join(squares),
        "sections": "\n".join(f"[Puzzle {i}]\n{s}" for i, s in enumerate(squares)),
        "bars": "\n+---+---+---+\n".join(bars),
        "json": json.dumps([{"puzzle": p, "solution": s} for p, s in pairs]),
        "jsonl": "\n".join(json.dumps({"quiz": p}) for p in words),
        "arrays": json.dumps((puzzles + 1).reshape(-1, 9, 9).tolist()),
        "xml": f'<?xml version="1.0"?><opensudoku>{games}</opensudoku>',
        "16": "\n".join(
            word(large, p)
            for p in large.sample(np.arange(2, dtype=np.uint64), "hard").fields["givens"]
        ),
    }
    files = {name: text.encode() for name, text in texts.items()}
    files["utf-16"] = texts["csv"].encode("utf-16")
    files["gzip"] = gzip.compress(files["csv"])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.csv", texts["csv"])
    files["zip"] = archive.getvalue()
    array = io.BytesIO()
    np.save(array, np.stack([puzzles, solutions], axis=1).reshape(-1, 2, 9, 9) + 1)
    return files | {"npy": array.getvalue()}


def check(tries, place):
    return faults_of_damage(tries, place, layouts(), USE, TEXTS)
