"""Who may import whom (docs/architecture.md), read from the syntax trees.

Each message names the file and the line.
"""

import ast
import json
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

from ttc_agents.models import MODELS

ROOT = Path(__file__).parents[1]
PACKAGES = ("ttc_envs", "ttc_agents")

# Rooms may import rooms of a lower rank, and of their own rank where nothing below forbids it.
RANKS = {
    "ttc_envs.spec": 0,
    "ttc_envs.random_words": 0,
    "ttc_envs.files": 0,
    "ttc_envs.colours": 0,
    "ttc_envs.contracts": 0,
    "ttc_envs.groups": 0,
    "ttc_envs.render": 0,
    "ttc_envs.task": 1,
    "ttc_envs.tasks": 2,
    "ttc_envs.actions": 3,
    "ttc_envs.rewards": 3,
    "ttc_envs.observations": 3,
    "ttc_envs.supply": 4,
    "ttc_envs.episodes": 4,
    "ttc_envs.vector": 5,
    "ttc_envs.env": 6,
    "ttc_envs.registration": 7,
    "ttc_envs": 8,
    "ttc_agents.weights": 0,
    "ttc_agents.names": 0,
    "ttc_agents.implicit": 0,
    "ttc_agents.stochastic": 0,
    "ttc_agents.models": 1,
    "ttc_agents.inference": 2,
    "ttc_agents.training": 3,
    "ttc_agents.policies": 4,
    "ttc_agents.evaluation": 5,
    "ttc_agents.comparison": 6,
    "ttc_agents.figures": 7,
    "ttc_agents": 8,
    "ttc_agents.cli": 9,
}
AGENT_LIBRARIES = {"torch", "torch_geometric", "stable_baselines3", "sb3_contrib", "ttc_agents"}
RL_LIBRARIES = {"gymnasium", "stable_baselines3", "sb3_contrib"}
# The contract and building blocks; `edge_messages` is apart since it imports torch_geometric.
SHARED_BY_MODELS = {
    f"ttc_agents.models.{name}"
    for name in (
        "attention",
        "base",
        "count_messages",
        "count_network",
        "graph_draws",
        "layers",
        "neighbour_graph",
        "neighbour_messages",
        "edge_messages",
        "node_inputs",
        "path_model",
        "product_keys",
        "readout",
        "wrapper",
    )
}
# What both path tasks are made of.
SHARED_BY_TASKS = "ttc_envs.tasks.maps"
USABLE_ALONE = ("ttc_agents.implicit", "ttc_agents.stochastic")
TASK_NAMES = ("sudoku", "shortestpath", "sorting", "nexthop", "pathsequence")
MAY_NAME_TASKS = ("ttc_agents.training.recipes", "ttc_agents.cli", "ttc_agents.weights")
MODEL_CLASSES = frozenset(model.__name__ for model in MODELS.values())


def module_name(path, root):
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def inside(module, package):
    return module == package or module.startswith(package + ".")


def room(module):
    """The key of RANKS to which a module belongs; the module's own name where there is none."""
    name = ".".join(module.split(".")[:2])
    return name if module != name or name in RANKS else module


