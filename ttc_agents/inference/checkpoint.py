"""Checkpoints: averaged weights as safetensors, config and spec as JSON, state of the training.

    model.safetensors   the weights to evaluate (exponential moving average)
    config.json         see `config`: format, digests, model, env id, task arguments, spec, recipe
    training.pt         raw weights, optimizer, carried batch, RNG, counts; loads weights_only
    metrics.jsonl       one line per report, appended to

The first three are written to a temporary name and renamed, so a kill leaves the last whole one.
What is read is compared with its digest. No file runs code. A checkpoint is named by its directory,
by the name of one that ships in `ttc_agents/weights/`, or by its place on the Hugging Face Hub
(`hf://owner/name`, see `hub`).
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ttc_agents.inference.config import CONFIG, read_config, read_file, replace_files
from ttc_agents.inference.directory import TRAINING_FILE, WEIGHT_FILE
from ttc_agents.inference.hub import fetched, is_hub_name
from ttc_agents.models import RefinementModel, find_model, make_model
from ttc_agents.names import check_imported, nearest
from ttc_envs import Task, TaskSpec, make_task

UNFIT = (
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)
"""What a model or a spec raises when it is made of entries of a wrong kind or size."""
WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def shipped() -> list[str]:
    """The names of the checkpoints that come with the package."""
    return sorted(p.parent.name for p in WEIGHTS.glob(f"*/{CONFIG}"))


def find_checkpoint(name: str | Path) -> Path:
    """The directory of a checkpoint: given itself, by a shipped name, or fetched from the hub.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        OSError, ValueError: What `hub.fetched` raises of an `hf://` name.
    """
    if is_hub_name(name):
        return fetched(str(name))
    for directory in (Path(name), WEIGHTS / name):
        if (directory / CONFIG).is_file():
            return directory
    known = ", ".join(shipped()) or "none"
    raise FileNotFoundError(
        f"no checkpoint at {str(name)!r}: {nearest(str(name), shipped())}expected a directory with "
        f"config.json and model.safetensors, hf://owner/name, or a shipped name ({known})"
    )


def save_model(
    directory: Path,
    weights: dict[str, Tensor],
    spec: TaskSpec,
    config: dict[str, Any],
    training: dict[str, Any] | None = None,
) -> None:
    """Write model.safetensors, training.pt where there is a training, and config.json.

    Args:
        directory: Where to.
        weights: State of the model.
        spec: Of the task.
        config: `model`, `model_options`, `env_id`, `task` and whatever else is worth keeping.
        training: Everything that a resumed training needs.
    """
    plain = {name: values.detach().cpu().contiguous() for name, values in weights.items()}
    files = {WEIGHT_FILE: safetensors.torch.save(plain)}
    if training is not None:
        buffer = io.BytesIO()
        torch.save(on_host(training), buffer)
        files[TRAINING_FILE] = buffer.getvalue()
    replace_files(directory, files, {**config, "spec": spec.to_json()})


def on_host(value: Any) -> Any:
    """A state with all its tensors on the CPU, so that it can be read where there is no device."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {name: on_host(part) for name, part in value.items()}
    return type(value)(map(on_host, value)) if isinstance(value, list | tuple) else value


def load_config(name: str | Path) -> dict[str, Any]:
    """The config of a checkpoint, in the present format.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The config is damaged or of another format, or names a model or a task of a
            module that is not imported. A file is never reason enough to import a module.
    """
    path = find_checkpoint(name) / CONFIG
    config = read_config(path)
    check_names(path, config)
    return config


