"""Mutation testing: small changes to the code that its own tests have to notice.

    python scripts/mutation.py                       400 mutants of all of `TESTS`
    python scripts/mutation.py --only ttc_envs       those in ttc_envs: parts run side by side
    python scripts/mutation.py --show                the mutants that would be drawn

A mutant is one changed operator, comparison, condition or number in one file of `TESTS`. It is
killed where a test of that file fails, or takes more than three times as long as without it. Quick
tests come first. Each mutant runs in a copy of this process, which has the libraries but none of
the project's modules loaded.
One line is printed per mutant that survives; the last line is one JSON document. A survivor may be
equal to the code that it replaces, so no share says all: read the survivors.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import importlib.machinery
import json
import os
import random
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOLVERS = (
    "tests/ttc_agents/implicit/test_loop.py",
    "tests/ttc_agents/implicit/test_steps.py",
    "tests/ttc_agents/implicit/test_accelerated.py",
    "tests/conformance/solvers/test_solvers.py",
    "tests/conformance/solvers/test_careful.py",
    "tests/conformance/solvers/test_gradients.py",
)
QUICK = "-knot newton_krylov"
"""Half of the time is that of one solver, which shares all but its own file with the others."""
TASKS = "tests/ttc_envs/tasks"
TESTS: dict[str, tuple[str, ...]] = {
    "ttc_envs/spec.py": ("tests/ttc_envs/test_spec.py", "tests/ttc_envs/test_task.py"),
    "ttc_envs/rewards.py": ("tests/ttc_envs/test_rewards.py",),
    "ttc_envs/groups.py": ("tests/ttc_envs/test_task.py", f"{TASKS}/sudoku/test_task.py"),
    "ttc_envs/tasks/sudoku/scoring.py": (f"{TASKS}/sudoku/test_task.py",),
    "ttc_envs/tasks/sudoku/solver.py": (f"{TASKS}/sudoku/test_solver.py",),
    "ttc_envs/tasks/sorting/scoring.py": (f"{TASKS}/sorting/test_scoring.py",),
    "ttc_envs/tasks/maps/scoring.py": (
        f"{TASKS}/maps/test_scoring.py",
        f"{TASKS}/next_hop/test_task.py",
        f"{TASKS}/path_sequence/test_task.py",
    ),
    "ttc_envs/tasks/next_hop/scoring.py": (f"{TASKS}/next_hop/test_task.py",),
    "ttc_envs/tasks/path_sequence/scoring.py": (f"{TASKS}/path_sequence/test_task.py",),
    "ttc_agents/stochastic.py": ("tests/ttc_agents/test_stochastic.py",),
    "ttc_agents/implicit/solvers.py": (*SOLVERS, QUICK),
    "ttc_agents/implicit/picard.py": (*SOLVERS, QUICK),
    "ttc_agents/implicit/safeguard.py": (*SOLVERS, QUICK),
    "ttc_agents/implicit/anderson.py": (
        "tests/ttc_agents/implicit/test_anderson.py",
        *SOLVERS,
        "-kanderson",
    ),
    "ttc_agents/implicit/broyden.py": (*SOLVERS, "-kbroyden"),
    "ttc_agents/implicit/newton_krylov.py": (*SOLVERS, "-knewton_krylov"),
    "ttc_agents/implicit/rows.py": (*SOLVERS, QUICK),
    "ttc_agents/implicit/gradients/implicit.py": (*SOLVERS, QUICK),
    "ttc_agents/implicit/gradients/phantom.py": (*SOLVERS, QUICK),
    "ttc_agents/implicit/gradients/mixed.py": (*SOLVERS, QUICK),
    "ttc_agents/implicit/gradients/unrolled.py": (*SOLVERS, QUICK),
    "ttc_agents/implicit/assignment.py": ("tests/ttc_agents/implicit/test_assignment.py",),
    "ttc_agents/implicit/carrying.py": ("tests/ttc_agents/models/test_equilibrium.py",),
    "ttc_agents/implicit/diagnostics.py": ("tests/ttc_agents/implicit/test_diagnostics.py",),
}
"""The files that are changed, each with its own tests and options of pytest."""
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
LIBRARIES = ("numpy", "scipy.sparse.csgraph", "gymnasium", "numba", "torch", "pytest")
"""What takes long to import, and is imported once. Pytest imports its plugins itself."""
SPARED = ("annotation", "returns", "decorator_list")
SLOWER, LEAST = 3, 20
"""Of the time without a change, and seconds of CPU that each run has at least."""


@dataclass(frozen=True)
class Mutant:
    """A changed file.

    Args:
        path: The file, below the root.
        place: Number of the expression, as `places` counts them.
        choice: Number of the replacement.
        line: Of the change.
        change: What became of what.
    """

    path: str
    place: int
    choice: int
    line: int
    change: str

    def tree(self) -> ast.Module:
        """The whole file."""
        tree = parsed(self.path)
        parent, name, index = list(places(tree))[self.place]
        node = at(parent, name, index)
        new = ast.copy_location(list(replacements(node))[self.choice], node)
        if index is None:
            setattr(parent, name, new)
        else:
            getattr(parent, name)[index] = new
        return ast.fix_missing_locations(tree)


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a node."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in COMPARISONS[type(node.ops[0])]:
            yield ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yield (parent, field, index) of each expression that runs.

    Annotations do not. Decorators (`frozen=True`) say what nobody may do, so they are left alone.
    """
    for name, value in ast.iter_fields(tree):
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(node, ast.AST) and name not in SPARED:
                yield tree, name, index
                yield from places(node)