def imports(tree, package, modules):
    """Yields (line, imported module): the modules of `modules` are told from names inside them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                full = f"{source}.{alias.name}"
                yield node.lineno, full if full in modules else source


def import_fault(name, target):
    """Why module `name` may not import `target`, or None."""
    library = target.split(".")[0]
    if inside(name, "ttc_envs") and library in AGENT_LIBRARIES:
        return f"ttc_envs never imports {library}"
    if inside(name, "ttc_agents.models") and library in RL_LIBRARIES:
        return f"models never import {library}"
    if inside(name, "ttc_agents") and library == "ttc_envs" and target != "ttc_envs":
        return f"ttc_agents sees only what ttc_envs re-exports, not {target}"
    if room(name) in USABLE_ALONE and not usable_alone(name, target):
        return f"{room(name)} imports torch and the standard library only, not {target}"
    if library == name.split(".")[0]:
        return inner_fault(name, target)
    return None


def usable_alone(name, target):
    library = target.split(".")[0]
    return library == "torch" or library in sys.stdlib_module_names or inside(target, room(name))


def inner_fault(name, target):
    """The rules between the rooms of one package."""
    for module in (name, target):
        if room(module) not in RANKS:
            return f"{module} has no place in RANKS of tests/test_layers.py"
    if RANKS[room(target)] > RANKS[room(name)]:
        return f"{room(name)} is below {room(target)}"
    if siblings(name, target, "ttc_envs.tasks") and not inside(target, SHARED_BY_TASKS):
        return "tasks never import each other"
    if siblings(name, target, "ttc_agents.models") and target not in SHARED_BY_MODELS:
        return "a model imports no other model"
    return None


def siblings(name, target, package):
    """Whether both are members of a package (not its __init__ as the importer) and differ."""
    depth = package.count(".") + 2
    if not inside(name, package) or not inside(target, package) or name == package:
        return False
    return name.split(".")[:depth] != target.split(".")[:depth]


def named_tasks(tree):
    """Yields (line, text) of the string constants that name a task; docstrings may."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = "".join(c for c in node.value.lower() if c.isalnum())
            if id(node) not in docstrings and any(task in text for task in TASK_NAMES):
                yield node.lineno, node.value


def asked_for(tree):
    """Yields (line, class) of every `isinstance` that asks for a class of `MODELS`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            for name in ast.walk(node.args[1]):
                if isinstance(name, ast.Name) and name.id in MODEL_CLASSES:
                    yield node.lineno, name.id


def first_cycle(graph):
    """The modules of an import cycle, the first one repeated at the end; [] where there is none."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        path.append(module)
        for target in sorted(graph[module]):
            cycle = visit(target)
            if cycle:
                return cycle
        done.add(path.pop())
        return []

    return next((cycle for cycle in map(visit, sorted(graph)) if cycle), [])


def violations(root):
    """One line `file:line: message` for each broken rule below `root`, and one for a cycle."""
    paths = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    modules = {module_name(path, root): path for path in paths}
    places = {name: path.relative_to(root).as_posix() for name, path in modules.items()}
    found, graph = [], {}
    for name, path in modules.items():
        tree, where = ast.parse(path.read_text("utf-8")), places[name]
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        targets = list(imports(tree, package, modules))
        for line, target in targets:
            fault = import_fault(name, target)
            if fault:
                found.append(f"{where}:{line}: {fault}")
        graph[name] = {target for _, target in targets if target in modules}
        if inside(name, "ttc_agents") and not any(inside(name, m) for m in MAY_NAME_TASKS):
            found += [f"{where}:{line}: names a task: {t!r}" for line, t in named_tasks(tree)]
        if inside(name, "ttc_agents") and not inside(name, "ttc_agents.models"):
            found += [f"{where}:{line}: asks for a {m}" for line, m in asked_for(tree)]
    cycle = first_cycle({name: targets & graph.keys() for name, targets in graph.items()})
    if cycle:
        found.append(f"import cycle: {' -> '.join(places[name] for name in cycle)}")
    return found


def test_the_packages_keep_the_rules():
    assert len(list((ROOT / "ttc_envs").rglob("*.py"))) > 1
    assert not violations(ROOT), "\n".join(["", *violations(ROOT)])


