import numpy as np
import pytest
import torch

from ttc_agents.cli import main
from ttc_agents.inference import export
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.models.base import to_batch


def test_export_writes_a_program_that_runs_without_this_package(directory, tmp_path, capsys):
    path = tmp_path / "new" / "step.pt2"
    assert main(["export", directory, "--torch", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: {path.stat().st_size:,} bytes\n"
    step = torch.export.load(path).module()
    batch = {"givens": torch.full((1, 16), -1)}
    found = step(torch.zeros(1, 64, 8), torch.tensor([True]), batch)
    torch.testing.assert_close(found["logits"], load_model(directory)(batch, 1).logits[0])


@pytest.mark.slow
def test_export_writes_a_program_of_the_task_that_is_asked_for(map_directory, tmp_path):
    path = tmp_path / "step.pt2"
    assert main(["export", map_directory, "--task", "places=10", "--torch", str(path)]) == 0
    task = load_task(map_directory, places=10)
    batch = to_batch(task.sample(np.arange(3, dtype=np.uint64), task.spec.levels[0]).fields)
    step = torch.export.load(path).module()
    with torch.no_grad():
        found = step(torch.zeros(3, 10, 18), torch.ones(3, dtype=torch.bool), batch)
        expected = load_model(map_directory, spec=task.spec)(batch, 1)
    torch.testing.assert_close(found["logits"], expected.logits[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "what to write? Give --onnx FILE, --torch FILE or both"),
        (("--onnx", "."), "expected a file to write, . is a directory"),
        (("--torch", "x.pt2", "--task", "speed=3"), "speed"),
    ],
)
def test_a_wrong_argument_is_one_line(
    directory, tmp_path, monkeypatch, complaint, arguments, words
):
    monkeypatch.chdir(tmp_path)
    assert words in complaint("export", directory, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_exporter_is_named(directory, tmp_path, monkeypatch, complaint):
    def missing(step):
        raise ModuleNotFoundError("No module named 'onnxscript'", name="onnxscript")

    monkeypatch.setattr(export, "onnx_file", missing)
    monkeypatch.setattr(export, "program", lambda model: None)
    expected = 'ttc: onnxscript is missing: pip install "ttc-gym[onnx]"'
    assert complaint("export", directory, "--onnx", str(tmp_path / "step.onnx")) == expected
