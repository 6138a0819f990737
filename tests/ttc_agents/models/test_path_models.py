"""Language models over places: teacher forcing, decoding with and without a cache, Jacobi steps."""

import itertools

import numpy as np
import pytest
import torch

from ttc_agents.evaluation.rollout import play
from ttc_agents.inference.policy import BeamPolicy
from ttc_agents.models import MODELS, CausalTransformer, RecurrentPath
from ttc_agents.models.base import to_batch
from ttc_agents.models.path_model import PathModel, Prefix, path_flags
from ttc_agents.policies import Agent
from ttc_agents.training.objectives import stepwise_cross_entropy
from ttc_envs import RefinementVectorEnv, make_task

PATH_MODELS = [name for name, model in MODELS.items() if issubclass(model, PathModel)]
SMALL = {
    RecurrentPath: {"width": 24, "layers": 2, "embedding": 8},
    CausalTransformer: {"width": 24, "heads": 2, "layers": 2, "embedding": 8},
}
on_each = pytest.mark.parametrize("model_class", SMALL, ids=lambda model: model.__name__)


@pytest.fixture(scope="module")
def task():
    return make_task("ttc/ShortestPathUSA-v0", cities="spread=12", slots=8)


@pytest.fixture(scope="module")
def instances(task):
    return task.sample(np.arange(5, dtype=np.uint64), "any")


def made(model_class, task, scale=1.0):
    """A model that is sure of what it says: equal chances would hide mistakes."""
    torch.manual_seed(0)
    model = model_class(task.spec, **SMALL[model_class]).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return model


def log_likelihood(model, batch, paths):
    """(B,), of whole paths but for what is given."""
    chances = model.forced(batch, paths).logits[0].log_softmax(-1)
    each = chances.gather(2, paths[..., None])[..., 0]
    return torch.where(batch["givens"] >= 0, 0.0, each).sum(1)


def test_both_are_registered():
    assert {MODELS[name] for name in PATH_MODELS} == set(SMALL)


@on_each
def test_a_slot_sees_the_path_before_it_and_nothing_else(model_class, task, instances):
    model, batch = made(model_class, task), to_batch(instances.fields)
    path = torch.as_tensor(instances.labels["answer"].astype(np.int64))
    logits = model.forced(batch, path).logits[0]
    for slot in (1, 4):
        other = path.clone()
        other[:, slot] = (other[:, slot] + 1) % 12
        changed = (model.forced(batch, other).logits[0] - logits).abs().amax(dim=(0, 2)) > 1e-9
        assert not changed[: slot + 1].any()
        assert changed[slot + 1 :].all()


@on_each
def test_steps_write_the_greedy_path_from_left_to_right(model_class, task, instances):
    model, batch = made(model_class, task), to_batch(instances.fields)
    greedy = model.generate(batch)
    for steps in range(1, 8):
        answer = model(batch, steps).logits[-1].argmax(-1)
        answer[:, 0] = batch["givens"][:, 0]
        assert torch.equal(answer[:, : steps + 1], greedy[:, : steps + 1])
    assert torch.equal(greedy[:, 0], batch["givens"][:, 0])


@on_each
@pytest.mark.parametrize("beam", [1, 3, 10])
def test_a_cache_changes_nothing(model_class, task, instances, beam):
    model, batch = made(model_class, task), to_batch(instances.fields)
    model.cache = lambda rows: Prefix(model)
    expected = model.generate(batch, beam)
    del model.cache
    assert torch.equal(model.generate(batch, beam), expected)
    assert torch.equal(model.generate({n: v[2:3] for n, v in batch.items()}, beam), expected[2:3])


@on_each
def test_a_beam_as_wide_as_all_paths_finds_the_likeliest(model_class):
    task = make_task("ttc/ShortestPathUSA-v0", cities="spread=4", slots=4)
    drawn = task.sample(np.arange(4, dtype=np.uint64), "any")
    model, batch = made(model_class, task, scale=0.5), to_batch(drawn.fields)
    every = torch.tensor(list(itertools.product(range(4), repeat=3)))
    for row in range(4):
        one = {name: values[row : row + 1] for name, values in batch.items()}
        source = one["givens"][:, :1].expand(len(every), 1)
        paths = torch.cat([source, every], 1)
        repeated = {name: values.expand(len(every), -1) for name, values in one.items()}
        best = log_likelihood(model, repeated, paths).max()
        found = [log_likelihood(model, one, model.generate(one, beam))[0] for beam in (1, 4)]
        assert found[0] - 1e-9 <= found[1] <= best + 1e-9
        assert found[1] > best - 0.5


