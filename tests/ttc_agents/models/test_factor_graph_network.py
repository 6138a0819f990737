"""The factor-graph network against its plain form, and its symmetries."""

import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from ttc_agents.models import FactorGraphNetwork, make_model
from ttc_agents.models.base import to_batch
from ttc_envs import Group, SudokuTask

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "factor_graph_network.py"
plain_forward = runpy.run_path(str(BENCHMARK))["plain_forward"]


def made(size: int, seed: int = 0, layout: str = "auto") -> FactorGraphNetwork:
    torch.manual_seed(seed)
    sizes = {"width": 8, "message_width": 4, "hidden_width": 8}
    model = FactorGraphNetwork(SudokuTask(size=size).spec, **sizes, layout=layout)
    torch.nn.init.normal_(model.to_logit)
    torch.nn.init.normal_(model.bias)
    return model.double()


def puzzles(size: int, count: int = 3) -> dict[str, torch.Tensor]:
    return to_batch(
        SudokuTask(size=size).sample(np.arange(count, dtype=np.uint64), "minimal").fields
    )


@pytest.mark.parametrize("layout", ["ragged", "dense"])
@pytest.mark.parametrize("size", [4, 6, 9])
def test_equals_the_plain_form_in_logits_and_gradients(size, layout):
    model, batch = made(size, layout=layout), puzzles(size)
    fast, plain = model(batch, 3).logits, plain_forward(model, batch, 3)
    torch.testing.assert_close(fast, plain, rtol=1e-10, atol=1e-10)
    gradients = []
    for logits in (fast, plain):
        model.zero_grad()
        logits.sin().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_layouts_agree_in_single_precision_over_many_steps():
    batch = puzzles(9)
    ragged, dense = (made(9, layout=layout).float().eval() for layout in ("ragged", "dense"))
    with torch.inference_mode():
        ours, theirs = (model(batch, 32) for model in (dense, ragged))
    torch.testing.assert_close(ours.logits, theirs.logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.state, theirs.state, rtol=0, atol=1e-5)


def test_a_layout_can_be_named_later_also_within_a_wrapper():
    model, batch = made(4), puzzles(4)
    assert model.layouts == ("dense", "ragged")
    expected = model(batch, 3).logits
    equilibrium = make_model(
        "equilibrium", model.spec, {"inner": {"model": "factor_graph_network", "options": {}}}
    )
    for whole, inner in ((model, model), (equilibrium, equilibrium.inner)):
        assert whole.layouts == ("dense", "ragged")
        whole.lay_out("dense")
        assert (inner.layout, whole.layouts) == ("dense", ())
    torch.testing.assert_close(model(batch, 3).logits, expected, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="layout"):
        model.lay_out("auto")


def test_a_dense_layout_keeps_one_graph_for_batches_of_one_size():
    model = made(4, layout="dense")
    graphs = [model.graph(model.encode(puzzles(4, count))) for count in (3, 3, 2)]
    assert graphs[0] is graphs[1]
    assert graphs[2] is not graphs[0]
    context = model.encode(puzzles(4))
    z = model.initial_state(context, torch.Generator().manual_seed(0))
    for state in (z, model.step(context, z)):
        assert not state[~context["is_open"]].any()
        assert state[context["is_open"]].any(-1).all()


def test_equals_the_plain_form_where_groups_overlap_and_miss_nodes():
    spec = SudokuTask(size=4).spec
    first = spec.groups[0]
    odd = (Group("pair", first.members[:3]), Group("cross", first.members[1:, ::2]))
    torch.manual_seed(0)
    model = FactorGraphNetwork(
        dataclasses.replace(spec, groups=(*spec.groups, *odd)), width=8, hidden_width=8
    ).double()
    batch = puzzles(4)
    torch.testing.assert_close(model(batch, 2).logits, plain_forward(model, batch, 2))


def test_relabelling_the_digits_permutes_the_logits():
    model, batch = made(9), puzzles(9)
    digits = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    givens = batch["givens"]
    relabelled = torch.where(givens < 0, givens, digits[givens.clamp(min=0)])
    before, after = (
        model(batch, 4).logits[-1],
        model({"givens": relabelled}, 4).logits[-1][..., digits],
    )
    torch.testing.assert_close(before, after)


def test_givens_and_excluded_choices_have_fixed_logits():
    model, batch = made(4), puzzles(4)
    logits = model(batch, 2).logits[-1]
    given = batch["givens"] >= 0
    assert (logits.argmax(-1)[given] == batch["givens"][given]).all()
    assert (logits[given].sort(-1).values[:, :-1] == -20).all()


def test_a_full_and_an_empty_board_are_taken():
    model = made(4)
    task = SudokuTask(size=4)
    full = torch.as_tensor(task.sample(np.arange(1, dtype=np.uint64), "minimal").labels["answer"])
    boards = torch.stack([full[0].long(), torch.full((16,), -1)])
    logits = model({"givens": boards}, 2).logits[-1]
    assert torch.isfinite(logits).all()
    assert (logits[0].argmax(-1) == boards[0]).all()


def test_a_task_without_groups_is_refused():
    with pytest.raises(ValueError, match="no constraint groups"):
        FactorGraphNetwork(SudokuTask(size=4).spec.without_structure())
