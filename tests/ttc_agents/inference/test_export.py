"""Networks that run without PyTorch take the same steps."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ttc_agents.inference.answers import Answers
from ttc_agents.inference.checkpoint import load_config, load_model, load_task, shipped
from ttc_agents.inference.export import onnx_file, program, torch_file
from ttc_agents.inference.refine import refine
from ttc_agents.models import Energy, FactorGraphNetwork
from ttc_agents.models.base import to_batch
from ttc_agents.models.conformance import shaken
from ttc_envs import make_task

STEPS = 256
PAGE = Path(__file__).parents[3] / "docs" / "export.md"
LIMITS = {"sudoku-cpu": 1e-2, "shortest-path-cpu": 1e-2}
"""In these two, single precision parts the ways of equal sums, in PyTorch alone as well. In double
precision their programs keep the limit of the others (ONNX files hold scalars in single)."""


def steps_of(call, model, task, instances, num_steps, real=np.float32):
    """Yields the logits of an exported step: a loop of NumPy around call(state, begin, fields)."""
    answers, rows = Answers(task, instances), len(instances)
    batch = answers.shown("cpu") if model.reads_answer else to_batch(instances.fields)
    shape = model.initial_state(model.encode(batch)).shape
    state = np.zeros(shape, real)
    for step in range(num_steps):
        shown = answers.shown("cpu") if model.reads_answer else batch
        logits, state = call(
            state, np.full(rows, step == 0), {name: v.numpy() for name, v in shown.items()}
        )
        yield logits
        answers.apply(logits.argmax(-1))


def by_onnx(data):
    """Runs an ONNX file."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(data)
    return lambda state, begin, fields: session.run(
        None, {"state": state, "begin": begin, **fields}
    )


def by_torch(data):
    """Runs a file of torch.export."""
    step = torch.export.load(io.BytesIO(data)).module()

    def call(state, begin, fields):
        fields = {name: torch.from_numpy(values) for name, values in fields.items()}
        with torch.no_grad():
            found = step(torch.from_numpy(state), torch.from_numpy(begin), fields)
        return found["logits"].numpy(), found["state"].numpy()

    return call


def largest_difference(call, model, task, instances, num_steps, real=np.float32):
    """Of all logits of all steps, relative to those above 1."""
    found = steps_of(call, model, task, instances, num_steps, real)
    own = (step.logits.numpy() for step in refine(model, task, instances, num_steps))
    pairs = zip(found, own, strict=True)
    return max((np.abs(a - b) / np.maximum(1, np.abs(b))).max() for a, b in pairs)


@pytest.fixture(scope="module")
def traced():
    """A task, a small network with weights that are nowhere zero, and its program."""
    task = make_task("ttc/Sudoku4-v0")
    torch.manual_seed(0)
    model = FactorGraphNetwork(task.spec, width=8, message_width=8, hidden_width=8)
    model = shaken(model.eval(), seed=1)
    return task, model, program(model)


def test_a_program_takes_the_steps_of_its_model_for_any_batch(traced):
    task, model, step = traced
    call = by_torch(torch_file(step))
    for rows in (1, 5):
        instances = task.sample(np.arange(rows, dtype=np.uint64), "minimal")
        assert largest_difference(call, model, task, instances, 8) < 1e-5


@torch.no_grad()
def test_rows_begin_anew_one_by_one(traced):
    task, model, step = traced
    fields = to_batch(task.sample(np.arange(2, dtype=np.uint64), "minimal").fields)
    call = step.module()
    first = call(torch.zeros(2, 64, 8), torch.tensor([True, True]), fields)
    second = call(first["state"], torch.tensor([True, False]), fields)
    assert torch.equal(second["state"][0], first["state"][0])
    expected = model(fields, 2).state
    torch.testing.assert_close(second["state"][1], expected[1], rtol=1e-5, atol=1e-5)


def test_a_model_that_cannot_be_exported_says_why():
    task = make_task("ttc/Sudoku4-v0")
    inner = FactorGraphNetwork(task.spec, width=8, message_width=8, hidden_width=8)
    with pytest.raises(ValueError, match="Energy cannot be exported: its step is the derivative"):
        program(Energy(task.spec, inner).eval())


def test_a_step_that_looks_at_values_is_refused_in_one_line():
    class Looking(FactorGraphNetwork):
        def step(self, context, z):
            return z if z.sum() > 0 else super().step(context, z)

    model = Looking(make_task("ttc/Sudoku4-v0").spec).eval()
    with pytest.raises(ValueError, match="Looking cannot be exported: ") as refused:
        program(model)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in shipped() if load_config(n)["model"] != "energy"])
def test_shipped_networks_take_the_same_steps_in_onnx(name):
    model, task = load_model(name), load_task(name)
    instances = task.sample(np.arange(8, dtype=np.uint64), task.spec.levels[0])
    pytest.importorskip("onnxscript")
    call = by_onnx(onnx_file(program(model)))
    assert largest_difference(call, model, task, instances, STEPS) < LIMITS.get(name, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITS)
def test_in_double_precision_there_is_no_exception(name):
    model, task = load_model(name).double(), load_task(name)
    instances = task.sample(np.arange(4, dtype=np.uint64), task.spec.levels[0])
    call = by_torch(torch_file(program(model)))
    assert largest_difference(call, model, task, instances, STEPS, np.float64) < 1e-8


@pytest.mark.slow
def test_the_programs_of_the_page_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    step = program(load_model("sudoku-cpu"))
    (tmp_path / "sudoku.onnx").write_bytes(onnx_file(step))
    (tmp_path / "sudoku.pt2").write_bytes(torch_file(step))
    names = {}
    # They need these files: the tests of all other pages know no `py`.
    for code in re.findall(r"^```py\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S):
        exec(code, names)
    solution, shapes = capsys.readouterr().out.splitlines()
    task = load_task("sudoku-cpu", "test")
    instances = task.sample(np.array([7], dtype=np.uint64), "medium")
    assert task.spell(task.initial_answer(instances)[0]) == names["puzzle"]
    assert solution == task.spell(instances.labels["answer"][0])
    assert shapes == "torch.Size([1, 81, 9]) torch.Size([1, 729, 32])"
