"""What else learns on a device: by the verifier, by drawn graphs, as the network of an agent."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from ttc_agents.models import make_model
from ttc_agents.training.optimizer import Update
from ttc_agents.training.policy_gradient import PolicyGradient, VerifierTraining
from ttc_agents.training.recipes import RECIPES
from ttc_envs import make_task

NARROW = {"width": 8, "message_width": 8, "hidden_width": 8, "layout": "ragged"}


def test_the_verifier_teaches(there):
    task = make_task("ttc/Sudoku4-v0")
    numbers = PolicyGradient(batch_size=4, samples=2, segment_steps=3, episode_steps=6)
    found = []
    for device in (there.device, "cpu"):
        torch.manual_seed(0)
        model = make_model("factor_graph_network", task.spec, NARROW).to(device)
        training = VerifierTraining(model, task, "easy", numbers)
        training.update()
        with there.at_most(1 + numbers.segment_steps):  # the rules see the answers of each step
            metrics = training.update()
        assert torch.isfinite(metrics["loss"])
        found.append(metrics["score"].cpu())
    if there.exact:
        assert found[0] == found[1]


@pytest.mark.parametrize(
    "options",
    [
        {"edge_cost": 0.01, "prune_from": 1, "temperature": (2.0, 1.0), "entropy": (0.1, 0.0)},
        {"estimator": "simple"},
        {"estimator": "straight_through"},
        {"layers": 1, "per_instance": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_graphs_are_learned(there, options):
    recipe = RECIPES["graph-4x4"]
    task = make_task(recipe.env_id)
    model = make_model(recipe.model, task.spec, {**recipe.model_options, **options}).to(
        there.device
    )
    instances = task.sample(np.arange(4, dtype=np.uint64), "givens=10")
    givens = torch.from_numpy(instances.fields["givens"]).long().to(there.device)
    answer = torch.from_numpy(instances.labels["answer"]).long().to(there.device)
    learning = Update(model, recipe)
    with there.at_most(1):
        trace = model({"givens": givens}, 1)
        loss = learning.differentiate(trace, {"answer": answer}, givens < 0)
        learning.clipped()
        learning.take(1.0)
    assert torch.isfinite(loss)
    assert model.eval().likely_graph({"givens": givens}).device.type == there.device.type


def test_the_network_of_an_agent(there):
    pytest.importorskip("sb3_contrib")
    from ttc_agents.policies.sb3_network import RefinementNetwork

    shown = spaces.Dict(
        {name: spaces.Box(-1, 3, (16,), np.int8) for name in ("givens", "answer")}
        | {"step": spaces.Box(0, 10, (1,), np.int32)}
    )
    policy = RefinementNetwork(
        shown,
        spaces.MultiDiscrete([4] * 16),
        lambda share: 1e-3,
        env_id="ttc/Sudoku4-v0",
        model="factor_graph_network",
        model_options=NARROW,
        steps=2,
    ).to(there.device)
    seen = {"givens": np.full((3, 16), -1, np.int8), "answer": np.zeros((3, 16), np.int8)}
    seen["givens"][:, 0] = 2
    seen["step"] = np.zeros((3, 1), np.int32)
    observation = {name: torch.from_numpy(values).to(there.device) for name, values in seen.items()}
    actions, values, _ = policy(observation)
    assert actions.shape == (3, 16)
    _, log_prob, entropy = policy.evaluate_actions(observation, actions)
    (values.mean() - log_prob.mean() - entropy.mean()).backward()
    policy.optimizer.step()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in policy.parameters())
