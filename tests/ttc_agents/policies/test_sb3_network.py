"""Refinement models inside SB3's agents."""

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3")
contrib = pytest.importorskip("sb3_contrib")

from stable_baselines3 import PPO  # noqa: E402

from ttc_agents.inference.checkpoint import load_model  # noqa: E402
from ttc_agents.policies.sb3 import SB3VecEnv  # noqa: E402
from ttc_agents.policies.sb3_network import (  # noqa: E402
    MaskableRefinementNetwork,
    RefinementNetwork,
    warm_start,
)

TINY = {"width": 8, "message_width": 8, "hidden_width": 16}
INSIDE = {"env_id": "ttc/Sudoku4-v0", "model": "factor_graph_network", "model_options": TINY}


def envs(env_id="ttc/SudokuEdit4-v0", count=8, **options):
    return SB3VecEnv(gym.make_vec(f"ttc_envs:{env_id}", num_envs=count, **options))


def agent(**inside):
    return contrib.MaskablePPO(
        MaskableRefinementNetwork,
        envs(level="easy"),
        n_steps=8,
        batch_size=32,
        learning_rate=3e-3,
        seed=0,
        device="cpu",
        policy_kwargs={**INSIDE, "steps": 2, **inside},
    )


def test_logits_of_a_warm_start_are_those_of_the_model():
    made = PPO(
        RefinementNetwork,
        envs("ttc/Sudoku-v0", 2),
        n_steps=2,
        batch_size=4,
        device="cpu",
        policy_kwargs={"env_id": "ttc/Sudoku-v0", "model": "factor_graph_network", "steps": 3},
    )
    model = load_model("sudoku-cpu")
    warm_start(made, model)
    observation = made.env.reset()
    batch = {"givens": torch.from_numpy(observation["givens"]).long()}
    with torch.no_grad():
        features = made.policy.extract_features(made.policy.obs_to_tensor(observation)[0])
        expected = model(batch, 3).logits[-1].flatten(1)
    assert torch.allclose(made.policy.action_net(features), expected, atol=1e-5)


def test_a_warm_start_of_other_sizes_is_refused():
    with pytest.raises(ValueError, match="the FactorGraphNetwork that was given has other sizes"):
        warm_start(agent(), load_model("sudoku-cpu"))


def test_training_moves_the_model_the_embedding_and_the_critic():
    made = agent()
    before = {name: p.detach().clone() for name, p in made.policy.named_parameters()}
    made.learn(64)
    moved = {n for n, p in made.policy.named_parameters() if not torch.equal(p, before[n])}
    assert {n for n in before if "embedding" in n or "value_net" in n} <= moved
    assert any("extractor.model" in name for name in moved)


def test_the_observed_answer_matters_once_the_embedding_does():
    made = agent()
    made.learn(64)
    observation = made.env.reset()
    changed = {
        **observation,
        "answer": np.where(observation["givens"] < 0, 2, observation["answer"]),
    }
    with torch.no_grad():
        first, second = (
            made.policy.extract_features(made.policy.obs_to_tensor(o)[0])[:, :64]
            for o in (observation, changed)
        )
    assert not torch.allclose(first, second)


def test_it_is_saved_and_loaded(tmp_path):
    made = agent()
    made.learn(64)
    made.save(tmp_path / "agent.zip")
    again = contrib.MaskablePPO.load(tmp_path / "agent.zip", device="cpu")
    observation = made.env.reset()
    assert np.array_equal(
        made.predict(observation, deterministic=True)[0],
        again.predict(observation, deterministic=True)[0],
    )


def test_a_model_with_a_state_per_node_is_seeded_per_node():
    made = agent(model="relational_network", model_options={})
    features = made.policy.features_extractor
    assert features.embedding.weight.shape[0] == 5
    assert made.learn(64).num_timesteps == 64


def test_other_tasks_and_actions_are_refused():
    with pytest.raises(ValueError, match="expected observation='default' of the same task"):
        agent(env_id="ttc/Sudoku-v0")
    with pytest.raises(ValueError, match="a logit per"):
        PPO(
            RefinementNetwork,
            envs("ttc/Sudoku4-v0", action_mode="logits"),
            n_steps=2,
            batch_size=16,
            device="cpu",
            policy_kwargs=INSIDE,
        )
