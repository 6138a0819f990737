"""Puzzle files of every layout, damaged at random."""

import gzip
import io
import json
import zipfile

PROMISE = "A damaged puzzle file is read or refused in one line, in 20 s of CPU and 1 GB."
TRIES, SHORT = 1000, 40
BATCH = 500
SECONDS, MEGABYTES = 20, 1000

READ = """
import json, resource, sys, time
from ttc_envs import load_puzzles
for name in sys.stdin.read().split():
    print(json.dumps([name, "begun", 0, 0]), flush=True)
    begin = time.process_time()
    try:
        what = f"read {len(load_puzzles(name, on_error='skip'))}"
    except (ValueError, OSError) as error:
        lines = str(error).splitlines()
        named = name in str(error) and len(lines) == 1
        what = "refused" if named else f"unclear: {error!r}"
    except BaseException as error:
        what = f"traceback: {error!r}"
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps([name, what, time.process_time() - begin, used]), flush=True)
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


def damaged(data, others, random):
    """The bytes after one to four changes."""
    data = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data) + 1)
        size = random.choice((1, 1, 2, 9, 81, 500))
        kind = random.randrange(8)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << random.randrange(8)
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = bytes(random.randrange(256) for _ in range(size))
        elif kind == 3:
            data[at:at] = data[at : at + size] * random.choice((1, 2, 300))
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            other = others[random.randrange(len(others))]
            data[at:at] = other[random.randrange(len(other)) :][: size * 4]
        elif kind == 6:
            mark = random.choice(b'0.19 ,;\t\n"{}[]<>|+-#:\x00\xff')
            data[at : at + size] = bytes([mark]) * size
        else:
            data[at:at] = random.choice((b"9" * 400, b"[" * 5000, b"\n" * 5000, b"(" * 60))
    return bytes(data)


def verdicts(place, names):
    """[name, what, seconds, megabytes] of each file; what is begun and not done is the last."""
    text = " ".join(names)
    outcome = place.python("-c", READ, seconds=1800, megabytes=4000, text=text)
    found = {}
    for line in outcome.out.splitlines():
        entry = json.loads(line)
        found[entry[0]] = entry[1:]
    return found, outcome.fault()


def check(tries, place):
    files = layouts()
    originals = list(files.values())
    faults, read, slowest, most = [], 0, 0.0, 0.0
    for start in range(0, tries, BATCH):
        names = []
        for turn in range(start, min(start + BATCH, tries)):
            layout = list(files)[turn % len(files)]
            names.append(f"{layout}-{turn}")
            data = damaged(files[layout], originals, place.random)
            (place.folder / names[-1]).write_bytes(data)
        found, fault = verdicts(place, names)
        if fault:
            faults.append(f"{list(found)[-1] if found else names[0]}: {fault}")
        for name, (what, seconds, megabytes) in found.items():
            read += what.startswith("read")
            slowest, most = max(slowest, seconds), max(most, megabytes)
            if not what.startswith(("read", "refused")):
                faults.append(f"{name}: {what}")
            if seconds > SECONDS:
                faults.append(f"{name}: took {seconds:.0f} s")
        if most > MEGABYTES:
            faults.append(f"batch of {names[0]}: took {most:.0f} MB")
        for name in names:
            (place.folder / name).unlink()
    return {"faults": faults, "read": read, "slowest_s": round(slowest, 2), "most_mb": round(most)}