@on_each
def test_teacher_forcing_learns_a_handful_of_paths_by_heart(model_class, task, instances):
    torch.manual_seed(0)
    model = model_class(task.spec, **SMALL[model_class])
    batch = to_batch(instances.fields)
    labels = {"answer": torch.as_tensor(instances.labels["answer"].astype(np.int64))}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        stepwise_cross_entropy(model.forced(batch, labels["answer"]).logits, labels).backward()
        optimizer.step()
    found = model.findings(task, instances)
    assert found["next_place_accuracy"] == 1
    assert found["next_place_loss"] < 0.5
    assert found["beam_1"]["both"].all()
    assert found["beam_10"]["optimal"].all()


@on_each
def test_it_plays_through_an_environment(model_class, task):
    policy = BeamPolicy(made(model_class, task), beam=2)
    envs = RefinementVectorEnv(task, 4, terminate_on_solved=False)
    observation, _ = envs.reset(seed=0)
    paths, state = policy.predict(observation)
    observation, *_, info = envs.step(paths)
    np.testing.assert_array_equal(observation["answer"], paths)
    assert {"illegal_jumps", "ends_at_target"} <= set(info)
    again, state = policy.predict(observation, state, np.zeros(4, dtype=bool))
    np.testing.assert_array_equal(again, paths)
    one, _ = policy.predict({name: values[1] for name, values in observation.items()})
    np.testing.assert_array_equal(one, paths[1])
    # A row that begins anew gets a new path, the others keep theirs.
    turned = {name: values[[1, 0, 2, 3]] for name, values in observation.items()}
    mixed, _ = policy.predict(turned, state, np.array([True, False, False, False]))
    np.testing.assert_array_equal(mixed, paths[[1, 1, 2, 3]])


@on_each
def test_a_beam_that_is_not_finite_writes_no_path(model_class, task):
    model = made(model_class, task)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1e308)
    policy = BeamPolicy(model, beam=2)
    envs = RefinementVectorEnv(task, 4, terminate_on_solved=False)
    observation, _ = envs.reset(seed=0)
    paths, state = policy.predict(observation)
    assert not state.finite.any()
    assert not paths.any()
    assert not play(
        Agent(policy), task, task.sample(np.arange(3, dtype=np.uint64), "any"), (1,)
    ).finite.any()


def test_flags_tell_illegal_jumps_from_wrong_ends(task, instances):
    right = instances.labels["answer"]
    stays = np.repeat(right[:, :1], 8, axis=1)
    jumps = right.copy()
    jumps[:, 1:] = right[:, -1:]
    far = (task.score(instances, jumps)["illegal_jumps"] > 0).sum()
    assert path_flags(task, instances, right)["optimal"].all()
    assert not path_flags(task, instances, stays)["arrives"].any()
    flags = path_flags(task, instances, jumps)
    assert flags["arrives"].all()
    assert flags["both"].sum() == flags["legal"].sum() == 5 - far


def test_only_lines_of_choices_are_paths():
    reasons = {
        name: [MODELS[model].supports(make_task(name).spec) for model in PATH_MODELS]
        for name in ("ttc/Sudoku4-v0", "ttc/Sorting-v0", "ttc/ShortestPath-v0")
    }
    assert all("line" in reason for reason in reasons["ttc/Sudoku4-v0"])
    assert all("pointers" in reason for reason in reasons["ttc/Sorting-v0"])
    assert all("pointers" in reason for reason in reasons["ttc/ShortestPath-v0"])


@pytest.mark.parametrize("beam", [0, 13])
def test_an_impossible_beam_is_refused(task, instances, beam):
    with pytest.raises(ValueError, match="beam must lie in"):
        made(RecurrentPath, task).generate(to_batch(instances.fields), beam)
