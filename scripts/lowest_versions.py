"""Constraints for pip: the lowest version of each dependency that pyproject.toml allows.

    python scripts/lowest_versions.py > lowest.txt
    python scripts/lowest_versions.py torch==2.13.0    # where the lowest one has no wheel

`make test-lowest` installs by them and runs the fast tests. A requirement without a lower bound has
no lowest version, and is an error.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def lowest(requirements: Iterable[str]) -> dict[str, str]:
    """{name: version} of requirements such as `torch>=2.8,<3`; of several, the highest bound.

    Raises:
        ValueError: A requirement has no lower bound.
    """
    found: dict[str, str] = {}
    for requirement in requirements:
        match = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*>=\s*([\d.]+)", requirement)
        if match is None:
            raise ValueError(f"expected NAME>=VERSION, got {requirement!r}")
        name, version = match.groups()
        found[name] = max(found.get(name, version), version, key=numbers)
    return found


def numbers(version: str) -> tuple[int, ...]:
    """A version to be compared."""
    return tuple(map(int, version.split(".")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the constraints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("replaced", nargs="*", metavar="NAME==VERSION", help="another version")
    options = parser.parse_args(arguments)
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    versions = lowest(sum(extras, project["dependencies"]))
    for text in options.replaced:
        name, is_pinned, version = text.partition("==")
        if not is_pinned or name not in versions:
            parser.error(f"expected NAME==VERSION of a dependency, got {text!r}")
        versions[name] = version
    print("\n".join(f"{name}=={version}" for name, version in sorted(versions.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
