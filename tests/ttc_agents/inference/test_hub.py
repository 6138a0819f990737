"""Checkpoints by `hf://`, with the real client and a folder that plays the hub."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import ttc_agents as ta
from ttc_agents.cli import main
from ttc_agents.inference import checkpoint, hub
from ttc_agents.models import FactorGraphNetwork
from ttc_envs import make_task

sys.path.insert(0, str(Path(__file__).parents[2]))
import local_hub

OPTIONS = {"width": 8, "message_width": 8, "hidden_width": 8}
NAMES = ["Hub", "hf://", "hf://owner", "hf://a/b/c", "hf://owner/na me", "hf://../x", "hf://o/n@"]


@pytest.mark.parametrize("name", NAMES)
def test_a_malformed_name_is_an_error(name):
    with pytest.raises(ValueError, match=r"expected hf://owner/name.*got " + re.escape(repr(name))):
        hub.parsed(name)


def test_a_name_is_a_repository_and_a_revision():
    assert hub.parsed("hf://owner/a.b-c_1") == ("owner/a.b-c_1", None)
    assert hub.parsed("owner/name@refs/pr/1") == ("owner/name", "refs/pr/1")
    assert not hub.is_hub_name("owner/name")
    assert not hub.is_hub_name(Path("hf://owner/name"))


def test_without_the_extra_its_name_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape('pip install "ttc-gym[hub]"')):
        ta.load("hf://owner/name")
    assert main(["evaluate", "hf://owner/name"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        'ttc: huggingface_hub is missing: pip install "ttc-gym[hub]"'
    ]


@pytest.fixture
def played(tmp_path, monkeypatch):
    """The root of the folder that plays the hub, and its handler; its client has an own cache."""
    pytest.importorskip("huggingface_hub", reason="needs the extra `hub`")
    from huggingface_hub import constants

    root = tmp_path / "root"
    root.mkdir()
    hub.fetched.cache_clear()
    with local_hub.serving(root) as (address, handler):
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", local_hub.TOKEN)
        yield root, handler
    hub.fetched.cache_clear()


@pytest.fixture
def trained(tmp_path):
    """The directory of a checkpoint with the state of its training."""
    path, task = tmp_path / "mine", make_task("ttc/Sudoku4-v0")
    torch.manual_seed(0)
    config = {"model": "factor_graph_network", "model_options": OPTIONS}
    config |= {"env_id": "ttc/Sudoku4-v0", "task": {}, "updates": 7, "seconds": 1.5}
    weights = FactorGraphNetwork(task.spec, **OPTIONS).state_dict()
    path.mkdir()
    checkpoint.save_model(path, weights, task.spec, config, {"secret": torch.ones(3)})
    return path


def pushed(path, repo="owner/name"):
    return hub.push(path, ta.load(path), repo)


def test_what_is_pushed_is_loaded_again(played, trained):
    root, _ = played
    commit = pushed(trained)
    assert (root / "owner/name/main").read_text() == commit
    own, theirs = ta.load(trained).state_dict(), ta.load("hf://owner/name").state_dict()
    assert own.keys() == theirs.keys()
    assert all(torch.equal(own[name], theirs[name]) for name in own)
    assert ta.load_task("hf://owner/name", "test").spec.num_nodes == 16
    keys = np.arange(4, dtype=np.uint64)
    task = ta.load_task(trained)
    rows = ta.sweep(ta.load("hf://owner/name"), task, {"a": task.sample(keys, "minimal")}, [1])
    assert rows.to_json()["rows"]["p1"]["a"]["1"]["n"] == 4


def test_no_pickle_travels_either_way(played, trained, tmp_path):
    root, _ = played
    pushed(trained)
    there = local_hub.newest(root, "owner/name")
    expected = {".gitattributes", "README.md", "config.json", "model.safetensors"}
    assert {path.name for path in there.iterdir()} == expected
    local_hub.commit(root, "owner/name", {"training.pt": b"a pickle", "evil.py": b"1 / 0"})
    files = {path.name for path in hub.fetched("hf://owner/name").iterdir()}
    assert files == {"config.json", "model.safetensors"}
    assert json.loads((there / "config.json").read_text())["digests"].keys() == {WEIGHTS}


WEIGHTS = "model.safetensors"


def test_the_card_is_that_of_the_directory_or_says_what_is_known(played, trained):
    root, _ = played
    pushed(trained)
    card = (local_hub.newest(root, "owner/name") / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: ttc-gym\n")
    assert "`factor_graph_network`" in card
    assert "| updates | 7 |" in card
    (trained / "card.md").write_text("# Mine\n\nIt solves 3 of 4.\n")
    pushed(trained)
    card = (local_hub.newest(root, "owner/name") / "README.md").read_text()
    assert "It solves 3 of 4." in card
    assert 'ta.load("hf://owner/name")' in card


def test_a_revision_is_pinned(played, trained):
    first = pushed(trained)
    task = make_task("ttc/Sudoku4-v0")
    weights = {n: v + 1 for n, v in ta.load(trained).state_dict().items()}
    checkpoint.save_model(trained, weights, task.spec, checkpoint.load_config(trained))
    second = pushed(trained)
    assert first != second
    old, new = ta.load(f"hf://owner/name@{first}"), ta.load("hf://owner/name")
    assert torch.equal(next(old.parameters()) + 1, next(new.parameters()))
    with pytest.raises(FileNotFoundError, match="owner/name has no revision 'v9'"):
        ta.load("hf://owner/name@v9")


def test_a_second_push_of_the_same_adds_nothing(played, trained):
    root, _ = played
    assert pushed(trained) == pushed(trained)
    assert len(list((root / "owner/name").iterdir())) == 3  # made empty, pushed, and `main`


@pytest.mark.parametrize("name", ["config.json", WEIGHTS])
def test_what_was_changed_on_the_hub_is_refused(played, trained, name):
    root, _ = played
    pushed(trained)
    data = (local_hub.newest(root, "owner/name") / name).read_bytes()
    local_hub.commit(root, "owner/name", {name: data.replace(b"7", b"8")})
    with pytest.raises(ValueError, match=f"{name}: damaged"):
        ta.load("hf://owner/name")


def test_a_damaged_checkpoint_is_not_pushed(played, trained, capsys):
    root, _ = played
    data = (trained / WEIGHTS).read_bytes()
    (trained / WEIGHTS).write_bytes(data[:-1] + b"x")
    assert main(["push", str(trained), "owner/name"]) == 2
    assert "damaged" in capsys.readouterr().err
    assert list(root.iterdir()) == []


def complaint(capsys, words):
    """The one line that a command complains in."""
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_commands_take_names_of_the_hub(played, trained, capsys):
    assert main(["push", str(trained), "owner/name", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["name"] == "hf://owner/name"
    pinned = f"hf://owner/name@{document['commit']}"
    few = ["--count", "2", "--steps", "1", "--json"]
    assert main(["evaluate", pinned, *few]) == 0
    assert main(["play", "hf://owner/name", "--env", "ttc/Sudoku4-v0", *few]) == 0
    assert main(["solve", "--checkpoint", pinned, "--steps", "2", "--json"]) == 0
    assert "ttc solve --checkpoint" in complaint(capsys, ["solve", pinned])
    assert main(["push", pinned, "other/copy"]) == 0


def test_what_the_hub_lacks_is_one_line(played, capsys):
    root, _ = played
    line = complaint(capsys, ["evaluate", "hf://no/body"])
    assert line.startswith("ttc: there is no no/body on the hub that you may read")
    local_hub.commit(root, "owner/other", {"README.md": b"a poem"})
    line = complaint(capsys, ["evaluate", "hf://owner/other"])
    assert "holds no checkpoint: expected config.json" in line
    assert "expected hf://owner/name" in complaint(capsys, ["evaluate", "hf://nobody"])


def test_who_may_not_write_is_told_to_log_in(played, trained, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    line = complaint(capsys, ["push", str(trained), "owner/name"])
    assert "hf auth login" in line
    line = complaint(capsys, ["push", str(trained), "owner/name@v1"])
    assert line == "ttc: the hub names the revision of what is pushed, got @v1"


def test_an_ill_hub_is_one_line(played, trained, capsys):
    _, handler = played
    handler.status = 418
    line = complaint(capsys, ["push", str(trained), "owner/name"])
    assert line == "ttc: the hub answers HTTP 418 to owner/name"
    line = complaint(capsys, ["evaluate", "hf://owner/name"])
    assert "cannot be reached" in line or "HTTP 418" in line


def test_without_a_network_the_cache_serves(played, trained, monkeypatch, capsys):
    from huggingface_hub import constants

    pushed(trained)
    ta.load("hf://owner/name")
    hub.fetched.cache_clear()
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    assert ta.load("hf://owner/name").spec.num_nodes == 16
    line = complaint(capsys, ["evaluate", "hf://owner/else"])
    assert line.startswith(f"ttc: the hub at {nowhere} cannot be reached, and owner/else is not")
    line = complaint(capsys, ["push", str(trained), "owner/name"])
    assert f"the hub at {nowhere} cannot be reached" in line
