"""An energy, its gradients, and descent on it."""

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch

from ttc_agents.inference.policy import RefinementPolicy
from ttc_agents.models import Energy, FactorGraphNetwork, RelationalNetwork, Transformer
from ttc_agents.models.base import to_batch
from ttc_agents.models.conformance import shaken
from ttc_agents.models.path_model import PathModel
from ttc_envs import make_task

SMALL = {"width": 8, "message_width": 8, "hidden_width": 8}
BODIES = {
    "factor_graph": (FactorGraphNetwork, SMALL),
    "relational": (RelationalNetwork, {"width": 8, "embedding": 4}),
    "transformer": (Transformer, {"width": 8, "heads": 2, "layers": 1, "embedding": 4}),
}
on_each_body = pytest.mark.parametrize("body", BODIES)


@pytest.fixture(scope="module")
def task():
    return make_task("ttc/Sudoku4-v0")


@pytest.fixture(scope="module")
def batch(task):
    return to_batch(task.sample(np.arange(3, dtype=np.uint64), "givens=6").fields)


def made(task, body="factor_graph", **options):
    torch.manual_seed(0)
    inner, settings = BODIES[body]
    model = Energy(task.spec, inner(task.spec, **settings), **options).double()
    return shaken(model, 0)


def begun(model, batch, seed=1):
    context = model.encode(batch)
    return context, model.initial_state(context, torch.Generator().manual_seed(seed))


def test_random_first_logits_are_as_far_apart_as_asked(task, batch):
    near, far = (begun(made(task, start_spread=spread), batch)[1] for spread in (1.0, 4.0))
    torch.testing.assert_close(4 * near, far)


def summed(model, context, z):
    """E, a sum over free nodes (B,)."""
    return model.energy(context, z) * context["free"].sum(1)


@on_each_body
def test_the_slope_is_the_gradient_of_the_energy(body, task, batch):
    """Against central differences: dE/du follows from the slope dE/dy by the chain rule."""
    model = made(task, body)
    context, u = begun(model, batch)
    y = model.point(context, u)[0]
    slope, energy = model.slope(context, u, False)
    torch.testing.assert_close(energy, model.energy(context, u))
    found = y * (slope - (y * slope).sum(-1, keepdim=True))
    for node, choice in ((0, 0), (5, 2), (9, 1), (15, 3)):
        step = torch.zeros_like(u)
        step[:, node, choice] = 1e-5
        wanted = (summed(model, context, u + step) - summed(model, context, u - step)) / 2e-5
        torch.testing.assert_close(found[:, node, choice], wanted, rtol=1e-5, atol=1e-7)


