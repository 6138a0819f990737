"""Nothing lost, nothing silently wrong, nothing that runs code: every check of it, as one table.

    python scripts/trust.py                 every check, in full
    python scripts/trust.py --short         the form that stands in the fast tests
    python scripts/trust.py killed_train    one check
    python scripts/trust.py mutated_cities --tries 10000

A check is a file of `tests/trust/checks/`. Its name is that of its row. It has

    PROMISE = "A killed training resumes bit for bit."     what is promised, one sentence
    TRIES, SHORT = 100, 1                                  how many tries, in full and in short
    def check(tries, place) -> {"faults": [...], ...}      see `Place`

`faults` has one line for each broken promise. Further entries are numbers for the report. A check
that raises has one fault: its error. The last line printed is one JSON document. The exit status
is 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ROOT / "tests" / "trust" / "checks"
sys.path.append(str(CHECKS.parent))  # of what several checks share
SHOWN = 5
"""Faults of a check that are printed; the document has all of them."""


@dataclass(frozen=True)
class Outcome:
    """What became of a process.

    Args:
        status: Its exit status; that of a signal is negative, and None means out of time.
        out: What it wrote to its standard output.
        err: What it wrote to its standard error.
        seconds: How long it took.
    """

    status: int | None
    out: str
    err: str
    seconds: float

    def fault(self) -> str:
        """Why this is not how a command may end: '' where it succeeded or failed in one line."""
        if self.status is None:
            return f"not done after {self.seconds:.0f} s"
        if self.status < 0:
            return f"died of signal {-self.status}"
        if "Traceback (most recent call last)" in self.err:
            return f"traceback: {self.err.strip().splitlines()[-1]}"
        return ""


@dataclass(frozen=True)
class Place:
    """Where a check works.

    Args:
        folder: An empty folder of its own.
        random: Its random numbers; the same in each run.
    """

    folder: Path
    random: random.Random

    def python(
        self, *arguments: str, seconds: float = 60, megabytes: int | None = None, text: str = ""
    ) -> Outcome:
        """Run this Python, in `folder`, with the checkout first on its path.

        Args:
            arguments: For instance `"-c", code`, or `"-m", "ttc_agents.cli", "solve", file`.
            seconds: After which it is killed.
            megabytes: Of address space that it may take; None sets no limit.
            text: Its standard input.
        """

        def limited() -> None:
            import resource  # not on Windows

            if megabytes is not None:
                resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=self.folder,
            env=environment(),
            preexec_fn=limited,
        )
        status: int | None
        try:
            out, err = process.communicate(text, timeout=seconds)
            status = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            status = None
        return Outcome(status, out, err, time.perf_counter() - start)

    @staticmethod
    def recipe(**changes: Any) -> Any:
        """A `Recipe` that trains on 4x4 Sudoku in a moment.

        Args:
            changes: Entries of it that differ, by name.
        """
        from ttc_agents.training.recipe import Recipe

        tiny: dict[str, Any] = {
            "name": "tiny",
            "description": "",
            "env_id": "ttc/Sudoku4-v0",
            "model": "factor_graph_network",
            "level": "easy",
            "model_options": {"width": 4, "message_width": 4, "hidden_width": 4},
            "precision": "float32",
            "updates": 2,
            "batch_size": 2,
            "segment_steps": 1,
        }
        return Recipe(**tiny | changes)

    @staticmethod
    def fork(work: Callable[[], object]) -> int:
        """Do something in a copy of this process, which ends with what that says, or 0, or 1.

        PyTorch computes no gradients in a copy of a process that has computed some on a GPU. So
        train in copies alone.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which idle here
            child = os.fork()
        if child == 0:
            status = 1
            try:
                said = work()
                status = said if isinstance(said, int) else 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        return child

    @staticmethod
    def ended(child: int) -> int:
        """Wait for a copy; its status, that of a signal is negative."""
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def environment() -> dict[str, str]:
    """The environment of a process that shall import this checkout, on one thread."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def names() -> list[str]:
    """The checks that there are."""
    return sorted(path.stem for path in CHECKS.glob("*.py"))


def load(path: Path) -> ModuleType:
    """The module of a file.

    Raises:
        ImportError: The file is no module.
    """
    spec = importlib.util.spec_from_file_location(f"trust_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(path: Path, short: bool, tries: int | None = None, seed: int = 0) -> dict[str, Any]:
    """The row of one check, in a folder that is removed afterwards."""
    module, start, cpu = load(path), time.perf_counter(), sum(os.times()[:4])
    if tries is None:
        tries = module.SHORT if short else module.TRIES
    with tempfile.TemporaryDirectory(prefix=f"trust-{path.stem}-") as folder:
        try:
            found = module.check(tries, Place(Path(folder), random.Random(seed)))
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(line.filename).name}:{line.lineno}"
            found = {"faults": [f"the check failed at {where}: {type(error).__name__}: {error}"]}
    return {"check": path.stem, "promise": module.PROMISE, "tries": tries, **found} | {
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(sum(os.times()[:4]) - cpu, 1),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line a check, and the first faults of each below."""
    lines = [f"{'check':20} {'tries':>8} {'faults':>6} {'s':>7} {'CPU s':>7}  promise"]
    for entry in rows:
        lines.append(
            f"{entry['check']:20} {entry['tries']:>8} {len(entry['faults']):>6} "
            f"{entry['seconds']:>7.1f} {entry['cpu_seconds']:>7.1f}  {entry['promise']}"
        )
        lines += [f"    {fault}" for fault in entry["faults"][:SHOWN]]
    return "\n".join(lines)


def run(chosen: Sequence[str], short: bool, jobs: int, tries: int | None) -> list[dict[str, Any]]:
    """The rows of these checks; of several, each in a process of its own."""
    if len(chosen) == 1:
        return [row(CHECKS / f"{chosen[0]}.py", short, tries)]
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda name: apart(name, short), chosen))


def apart(name: str, short: bool) -> dict[str, Any]:
    """The row of one check by this script in another process; its end is a fault if it has none."""
    command = [sys.executable, __file__, name, *["--short"] * short]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment())
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["rows"][0]
    except (ValueError, IndexError):
        fault = f"the check ended with status {done.returncode}"
        found = {"check": name, "promise": "", "tries": 0, "faults": [fault]}
        found |= {"seconds": 0.0, "cpu_seconds": 0.0}
    said = f"{len(found['faults'])} faults, {found['seconds']} s, CPU {found['cpu_seconds']} s"
    print(f"{name}: {said}", file=sys.stderr)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks that were named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=", ".join(names()))
    parser.add_argument("--short", action="store_true", help="the form of the fast tests")
    parser.add_argument("--tries", type=int, help="how many tries, of one check")
    parser.add_argument("--jobs", type=int, default=2, help="checks at a time")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.checks) - set(names()))
    if unknown:
        parser.error(f"no check {', '.join(unknown)}, expected some of {', '.join(names())}")
    if options.tries is not None and (options.tries < 1 or len(options.checks) != 1):
        parser.error("--tries is a number above 0, for one check")
    rows = run(options.checks or names(), options.short, options.jobs, options.tries)
    faults = sum(len(entry["faults"]) for entry in rows)
    print(table(rows))
    print(json.dumps({"short": options.short, "faults": faults, "rows": rows}))
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
