"""SB3's conventions over the vector env, agents in the harness, and names of policies."""

import zipfile

import gymnasium as gym
import numpy as np
import pytest

from ttc_envs import RefinementVectorEnv, make_task

sb3 = pytest.importorskip("stable_baselines3")
contrib = pytest.importorskip("sb3_contrib")

from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402
from stable_baselines3.common.vec_env import DummyVecEnv  # noqa: E402

from ttc_agents.evaluation.rollout import play  # noqa: E402
from ttc_agents.inference.checkpoint import load_model  # noqa: E402
from ttc_agents.inference.policy import RefinementPolicy  # noqa: E402
from ttc_agents.policies.loading import Agent, load_agent  # noqa: E402
from ttc_agents.policies.sb3 import SB3Agent, SB3VecEnv, load_sb3, modes_of  # noqa: E402

EDITS = "ttc_envs:ttc/SudokuEdit4-v0"


def adapter(count=3, entries=None, **options):
    return SB3VecEnv(gym.make_vec(EDITS, num_envs=count, **options), entries)


def allowed(masks, rng):
    return (rng.random(masks.shape) * masks).argmax(axis=1)


def test_it_agrees_with_sb3s_own_vec_env_step_by_step():
    options = {"max_episode_steps": 5, "level": "givens=14"}
    ours = adapter(3, **options)
    theirs = DummyVecEnv(
        [lambda: gym.wrappers.RecordEpisodeStatistics(gym.make(EDITS, **options))] * 3
    )
    for env in (ours, theirs):
        env.seed(7)
    first, second = ours.reset(), theirs.reset()
    rng, ended = np.random.default_rng(0), 0
    for _ in range(12):
        assert all(np.array_equal(first[name], second[name]) for name in second)
        masks = get_action_masks(ours)
        assert np.array_equal(masks, get_action_masks(theirs))
        actions = allowed(masks, rng)
        first, rewards, dones, infos = ours.step(actions)
        second, rewards2, dones2, infos2 = theirs.step(actions)
        assert np.array_equal(rewards, rewards2)
        assert np.array_equal(dones, dones2)
        for row in np.flatnonzero(dones):
            ended += 1
            assert infos[row]["TimeLimit.truncated"] == infos2[row]["TimeLimit.truncated"]
            last, last2 = (i[row]["terminal_observation"] for i in (infos, infos2))
            assert all(np.array_equal(last[name], last2[name]) for name in last2)
            assert infos[row]["is_success"] == infos2[row]["is_success"]
            assert infos[row]["episode"]["l"] == infos2[row]["episode"]["l"]
            assert infos[row]["episode"]["r"] == pytest.approx(infos2[row]["episode"]["r"])
    assert ended >= 6


def test_only_the_asked_entries_are_shown():
    env = adapter(2, ["givens", "answer"])
    assert list(env.reset()) == ["givens", "answer"]
    assert set(env.observation_space) == {"givens", "answer"}
    with pytest.raises(ValueError, match=r"lacks \['colour'\]"):
        adapter(2, ["colour"])


def test_reset_options_replay_instances():
    env = adapter(3)
    env.set_options([{"instance_id": key, "level": "easy"} for key in (5, 6, 5)])
    observation = env.reset()
    assert np.array_equal(observation["givens"][0], observation["givens"][2])
    assert env.reset_infos[1]["instance_id"] == 6
    env.set_options([{"level": "easy"}, {"level": "hard"}, {"level": "easy"}])
    with pytest.raises(ValueError, match="'level' must be the same"):
        env.reset()
    env.set_options([{"level": "easy"}, {}, {}])
    with pytest.raises(ValueError, match="same names"):
        env.reset()


def test_methods_and_attributes_reach_each_environment():
    env = adapter(3)
    env.reset()
    assert is_masking_supported(env)
    assert np.array_equal(env.env_method("action_masks", indices=[2])[0], get_action_masks(env)[2])
    assert env.get_attr("render_mode", indices=0) == [None]
    assert not env.has_attr("nothing")
    with pytest.raises(AttributeError, match="share one object"):
        env.set_attr("level", "hard")


def test_an_env_that_resets_later_is_refused():
    envs = gym.make_vec(EDITS, num_envs=2, autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP)
    with pytest.raises(ValueError, match="resets in the same step"):
        SB3VecEnv(envs)


