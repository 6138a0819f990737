"""Every check of `scripts/trust.py` in its short form, and the script itself."""

import importlib.util
import json
import random
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("trust", ROOT / "scripts" / "trust.py")
trust = importlib.util.module_from_spec(SPEC)
sys.modules["trust"] = trust  # dataclasses look their module up
SPEC.loader.exec_module(trust)


@pytest.mark.parametrize("name", trust.names())
def test_the_short_form_finds_no_fault(name):
    if torch.cuda.is_available():  # whose threads bear no fork
        found = trust.apart(name, short=True)
    else:
        found = trust.row(trust.CHECKS / f"{name}.py", short=True)
    assert found["faults"] == []
    assert found["tries"] > 0
    assert found["promise"].endswith(".")


def write(folder, body):
    path = folder / "some_check.py"
    path.write_text(f"PROMISE = 'It holds.'\nTRIES, SHORT = 7, 2\ndef check(tries, place):\n{body}")
    return path


def test_a_fault_is_counted_and_shown(tmp_path):
    path = write(tmp_path, "    return {'faults': [f'{tries} broken'], 'size': 3}")
    found = trust.row(path, short=True)
    assert (found["tries"], found["faults"], found["size"]) == (2, ["2 broken"], 3)
    assert trust.row(path, short=False)["faults"] == ["7 broken"]
    assert "    2 broken" in trust.table([found])


def test_a_check_that_raises_has_a_fault(tmp_path):
    (fault,) = trust.row(write(tmp_path, "    return 1 / 0"), short=True)["faults"]
    assert fault == "the check failed at some_check.py:4: ZeroDivisionError: division by zero"


def test_the_command_ends_with_a_document(capsys):
    assert trust.main(["half_written", "--short"]) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["faults"] == 0
    assert [entry["check"] for entry in document["rows"]] == ["half_written"]


def test_several_checks_run_in_processes_of_their_own(tmp_path, monkeypatch, capsys):
    script = tmp_path / "scripts" / "trust.py"
    script.parent.mkdir()
    text = Path(trust.__file__).read_text("utf-8")
    script.write_text(text.replace("CHECKS = ROOT", f"CHECKS = Path({str(tmp_path)!r})  # "))
    monkeypatch.setattr(trust, "CHECKS", tmp_path)
    monkeypatch.setattr(trust, "__file__", str(script))
    write(tmp_path, "    return {'faults': ['wrong']}").rename(tmp_path / "wrong.py")
    write(tmp_path, "    import os; os._exit(3)").rename(tmp_path / "crash.py")
    assert trust.main([]) == 1
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [(r["check"], r["faults"]) for r in rows] == [
        ("crash", ["the check ended with status 3"]),
        ("wrong", ["wrong"]),
    ]


def test_one_check_may_have_another_number_of_tries(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trust, "CHECKS", tmp_path)
    write(tmp_path, "    return {'faults': []}")
    assert trust.main(["some_check", "--tries", "3"]) == 0
    (found,) = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert found["tries"] == 3
    assert found["seconds"] >= found["cpu_seconds"] == 0
    for wrong in (["--tries", "3"], ["some_check", "--tries", "0"]):
        with pytest.raises(SystemExit):
            trust.main(wrong)
        assert "--tries is a number above 0, for one check" in capsys.readouterr().err


def test_an_unknown_check_is_named(capsys):
    with pytest.raises(SystemExit):
        trust.main(["no_such"])
    assert "no check no_such, expected some of" in capsys.readouterr().err


@pytest.fixture
def place(tmp_path):
    return trust.Place(tmp_path, random.Random(0))


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("print('fine')", ""),
        ("raise SystemExit('one line')", ""),
        ("{}[1]", "traceback: KeyError: 1"),
        ("import os; os.kill(os.getpid(), 9)", "died of signal 9"),
        ("import time; time.sleep(60)", "not done after 1 s"),
        ("x = bytes(1 << 30)", "traceback: MemoryError"),
    ],
)
def test_how_a_process_ended(place, code, fault):
    assert place.python("-c", code, seconds=1, megabytes=512).fault() == fault
