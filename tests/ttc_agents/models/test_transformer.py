"""What the options of a transformer promise."""

import dataclasses

import numpy as np
import pytest
import torch

from ttc_agents.models import Transformer
from ttc_agents.models.attention import Block, KeyValues, Rotary
from ttc_agents.models.base import to_batch
from ttc_agents.models.transformer import Halting
from ttc_agents.training.objectives import cross_entropy, stepwise_cross_entropy
from ttc_envs import make_task


@pytest.fixture(scope="module")
def sudoku():
    return make_task("ttc/Sudoku4-v0")


@pytest.fixture(scope="module")
def lists():
    return make_task("ttc/Sorting-v0", size=8, min_size=4)


def made(task, **options):
    torch.manual_seed(0)
    model = Transformer(task.spec, **{"width": 16, "heads": 2, "embedding": 8, **options}).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def drawn(task, level, count=4):
    return to_batch(task.sample(np.arange(count, dtype=np.uint64), level).fields)


def test_the_feed_forward_model_is_the_first_step_of_top_recurrence(sudoku):
    top, plain = made(sudoku, share="top", layers=3), made(sudoku, share="none", layers=3)
    plain.load_state_dict(top.state_dict())
    batch = drawn(sudoku, "minimal")
    recurrent, fixed = top(batch, 3).logits, plain(batch, 3).logits
    torch.testing.assert_close(fixed[0], recurrent[0])
    assert torch.equal(fixed[0], fixed[2])
    assert (recurrent[2] - recurrent[0]).abs().max() > 1e-3


def test_inputs_are_injected_at_every_step_of_a_universal_transformer(sudoku):
    model, batch = made(sudoku), drawn(sudoku, "minimal")
    context = model.encode(batch)
    z = model.initial_state(context, torch.Generator().manual_seed(0))
    other = {**context, "x": context["x"].flip(0)}
    assert (model.step(context, z) - model.step(other, z)).abs().max() > 1e-3


def test_rotary_positions_tell_differences_alone(sudoku):
    positions = sudoku.spec.positions
    moved = dataclasses.replace(sudoku.spec, positions=positions + 7)
    turned = dataclasses.replace(sudoku.spec, positions=positions[::-1].copy())
    model, batch = made(sudoku), drawn(sudoku, "minimal")
    logits = model(batch, 2).logits
    same, other = (Transformer(spec, 16, 2, embedding=8).double() for spec in (moved, turned))
    for copy in (same, other):
        copy.load_state_dict(model.state_dict())
    torch.testing.assert_close(same(batch, 2).logits, logits, rtol=1e-5, atol=1e-5)
    assert (other(batch, 2).logits - logits).abs().max() > 1e-3


def test_axes_have_their_own_angles():
    rotary = Rotary(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32), 8)
    x = torch.randn(1, 1, 3, 8)
    torch.testing.assert_close(rotary(x).norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotary(x)[:, :, 0], x[:, :, 0])
    assert not torch.allclose(rotary(x[:, :, 1:2], 1), rotary(x[:, :, 1:2], 2))


def test_a_cache_gives_what_causal_attention_gives():
    torch.manual_seed(0)
    block, h = Block(8, 2).double(), torch.randn(3, 5, 8).double()
    rotary = Rotary(np.arange(5, dtype=np.float32)[:, None], 4).double()
    whole = block(h, rotary=rotary, causal=True)
    empty = torch.full((3, 2, 5, 4), torch.nan).double()
    cache = KeyValues(empty, empty.clone())
    parts = [block(h[:, :2], rotary=rotary, causal=True, cache=cache)]
    cache.select(torch.tensor([2, 0, 1]))
    turned = h[[2, 0, 1]]
    parts += [block(turned[:, i : i + 1], rotary=rotary, cache=cache) for i in (2, 3, 4)]
    torch.testing.assert_close(parts[0], whole[:, :2])
    torch.testing.assert_close(torch.cat(parts[1:], 1), whole[[2, 0, 1], 2:])
    cache.select(torch.tensor([1, 1, 0]))
    torch.testing.assert_close(cache.keys[0], cache.keys[1])


def test_what_is_behind_a_shorter_list_is_not_seen(lists):
    model, batch = made(lists), drawn(lists, "uniform", 8)
    there = batch["mask"] > 0
    assert not there.all()
    other = {**batch, "numbers": torch.where(there, batch["numbers"], 0.25)}
    first, second = model(batch, 2).logits, model(other, 2).logits
    pairs = there[:, :, None] & there[:, None]
    torch.testing.assert_close(first[:, pairs], second[:, pairs])


