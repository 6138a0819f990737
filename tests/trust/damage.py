"""Files that are damaged at random, and what becomes of who reads them."""

import json

BATCH = 250
SECONDS, MEGABYTES = 20, 1000
"""What reading one file may cost."""

READ = """
import json, resource, sys, time
{use}
for name in sys.stdin.read().split():
    print(json.dumps([name, "begun", 0, 0]), flush=True)
    begin = time.process_time()
    try:
        use(name)
        what = "read"
    except (ValueError, OSError) as error:
        what = "refused" if len(str(error).splitlines()) == 1 else f"unclear: {{error!r}}"
    except BaseException as error:
        what = f"traceback: {{error!r}}"
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps([name, what, time.process_time() - begin, used]), flush=True)
"""


def damaged(data, random, texts, others):
    """The bytes after one to four changes; texts and parts of other files are put into them."""
    data = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data) + 1)
        size = random.choice((1, 1, 2, 9, 90, 500, 3000))
        kind = random.randrange(8)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << random.randrange(8)
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = bytes(random.randrange(256) for _ in range(size))
        elif kind == 3:
            data[at:at] = data[at : at + size] * random.choice((1, 2, 30, 300))
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            other = random.choice(others)
            data[at:at] = other[random.randrange(len(other)) :][: size * 4]
        elif kind == 6:
            mark = random.choice(b'0.19 ,;\t\n"{}[]<>|+-#:e\x00\xff')
            data[at : at + size] = bytes([mark]) * size
        else:
            data[at:at] = random.choice(texts)
    return bytes(data)


def faults_of_damage(tries, place, files, use, texts):
    """Damage files, use them, and count what is neither read nor refused in one line.

    Args:
        tries: How many files.
        place: Of the check.
        files: {name: bytes} of good ones.
        use: Code that defines `use(name)`, which reads a file of this name.
        texts: What is put into them.
    """
    others, code = list(files.values()), READ.format(use=use)
    faults, read, slowest, most = [], 0, 0.0, 0.0
    for start in range(0, tries, BATCH):
        names = []
        for turn in range(start, min(start + BATCH, tries)):
            kind = list(files)[turn % len(files)]
            names.append(f"{turn}-{kind}")
            data = damaged(files[kind], place.random, texts, others)
            (place.folder / names[-1]).write_bytes(data)
        outcome = place.python("-c", code, seconds=1800, megabytes=4000, text=" ".join(names))
        found = {name: rest for name, *rest in map(json.loads, outcome.out.splitlines())}
        if outcome.fault():
            faults.append(f"{list(found)[-1] if found else names[0]}: {outcome.fault()}")
        for name, (what, seconds, megabytes) in found.items():
            read += what == "read"
            slowest, most = max(slowest, seconds), max(most, megabytes)
            if what not in ("read", "refused"):
                faults.append(f"{name}: {what}")
            if seconds > SECONDS:
                faults.append(f"{name}: took {seconds:.0f} s")
        if most > MEGABYTES:
            faults.append(f"batch of {names[0]}: took {most:.0f} MB")
        for name in names:
            (place.folder / name).unlink()
    return {"faults": faults, "read": read, "slowest_s": round(slowest, 2), "most_mb": round(most)}
