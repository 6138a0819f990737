"""What models ask of a task and of their options before they work with them."""

from __future__ import annotations

from collections.abc import Iterable

from ttc_envs import TaskSpec


def fields_of(spec: TaskSpec, kind: str, *per: str) -> list[str]:
    """The names of the fields of a kind, per "node", "neighbour" or whatever is asked for."""
    return [name for name, f in spec.fields.items() if f.kind == kind and f.per in per]


def shows_answer(spec: TaskSpec) -> bool:
    """Whether what a task shows changes with the current answer."""
    return any(field.per == "answer" for field in spec.fields.values())


def first_reason(*reasons: tuple[bool, str]) -> str | None:
    """The first reason that holds, for `supports`; None: no reason holds."""
    return next((reason for holds, reason in reasons if holds), None)


def check_name(name: str, known: Iterable[str], what: str) -> None:
    """Refuse a name that is none of the known ones."""
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, got {name!r}")