def test_edges_of_a_map_are_seen():
    task = make_task("ttc/ShortestPath-v0", places=16)
    model, batch = made(task), drawn(task, "spread16")
    longer = {**batch, "distances": batch["distances"] / 2}
    assert (model(batch, 1).logits - model(longer, 1).logits).abs().max() > 1e-4


@pytest.mark.parametrize("env_id", ["ttc/Sudoku4-v0", "ttc/Sorting-v0", "ttc/ShortestPath-v0"])
@pytest.mark.parametrize("share", ["all", "top"])
def test_feedback_reads_the_last_prediction(env_id, share):
    task = make_task(env_id)
    model, batch = made(task, feedback=True, share=share), drawn(task, task.spec.levels[-1])
    before = model(batch, 2).logits
    with torch.no_grad():
        for weight in model.logits.parameters():
            weight.mul_(3.0)
    context = model.encode(batch)
    z = model.initial_state(context)
    after = model.readout(context, model.step(context, z))
    with torch.no_grad():
        model.fed.weight.zero_()
    blind = model.readout(context, model.step(context, z))
    assert (after - blind).abs().max() > 1e-4
    assert before.shape == model(batch, 2).logits.shape


def test_halting_is_the_weighted_mean_of_the_paper():
    torch.manual_seed(0)
    halting = Halting(4).double()
    assert halting.gate(torch.zeros(4).double()).sigmoid() < 0.06
    torch.nn.init.normal_(halting.gate.weight)
    torch.nn.init.constant_(halting.gate.bias, -1.0)
    states = torch.randn(9, 2, 3, 4).double()
    z = halting.packed(states[0])
    packed = []
    for new in states[1:]:
        z = halting.advance(z, new)
        packed.append(z)
    gates = halting.gate(states[1:]).sigmoid()[..., 0]
    for row in range(2):
        for node in range(3):
            p = gates[:, row, node]
            last = int((p.cumsum(0) >= 0.99).nonzero()[0])
            rest = 1 - p[:last].sum()
            mean = (p[:last, None] * states[1 : last + 1, row, node]).sum(0)
            mean = mean + rest * states[last + 1, row, node]
            torch.testing.assert_close(halting.output(z)[row, node], mean)
            torch.testing.assert_close(halting.ponder(z)[row, node], last + 1 + rest)
            # From then on nothing changes.
            torch.testing.assert_close(halting.output(packed[last])[row, node], mean)


def test_the_ponder_cost_joins_the_loss(sudoku):
    model, batch = made(sudoku, halting=0.5), drawn(sudoku, "minimal")
    labels = {"answer": torch.zeros(4, 16).long()}
    trace = model(batch, 3)
    expected = stepwise_cross_entropy(trace.logits, labels) + trace.penalty
    assert trace.penalty > 0.5
    torch.testing.assert_close(cross_entropy(trace, labels), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": "some"}, "share must be one of none, all, top"),
        ({"positions": "sinusoid"}, "positions must be one of"),
        ({"layers": 0}, "at least 1"),
        ({"heads": 3}, "multiple of heads"),
        ({"width": 4}, "even head width"),
        ({"share": "none", "halting": 0.1}, "one step"),
        ({"memory": {"keys": 2, "top": 4}}, "top <= keys"),
    ],
)
def test_impossible_options_are_refused(sudoku, options, message):
    with pytest.raises(ValueError, match=message):
        made(sudoku, **options)


def test_a_model_that_reads_the_answer_needs_no_feedback():
    task = make_task("ttc/Sorting-v0", size=4, view="adjacent")
    with pytest.raises(ValueError, match="read anyway"):
        made(task, feedback=True)
    instances = task.sample(np.arange(2, dtype=np.uint64), "uniform")
    answer = task.initial_answer(instances)
    batch = to_batch({**task.spec.shown(instances.fields, answer), "answer": answer})
    assert made(task)(batch, 2).logits.shape == (2, 2, 4, 4)


OPTIONS = {
    "feed-forward": {"share": "none"},
    "top layer": {"share": "top"},
    "halting": {"halting": 0.01},
    "feedback": {"feedback": True},
    "memory": {"memory": {"keys": 8, "top": 4}},
}


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_each_option_alone_learns_a_handful_of_puzzles_by_heart(sudoku, options):
    drawn = sudoku.sample(np.arange(6, dtype=np.uint64), "minimal")
    batch, labels = to_batch(drawn.fields), torch.as_tensor(drawn.labels["answer"]).long()
    torch.manual_seed(0)
    model = Transformer(sudoku.spec, 32, 2, embedding=8, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        cross_entropy(model(batch, 4), {"answer": labels}).backward()
        optimizer.step()
    assert (model.eval()(batch, 4).logits[-1].argmax(-1) == labels).all()
