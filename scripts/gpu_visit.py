"""One short visit to a GPU: tests, ceilings, speed, a training and its sweep, within its minutes.

    python scripts/gpu_visit.py --minutes 8 --out DIR

The parts run in this order. Each has its share of the minutes. A part that takes longer takes it
from the training, down to `TRAINED` of the whole; then it is cut off, wherever it is. What is not
finished is left out, and DIR/visit.json says so. That file is written after every part and every
minute of the training, together with the weights: a kill loses a minute at most. The same command
on the same DIR goes on with the training.

Without a GPU the visit can be rehearsed: `--device cpu`, or `--device pretend` for a device that is
not there (tests/device/pretend.py). The last line printed is the document.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

BEGUN = time.perf_counter()  # importing PyTorch takes seconds, which count

import numpy as np  # noqa: E402
import torch  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a machine for minutes has nothing installed

from ttc_agents.evaluation.sweep import sweep  # noqa: E402
from ttc_agents.inference.checkpoint import load_model, load_task  # noqa: E402
from ttc_agents.inference.directory import has_checkpoint  # noqa: E402
from ttc_agents.training.flops import counted  # noqa: E402
from ttc_agents.training.loop import Hook, Metrics  # noqa: E402
from ttc_agents.training.recipes import find_recipe  # noqa: E402
from ttc_agents.training.train import train  # noqa: E402
from ttc_agents.training.update import Training  # noqa: E402
from ttc_envs import make_task, write_atomically  # noqa: E402

PARTS = {"tests": 60.0, "ceilings": 5.0, "speed": 55.0, "sweep": 60.0}
"""Seconds of each part beside the training, of a visit of `WHOLE` seconds; the training has the
rest."""
WHOLE = 480.0
MODELS = (
    "sudoku9-gpu-20min",
    "sudoku9-rrn-gpu",
    "shortest-path-cpu-20min",
    "sudoku9-transformer-cpu-60min",
    "city-lstm-cpu-20min",
    "sudoku9-deq-cpu-30min",
    "sudoku6-deq",
)
STEPS = (1, 16, 64, 256)
COUNTS = (16, 100, 500, 2000)
"""Instances of the sweeps, one after the other, as far as the time allows."""
TRAINED = 0.3
"""Share of the whole that the parts before it leave to the training in any case."""
RESERVE = 0.02
"""Share of the whole in which what is cut off ends."""


class OutOfTime(BaseException):
    """Raised in a part whose time is over. What handles errors of a part lets it pass."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in what is done inside, wherever it is after so many seconds."""

    def late(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    if seconds <= 0:
        raise OutOfTime
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Visit:
    """What is known so far, on the disk as soon as it is known.

    Args:
        out: The directory.
        minutes: Of all parts together.
        device: Where.
        start: When the minutes began; None: now.
    """

    def __init__(
        self, out: Path, minutes: float, device: torch.device, start: float | None = None
    ) -> None:
        self.out, self.device = out, device
        self.start = time.perf_counter() if start is None else start
        self.whole = 60 * minutes
        out.mkdir(parents=True, exist_ok=True)
        self.document: dict[str, Any] = {
            "minutes": minutes,
            "device": describe(device),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "parts": {},
        }
        self.write()

    @property
    def elapsed(self) -> float:
        """Seconds since the visit began."""
        return time.perf_counter() - self.start

    def allowed(self, part: str) -> float:
        """Seconds of a part, by its share of the whole visit."""
        return PARTS[part] * min(1.0, self.whole / WHOLE)

    def left(self, after: float = 0.0) -> float:
        """Seconds that are left, without what comes after."""
        return (1 - RESERVE) * self.whole - after - self.elapsed

    def room(self, part: str) -> float:
        """Seconds after which a part is cut off.

        The training ends by itself in time for the sweep; an update that takes long, and what is
        saved then, may take half of the time of the sweep.
        """
        if part == "sweep":
            return self.left()
        if part == "training":
            return self.left(after=self.allowed("sweep") / 2)
        return self.left(after=self.allowed("sweep") + TRAINED * self.whole)

    def note(self, part: str, **found: Any) -> None:
        """Add to what is known of a part, and write it down."""
        self.document["parts"].setdefault(part, {}).update(found)
        self.write()

    def write(self) -> None:
        """The document, whole."""
        self.document["elapsed"] = round(self.elapsed, 2)
        write_atomically(self.out / "visit.json", json.dumps(self.document, indent=1).encode())

    def run(self, part: str, work: Callable[[], None]) -> None:
        """A part; its error is a finding, and the others go on."""
        begun = self.elapsed
        try:
            with at_most(self.room(part)):
                work()
        except OutOfTime:
            self.note(part, unfinished="cut off: no time")
        except Exception as error:  # whatever fails on a new machine must not end the visit
            self.note(part, error=f"{type(error).__name__}: {error}"[:500])
        self.note(part, seconds=round(self.elapsed - begun, 2))


def describe(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"


def settled(device: torch.device) -> float:
    """The time once everything that was begun on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


# The parts


def tests(visit: Visit) -> None:
    """The device tests, on the device or on the one that is not there."""
    chosen = "gpu" if visit.device.type == "cuda" else "not slow and not gpu"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", chosen, "tests/device"]
    seconds = visit.allowed("tests")
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        text = (late.stdout or b"").decode(errors="replace")
        visit.note("tests", unfinished=True, output=text[-500:])
        return
    visit.note("tests", passed=done.returncode == 0, output=done.stdout[-500:])


def ceilings(visit: Visit) -> None:
    """Operations per second of a matrix product, and bytes per second of a copy."""
    size, numbers = (8192, 2**28) if visit.device.type == "cuda" else (512, 2**22)
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(size, size).to(visit.device).to(dtype)
        rate = 2 * size**3 * repeated(visit, lambda a=a: a @ a)
        visit.note("ceilings", **{f"matmul_{str(dtype)[6:]}": rate})
    x = torch.zeros(numbers, device=visit.device)
    visit.note("ceilings", copy_bytes=8 * numbers * repeated(visit, x.clone))


def repeated(visit: Visit, work: Callable[[], Any], seconds: float = 0.5) -> float:
    """How often a second something is done, over half a second."""
    work()
    start, done = settled(visit.device), 0
    while done == 0 or settled(visit.device) - start < seconds:
        for _ in range(4):
            work()
        done += 4
    return done / (settled(visit.device) - start)


def speed(visit: Visit) -> None:
    """Updates per second of every model, its share of the peak, and how often the host waits."""
    end = visit.elapsed + visit.allowed("speed")
    for done, name in enumerate(MODELS):
        each = (end - visit.elapsed) / (len(MODELS) - done)
        if each <= 0:
            visit.note("speed", **{name: "left out: no time"})
            continue
        try:
            visit.note("speed", **{name: measured(visit, name, each)})
        except Exception as error:  # one model that fails leaves the others
            visit.note("speed", **{name: f"{type(error).__name__}: {error}"[:300]})


def measured(visit: Visit, name: str, seconds: float) -> dict[str, Any]:
    """The speed of a recipe in so many seconds, as far as they suffice."""
    begun = visit.elapsed
    recipe = find_recipe(name).replaced(updates=10**6, compile="off", first=None)
    if visit.device.type != "cuda":
        recipe = recipe.replaced(batch_size=4)
    task = make_task(recipe.env_id, **recipe.task)
    training = Training(recipe, task, visit.device, say=lambda line: None)
    _, flops = counted(lambda: training.update(0.0))
    with waits(visit.device) as found:
        training.update(0.0)
    start, done = settled(visit.device), 0
    while done == 0 or visit.elapsed - begun < seconds:
        training.update(0.0)
        done += 1
    rate = done / (settled(visit.device) - start)
    number = "bfloat16" if training.engine and training.engine.bfloat16 else "float32"
    peak = visit.document["parts"].get("ceilings", {}).get(f"matmul_{number}")
    return {
        "updates_per_second": rate,
        "instances": recipe.batch_size,
        "flops_per_update": flops,
        "number": number,
        "share_of_peak": flops * rate / peak if peak else None,
        "waits": found[0] if found else None,
    }


@contextmanager
def waits(device: torch.device) -> Iterator[list[int]]:
    """A list that holds, in the end, how often the host waited for the device; empty if unknown."""
    found: list[int] = []
    if device.type == "pretend":
        with sys.modules["pretend"].waits.counted() as counter:  # type: ignore[attr-defined]
            yield found
        found.append(counter.total)
    elif device.type == "cuda":
        import warnings

        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                yield found
            finally:
                torch.cuda.set_sync_debug_mode("default")
        found.append(sum("synchroniz" in str(each.message) for each in noted))
    else:
        yield found


class EveryMinute(Hook):
    """Writes down how a training stands, and ends it when the time of the sweep begins.

    A training counts its seconds from its first update on. What comes before, on a slow machine,
    makes it late.

    Args:
        visit: Whose document.
        every: Seconds between two times.
    """

    counted = False

    def __init__(self, visit: Visit, every: float) -> None:
        self.visit, self.every, self.last = visit, every, time.perf_counter()
        self.stopped = False

    def after_update(self, training: Any, metrics: Metrics, done: float) -> Metrics:
        """Write where it is time to."""
        late = self.visit.left(after=self.visit.allowed("sweep")) <= 0
        if time.perf_counter() - self.last >= self.every or done >= 1 or late:
            self.last = time.perf_counter()
            known = {name: float(value) for name, value in metrics.items()}
            self.visit.note("training", updates=training.updates, done=done, metrics=known)
        if late and done < 1 and not self.stopped:
            self.stopped = True
            signal.raise_signal(signal.SIGTERM)  # the way to end a training after its update
        return {}


def training(visit: Visit, recipe: str, every: float) -> None:
    """The recipe for as long as there is time, from where a visit before has left it."""
    out = visit.out / "checkpoint"
    begun = has_checkpoint(out)
    before = json.loads((out / "config.json").read_text())["seconds"] if begun else 0.0
    seconds = visit.left(after=visit.allowed("sweep"))
    if seconds <= 0:
        visit.note("training", left_out="no time")
        return
    result = train(
        recipe,
        out,
        resume=begun,
        overwrite=not begun,
        device=str(visit.device),
        show=False,
        hooks=[EveryMinute(visit, every)],
        save_every=every,
        seconds=before + seconds,
    )
    visit.note("training", recipe=recipe, updates=result.updates, trained=result.seconds)


def sweeping(visit: Visit) -> None:
    """What the training has learnt: a short sweep first, then on ever more test instances.

    One that would take too long at the pace of the one before is not begun.
    """
    out = visit.out / "checkpoint"
    if not has_checkpoint(out):
        visit.note("sweep", left_out="no weights")
        return
    task, model = load_task(out, "test"), load_model(out, visit.device)
    level = "minimal" if "minimal" in task.spec.levels else task.spec.levels[0]
    pace = 0.0
    for count, steps in ((COUNTS[0], STEPS[:2]), *((count, STEPS) for count in COUNTS)):
        work = count * steps[-1]
        if visit.left() < pace * work:
            visit.note("sweep", left_out=f"{count} instances, {steps[-1]} steps: no time")
            return
        start = visit.elapsed
        instances = task.sample(np.arange(count, dtype=np.uint64), level)
        result = sweep(model, task, {level: instances}, steps, classical=())
        pace = (visit.elapsed - start) / work
        visit.note("sweep", rows=result.to_json()["rows"], instances=count)


@contextmanager
def device_of(name: str) -> Iterator[torch.device]:
    """The device by its name, also the one that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name != "pretend":
        yield torch.device(name)
        return
    path = ROOT / "tests" / "device" / "pretend.py"
    spec = importlib.util.spec_from_file_location("pretend", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pretend"] = module
    spec.loader.exec_module(module)
    with module.present() as device:
        yield device


def visited(arguments: argparse.Namespace, start: float | None = None) -> dict[str, Any]:
    """The whole visit, and its document; its minutes began at `start`, or begin now."""
    with device_of(arguments.device) as device:
        visit = Visit(arguments.out, arguments.minutes, device, start)
        visit.run("tests", lambda: tests(visit))
        visit.run("ceilings", lambda: ceilings(visit))
        visit.run("speed", lambda: speed(visit))
        visit.run("training", lambda: training(visit, arguments.recipe, arguments.every))
        visit.run("sweep", lambda: sweeping(visit))
        visit.document["finished"] = True
        visit.write()
        return visit.document


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--minutes", type=float, default=8.0, help="of the whole visit")
    options.add_argument("--out", type=Path, required=True, help="directory of all that it leaves")
    options.add_argument("--device", default="auto", help="auto, cuda, cpu or pretend")
    options.add_argument("--recipe", default="sudoku9-gpu-20min", help="what is trained")
    options.add_argument("--every", type=float, default=60.0, help="seconds that a kill may lose")
    return options


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        print(json.dumps(visited(parser().parse_args(), BEGUN)), flush=True)
        os._exit(0)  # what is left of parts that were cut off is not waited for