def test_a_refinement_model_passes_through_sb3s_evaluation():
    options = {"level": "easy", "max_episode_steps": 24}
    envs = SB3VecEnv(gym.make_vec("ttc_envs:ttc/Sudoku-v0", num_envs=4, **options))
    envs.seed(0)
    policy = RefinementPolicy(load_model("sudoku-cpu"))
    returns, lengths = evaluate_policy(policy, envs, n_eval_episodes=8, return_episode_rewards=True)
    assert np.mean(np.array(returns) > 1) >= 0.75
    assert 1 < np.mean(lengths) < 24


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """A MaskablePPO after two updates, and its zip."""
    env = adapter(8, ["givens", "answer"], observation="one_hot", level="givens=14")
    made = contrib.MaskablePPO(
        "MultiInputPolicy", env, n_steps=8, batch_size=64, seed=0, device="cpu"
    ).learn(64)
    path = tmp_path_factory.mktemp("agents") / "agent.zip"
    made.save(path)
    return made, path


def test_an_agent_plays_through_the_harness(agent):
    task = make_task("ttc/SudokuEdit4-v0")
    assert modes_of(agent[0], task) == ("edit", "one_hot")
    ours = Agent(SB3Agent(agent[0]), "edit", "one_hot")
    instances = task.sample(np.arange(20, dtype=np.uint64), "givens=14")
    # Two blanks: even a beginner's drawn edits hit some of them.
    played = play(ours, task, instances, (1, 64), deterministic=False)
    assert played.reached.shape == (20, 2)
    assert (played.reached >= played.holds).all()
    assert played.reached[:, 1].any()


def test_a_zip_is_loaded_by_name_and_plays_alike(agent):
    task = make_task("ttc/SudokuEdit4-v0")
    loaded = load_agent(f"sb3:ppo_mask:{agent[1]}", task, trust=True)
    assert (loaded.action_mode, loaded.observation) == ("edit", "one_hot")
    envs = RefinementVectorEnv(task, 5, action_mode="edit", observation="one_hot")
    observation, _ = envs.reset(seed=0)
    masks = envs.action_masks()
    expected, _ = SB3Agent(agent[0]).predict(observation, action_masks=masks)
    assert np.array_equal(loaded.policy.predict(observation, action_masks=masks)[0], expected)


def test_a_zip_without_trust_is_refused(agent):
    with pytest.raises(ValueError, match=r"pickles, which may run any code.*--trust"):
        load_sb3("ppo_mask", agent[1], trust=False)


def test_what_is_no_agent_is_refused(agent, tmp_path):
    task = make_task("ttc/Sorting-v0")
    with pytest.raises(ValueError, match="not made for sorting"):
        load_agent(f"sb3:ppo_mask:{agent[1]}", task, trust=True)
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ValueError, match="not an agent of ppo"):
        load_sb3("ppo", tmp_path / "text.zip", trust=True)
    for name in ("ppo", "a2c", "dqn", "ppo_lstm"):
        with pytest.raises(ValueError, match=rf"agent\.zip: not an agent of {name} \(.+\)$"):
            load_sb3(name, agent[1], trust=True)
    # These two take the same policies.
    env = adapter(2, ["givens"], observation="one_hot")
    for name, other in (("PPO", "a2c"), ("A2C", "ppo")):
        getattr(sb3, name)("MultiInputPolicy", env, n_steps=64, device="cpu").save(tmp_path / name)
        path = tmp_path / f"{name}.zip"
        with pytest.raises(ValueError, match=rf"{name}\.zip: not an agent of {other}, but rather"):
            load_sb3(other, path, trust=True)
        assert type(load_sb3(name.lower(), path, trust=True)) is getattr(sb3, name)
    lstm = contrib.RecurrentPPO("MultiInputLstmPolicy", env, n_steps=64, device="cpu")
    lstm.save(tmp_path / "lstm.zip")
    for other in ("ppo", "a2c"):
        with pytest.raises(ValueError, match=rf"not an agent of {other}, but rather of ppo_lstm$"):
            load_sb3(other, tmp_path / "lstm.zip", trust=True)
    assert type(load_sb3("ppo_lstm", tmp_path / "lstm.zip", trust=True)) is contrib.RecurrentPPO
    for content in ("[1, 2]", "3", "null", "[" * 100_000, '{"policy_class": 3}', ""):
        with zipfile.ZipFile(tmp_path / "list.zip", "w") as file:
            file.writestr("data", content)
        with pytest.raises(ValueError, match=r"list\.zip: not an agent of ppo_mask"):
            load_sb3("ppo_mask", tmp_path / "list.zip", trust=True)
    with pytest.raises(FileNotFoundError, match="no agent at"):
        load_sb3("ppo", tmp_path / "absent.zip", trust=True)
    with pytest.raises(ValueError, match="no algorithm 'alchemy'"):
        load_sb3("alchemy", agent[1], trust=True)
    with pytest.raises(ValueError, match="expected sb3:ALGORITHM:PATH"):
        load_agent("sb3:ppo", task)
