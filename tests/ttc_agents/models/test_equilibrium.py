"""What an equilibrium adds to the model that it wraps."""

import numpy as np
import pytest
import torch

from ttc_agents.implicit import GRADIENTS, SOLVERS
from ttc_agents.implicit.diagnostics import spectral_radius
from ttc_agents.models import (
    AdjacencyLearner,
    CausalTransformer,
    Energy,
    Equilibrium,
    FactorGraphNetwork,
    RelationalNetwork,
    Transformer,
)
from ttc_agents.models.base import to_batch
from ttc_envs import make_task

SMALL = {"width": 8, "message_width": 8, "hidden_width": 8}


@pytest.fixture(scope="module")
def task():
    return make_task("ttc/Sudoku4-v0")


@pytest.fixture(scope="module")
def batch(task):
    return to_batch(task.sample(np.arange(3, dtype=np.uint64), "givens=6").fields)


def made(task, **options):
    torch.manual_seed(0)
    inner = FactorGraphNetwork(task.spec, **SMALL).double()
    torch.nn.init.normal_(inner.to_logit)
    return Equilibrium(task.spec, inner, **options).double()


@pytest.mark.parametrize("model", [FactorGraphNetwork, RelationalNetwork])
def test_it_contracts_when_it_is_made(model, task, batch):
    torch.manual_seed(0)
    equilibrium = Equilibrium(task.spec, model(task.spec)).eval()
    with torch.no_grad():
        context = equilibrium.encode(batch)
        f = equilibrium.map(context)
        first = equilibrium.initial_state(context)
        other = equilibrium.initial_state(context, torch.Generator().manual_seed(0))
        for z in (first, other):
            assert spectral_radius(f, z, 40).max() < 0.9
        for _ in range(60):
            first, other = f(first), f(other)
    torch.testing.assert_close(first, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_leads_to_the_same_logits(solver, task, batch):
    expected = made(task).eval()(batch, 120).logits[-1]
    found = made(task, solver=solver).eval()(batch, 120 if solver == "picard" else 25).logits[-1]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_step_is_a_step_of_the_solver(solver, task, batch):
    """All that its next step reads is carried in the state."""
    model = made(task, solver=solver).eval()
    context = model.encode(batch)
    f, z = model.map(context), model.initial_state(context)
    memory = model.solver.init(f, context["x"])
    assert z.isfinite().all()
    for _ in range(6):
        z, memory = model.step(context, z), model.solver.step(f, memory)
        torch.testing.assert_close(model.unpack(context, z).z, memory.z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_no_instances_are_no_error(solver, gradient, task, batch):
    model = made(task, solver=solver, gradient=gradient)
    none = {name: values[:0] for name, values in batch.items()}
    for training in (False, True):
        trace = model.train(training)(none, 3)
        assert trace.logits.shape == (3, 0, task.spec.num_nodes, task.spec.num_choices)
    trace.logits.sum().backward()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("training", [False, True])
def test_an_inner_model_that_writes_into_its_state_changes_nothing(solver, training, task, batch):
    model = made(task, solver=solver).train(training)
    expected, step = model(batch, 4).logits, model.inner.step

    def writing(context, z):
        new = step(context, z.clone())
        z.zero_()
        return new

    model.calls.zero_()
    model.inner.step = writing
    assert torch.equal(model(batch, 4).logits, expected)


def test_damping_mixes_the_state_with_its_image(task, batch):
    plain, damped = made(task, solver_options={"damping": 1.0}), made(task)
    context = plain.encode(batch)
    z = context["x"]
    torch.testing.assert_close(
        damped.step(context, z), (z + plain.step(context, z)) / 2, rtol=1e-12, atol=1e-12
    )


def test_training_solves_and_reports(task, batch):
    model = made(task, tol=1e-8, backward_tol=1e-8, max_steps=200, jacobian_weight=2.0)
    trace = model.train()(batch, 1)
    assert trace.logits.shape[0] == 1
    assert (trace.solver.residual < 1e-8).all()
    assert (trace.solver.num_steps > 5).all()
    expected = model.eval()(batch, 200).logits[-1]
    torch.testing.assert_close(trace.logits[0], expected, rtol=1e-6, atol=1e-6)
    assert trace.penalty > 0
    assert trace.solver.backward.residual is None
    (trace.logits.square().mean() + trace.penalty).backward()
    assert trace.solver.backward.failures() == 0
    assert (trace.solver.backward.residual < 1e-8).all()


def test_the_backward_solve_may_take_fewer_steps(task, batch):
    model = made(task, tol=1e-8, backward_tol=1e-8, max_steps=200, backward_max_steps=3)
    trace = model.train()(batch, 1)
    assert (trace.solver.num_steps > 5).all()
    trace.logits.square().mean().backward()
    assert (trace.solver.backward.num_steps == 3).all()
    assert trace.solver.backward.failures() == 3


def gradients(model, batch, steps):
    model.zero_grad()
    model(batch, steps).logits[-1].sin().sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def test_the_gradients_agree_on_a_long_way(task, batch):
    options = {"tol": 1e-12, "backward_tol": 1e-12, "max_steps": 400}
    expected = gradients(made(task, gradient="unrolled", **options).train(), batch, 150)
    for gradient, steps in (("implicit", 1), ("phantom", 80), ("mixed", 1), ("mixed", 3)):
        found = gradients(made(task, gradient=gradient, **options).train(), batch, steps)
        assert (found - expected).norm() < 1e-6 * expected.norm()


def test_fixed_point_correction_gives_the_logits_of_iterates(task, batch):
    model = made(task, tol=1e-8, max_steps=24).train()
    logits = model(batch, 4).logits
    assert len(logits) == 4
    distance = [(step - logits[-1]).norm().item() for step in logits]
    assert distance == sorted(distance, reverse=True)
    assert distance[0] > distance[2] > 0


def test_mixed_gradients_of_carried_states_need_no_solve(task, batch):
    """At rest the gradient is exact after one step; on the way it is that of the steps."""
    options = {"tol": 1e-12, "backward_tol": 1e-12, "max_steps": 400, "backward_max_steps": 400}
    expected = gradients(made(task, gradient="unrolled", **options).train(), batch, 150)
    model = made(task, gradient="mixed", depths=[0], settled=1e-3, **options).train()
    rest = model(batch, 150).state.detach()
    assert not model(batch, 1).solver.residual.lt(1e-3).any()
    model.zero_grad()
    trace = model(batch, 1, rest)
    assert trace.solver.residual.lt(1e-3).all()
    trace.logits[-1].sin().sum().backward()
    found = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert (found - expected).norm() < 1e-6 * expected.norm()
    steps = gradients(made(task, gradient="mixed", depths=[0], **options).train(), batch, 4)
    plain = gradients(made(task, gradient="phantom", depths=[0], **options).train(), batch, 4)
    assert torch.equal(steps, plain)


@pytest.mark.parametrize("solver", ["picard", "anderson"])
@pytest.mark.parametrize("gradient", ["implicit", "mixed"])
def test_an_adjoint_is_carried_beside_the_state_of_its_row(solver, gradient, task, batch):
    """The second update needs fewer backward steps, but for a row that is fresh."""
    options = {"solver": solver, "gradient": gradient, "backward_solver": "picard"}
    options |= {"tol": 1e-10, "backward_tol": 1e-10, "max_steps": 400}
    cold, warm = made(task, **options).train(), made(task, warm_backward=True, **options).train()
    first, narrow = (model.initial_state(model.encode(batch)) for model in (warm, cold))
    state, steps = first, []
    for _ in range(2):
        state = torch.cat([state[:2], first[2:]])
        expected = cold(batch, 1, state[:, : narrow[0].numel()].view_as(narrow))
        trace = warm(batch, 1, state)
        assert torch.equal(trace.logits, expected.logits)
        found = []
        for model, each in ((warm, trace), (cold, expected)):
            model.zero_grad()
            each.logits[-1].sin().sum().backward()
            found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        assert (found[0] - found[1]).norm() < 1e-6 * found[1].norm()
        steps.append(trace.solver.backward.num_steps.tolist())
        state = trace.state.detach()
    assert max(steps[1][:2]) <= 2 < min(steps[0])
    assert steps[1][2] == steps[0][2]
    assert warm.eval()(batch, 2).state.shape == warm.initial_state(warm.encode(batch)).shape


def test_the_map_is_drawn_back_to_the_first_state(task, batch):
    """What wrappers compute on the part of a state that is in use, they compute on the whole."""
    model = made(task, gate=0.7)
    context = model.encode(batch)
    z, x = model.inner.step(context["inner"], context["x"]), context["x"]
    expected = torch.lerp(x, model.inner.step(context["inner"], z), model.gate.sigmoid())
    torch.testing.assert_close(model.map(context)(z), expected, rtol=1e-12, atol=1e-12)
    with torch.no_grad():  # where it is kept between steps
        for _ in range(2):
            found = model.map(context)(z)
            torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=1e-12)


def test_the_penalty_comes_now_and_then_and_weighs_more(task, batch):
    always = made(task, jacobian_weight=0.5).train()
    seldom = made(task, jacobian_weight=0.5, jacobian_every=3).train()
    first, second = always(batch, 1).penalty, always(batch, 1).penalty
    assert second > 0
    found = [seldom(batch, 1).penalty for _ in range(4)]
    assert found[1] is found[2] is None
    torch.testing.assert_close(found[0], 3 * first)
    assert found[3] > 0


def test_late_states_take_turns(task, batch):
    model = made(task, gradient="phantom", depths=(0, 3, 40), tol=0.0).train()
    steps = [model(batch, 2).solver.num_steps.tolist() for _ in range(4)]
    assert steps == [[0] * 3, [3] * 3, [40] * 3, [0] * 3]
    other = made(task, gradient="phantom", depths=(0, 3, 40), tol=0.0).train()
    other.load_state_dict(model.state_dict())
    assert other(batch, 2).solver.num_steps.tolist() == [3] * 3


def test_rows_that_settled_stop_where_they_are(task, batch):
    model = made(task, stop=1e-3).eval()
    states = [z for _, z in model.iterate(batch, 80)]
    assert torch.equal(states[-1], states[-2])
    assert not torch.equal(states[0], states[1])
    endless = made(task).eval()(batch, 80).state
    assert not torch.equal(endless, states[-1])
    torch.testing.assert_close(endless, states[-1], rtol=0.02, atol=0.02)


def test_a_row_that_fails_is_not_taken_for_settled(task, batch):
    model = made(task).eval()
    context = model.encode(batch)
    z = model.initial_state(context).clone()
    z[1] = torch.inf
    new = model.step(context, z)
    assert new[1].isnan().all()
    assert new[::2].isfinite().all()


def test_what_reads_the_answer_is_refused(task):
    spec = make_task("ttc/Sorting-v0", size=4, view="adjacent").spec
    assert "changes with the answer" in Equilibrium.supports(spec)
    inner = FactorGraphNetwork(task.spec, **SMALL)
    inner.reads_answer = True
    with pytest.raises(ValueError, match="reads the answer"):
        Equilibrium(task.spec, inner)


def test_what_never_rests_is_refused(task):
    counting = Transformer(task.spec, 16, heads=2, halting=0.01)
    with pytest.raises(ValueError, match="Transformer: its state counts the steps"):
        Equilibrium(task.spec, counting)
    Equilibrium(task.spec, Transformer(task.spec, 16, heads=2))
    with pytest.raises(ValueError, match="an equilibrium already"):
        Equilibrium(task.spec, made(task))
    assert "energy" in Equilibrium.cannot_wrap(Energy)
    assert "draws graphs" in Equilibrium.cannot_wrap(AdjacencyLearner)
    assert "slot by slot" in Equilibrium.cannot_wrap(CausalTransformer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "newton"}, "got 'newton'"),
        ({"backward_solver": "newton"}, "got 'newton'"),
        ({"gradient": "exact"}, "got 'exact'"),
        ({"gate": 1.0}, "gate must be in"),
        ({"depths": ()}, "depths must be"),
        ({"depths": (-1,)}, "depths must be"),
        ({"jacobian_every": 0}, "jacobian_every must be at least 1, got 0"),
        ({"gradient": "phantom", "warm_backward": True}, "warm_backward is for .*, not phantom"),
    ],
)
def test_bad_options_are_errors(task, options, message):
    with pytest.raises(ValueError, match=message):
        made(task, **options)