BROKEN = [
    ("ttc_envs/tasks/a/task.py", "import torch", "ttc_envs never imports torch"),
    ("ttc_envs/vector.py", "def f():\n    import torch.nn", "ttc_envs never imports torch"),
    ("ttc_envs/env.py", "from ttc_agents.models import base", "ttc_envs never imports ttc_agents"),
    ("ttc_envs/spec.py", "from ttc_envs import tasks", "ttc_envs.spec is below ttc_envs.tasks"),
    ("ttc_envs/spec.py", "from .tasks.a import task", "ttc_envs.spec is below ttc_envs.tasks"),
    ("ttc_envs/vector.py", "import ttc_envs", "ttc_envs.vector is below ttc_envs"),
    ("ttc_envs/actions.py", "from ttc_envs import env", "ttc_envs.actions is below ttc_envs.env"),
    (
        "ttc_envs/tasks/a/task.py",
        "from ttc_envs.tasks.b import task",
        "tasks never import each other",
    ),
    ("ttc_envs/tasks/a/task.py", "from ..b.task import X", "tasks never import each other"),
    (
        "ttc_envs/tasks/maps/graph.py",
        "from ttc_envs.tasks.b import task",
        "tasks never import each other",
    ),
    ("ttc_envs/task.py", "from ttc_envs import tasks", "ttc_envs.task is below ttc_envs.tasks"),
    (
        "ttc_envs/registration.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ttc_envs",
        "ttc_envs.registration is below ttc_envs",
    ),
    (
        "ttc_envs/surprise.py",
        "from ttc_envs import spec",
        "ttc_envs.surprise has no place in RANKS of tests/test_layers.py",
    ),
    ("ttc_agents/models/m.py", "import gymnasium as gym", "models never import gymnasium"),
    (
        "ttc_agents/models/m.py",
        "from ttc_agents.models.n import N",
        "a model imports no other model",
    ),
    ("ttc_agents/models/m.py", "from . import n", "a model imports no other model"),
    ("ttc_agents/models/base.py", "from .m import M", "a model imports no other model"),
    (
        "ttc_agents/models/m.py",
        "from ttc_agents.training import data",
        "ttc_agents.models is below ttc_agents.training",
    ),
    (
        "ttc_agents/training/data.py",
        "from ttc_envs.tasks.a.task import X",
        "ttc_agents sees only what ttc_envs re-exports, not ttc_envs.tasks.a.task",
    ),
    (
        "ttc_agents/stochastic.py",
        "import numpy",
        "ttc_agents.stochastic imports torch and the standard library only, not numpy",
    ),
    ("ttc_agents/models/m.py", "X = 'Sudoku'", "names a task: 'Sudoku'"),
    ("ttc_agents/training/data.py", "isinstance(X, (int, Equilibrium))", "asks for a Equilibrium"),
    (
        "ttc_agents/training/data.py",
        "from ttc_agents.policies import sb3",
        "ttc_agents.training is below ttc_agents.policies",
    ),
    (
        "ttc_agents/policies/p.py",
        "X = f'ttc/ShortestPath-v{1}'",
        "names a task: 'ttc/ShortestPath-v'",
    ),
]
KEPT = [
    ("ttc_envs/__init__.py", "from ttc_envs.env import E\nfrom ttc_envs.tasks.a.task import A"),
    ("ttc_envs/tasks/a/task.py", "import numpy\nfrom ttc_envs.spec import S\nfrom . import solver"),
    ("ttc_envs/tasks/__init__.py", "from ttc_envs.tasks.b import task"),
    ("ttc_envs/tasks/a/task.py", "from ttc_envs.tasks.maps import graph"),
    ("ttc_agents/models/m.py", "import torch\nfrom ttc_envs import S\nfrom .base import M"),
    ("ttc_agents/models/__init__.py", "from ttc_agents.models.n import N"),
    ("ttc_agents/models/m.py", "'''About sudoku.'''\ndef f():\n    '''For sorting.'''"),
    ("ttc_agents/training/recipes/new.py", "X = 'sudoku'"),
    ("ttc_agents/implicit/gradients/x.py", "import math\nfrom ttc_agents.implicit import solvers"),
]


