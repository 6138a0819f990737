"""Checkpoints: averaged weights as safetensors, config and spec as JSON, state of the training.

    model.safetensors   the weights to evaluate (exponential moving average)
    config.json         format, model name and options, env id, task arguments, spec, recipe
    training.pt         raw weights, optimizer, carried batch, RNG, counts; loads weights_only
    metrics.jsonl       one line per report, appended to

The first three are written to a temporary name and renamed, so a kill leaves the last whole one. A
checkpoint is named by its directory, or by the name of one that ships in `ttc_agents/weights/`.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ttc_agents.files import write_atomically
from ttc_agents.models import RefinementModel, find_model, make_model
from ttc_agents.names import check_imported
from ttc_envs import Task, TaskSpec, make_task

FORMAT = 2
METRICS = "metrics.jsonl"
FILES = ("model.safetensors", "config.json", "training.pt", METRICS, "graph.png", "graph.gif")
"""What a training writes into its directory."""
WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def shipped() -> list[str]:
    """The names of the checkpoints that come with the package."""
    return sorted(p.parent.name for p in WEIGHTS.glob("*/config.json"))


def find_checkpoint(name: str | Path) -> Path:
    """The directory of a checkpoint, given as directory or shipped name.

    Raises:
        FileNotFoundError: There is no such checkpoint.
    """
    for directory in (Path(name), WEIGHTS / name):
        if (directory / "config.json").is_file():
            return directory
    known = ", ".join(shipped()) or "none"
    raise FileNotFoundError(
        f"no checkpoint at {str(name)!r}: expected a directory with config.json and "
        f"model.safetensors, or a shipped name ({known})"
    )


def save_model(
    directory: Path, weights: dict[str, Tensor], spec: TaskSpec, config: dict[str, Any]
) -> None:
    """Write model.safetensors and config.json.

    Args:
        directory: Where to.
        weights: State of the model.
        spec: Of the task.
        config: `model`, `model_options`, `env_id`, `task` and whatever else is worth keeping.
    """
    plain = {name: values.detach().cpu().contiguous() for name, values in weights.items()}
    write_atomically(directory / "model.safetensors", safetensors.torch.save(plain))
    document = {"format": FORMAT, **config, "spec": spec.to_json()}
    text = json.dumps(document, separators=(",", ":"))
    write_atomically(directory / "config.json", text.encode())


def load_config(name: str | Path) -> dict[str, Any]:
    """The config of a checkpoint, in the present format.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The config is damaged or of another format, or names a model or a task of a
            module that is not imported. A file is never reason enough to import a module.
    """
    path = find_checkpoint(name) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged, expected JSON ({error})") from error
    expected = {"format", "model", "model_options", "env_id", "task", "spec"}
    if not isinstance(config, dict) or not expected <= set(config):
        raise ValueError(f"{path}: not a checkpoint config, expected the keys {sorted(expected)}")
    if config["format"] not in range(1, FORMAT + 1):
        raise ValueError(f"{path}: format {config['format']!r}, this version reads 1 to {FORMAT}")
    try:
        config = migrated(config)
        find_model(config["model"], import_modules=False)
        module, colon, _ = config["env_id"].rpartition(":")
        if colon:
            check_imported(f"the environment {config['env_id']!r}", module)
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    return config


def migrated(config: dict[str, Any]) -> dict[str, Any]:
    """A config of an earlier format as one of the present format.

    Format 1 chose the optimizer by whether there was a rate for matrices.
    """
    recipe = config.get("recipe")
    if config["format"] == 1 and recipe is not None:
        rate = recipe.get("matrix_learning_rate")
        others = {k: v for k, v in recipe.items() if k != "matrix_learning_rate"}
        muon = {"optimizer": "muon", "matrix_learning_rate": rate}
        config = {**config, "recipe": {**others, **(muon if rate else {"optimizer": "adamw"})}}
    return {**config, "format": FORMAT}


def load_task(name: str | Path, split: str | None = None, **options: Any) -> Task:
    """The task that a checkpoint was trained on.

    Args:
        name: A shipped name or a directory.
        split: What to draw from, where the task has splits.
        options: Arguments of the task that replace those of the training, such as `size=64`.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The task takes no such arguments, or a file that it draws from has other content
            than in training; an option that names the file says that this is meant.
    """
    config = load_config(name)
    task = split_task(config["env_id"], {**config["task"], **options}, split)
    check_sources(name, config, task, tuple(options))
    return task


def check_sources(
    name: str | Path, config: dict[str, Any], task: Task, meant: Sequence[str] = ()
) -> None:
    """Refuse files of other content than those that a checkpoint was trained on.

    Args:
        name: The checkpoint, for the message.
        config: Its `config.json`.
        task: A task that names its files in `sources`.
        meant: Names of files that may differ.

    Raises:
        ValueError: A file has other content.
    """
    known = config.get("sources", {})
    for source, sha256 in task.sources.items():
        if source not in meant and known.get(source, sha256) != sha256:
            file = config["task"].get(source)
            shown = source if file is None else f"{source}={file!r}"
            raise ValueError(f"{name} was trained on other content of {shown}")


def split_task(env_id: str, options: dict[str, Any], split: str | None) -> Task:
    """The task of an id that draws from a split; one without splits draws what its keys say.

    Raises:
        ValueError: There is no such id, or the task takes no such arguments.
    """
    try:
        task = make_task(env_id, **options)
        if split is None or not task.splits:
            return task
        return make_task(env_id, **{**options, "split": split})
    except TypeError as error:
        raise ValueError(f"{env_id} with {options}: {error}") from error


def load_model(
    name: str | Path, device: str | torch.device = "cpu", spec: TaskSpec | None = None
) -> RefinementModel:
    """The model of a checkpoint, in evaluation mode.

    Args:
        name: A shipped name or a directory.
        device: Where to.
        spec: Of the task that it is to work on, where choices are pointers and the sizes differ
            from those in training; None takes the spec of its training.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: A file of it is missing, damaged, or does not fit.
    """
    config = load_config(name)
    path = find_checkpoint(name) / "model.safetensors"
    try:
        own = TaskSpec.from_json(config["spec"])
        model = make_model(config["model"], spec or own, config["model_options"], False)
    except (TypeError, KeyError, ValueError) as error:
        config_path = path.with_name("config.json")
        raise ValueError(f"{config_path}: describes no {config['model']} ({error})") from error
    try:
        weights = safetensors.torch.load(path.read_bytes())
        model.load_state_dict(weights)
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        reason = first_line(error)
        raise ValueError(f"{path}: not the weights of a {config['model']} ({reason})") from error
    return model.to(device).eval()


def prepare_directory(out: Path, resume: bool, overwrite: bool) -> None:
    """Make `out`, or refuse one that would be lost.

    A training that was killed before its first checkpoint has left nothing but metrics: it begins
    anew.

    Raises:
        FileExistsError: It is not empty and neither `resume` nor `overwrite` is given.
        FileNotFoundError: There is nothing to resume.
        ValueError: Both are given.
    """
    if resume and overwrite:
        raise ValueError("resume and overwrite exclude each other")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file, expected a directory")
    held = {path.name for path in out.iterdir()} if out.is_dir() else set()
    bare = held == {METRICS}
    if resume and "training.pt" not in held and not bare:
        raise FileNotFoundError(f"nothing to resume: {out} holds no training.pt")
    if held and not (resume or overwrite or bare):
        raise FileExistsError(f"{out} is not empty: pass --resume, --overwrite or another --out")
    out.mkdir(parents=True, exist_ok=True)
    if overwrite or bare:
        for name in FILES:
            (out / name).unlink(missing_ok=True)


def save_training(directory: Path, state: dict[str, Any]) -> None:
    """Write training.pt."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(directory / "training.pt", buffer.getvalue())


def load_training(directory: Path) -> dict[str, Any]:
    """Read training.pt.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is damaged.
    """
    path = directory / "training.pt"
    if not path.is_file():
        raise FileNotFoundError(f"{directory} holds no training.pt to resume from")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise ValueError(f"{path}: damaged ({first_line(error)})") from error
    return state


def first_line(error: Exception) -> str:
    """The first line of a message, or the kind of error where it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)
