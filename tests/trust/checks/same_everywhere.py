"""The same seeds in other processes, threads and with other numbers of threads."""

PROMISE = "A seed gives the same episodes in every process, thread and number of threads."
TRIES, SHORT = 20, 1
WAYS = ("alone", "fork", "spawn", "threads", "no numba", "two threads")

RUN = """
import hashlib, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

if "no numba" in sys.argv:
    sys.modules["numba"] = None
if "two threads" in sys.argv:
    os.environ["OMP_NUM_THREADS"] = "2"

def trace(env_id, seed):
    import gymnasium as gym
    import numpy as np
    digest = hashlib.sha256()
    for mode in ("full", "edit"):
        env = gym.make_vec("ttc_envs:" + env_id, num_envs=3, max_episode_steps=5, action_mode=mode)
        seen, _ = env.reset(seed=seed)
        env.action_space.seed(seed)
        for _ in range(8):
            for values in seen.values():
                digest.update(np.ascontiguousarray(values).tobytes())
            seen, rewards, *_ = env.step(env.action_space.sample())
            digest.update(rewards.tobytes())
    return digest.hexdigest()

def main(way, tries):
    from ttc_envs import registered
    ids = sorted(name for name in registered() if name.startswith("ttc/"))
    if "short" in sys.argv:
        ids = [name for name in ids if "4" in name or "Sorting" in name]
    jobs = [(env_id, seed) for env_id in ids for seed in range(tries)]
    if way == "threads":
        # The others are made in the same time, from nothing.
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(trace, *zip(*jobs)))
    elif way in ("fork", "spawn"):
        if way == "fork":
            trace(*jobs[0])  # what the children take over is in use
        with ProcessPoolExecutor(2, multiprocessing.get_context(way)) as pool:
            found = list(pool.map(trace, *zip(*jobs)))
    else:
        found = [trace(*job) for job in jobs]
    for job, digest in zip(jobs, found):
        print(*job, digest)

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
"""


def check(tries, place):
    (place.folder / "run.py").write_text(RUN)
    faults, first = [], ""
    # Numba's absence and processes cost seconds each.
    ways, short = (WAYS, []) if tries > SHORT else (("alone", "threads"), ["short"])
    for way in ways:
        run = place.python("-W", "ignore", "run.py", way, str(tries), *short, seconds=900)
        first = first or run.out
        if run.fault() or run.status or not run.out:
            faults.append(f"{way}: {run.fault() or run.err[-300:]}")
        elif run.out != first:
            pairs = zip(first.splitlines(), run.out.splitlines(), strict=True)
            faults += [f"{way}: {a} became {b}" for a, b in pairs if a != b][:3]
    return {"faults": faults, "ways": list(ways)}