@pytest.fixture
def tree(tmp_path):
    """A house whose rooms are empty, so that what a test writes into it is the only suspect."""
    for path in (
        *(f"ttc_envs/{m}.py" for m in ("__init__", "spec", "actions", "vector", "env")),
        *(
            f"ttc_envs/tasks/{m}.py"
            for m in ("__init__", "a/task", "a/solver", "b/task", "maps/graph")
        ),
        *(f"ttc_agents/models/{m}.py" for m in ("__init__", "base", "m", "n")),
        *(f"ttc_agents/{m}.py" for m in ("training/data", "implicit/__init__", "implicit/solvers")),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def write(tree, path, code):
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(code)


@pytest.mark.parametrize(("path", "code", "message"), BROKEN)
def test_a_broken_rule_is_found_with_its_line(tree, path, code, message):
    write(tree, path, "X = 1\n" + code)
    assert violations(tree) == [f"{path}:{len(code.splitlines()) + 1}: {message}"]


@pytest.mark.parametrize(("path", "code"), KEPT)
def test_what_the_rules_allow_passes(tree, path, code):
    write(tree, path, code)
    assert violations(tree) == []


TYPING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
CYCLES = [
    ("from . import solver", "import ttc_envs.tasks.a.task"),
    ("from ttc_envs.tasks.a import solver", TYPING + "from .task import T"),
    ("def f():\n    from . import solver", "from .task import T"),
]


@pytest.mark.parametrize(("task", "solver"), CYCLES)
def test_a_cycle_is_found_with_its_files(tree, task, solver):
    write(tree, "ttc_envs/tasks/b/task.py", "from . import other")
    write(tree, "ttc_envs/tasks/b/other.py", "from ttc_envs.spec import S")
    assert violations(tree) == []
    files = [f"ttc_envs/tasks/a/{module}.py" for module in ("solver", "task", "solver")]
    write(tree, files[0], solver)
    write(tree, files[1], task)
    assert violations(tree) == [f"import cycle: {' -> '.join(files)}"]


def test_a_longer_cycle_is_found_apart_from_what_leads_to_it(tree):
    for module, target in (("a", "c"), ("c", "d"), ("d", "e"), ("e", "c")):
        write(tree, f"ttc_envs/tasks/a/{module}.py", f"from . import {target}")
    steps = " -> ".join(f"ttc_envs/tasks/a/{module}.py" for module in "cdec")
    assert violations(tree) == [f"import cycle: {steps}"]


# What importing a package may not bring along, which the syntax trees cannot tell.
HEAVY_FOR_ENVS = ["torch", "scipy", "networkx", "PIL", "numba", "matplotlib", "ttc_agents"]
HEAVY_FOR_AGENTS = ["torch_geometric", "stable_baselines3", "sb3_contrib", "matplotlib"]
IMPORT_SCRIPT = """
import importlib, json, sys
modules, heavy = json.loads(sys.argv[1])
for name in modules:
    importlib.import_module(name)
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def brought_along(modules, heavy):
    """Those of `heavy` that importing `modules` in a fresh process loads."""
    command = [sys.executable, "-c", IMPORT_SCRIPT, json.dumps([modules, heavy])]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_importing_the_environments_is_light():
    assert brought_along(["ttc_envs"], HEAVY_FOR_ENVS) == []


def test_importing_the_command_line_is_light():
    # Without the `agents` extra `ttc` has to live long enough to name it.
    heavy = [*HEAVY_FOR_AGENTS, "torch", "tyro", "rich"]
    assert brought_along(["ttc_agents", "ttc_agents.cli"], heavy) == []


def test_importing_the_agent_packages_leaves_the_optional_giants_out():
    paths = sorted((ROOT / "ttc_agents").rglob("__init__.py"))
    packages = [module_name(path, ROOT) for path in paths]
    assert "ttc_agents.models" in packages
    assert brought_along(packages, HEAVY_FOR_AGENTS) == []


def test_brought_along_sees_what_is_imported():
    assert brought_along(["json.tool"], ["json", "torch"]) == ["json"]
