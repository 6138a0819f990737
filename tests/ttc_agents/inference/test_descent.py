"""Other ways down the landscape of an energy model, and energies that are added."""

import numpy as np
import pytest
import torch

from ttc_agents.evaluation import sweep
from ttc_agents.inference.descent import DESCENTS, Descent, Gradient
from ttc_agents.inference.refine import refine
from ttc_agents.models import Energy, FactorGraphNetwork
from ttc_agents.models.base import to_batch
from ttc_agents.models.conformance import CHECKS, shaken
from ttc_envs import make_task

SMALL = {"width": 8, "message_width": 8, "hidden_width": 8}


@pytest.fixture(scope="module")
def task():
    return make_task("ttc/Sudoku4-v0")


@pytest.fixture(scope="module")
def instances(task):
    return task.sample(np.arange(4, dtype=np.uint64), "givens=6")


def made(task, seed=0, **options):
    torch.manual_seed(seed)
    model = Energy(task.spec, FactorGraphNetwork(task.spec, **SMALL), step_size=0.2, **options)
    return shaken(model.double().eval(), seed)


def energies(model, instances, steps=30):
    """(T, B), after each step."""
    batch = to_batch(instances.fields)
    context = model.encode(batch)
    z = model.initial_state(context, torch.Generator().manual_seed(0))
    return torch.stack([model.energy(context, z) for _, z in model.steps(context, z, steps)])


def test_descent_by_the_learned_step_is_the_model_itself(task, instances):
    model, batch = made(task), to_batch(instances.fields)
    torch.testing.assert_close(Descent(model)(batch, 5).logits, model(batch, 5).logits.detach())


@pytest.mark.parametrize("name", DESCENTS)
def test_every_optimizer_lowers_the_energy(name, task, instances):
    model = Descent(made(task), DESCENTS[name])
    found = energies(model, instances)
    assert found.shape == (30, 4)
    start = model.encode(to_batch(instances.fields))
    z = model.initial_state(start, torch.Generator().manual_seed(0))
    assert (found[-1] < model.energy(start, z)).all()
    if name != "lbfgs":  # whose line search may stop early where rectifiers bend
        assert (found[-1] < energies(Descent(made(task)), instances)[-1] + 0.1).all()


def test_an_annealed_descent_begins_undecided_and_ends_at_rest(task, instances):
    batch, model = to_batch(instances.fields), made(task)
    context = model.encode(batch)
    several = context["free"] & (context["possible"].sum(-1) > 1)
    plain, annealed = (
        Descent(model, Gradient(0.2, smoothing=s))(batch, 300).logits for s in (0.0, 50.0)
    )
    sure = [logits[5].softmax(-1).amax(-1)[several].mean() for logits in (annealed, plain)]
    assert sure[0] < sure[1]
    # Rectifiers bend at some minima, where steps of any descent go back and forth.
    slopes = [
        model.slope(context, logits[-1], False)[0].abs().max() for logits in (annealed, plain)
    ]
    assert slopes[0] < 2 * slopes[1]


@pytest.mark.parametrize("name", DESCENTS)
def test_an_optimizer_runs_under_inference_mode_and_rows_do_not_see_each_other(
    name, task, instances
):
    model, batch = Descent(made(task), DESCENTS[name]), to_batch(instances.fields)
    with torch.inference_mode():
        whole = model(batch, 4).logits
        alone = [model({"givens": row}, 4).logits for row in batch["givens"].split(1)]
    assert whole.isfinite().all()
    if name != "langevin":  # whose noise is that of the batch
        torch.testing.assert_close(torch.cat(alone, 1), whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["gradient", "scipy"])
@pytest.mark.parametrize("check", [c for c in CHECKS if "empty" not in c.__name__][:1])
def test_keeps_the_contract(name, check, task, instances):
    check(Descent(made(task), DESCENTS[name]), to_batch(instances[:3].fields))


def test_noise_cools_to_nothing(task, instances):
    quiet, noisy = (Descent(made(task), Gradient(0.1, temperature=t)) for t in (0.0, 1.0))
    difference = (energies(noisy, instances, 60) - energies(quiet, instances, 60)).abs()
    assert difference[10].min() > 0
    assert difference[-1].max() < difference[:30].max() / 2