def check_names(path: Path, config: dict[str, Any]) -> None:
    """Refuse a config whose model or task is of a module that nobody has imported."""
    try:
        find_model(config["model"], import_modules=False)
        module, colon, _ = config["env_id"].rpartition(":")
        if colon:
            check_imported(f"the environment {config['env_id']!r}", module)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def load_task(name: str | Path, split: str | None = None, **options: Any) -> Task:
    """The task that a checkpoint was trained on.

    Args:
        name: A shipped name, a directory, or `hf://owner/name` (also `@revision`).
        split: What to draw from, where the task has splits.
        options: Arguments of the task that replace those of the training, such as `size=64`.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The task takes no such arguments, or a file that it draws from has other content
            than in training; an option that names the file says that this is meant.
    """
    config = load_config(name)
    try:
        task = split_task(config["env_id"], {**config["task"], **options}, split)
    except UNFIT as error:
        if options:
            raise
        raise ValueError(f"{find_checkpoint(name) / CONFIG}: {first_line(error)}") from error
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
        name: A shipped name, a directory, or `hf://owner/name` (also `@revision`).
        device: Where to.
        spec: Of the task that it is to work on, where its sizes differ from those in training, as
            in `load_model("sudoku-cpu", spec=load_task("sudoku-cpu", size=16).spec)`; None takes
            the spec of its training. A model can be moved if no parameter depends on N or C: where
            choices are pointers, or share their weights as in factor-graph networks.

    Raises:
        FileNotFoundError: There is no such checkpoint, or it lacks its weights.
        ValueError: A file of it is damaged, or does not fit.
    """
    path = find_checkpoint(name) / WEIGHT_FILE
    config, data = read_file(path)
    check_names(path.with_name(CONFIG), config)
    model = described(path.with_name(CONFIG), config, spec)
    try:
        model.load_state_dict(safetensors.torch.load(data))
    except (OSError, safetensors.SafetensorError, *UNFIT) as error:
        reason = first_line(error)
        raise ValueError(
            f"{path}: not the weights of a {config['model']} for {model.spec.num_nodes} nodes and "
            f"{model.spec.num_choices} choices ({reason})"
        ) from error
    for name_, values in model.named_parameters():
        if not torch.isfinite(values).all():
            raise ValueError(f"{path}: {name_} is not finite, so no answer of it means anything")
    return model.to(device).eval()


def described(path: Path, config: dict[str, Any], spec: TaskSpec | None) -> RefinementModel:
    """The model that a config describes, with first weights, for its own spec or another one.

    Raises:
        ValueError: It describes none, or its spec is not that of the task it names.
    """
    try:
        own = TaskSpec.from_json(config["spec"])
        check_spec(own, config)
        return make_model(config["model"], spec or own, config["model_options"], False)
    except UNFIT as error:
        reason = first_line(error)
        raise ValueError(f"{path}: describes no {config['model']} ({reason})") from error


def check_spec(own: TaskSpec, config: dict[str, Any]) -> None:
    """Refuse a spec that is not that of the task it names, where that can be made here.

    Its levels may have changed since: they are not the model's business.
    """
    try:
        task = split_task(config["env_id"], config["task"], None)
    except (OSError, ValueError):
        return  # Its files, or the package that it comes from, may be elsewhere.
    saved, here = own.to_json(), task.spec.to_json()
    differ = [name for name in here if name != "levels" and saved[name] != here[name]]
    if differ:
        where = f"{config['env_id']} with {config['task']}"
        raise ValueError(f"its spec is not that of {where}, it differs in {', '.join(differ)}")


def load_training(directory: Path) -> dict[str, Any]:
    """Read training.pt. It is unpickled by a reader that knows tensors and plain values alone.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is damaged, or holds what no training writes.
    """
    path = directory / TRAINING_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{directory} holds no {TRAINING_FILE} to resume from")
    _, data = read_file(path)
    # What the readers raise on damaged archives can be anything.
    try:
        check_archive(data)
    except Exception as error:
        raise ValueError(f"{path}: damaged ({first_line(error)})") from error
    # PyTorch's own words, also as a warning, advise to load such a file without its protection.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: holds what no training writes; nothing of it was run") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path}: not of a training, it holds a {type(state).__name__}")
    return state


def check_archive(data: bytes) -> None:
    """Refuse an archive that torch has not written so, or whose parts do not have their CRC.

    Raises:
        ValueError: See above.
        zipfile.BadZipFile: It is no archive.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise ValueError("its parts are compressed")
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} does not have its CRC")


def first_line(error: Exception) -> str:
    """The first line of a message, or the kind of error where it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)
