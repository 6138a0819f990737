"""Ten million steps of each environment, and the memory that they take."""

PROMISE = "Memory stays flat over 10^7 steps of each environment."
TRIES, SHORT = 10_000_000, 20_000
ENVS = 1000
GROWTH = 30.0
"""Megabytes that allocators may add on the way."""

RUN = """
import gc, sys
from pathlib import Path
import gymnasium as gym, numpy as np

def megabytes():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

env_id, calls, envs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
env = gym.make_vec(env_id, num_envs=envs, max_episode_steps=16)
env.reset(seed=0)
env.action_space.seed(0)
actions = [env.action_space.sample() for _ in range(8)]
warm = max(calls // 4, 1)
for turn in range(calls):
    env.step(actions[turn % 8])
    if turn == warm:
        before = megabytes()
    if turn % 500 == 499:
        env.reset(seed=turn)
print(megabytes() - before)
"""


def check(tries, place):
    from ttc_envs import registered

    faults, grown = [], {}
    ids = sorted(name for name in registered() if name.startswith("ttc/"))
    for env_id in ids if tries > SHORT else ids[-2:]:
        calls = str(max(tries // ENVS, 4))
        run = place.python("-c", RUN, f"ttc_envs:{env_id}", calls, str(ENVS), seconds=1800)
        if run.fault() or run.status:
            faults.append(f"{env_id}: {run.fault() or run.err[-300:]}")
            continue
        grown[env_id] = round(float(run.out), 1)
        if grown[env_id] > GROWTH:
            faults.append(f"{env_id}: grew by {grown[env_id]} MB")
    return {"faults": faults, "grown_mb": grown}