def test_optimizers_are_given_the_gradient_of_the_value_that_they_are_given(task, instances):
    model, batch = Descent(made(task)), to_batch(instances.fields)
    context = model.encode(batch)
    u = model.initial_state(context, torch.Generator().manual_seed(0))
    landscape = model.landscape(context, u)
    shift = torch.zeros_like(u)
    shift[:, 4, 1] = shift[:, 7, 2] = 1e-6
    above, below = (landscape.gradient(u + sign * shift)[0] for sign in (1, -1))
    found = landscape.gradient(u)[1]
    torch.testing.assert_close(
        found[:, 4, 1] + found[:, 7, 2], (above - below) / 2e-6, rtol=1e-4, atol=1e-6
    )


def test_energies_are_added_with_weights(task, instances):
    one, two, batch = made(task, 0), made(task, 1), to_batch(instances.fields)
    both = Descent([one, two], weights=[1.0, 0.5])
    context = both.encode(batch)
    z = both.initial_state(context, torch.Generator().manual_seed(0))
    parts = [model.energy(model.encode(batch), z) for model in (one, two)]
    torch.testing.assert_close(both.energy(context, z), parts[0] + 0.5 * parts[1])
    slopes = [model.slope(model.encode(batch), z, False)[0] for model in (one, two)]
    landscape = both.landscape(context, z)
    torch.testing.assert_close(landscape.slope(z), slopes[0] + 0.5 * slopes[1])
    found = energies(both, instances, 40)
    assert (found[-1] < found[0]).all()


def test_restarts_are_chosen_by_the_lowest_energy(task, instances):
    """p2 of a model with energies; those of each step are those of its state."""
    model = made(task).float()
    steps = list(refine(model, task, instances, 3))
    context = model.encode(to_batch(instances.fields))
    wanted = model.energy(context, steps[-1].state).detach().numpy()
    np.testing.assert_allclose(steps[-1].judge(), wanted, rtol=1e-5)
    result = sweep(
        model, task, {"f": instances}, [2, 5], protocols=("p2",), classical=(), num_trajectories=4
    )
    parts = result.records["trajectories"]["f"]
    energy = np.stack([part.energy for part in parts])
    assert energy.shape == (4, 4, 2)
    solved = np.stack([part.solved for part in parts])
    chosen = np.take_along_axis(solved, energy.argmin(0)[None], 0)[0]
    assert (result.solved["p2"]["f"] == chosen).all()
    assert "energy" in parts[0].to_json()


def test_other_models_are_refused(task):
    with pytest.raises(ValueError, match="got a FactorGraphNetwork"):
        Descent(FactorGraphNetwork(task.spec, **SMALL))
    larger = make_task("ttc/Sudoku-v0", size=6)
    with pytest.raises(ValueError, match=r"\(16, 4\) nodes and choices, got \(36, 6\)"):
        Descent([made(task), made(larger)])


def preference(batch, y):
    """What is not linear: that answers have choice 1 and not 2, by how little is given."""
    return (3 * y[..., 1] - y[..., 2] ** 2).sum(1) * (batch["givens"] < 0).float().mean(1)


def test_a_term_of_the_callers_own_is_added(task, instances):
    model, batch = made(task), to_batch(instances.fields)
    plain, both = Descent(model), Descent(model, term=preference)
    context = both.encode(batch)
    z = both.initial_state(context, torch.Generator().manual_seed(0))
    y = model.point(context["parts"][0], z)[0]
    added = preference(batch, y) / context["parts"][0]["free"].sum(1)
    torch.testing.assert_close(both.energy(context, z), plain.energy(context, z) + added)
    shift = torch.zeros_like(z)
    shift[:, 4, 1] = shift[:, 7, 2] = 1e-6
    landscape = both.landscape(context, z)
    above, below = (landscape.gradient(z + sign * shift)[0] for sign in (1, -1))
    found = landscape.gradient(z)[1]
    torch.testing.assert_close(
        found[:, 4, 1] + found[:, 7, 2], (above - below) / 2e-6, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", ["gradient", "adam", "scipy"])
def test_a_term_moves_the_answer_with_every_optimizer(name, task, instances):
    """A cost that is far above all energies decides: choice 1 only where nothing else is left."""
    model, batch = made(task), to_batch(instances.fields)
    dear = Descent(model, DESCENTS[name], term=lambda batch, y: 100 * y[..., 1].sum(1))
    with torch.inference_mode():
        chosen = dear(batch, 20).logits[-1].argmax(-1)
    others = model.encode(batch)["possible"].clone()
    others[..., 1] = False
    free = (batch["givens"] < 0) & others.any(-1)
    assert (chosen[free] != 1).all()
    assert (model(batch, 20).logits[-1].argmax(-1)[free] == 1).any()
