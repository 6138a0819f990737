"""Install every consumer of the environments and run its tests; `make test-compat`.

    python tests/compat/run.py
    python tests/compat/run.py --venvs DIR --only torchrl skrl

Each group of packages gets a virtual environment of its own below --venvs, since RLlib and the
lowest Gymnasium exclude the others. What cannot be installed is skipped with its reason. The last
line on stdout is one JSON document {consumer: "passed" | "failed" | "skipped: why"}; the exit code
is 1 if one failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent
TIMEOUT = 3600
TESTING = ["pytest>=8.2", "hypothesis>=6.100"]
TORCH = ["torch==2.13.0"]
VENVS: dict[str, list[str]] = {
    "libraries": [
        "-e",
        ".[agents]",
        "torchrl>=0.14",
        "tianshou>=2",
        "skrl>=2.1",
        "rl_zoo3>=2.6",
        *TORCH,
        *TESTING,
    ],
    "gymnasium-lowest": ["-e", ".", "gymnasium==1.4.0", *TESTING],
    "gymnasium-newest": ["-e", ".", "--upgrade", "gymnasium>=1.4,<2", *TESTING],
    "rllib": ["-r", "examples/rllib_requirements.txt"],
}
"""Arguments of `pip install` for each virtual environment."""
WITHOUT_DEPENDENCIES = {"rllib": ["--no-deps", "-e", "."]}
"""Arguments of a second `pip install`, where others pin a Gymnasium below our bound."""


@dataclass(frozen=True)
class Consumer:
    """Somebody who uses the environments.

    Args:
        venv: Key of `VENVS`.
        command: Words after `python`; a test file is run by pytest.
    """

    venv: str
    command: tuple[str, ...]


CONSUMERS: dict[str, Consumer] = {
    **{
        name: Consumer("libraries", (f"tests/compat/test_{name}.py",))
        for name in (
            "stable_baselines3",
            "sb3_contrib",
            "torchrl",
            "tianshou",
            "skrl",
            "cleanrl_style",
            "rl_zoo3",
        )
    },
    "readme": Consumer("libraries", ("tests/test_readme.py", "-k", "rl_libraries")),
    "gymnasium_lowest": Consumer("gymnasium-lowest", ("tests/compat/test_gymnasium.py",)),
    "gymnasium_newest": Consumer("gymnasium-newest", ("tests/compat/test_gymnasium.py",)),
    "rllib": Consumer("rllib", ("examples/rllib_ppo.py", "--iterations", "1")),
}


def main() -> int:
    """Install, run, print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venvs", type=Path, default=ROOT / ".venv-compat", help="their folder")
    parser.add_argument("--only", nargs="+", choices=sorted(CONSUMERS), default=list(CONSUMERS))
    parser.add_argument("--pip-flags", default="", help="passed to pip install")
    options = parser.parse_args()
    faults: dict[str, str | None] = {}
    outcomes = {}
    for name in options.only:
        consumer = CONSUMERS[name]
        if consumer.venv not in faults:
            say(f"installing {consumer.venv}")
            faults[consumer.venv] = install(consumer.venv, options.venvs, options.pip_flags.split())
        fault = faults[consumer.venv]
        say(f"running {name}")
        outcomes[name] = f"skipped: {fault}" if fault else outcome(name, options.venvs)
        say(f"{name}: {outcomes[name]}")
    print(json.dumps(outcomes))
    return int("failed" in outcomes.values())


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


def python_of(venv: Path) -> Path:
    """Its interpreter."""
    return venv / ("Scripts" if os.name == "nt" else "bin") / "python"


def install(name: str, folder: Path, flags: list[str]) -> str | None:
    """Make a virtual environment; None, or why it could not be made."""
    venv = folder / name
    if not python_of(venv).exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    command = [str(python_of(venv)), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    for words in filter(None, (VENVS[name], WITHOUT_DEPENDENCIES.get(name))):
        result = subprocess.run(
            [*command, *flags, *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
            return f"pip install failed ({(errors or ['no reason given'])[-1][:300]})"
    return None


def outcome(name: str, folder: Path) -> str:
    """What came of a consumer's tests."""
    consumer = CONSUMERS[name]
    report = folder / f"{name}.xml"
    words = list(consumer.command)
    if words[0].startswith("tests"):
        # All marks; other people's warnings are not ours to mend.
        marks = ["-m", "", "-o", "filterwarnings=default", "-p", "no:cacheprovider"]
        words = ["-m", "pytest", "-q", *marks, f"--junitxml={report}", *words]
    command = [str(python_of(folder / consumer.venv)), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}
    try:
        result = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        say(f"{name} took more than {TIMEOUT} s")
        return "failed"
    if result.returncode not in (0, 5):
        say(result.stdout[-4000:] + result.stderr[-2000:])
        return "failed"
    return verdict(report) if "pytest" in words else "passed"


def verdict(report: Path) -> str:
    """Passed, unless every test was skipped: then the reason of the first."""
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    skipped = suite.findall("testcase/skipped")
    if int(suite.get("tests", "0")) > len(skipped):
        return "passed"
    reason = skipped[0].get("message", "no reason given") if skipped else "no tests"
    return f"skipped: {reason}"


if __name__ == "__main__":
    sys.exit(main())
