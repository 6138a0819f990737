"""Things by name: a key of one of our tables, or `module:NAME` out of what the user brings."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


def find(kind: str, name: str, table: Mapping[str, Any], import_modules: bool = True) -> Any:
    """The thing of that name.

    Args:
        kind: What it is, for messages: `model`, `recipe`, ...
        name: A key of the table, `module:NAME`, or `path/of/file.py:NAME`.
        table: What we know by name.
        import_modules: Whether the module may be imported. A file that somebody wrote is never
            reason enough: without it, the module has to be imported already.

    Raises:
        ValueError: There is no such thing.
    """
    if name in table:
        return table[name]
    module, _, attribute = name.rpartition(":")
    if not module:
        known = f"one of {', '.join(table)}, or " if table else ""
        hint = nearest(name, table)
        raise ValueError(f"no {kind} {name!r}, {hint}expected {known}module:NAME of your own")
    if not import_modules:
        check_imported(f"{kind} {name!r}", module)
    found = load_module(f"no {kind} {name!r}", module)
    if not hasattr(found, attribute):
        raise ValueError(f"no {kind} {name!r}: {module} has no {attribute!r}")
    return getattr(found, attribute)


def nearest(name: str, known: Iterable[str]) -> str:
    """A question such as `did you mean 'sudoku-cpu'? `; "" where no known name is like it."""
    found = get_close_matches(name, list(known), n=1)
    return f"did you mean {found[0]!r}? " if found else ""


def check_imported(what: str, module: str) -> None:
    """Refuse a module that nobody has imported.

    Raises:
        ValueError: It is one.
    """
    if module not in sys.modules:
        in_python = "" if module.endswith(".py") else f", in Python by `import {module}`"
        raise ValueError(
            f"{what} stands in the module {module!r}, which is not imported: importing runs its "
            f"code, so ask for it by --import {module}{in_python}"
        )


def load_module(what: str, name: str) -> ModuleType:
    """The module of that name, or of that file, which is run once.

    Args:
        what: Begins the message where there is none.
        name: As `import` has it, or the path of a file that ends with `.py`.

    Raises:
        ValueError: There is no such module. What fails inside of one is not touched.
    """
    try:
        if name.startswith(".") and not name.endswith(".py"):
            raise ModuleNotFoundError(name, name=name)  # relative to nothing
        return _run(name) if name.endswith(".py") else import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports
        raise ValueError(f"{what}: there is no module {name!r}") from error


def _run(name: str) -> ModuleType:
    """The module of a file."""
    path = Path(name).resolve()
    if not path.is_file():
        raise ModuleNotFoundError(name, name=name)
    # Dataclasses and pickles look their module up by a name, which no other file may have.
    own = re.sub(r"\W", "_", str(path))
    if own not in sys.modules:
        spec = importlib.util.spec_from_file_location(own, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[own] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[own]
            raise
    sys.modules[name] = sys.modules[own]
    return sys.modules[own]
