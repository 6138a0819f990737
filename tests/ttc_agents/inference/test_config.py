"""Digests of checkpoints: damage is seen, also after a kill between two renames."""

import io
import json
import os
import pickle
import zipfile

import pytest
import torch

from ttc_agents.inference import config as config_module
from ttc_agents.inference.checkpoint import load_config, load_model, load_training, save_model
from ttc_agents.inference.config import FORMAT, digest, read_config, write_config
from ttc_agents.models import FactorGraphNetwork

OPTIONS = {"width": 4, "message_width": 4, "hidden_width": 4}
CONFIG = {
    "model": "factor_graph_network",
    "model_options": OPTIONS,
    "env_id": "ttc/Sudoku4-v0",
    "task": {},
}


@pytest.fixture
def save(tmp_path, task):
    """Writes a checkpoint whose weights and training all say `value`."""

    def saved(value=1.0, **changes):
        weights = FactorGraphNetwork(task.spec, **OPTIONS).state_dict()
        weights = {name: torch.full_like(values, value) for name, values in weights.items()}
        state = {"average": [torch.full((3,), value)], "updates": int(value)}
        config = {**CONFIG, "updates": int(value), **changes}
        save_model(tmp_path, weights, task.spec, config, state)
        return tmp_path

    return saved


def said(directory):
    """The values that the weights and the training say."""
    weights = next(load_model(directory).parameters()).detach().flatten()[0]
    return float(weights), load_training(directory)["updates"]


def test_each_file_has_its_digest(save):
    directory = save()
    config = json.loads((directory / "config.json").read_text())
    assert config["format"] == FORMAT
    for name in ("model.safetensors", "training.pt"):
        assert config["digests"][name] == [digest((directory / name).read_bytes())]
    rest = {key: value for key, value in config.items() if key != "digest"}
    assert config["digest"] == digest(json.dumps(rest, separators=(",", ":")).encode())


@pytest.mark.parametrize("name", ["model.safetensors", "training.pt", "config.json"])
def test_a_changed_byte_is_seen(save, name):
    directory = save()
    path = directory / name
    data = path.read_bytes()
    for place in range(0, len(data), max(1, len(data) // 40)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(ValueError, match=rf"{name}: "):
            said(directory)


@pytest.mark.parametrize("name", ["model.safetensors", "training.pt"])
def test_files_of_two_checkpoints_do_not_mix(save, name):
    directory = save(1.0)
    data = (directory / name).read_bytes()
    save(2.0)
    (directory / name).write_bytes(data)
    with pytest.raises(ValueError, match=rf"{name}: damaged, its sha256"):
        said(directory)


def test_a_kill_at_any_rename_leaves_a_whole_checkpoint(save, monkeypatch):
    directory, write = save(1.0), config_module.write_atomically
    seen = set()
    for survived in range(5):
        save(1.0)
        left = [survived]

        def dying(path, data, left=left):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            write(path, data)

        monkeypatch.setattr(config_module, "write_atomically", dying)
        try:
            save(2.0)
        except KeyboardInterrupt:
            seen.add(said(directory))
        monkeypatch.setattr(config_module, "write_atomically", write)
        save(3.0)
        assert said(directory) == (3.0, 3)
        known = read_config(directory / "config.json")["digests"]
        assert [len(digests) for digests in known.values()] == [1, 1]
    assert seen == {(1.0, 1), (2.0, 1), (2.0, 2)}


def test_a_first_checkpoint_is_not_there_before_its_last_file(save, monkeypatch, tmp_path):
    write = config_module.write_atomically

    def dying(path, data):
        if path.name == "config.json":
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(config_module, "write_atomically", dying)
    with pytest.raises(KeyboardInterrupt):
        save()
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "training.pt"}
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path)


def test_a_reader_that_meets_a_writer_reads_again(save, monkeypatch):
    directory, read = save(1.0), config_module.read_config
    reads = []

    def meeting(path):
        found = read(path)
        reads.append(path)
        if len(reads) == 1:
            save(2.0)
        return found

    monkeypatch.setattr(config_module, "read_config", meeting)
    assert said(directory) == (2.0, 2)


@pytest.mark.parametrize("form", [1, 2])
def test_checkpoints_of_before_the_digests_are_read_and_gain_them(save, form):
    directory = save(1.0)
    old = {**read_config(directory / "config.json"), "format": form}
    del old["digests"]
    (directory / "config.json").write_text(json.dumps(old))
    assert said(directory) == (1.0, 1)
    assert load_config(directory)["digests"] == {}
    save(2.0)
    assert said(directory) == (2.0, 2)
    assert len(load_config(directory)["digests"]) == 2


def test_the_present_format_without_its_digest_is_damaged(save):
    path = save() / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({key: v for key, v in config.items() if key != "digest"}))
    with pytest.raises(ValueError, match="damaged or changed"):
        load_model(path.parent)


