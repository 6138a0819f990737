"""Checkpoints and agents that were made to run code, or to bring the commands down."""

import contextlib
import io
import json
import os
import pickle
import zipfile

import torch

from ttc_agents.cli import main
from ttc_agents.inference.config import read_config, write_config
from ttc_agents.training.train import train

PROMISE = "No file of a checkpoint runs code; each command ends with one line that names it."
TRIES, SHORT = 23, 23


class Evil:
    """What leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def check(tries, place):
    out, mark = place.folder / "checkpoint", str(place.folder / "it-ran")
    train(place.recipe(updates=1), out, show=False)
    kept = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    evaluate = ["evaluate", str(out), "--count", "2", "--steps", "1"]
    recipe = place.folder / "recipe.toml"
    recipe.write_text(place.recipe(updates=2).to_toml())
    resume = ["train", str(recipe), "--out", str(out), "--resume"]
    faults = []
    cases = [*config_cases(out), *training_cases(out, mark), *weight_cases(out, mark)]
    for name, file, write in cases:
        write()
        command = resume if file == "training.pt" else evaluate
        faults += [f"{name}: {fault}" for fault in faults_of(command, file, mark)]
        for kept_name, data in kept.items():
            (out / kept_name).write_bytes(data)
    for name, data in agents(mark):
        path = place.folder / "agent.zip"
        path.write_bytes(data)
        words = ["play", f"sb3:ppo:{path}", "--env", "ttc/Sudoku4-v0", "--count", "2"]
        faults += [f"{name}: {fault}" for fault in faults_of(words, "agent.zip", mark)]
    return {"faults": faults, "tries": len(cases) + len(agents(mark))}


def faults_of(words, file, mark):
    """What is wrong with how a command ends on a hostile file."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(words)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    said, faults = err.getvalue().strip(), []
    if status != 2:
        faults.append(f"exit code {status}")
    if "\n" in said or file not in said:
        faults.append(f"it says {said!r}")
    if "weights_only" in said:
        faults.append("PyTorch's advice to load it without protection is repeated")
    if not said.isprintable():
        faults.append("control characters reach the terminal")
    if os.path.isdir(mark):
        os.rmdir(mark)
        faults.append("its code was run")
    return faults


def config_cases(out):
    """(name, file, what writes it) of hostile configs, whose digests are right."""
    path = out / "config.json"
    config = read_config(path)

    def resealed(**changes):
        return lambda: write_config(out, {**config, **changes})

    def text(content):
        return lambda: path.write_text(content)

    return [
        ("a module to import", "config.json", resealed(model="this:code")),
        ("an environment to import", "config.json", resealed(env_id="antigravity:ttc/X-v0")),
        ("a path for a module", "config.json", resealed(model="/tmp/evil.py:Net")),
        ("a deep nesting", "config.json", text("[" * 10**6)),
        ("a list", "config.json", text("[]")),
        ("nothing", "config.json", text("")),
        ("control characters", "config.json", resealed(model="\x1b[2J\x1b]0;owned\x07")),
        ("a huge model", "config.json", resealed(model_options={"width": 10**12})),
        ("a huge spec", "config.json", resealed(spec={**config["spec"], "num_nodes": 10**12})),
        ("options of a wrong kind", "config.json", resealed(model_options={"width": {}})),
        ("a task of a wrong kind", "config.json", resealed(task={"size": {}})),
    ]


def training_cases(out, mark):
    """(name, file, what writes it) of hostile states, of a format that had no digests."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(10**8))
        file.writestr("archive/version", "3\n")
    contents = {
        "a pickle that runs code": pickle.dumps({"spent": Evil(mark)}),
        "an archive that runs code": saved({"spent": Evil(mark)}),
        "an archive that grows": archive.getvalue(),
        "nothing at all": b"",
        "a list of tensors": saved([torch.zeros(2)]),
        "a state of nothing": saved({}),
    }

    def write(data):
        def writes():
            config = {**read_config(out / "config.json"), "format": 2, "digests": {}}
            (out / "config.json").write_text(json.dumps(config))
            (out / "training.pt").write_bytes(data)

        return writes

    return [(name, "training.pt", write(data)) for name, data in contents.items()]


def weight_cases(out, mark):
    """(name, file, what writes it) of hostile weights."""
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}})
    contents = {
        "a pickle for weights": pickle.dumps(Evil(mark)),
        "weights of 4 TB": len(header).to_bytes(8, "little") + header.encode(),
        "a header without end": (2**62).to_bytes(8, "little") + b"{",
    }

    def write(data):
        def writes():
            config = read_config(out / "config.json")
            write_config(out, {**config, "digests": {}})
            (out / "model.safetensors").write_bytes(data)

        return writes

    return [(name, "model.safetensors", write(data)) for name, data in contents.items()]


def saved(value):
    """What torch.save writes of a value."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def agents(mark):
    """(name, zip) of agents that nobody has said to trust."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("data", json.dumps({"policy_class": {":serialized:": "gASV"}}))
        file.writestr("policy.pth", saved({"x": Evil(mark)}))
    return [
        ("an agent that runs code", buffer.getvalue()),
        ("a pickle for an agent", pickle.dumps(Evil(mark))),
        ("no agent", b""),
    ]
