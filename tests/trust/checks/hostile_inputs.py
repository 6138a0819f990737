"""Files that were made to do harm: bombs, endless ones, pickles, entities."""

import gzip
import io
import os
import pickle
import struct
import zipfile

PROMISE = "A hostile puzzle or places file is refused in one line, in 20 s of CPU and 1 GB."
TRIES, SHORT = 256, 4
MEGABYTE = 1 << 20
QUICK = ("zeros.gz", "laughs.xml", "deep.json", "huge.npy", "pickle.npy", "places-quote.csv")
"""Those of the short form."""

READ = """
import json, resource, sys, time
from ttc_envs import load_cities, load_puzzles
name = sys.argv[1]
begin = time.process_time()
try:
    print("read", (load_cities if name.startswith("places") else load_puzzles)(name))
except (ValueError, OSError) as error:
    print("refused" if len(str(error).splitlines()) == 1 and name in str(error) else repr(error))
print(time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


class Harm:
    """What would run if a file was unpickled."""

    def __reduce__(self):
        return os.mkdir, ("harmed",)


def npy(shape, descr, data):
    """An npy file with a header of one's own."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", data)
    return stream.getvalue()


def laughs():
    """Entities of entities of entities."""
    entities = ['<!ENTITY a0 "1">']
    entities += [f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)]
    return f"<!DOCTYPE o [{''.join(entities)}]><opensudoku><game data='&a9;'/></opensudoku>"


def files(megabytes):
    """{name: content}; bombs unpack to so many megabytes."""
    size = megabytes * MEGABYTE
    head = b"city,state,lat,lng\n"
    outside = "<!DOCTYPE o [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><opensudoku>&a;</opensudoku>"
    return {
        "zeros.gz": gzip.compress(bytes(size), 9),
        "lines.gz": gzip.compress(b"x\n" * (size // 2), 9),
        "rows.gz": gzip.compress(b"puzzle\n" + b"x\n" * (size // 2), 9),
        "puzzles.gz": gzip.compress((b"1" * 81 + b"\n") * (size // 82), 9),
        "twice.gz": gzip.compress(gzip.compress(bytes(size), 9), 9),
        "members.gz": gzip.compress(b"\n") * 20_000,
        "bomb.zip": zipped(b"\n" * size),
        "long.txt": b"1" * size,
        "wide.csv": b"puzzle," + b"," * size,
        "laughs.xml": laughs().encode(),
        "outside.xml": outside.encode(),
        "deep.xml": b"<a>" * 500_000,
        "deep.json": b"[" * 2_000_000,
        "number.json": b'{"puzzle": ' + b"9" * 2_000_000 + b"}",
        "huge.npy": npy("(10**12, 81)", "|i1", bytes(81)),
        "rows.npy": npy("(1000000000000, 81)", "|i1", bytes(81)),
        "nest.npy": npy("(" * 60000, "|i1", b""),
        "pickle.npy": npy("(1,)", "|O", pickle.dumps([Harm()])),
        "pickle.txt": pickle.dumps(Harm()),
        "places-name.csv": head + b"x" * 100_000 + b",TX,30,-97\n",
        "places-names.csv": head + b"x,TX,30,-97\n" * 20_000 + b"x" * 99_999 + b",TX,30,-97\n",
        "places-quote.csv": head + b'"' * MEGABYTE,
        "places-number.csv": head + b"x,TX," + b"9" * 100_000 + b",-97\n",
    }


def check(tries, place):
    faults, slowest, most = [], 0.0, 0.0
    contents = files(tries)
    for name, data in contents.items():
        (place.folder / name).write_bytes(data)
    os.mkfifo(place.folder / "fifo")
    os.mkfifo(place.folder / "places-fifo")
    (place.folder / "zero").symlink_to("/dev/zero")
    (place.folder / "places-zero").symlink_to("/dev/zero")
    (place.folder / "loop").symlink_to("loop")
    (place.folder / "folder").mkdir()
    names = [*contents] if tries > SHORT else [name for name in contents if name in QUICK]
    names += ["fifo", "places-fifo", "zero", "places-zero", "loop", "folder"]
    for name in names:
        run = place.python("-c", READ, name, seconds=200, megabytes=4000)
        words = run.out.split()
        if run.fault() or not words or words[0] != "refused":
            faults.append(f"{name}: {run.fault() or run.out[:300] or run.err[-300:]}")
            continue
        seconds, megabytes = map(float, words[1:])
        slowest, most = max(slowest, seconds), max(most, megabytes)
        if seconds > 20 or megabytes > 1000:
            faults.append(f"{name}: {seconds:.0f} s, {megabytes:.0f} MB")
    if (place.folder / "harmed").exists():
        faults.append("a pickle was run")
    report = {"files": len(names), "slowest_s": round(slowest, 2), "most_mb": round(most)}
    return {"faults": faults, **report}