def test_a_damaged_config_is_replaced_by_the_next(save):
    path = save(1.0) / "config.json"
    path.write_text("{")
    assert said(save(2.0)) == (2.0, 2)


def test_a_spec_is_that_of_the_task_it_names(save):
    path = save() / "config.json"
    config = read_config(path)
    config["spec"]["groups"][0]["members"][0][0] = [15, 0]
    for form in (2, FORMAT):
        path.write_text(json.dumps({**config, "format": form}))
        if form == FORMAT:
            write_config(path.parent, config)
        with pytest.raises(ValueError, match=r"config\.json: .*Sudoku4-v0.* differs in groups"):
            load_model(path.parent)
    config["env_id"] = "own/Elsewhere-v0"  # a task that is not known here is no reason to refuse
    write_config(path.parent, config)
    load_model(path.parent)


def test_levels_may_have_changed(save):
    path = save() / "config.json"
    config = read_config(path)
    config["spec"]["levels"] = ["easy", "bygone"]
    write_config(path.parent, config)
    assert load_model(path.parent).spec.levels == ("easy", "bygone")


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, '{"a":' * 100_000, "\x00", "9" * 5000, "[]", "null", "{}"]
)
def test_what_is_no_config_is_a_damaged_file(save, text):
    path = save() / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config\.json: (damaged|not a checkpoint)"):
        load_model(path.parent)


@pytest.mark.parametrize(
    "change",
    [
        {"num_nodes": "16"},
        {"num_nodes": 10**12},
        {"num_nodes": -1},
        {"fields": []},
        {"fields": {"givens": 3}},
        {"levels": 3},
        {"groups": [[]]},
        {"groups": [{"kind": "x", "members": [[[1e300]]]}]},
        {"positions": "abc"},
        {"neighbours": [[1], [2, 3]]},
        {"choices": None},
    ],
)
def test_a_spec_of_wrong_kinds_describes_no_model(save, change):
    path = save() / "config.json"
    config = read_config(path)
    write_config(path.parent, {**config, "spec": {**config["spec"], **change}})
    with pytest.raises(ValueError, match=r"config\.json: describes no factor_graph_network"):
        load_model(path.parent)


@pytest.mark.parametrize(
    "options", [{"width": "4"}, {"width": -1}, {"width": 10**13}, {"width": []}]
)
def test_options_of_wrong_kinds_describe_no_model(save, options):
    path = save(model_options={**OPTIONS, **options}) / "config.json"
    with pytest.raises(ValueError, match=r"config\.json: describes no factor_graph_network"):
        load_model(path.parent)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(task, tmp_path, value):
    model = FactorGraphNetwork(task.spec, **OPTIONS)
    torch.nn.init.constant_(model.to_logit, value)
    save_model(tmp_path, model.state_dict(), task.spec, CONFIG)
    with pytest.raises(ValueError, match=r"model\.safetensors: to_logit is not finite"):
        load_model(tmp_path)


# training.pt


def bare(directory, data):
    """A training.pt of this content beside a config that does not know it, as earlier ones did."""
    config = {**read_config(directory / "config.json"), "format": 2, "digests": {}}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "training.pt").write_bytes(data)
    return directory


def archive(compression=zipfile.ZIP_STORED, **parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in parts.items():
            file.writestr(f"archive/{name}", data)
    return buffer.getvalue()


def torch_bytes(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


class Evil:
    def __reduce__(self):
        return os.mkdir, ("it-ran",)


HOSTILE = {
    "empty": b"",
    "no archive": b"PK damaged",
    "a pickle": pickle.dumps({"updates": 1}),
    "code": torch_bytes({"updates": Evil()}),
    "code in an archive": archive(**{"data.pkl": pickle.dumps(Evil()), "version": b"3\n"}),
    "compressed": archive(zipfile.ZIP_DEFLATED, **{"data.pkl": bytes(10**6), "version": b"3\n"}),
    "nothing in it": archive(),
    "a list": torch_bytes([1, 2]),
    "a number": torch_bytes(3),
    "cut": torch_bytes({"updates": 1})[:-40],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_training_writes_is_refused_and_not_run(save, name, tmp_path, monkeypatch):
    directory = bare(save(), HOSTILE[name])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"training\.pt: ") as caught:
        load_training(directory)
    assert "weights_only" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "it-ran").exists()


def test_a_damaged_part_of_an_earlier_training_is_seen_by_its_crc(save):
    data = torch_bytes({"average": torch.arange(1000.0)})
    place = data.index(torch.arange(1000.0).numpy().tobytes()) + 500
    directory = bare(save(), data)
    assert load_training(directory)["average"][7] == 7
    bare(directory, data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
    with pytest.raises(ValueError, match=r"training\.pt: damaged .*CRC"):
        load_training(directory)


def test_a_training_that_is_not_there(save, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no training\.pt"):
        load_training(tmp_path)
    (save() / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_training(tmp_path)
