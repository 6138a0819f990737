"""config.json of a checkpoint, and the digests by which damage to any of its files is seen.

    format          3; 1 and 2 are still read, and have no digests
    digests         {file: [sha256, ...]} of the files beside it
    digest          sha256 of all the other entries, as JSON
    model, model_options, env_id, task, spec, recipe, updates, ...

No rename replaces two files at once. So whoever replaces files first adds the digests of the new
ones to those of the old, then renames, and then leaves the new ones alone: at any moment each file
has one of its digests, also after a kill.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttc_envs import write_atomically

FORMAT = 3
CONFIG = "config.json"
KINDS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "model_options": (dict,),
    "env_id": (str,),
    "task": (dict,),
    "spec": (dict,),
    "recipe": (dict, type(None)),
    "sources": (dict,),
    "digests": (dict,),
}
"""The kinds of the entries, where they are there."""
NEEDED = ("format", "model", "model_options", "env_id", "task", "spec")
COUNTS = ("updates", "instances", "rollbacks")
TRIES = 5
"""Reads of a file that another process may be replacing."""


def digest(data: bytes) -> str:
    """The sha256 of the bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def compact(document: Mapping[str, Any]) -> bytes:
    """A document as JSON without spaces."""
    return json.dumps(document, separators=(",", ":")).encode()


def spelled(config: Mapping[str, Any]) -> bytes:
    """The content of config.json, with its own digest."""
    entries = {"digests": {}, **config}
    for name in ("format", "digest"):
        entries.pop(name, None)
    said = digest(compact({"format": FORMAT, **entries}))
    return compact({"format": FORMAT, "digest": said, **entries})


def write_config(directory: Path, config: Mapping[str, Any]) -> None:
    """Write config.json with its own digest."""
    write_atomically(directory / CONFIG, spelled(config))


def replace_files(directory: Path, files: Mapping[str, bytes], config: Mapping[str, Any]) -> None:
    """Write files and config.json, so that each has one of its digests at any moment."""
    new = {name: [digest(data)] for name, data in files.items()}
    announce(directory, new)
    for name, data in files.items():
        write_atomically(directory / name, data)
    write_config(directory, {**config, "digests": new})


def announce(directory: Path, new: Mapping[str, list[str]]) -> None:
    """Add digests of files that are about to be replaced to those of the files that are there."""
    try:
        before = read_config(directory / CONFIG)
    except (OSError, ValueError):
        return  # There is nothing that could be told from damage.
    known = {name: [*old, *new.get(name, [])] for name, old in before["digests"].items()}
    if known:
        write_config(directory, {**before, "digests": known})


def read_file(path: Path) -> tuple[dict[str, Any], bytes]:
    """A file of a checkpoint and the config beside it, which has its digest if it knows the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It or its config is damaged.
    """
    for _ in range(TRIES):
        config = read_config(path.with_name(CONFIG))
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}")
        data = path.read_bytes()
        known = config["digests"].get(path.name)
        if known is None or digest(data) in known:
            return config, data
    raise ValueError(f"{path}: damaged, its sha256 is not the one in {CONFIG}")


def read_config(path: Path) -> dict[str, Any]:
    """The entries of a config.json, in the present format, whatever they name.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, or of another format.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"{path}: damaged, expected JSON ({reason})") from error
    if not isinstance(config, dict) or not set(NEEDED) <= set(config):
        raise ValueError(f"{path}: not a checkpoint config, expected the keys {sorted(NEEDED)}")
    form = config["format"]
    if type(form) is not int or form not in range(1, FORMAT + 1):
        raise ValueError(f"{path}: format {form!r}, this version reads 1 to {FORMAT}")
    said = config.pop("digest", None)
    if (form == FORMAT or said is not None) and said != digest(compact(config)):
        raise ValueError(f"{path}: damaged or changed, its entries do not have its digest")
    config = migrated(config)
    fault = first_fault(config)
    if fault:
        raise ValueError(f"{path}: {fault}")
    return config


def first_fault(config: Mapping[str, Any]) -> str:
    """What is wrong with the kinds of the entries: '' where nothing is."""
    for name, kinds in KINDS.items():
        if name in config and not isinstance(config[name], kinds):
            return f"{name} must be {kinds[0].__name__}, got {type(config[name]).__name__}"
    for name, known in config["digests"].items():
        if not isinstance(known, list):
            return f"the digests of {name} must be a list, got {type(known).__name__}"
    for name in COUNTS:
        count = config.get(name, 0)
        if type(count) is not int or count < 0:
            return f"{name} must be a count, got {count!r}"
    seconds = config.get("seconds", 0)
    if type(seconds) not in (int, float) or not 0 <= seconds < math.inf:
        return f"seconds must be a time, got {seconds!r}"
    return ""


def migrated(config: dict[str, Any]) -> dict[str, Any]:
    """A config of an earlier format as one of the present format.

    Format 1 chose the optimizer by whether there was a rate for matrices. Format 2 had no digests.
    """
    recipe = config.get("recipe")
    if config["format"] == 1 and isinstance(recipe, dict):
        rate = recipe.get("matrix_learning_rate")
        others = {k: v for k, v in recipe.items() if k != "matrix_learning_rate"}
        muon = {"optimizer": "muon", "matrix_learning_rate": rate}
        config = {**config, "recipe": {**others, **(muon if rate else {"optimizer": "adamw"})}}
    return {"digests": {}, **config, "format": FORMAT}