@on_each_body
def test_gradients_through_the_gradient_agree_with_differences(body, task, batch):
    """Double backward: of a loss at every step, in the weights."""
    model = made(task, body, landscapes=2, steps_per_landscape=2)
    start = begun(model, batch)[1]

    def loss():
        # One step each from fixed answers: what training differentiates.
        return model(batch, 1, start).logits.clamp(min=-9).sin().sum()

    loss().backward()
    for name, weight in model.named_parameters():
        flat, found = weight.data.view(-1), weight.grad.view(-1)
        place = int(found.abs().argmax())
        before, differences = float(flat[place]), []
        for shift in (1e-7, -1e-7):
            flat[place] = before + shift
            differences.append(loss().item())
        flat[place] = before
        wanted = (differences[0] - differences[1]) / 2e-7
        assert found[place].item() == pytest.approx(wanted, rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_on_inside_a_step_where_they_are_off(mode, task, batch):
    model = made(task)
    expected = model(batch, 3)
    with mode():
        trace = model(batch, 3)
        context = model.encode(batch)
        energy = model.energy(context, trace.state)
    torch.testing.assert_close(trace.logits, expected.logits)
    torch.testing.assert_close(trace.energies.before, expected.energies.before)
    assert not trace.logits.requires_grad
    assert not torch.equal(trace.logits[0], trace.logits[1])
    torch.testing.assert_close(energy, model.energy(model.encode(batch), expected.state))


def test_a_policy_descends(task):
    model = made(task).float().eval()
    instances = task.sample(np.arange(4, dtype=np.uint64), "givens=6")
    expected = model(to_batch(instances.fields), 2).logits[-1].argmax(-1).numpy()
    policy = RefinementPolicy(model)
    observation = {**instances.fields, "answer": task.initial_answer(instances)}
    _, state = policy.predict(observation)
    answer, _ = policy.predict(observation, state, np.zeros(4, dtype=bool))
    assert np.array_equal(answer, expected)


def test_an_agent_of_sb3_descends():
    """`predict` of SB3 is without gradients; logits are those of the model by itself."""
    pytest.importorskip("stable_baselines3")
    from stable_baselines3 import PPO

    from ttc_agents.policies.sb3 import SB3VecEnv
    from ttc_agents.policies.sb3_network import RefinementNetwork

    options = {"inner": {"model": "factor_graph_network", "options": SMALL}}
    inside = {"env_id": "ttc/Sudoku4-v0", "model": "energy", "model_options": options, "steps": 2}
    agent = PPO(
        RefinementNetwork,
        SB3VecEnv(gym.make_vec("ttc_envs:ttc/Sudoku4-v0", num_envs=2, level="easy")),
        n_steps=2,
        batch_size=4,
        device="cpu",
        policy_kwargs=inside,
    )
    model = shaken(agent.policy.features_extractor.model, 0)
    observation = agent.env.reset()
    batch = {"givens": torch.from_numpy(observation["givens"]).long()}
    expected = model(batch, 2).logits[-1]
    with torch.no_grad():
        features = agent.policy.extract_features(agent.policy.obs_to_tensor(observation)[0])
    torch.testing.assert_close(agent.policy.action_net(features), expected.flatten(1))
    assert not torch.equal(model(batch, 1).logits[-1], expected)
    answer, _ = agent.predict(observation, deterministic=True)
    assert np.array_equal(answer, expected.argmax(-1).numpy())
    agent.learn(4)  # and gradients pass through it


def test_small_steps_fall_and_a_line_search_does_with_large_ones(task, batch):
    def rises(**options):
        before = made(task, **options)(batch, 20).energies.before
        return (before.diff(dim=0) > 1e-12).float().mean()

    assert rises(step="fixed", step_size=0.02) == 0
    assert rises(step="fixed", step_size=20.0) > 0
    assert rises(step="search", step_size=2.0) == 0


def test_a_fixed_step_is_not_learned(task):
    names = {name for name, p in made(task, step="fixed").named_parameters() if p.requires_grad}
    assert "log_step" not in names
    assert {"log_temperature", "lift"} <= names


def test_rises_of_the_energy_join_the_loss(task, batch):
    model = made(task, step="fixed", step_size=20.0, rise_weight=2.0)
    trace = model(batch, 5)
    rises = trace.energies.before.diff(dim=0).clamp(min=0).mean()
    assert rises > 0
    torch.testing.assert_close(trace.penalty, 2.0 * rises)
    assert made(task)(batch, 5).penalty is None
    with pytest.raises(ValueError, match="rise_weight compares two steps"):
        model(batch, 1)
    assert model.eval()(batch, 1).penalty is None


def test_landscapes_take_turns_and_the_last_one_stays(task, batch):
    model = made(task, landscapes=3, steps_per_landscape=2)
    levels = [model.level(z).tolist() for _, z in model.iterate(batch, 8)]
    assert [each[0] for each in levels] == [0, 1, 1, 2, 2, 2, 2, 2]
    flat = copy.deepcopy(model)
    flat.lift.data[:] = flat.lift.data[2]
    flat.log_temperature.data[:] = flat.log_temperature.data[2]
    assert not torch.equal(flat(batch, 3).logits, model(batch, 3).logits)
    late = model(batch, 6).state
    torch.testing.assert_close(flat(batch, 3, late).logits, model(batch, 3, late).logits)


def test_what_is_given_stays_and_what_is_impossible_has_no_chance(task, batch):
    model = made(task)
    logits = model(batch, 5).logits[-1]
    given = batch["givens"]
    chosen = logits.argmax(-1)
    assert (chosen == given)[given >= 0].all()
    possible = model.inner.possible_choices(model.inner.encode(batch))
    assert logits.softmax(-1)[~possible].max() == 0


def test_rows_that_came_to_rest_stop(task, batch):
    model = made(task, step="fixed", step_size=0.2, stop=1e9).eval()
    with torch.no_grad():
        assert torch.equal(model(batch, 3).logits[0], model(batch, 3).logits[2])
    model.stop = 0.0
    with torch.no_grad():
        assert not torch.equal(model(batch, 3).logits[0], model(batch, 3).logits[2])


def test_what_has_no_gradient_or_reads_the_answer_is_refused(task):
    spec = make_task("ttc/Sorting-v0", size=4, view="adjacent").spec
    assert "changes with the answer" in Energy.supports(spec)
    assert "no gradient" in Energy.cannot_wrap(PathModel)
    inner = FactorGraphNetwork(task.spec, **SMALL)
    inner.reads_answer = True
    with pytest.raises(ValueError, match="changes with the answer"):
        Energy(task.spec, inner)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": "newton"}, "got 'newton'"),
        ({"rounds": 0}, "at least 1, got 0, 1 and 4"),
        ({"landscapes": 0}, "at least 1, got 2, 0 and 4"),
        ({"step_size": 0.0}, "must be positive, got 0.0, 1.0 and 1.0"),
        ({"start_spread": float("nan")}, "must be positive, got 0.5, 1.0 and nan"),
    ],
)
def test_bad_options_are_errors(task, options, message):
    with pytest.raises(ValueError, match=message):
        made(task, **options)
