"""Gymnasium's vector wrappers around our vector environment, in both modes of autoreset."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import vector as wrappers

from ttc_envs import registered

IDS = sorted(registered())
MODES = ["SameStep", "NextStep"]
STEPS = 4


def make(env_id, mode, **options):
    options = {"max_episode_steps": STEPS, "terminate_on_solved": False, **options}
    return gym.make_vec(f"ttc_envs:{env_id}", num_envs=3, autoreset_mode=mode, **options)


def played(env, steps):
    """Yield what each step of random actions gives."""
    env.reset(seed=5)
    env.action_space.seed(5)
    for _ in range(steps):
        yield env.step(env.action_space.sample())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_statistics_are_right_in_every_episode(env_id, mode):
    env = wrappers.RecordEpisodeStatistics(make(env_id, mode))
    returns, seen = np.zeros(3), 0
    for _, rewards, terminated, truncated, infos in played(env, 4 * STEPS + 3):
        returns += rewards
        done = terminated | truncated
        if done.any():
            episode = infos["episode"] if "episode" in infos else infos["final_info"]["episode"]
            np.testing.assert_allclose(episode["r"][done], returns[done], atol=1e-6)
            assert (episode["l"][done] == STEPS).all()
            returns[done] = 0
            seen += 1
    assert seen >= 3


@pytest.mark.parametrize("mode", MODES)
def test_statistics_of_episodes_of_unequal_lengths(mode):
    env = wrappers.RecordEpisodeStatistics(
        make("ttc/SudokuEdit4-v0", mode, max_episode_steps=9, strict=True)
    )
    lengths, returns = np.zeros(3, int), np.zeros(3)
    begun = np.ones(3, bool)
    ended = []
    for _, rewards, terminated, truncated, infos in played(env, 60):
        # In NextStep mode the step after the end begins the next episode and counts for none.
        lengths += begun
        returns += np.where(begun, rewards, 0)
        done = terminated | truncated
        if done.any():
            episode = infos["episode"] if "episode" in infos else infos["final_info"]["episode"]
            np.testing.assert_allclose(episode["r"][done], returns[done], atol=1e-6)
            assert episode["l"][done].tolist() == lengths[done].tolist()
            ended.extend(lengths[done].tolist())
            lengths[done], returns[done] = 0, 0.0
        begun = ~done if mode == "NextStep" else np.ones(3, bool)
    assert len(set(ended)) > 1


@pytest.mark.parametrize("wrapper", ["FlattenObservation", "NormalizeObservation"])
def test_what_changes_whole_observations_needs_next_step(wrapper):
    """As docs/environments.md says."""
    with pytest.raises(ValueError, match=r"NEXT_STEP.*got AutoresetMode.SAME_STEP"):
        for _ in played(getattr(wrappers, wrapper)(make("ttc/Sudoku4-v0", "SameStep")), STEPS):
            pass
    env = wrappers.FlattenObservation(make("ttc/Sudoku4-v0", "NextStep"))
    if wrapper != "FlattenObservation":
        env = getattr(wrappers, wrapper)(env)
    for observations, *_ in played(env, 2 * STEPS):
        assert observations.shape == (3, 33)


def test_older_versions_of_gymnasium_are_warned_of(monkeypatch):
    monkeypatch.setattr(gym, "__version__", "1.3.0")
    with pytest.warns(UserWarning, match=r"Gymnasium 1\.3\.0: RecordEpisodeStatistics"):
        make("ttc/Sudoku4-v0", "SameStep")
    # No warning, which would be an error here.
    make("ttc/Sudoku4-v0", "NextStep")
    monkeypatch.setattr(gym, "__version__", "1.10.0a1")
    make("ttc/Sudoku4-v0", "SameStep")