def parsed(path: str) -> ast.Module:
    """A file, below the root."""
    return ast.parse((ROOT / path).read_text("utf-8"))


def mutants(path: str) -> list[Mutant]:
    """All mutants of a file."""
    found = []
    for number, place in enumerate(places(parsed(path))):
        node = at(*place)
        for choice, new in enumerate(replacements(node)):
            change = f"{ast.unparse(node)} -> {ast.unparse(new)}"
            found.append(Mutant(path, number, choice, node.lineno, change))
    return found


def at(parent: ast.AST, name: str, index: int | None) -> Any:
    """The node in a place."""
    value = getattr(parent, name)
    return value if index is None else value[index]


class QuickFirst:
    """A plugin of pytest: tests in the order of the seconds that they took before.

    Args:
        seconds: By test, of an earlier run; of this one afterwards.
    """

    def __init__(self, seconds: dict[str, float]):
        self.before, self.seconds = dict(seconds), seconds

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Sort them."""
        items.sort(key=lambda item: self.before.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note what a part of a test took."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration


def unchanged(path: str) -> tuple[float, dict[str, float]]:
    """CPU seconds of the tests of a file, and the seconds of each."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryFile("w+") as told:

        def work() -> int:
            code = run_tests(path, seconds)
            told.write(json.dumps(seconds))
            told.flush()
            return code

        passes, used = outcome(work)
        if not passes:
            raise SystemExit(f"the tests of {path} fail without a change")
        told.seek(0)
        return used, json.load(told)


def outcome(work: Callable[[], int]) -> tuple[bool, float]:
    """Whether work in a copy of this process returns 0, and its CPU seconds."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status) == 0, used.ru_utime + used.ru_stime


def survives(mutant: Mutant, limit: float, seconds: dict[str, float]) -> bool:
    """Whether the tests pass with a mutant in the place of its file, within CPU seconds."""
    tree = mutant.tree()

    def work() -> int:
        resource.setrlimit(resource.RLIMIT_CPU, (round(limit), round(limit) + 1))
        return run_tests(mutant.path, seconds, tree)

    return outcome(work)[0]


def run_tests(path: str, seconds: dict[str, float], tree: ast.Module | None = None) -> int:
    """Run the tests of a file in this process, with another tree in its place; pytest's code."""
    import pytest

    if tree is not None:
        given = importlib.machinery.SourceFileLoader.get_code
        code = compile(tree, str(ROOT / path), "exec")

        def changed(self: Any, fullname: str) -> Any:
            return code if self.path == str(ROOT / path) else given(self, fullname)

        importlib.machinery.SourceFileLoader.get_code = changed  # type: ignore[method-assign]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    quiet = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(ROOT)]
    own = (name if name.startswith("-") else str(ROOT / name) for name in TESTS[path])
    return int(pytest.main([*quiet, *own], plugins=[QuickFirst(seconds)]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw mutants, run them, print the survivors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=400, help="mutants to draw")
    parser.add_argument("--only", default="", help="of these, those in files of this name")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--show", action="store_true", help="list them and run nothing")
    options = parser.parse_args(arguments)
    every = [mutant for path in TESTS for mutant in mutants(path)]
    drawn = random.Random(options.seed).sample(every, min(options.count, len(every)))
    drawn = [mutant for mutant in drawn if options.only in mutant.path]
    if options.show:
        print("\n".join(f"{m.path}:{m.line}: {m.change}" for m in drawn))
        return 0
    report = run(drawn)
    print(json.dumps({"of": len(every), **report}))
    return 0


def run(drawn: Sequence[Mutant]) -> dict[str, Any]:
    """Run mutants one after the other; what came of them, by file."""
    sys.path.insert(0, str(ROOT))
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    known: dict[str, tuple[float, dict[str, float]]] = {}
    killed: dict[str, list[int]] = {}
    survivors, start = [], sum(os.times()[:4])
    for number, mutant in enumerate(drawn, start=1):
        path = mutant.path
        if path not in known:
            known[path] = unchanged(path)
        used, seconds = known[path]
        alive = survives(mutant, max(SLOWER * used, LEAST), seconds)
        killed.setdefault(path, []).append(int(not alive))
        said = f"{path}:{mutant.line}: {mutant.change}"
        print(number, "survives" if alive else "is killed", said, file=sys.stderr, flush=True)
        if alive:
            survivors.append(said)
            print(said, flush=True)
    total = sum(map(sum, killed.values()))
    return {
        "mutants": len(drawn),
        "killed": total,
        "share": round(total / max(len(drawn), 1), 4),
        "by_file": {path: [sum(own), len(own)] for path, own in sorted(killed.items())},
        "survivors": survivors,
        "seconds": round(sum(os.times()[:4]) - start, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
