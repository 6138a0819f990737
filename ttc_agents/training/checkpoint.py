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
import os
import pickle
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ttc_agents.models import MODELS, RefinementModel, make_model
from ttc_envs import TaskSpec

FORMAT = 1
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


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary name and rename."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


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
    """The config of a checkpoint.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The config is damaged or of another format.
    """
    path = find_checkpoint(name) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged, expected JSON ({error})") from error
    expected = {"format", "model", "model_options", "env_id", "task", "spec"}
    if not isinstance(config, dict) or not expected <= set(config):
        raise ValueError(f"{path}: not a checkpoint config, expected the keys {sorted(expected)}")
    if config["format"] != FORMAT:
        raise ValueError(f"{path}: format {config['format']!r}, this version reads {FORMAT}")
    if config["model"] not in MODELS:
        raise ValueError(f"{path}: unknown model {config['model']!r}, expected {sorted(MODELS)}")
    return config


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
        model = make_model(config["model"], spec or own, config["model_options"])
    except (TypeError, KeyError, ValueError) as error:
        config_path = path.with_name("config.json")
        raise ValueError(f"{config_path}: describes no {config['model']} ({error})") from error
    try:
        weights = safetensors.torch.load(path.read_bytes())
        model.load_state_dict(weights)
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: not the weights of a {config['model']} ({reason})") from error
    return model.to(device).eval()


def prepare_directory(out: Path, resume: bool, overwrite: bool) -> None:
    """Make `out`, or refuse one that would be lost.

    Raises:
        FileExistsError: It is not empty and neither `resume` nor `overwrite` is given.
        FileNotFoundError: There is nothing to resume.
        ValueError: Both are given.
    """
    if resume and overwrite:
        raise ValueError("resume and overwrite exclude each other")
    if resume and not (out / "training.pt").is_file():
        raise FileNotFoundError(f"nothing to resume: {out} holds no training.pt")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file, expected a directory")
    if out.is_dir() and any(out.iterdir()) and not (resume or overwrite):
        raise FileExistsError(f"{out} is not empty: pass --resume, --overwrite or another --out")
    out.mkdir(parents=True, exist_ok=True)
    if overwrite:
        for name in ("model.safetensors", "config.json", "training.pt", "metrics.jsonl"):
            (out / name).unlink(missing_ok=True)


def check_same_recipe(out: Path, mine: dict[str, Any]) -> None:
    """Refuse to resume another recipe; its length may differ.

    Raises:
        ValueError: The checkpoint was made by a recipe that differs in more than its length.
    """
    saved = load_config(out).get("recipe", {})
    differ = [k for k in mine if k not in ("seconds", "updates") and mine[k] != saved.get(k)]
    if differ:
        pairs = ", ".join(f"{k}: {saved.get(k)!r} there, {mine[k]!r} asked" for k in differ)
        raise ValueError(f"{out} was trained by another recipe ({pairs})")


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
        raise ValueError(f"{path}: damaged ({str(error).splitlines()[0]})") from error
    return state
