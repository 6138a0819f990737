"""TorchRL: its checker finds no fault, and its ActionMask draws allowed edits alone."""

import gymnasium as gym
import pytest

from ttc_envs import registered

torchrl = pytest.importorskip("torchrl")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["full", "edit", "logits"])
@pytest.mark.parametrize("env_id", ["ttc/Sudoku4-v0", "ttc/Sorting-v0", "ttc/ShortestPath-v0"])
def test_specs_hold(env_id, mode):
    from torchrl.envs import GymEnv
    from torchrl.envs.utils import check_env_specs

    check_env_specs(GymEnv(f"ttc_envs:{env_id}", action_mode=mode))


@pytest.mark.parametrize("env_id", sorted(name for name in registered() if "Edit" in name))
def test_action_mask(env_id):
    from torchrl.data import Binary
    from torchrl.envs import GymEnv, TransformedEnv
    from torchrl.envs.gym_like import default_info_dict_reader
    from torchrl.envs.transforms import ActionMask

    base = GymEnv(f"ttc_envs:{env_id}", categorical_action_encoding=True)
    edits = base.action_spec.space.n
    base.set_info_dict_reader(default_info_dict_reader({"action_mask": Binary(edits, dtype=bool)}))
    env = TransformedEnv(base, ActionMask())
    rollout = env.rollout(16)
    taken = rollout["action_mask"].gather(1, rollout["action"].view(-1, 1))
    assert bool(taken.all())


def test_a_wrapped_environment():
    from torchrl.envs import GymWrapper

    env = GymWrapper(gym.make("ttc_envs:ttc/Sudoku4-v0", observation="one_hot"))
    assert env.rollout(8)["next", "reward"].shape[-1] == 1
