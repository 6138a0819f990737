"""Throughput of the environments: steps per second of process CPU time, medians of repeats.

Every figure is of the full contract: new observations, rewards, infos and masks at each step,
episodes that end and begin. Edits are drawn beforehand, at random among those that the mask allows,
by playing the same seeds once. Where Jumanji is installed, its Sudoku and `strict=True` are run in
turns with one policy, the first edit that the mask allows.

    python benchmarks/env_throughput.py
    python benchmarks/env_throughput.py --repeats 9 --only edit strict

The last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

# Before numpy and jax are imported: one thread, since process CPU time adds threads up.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import gymnasium as gym
import numpy as np

import ttc_envs  # noqa: F401

NUM_ENVS = 1024
EDIT_STEPS = 324
STRICT_STEPS = 200


def rate(run: Callable[[], int]) -> float:
    """Steps per CPU second; `run` returns the steps that it took."""
    start = time.process_time()
    steps = run()
    return steps / (time.process_time() - start)


def median_rate(
    run: Callable[[], int], repeats: int, prepare: Callable[[], Any] = lambda: None
) -> dict[str, float]:
    """Median and extremes of the rate, after a run that does not count."""
    rates = []
    for _ in range(repeats + 1):
        prepare()
        rates.append(rate(run))
    rates = rates[1:]
    return {
        "steps_per_s": round(statistics.median(rates)),
        "min": round(min(rates)),
        "max": round(max(rates)),
    }


def random_edits(envs: Any, steps: int) -> list[np.ndarray]:
    """Edits (B,) for each step, at random among those allowed when playing from seed 0."""
    rng = np.random.default_rng(0)
    _, infos = envs.reset(seed=0)
    edits = []
    for _ in range(steps):
        mask = infos["action_mask"]
        edits.append((rng.random(mask.shape, dtype=np.float32) * mask).argmax(axis=1))
        infos = envs.step(edits[-1])[-1]
    return edits


def bench_edit(repeats: int) -> dict[str, Any]:
    """1024 edit environments; one pass is a whole episode and its autoreset."""
    envs = gym.make_vec("ttc/SudokuEdit-v0", num_envs=NUM_ENVS)
    edits = random_edits(envs, EDIT_STEPS)

    def run() -> int:
        for actions in edits:
            envs.step(actions)
        return NUM_ENVS * len(edits)

    # Seeding anew, off the clock, lets the edits fit the puzzles.
    return median_rate(run, repeats, prepare=lambda: envs.reset(seed=0))


def bench_full(repeats: int) -> dict[str, Any]:
    """1024 environments, whole answers at random."""
    envs = gym.make_vec("ttc/Sudoku-v0", num_envs=NUM_ENVS)
    envs.reset(seed=0)
    answers = np.random.default_rng(0).integers(0, 9, (64, NUM_ENVS, 81))

    def run() -> int:
        for actions in answers:
            envs.step(actions)
        return NUM_ENVS * len(answers)

    return median_rate(run, repeats)


def bench_sorting(repeats: int) -> dict[str, Any]:
    """1024 lists of 16 keys, whole answers at random, each a permutation."""
    envs = gym.make_vec("ttc/Sorting-v0", num_envs=NUM_ENVS)
    envs.reset(seed=0)
    items = np.broadcast_to(np.arange(16), (64, NUM_ENVS, 16))
    answers = np.random.default_rng(0).permuted(items, axis=2)

    def run() -> int:
        for actions in answers:
            envs.step(actions)
        return NUM_ENVS * len(answers)

    return median_rate(run, repeats)


def bench_sorting_edit(repeats: int) -> dict[str, Any]:
    """1024 lists of 16 keys, swaps at random."""
    envs = gym.make_vec("ttc/Sorting-v0", num_envs=NUM_ENVS, action_mode="edit")
    envs.reset(seed=0)
    swaps = np.random.default_rng(0).integers(0, envs.single_action_space.n, (64, NUM_ENVS))

    def run() -> int:
        for actions in swaps:
            envs.step(actions)
        return NUM_ENVS * len(swaps)

    return median_rate(run, repeats)


def bench_single(repeats: int) -> dict[str, Any]:
    """One environment through `gym.make`, its masks read at each step."""
    envs = gym.make_vec("ttc/SudokuEdit-v0", num_envs=1)
    edits = [int(edit[0]) for edit in random_edits(envs, EDIT_STEPS)]
    env = gym.make("ttc/SudokuEdit-v0")
    action_masks = env.get_wrapper_attr("action_masks")

    def run() -> int:
        for _ in range(5):
            env.reset(seed=0)
            for edit in edits:
                action_masks()
                env.step(edit)
        return 5 * len(edits)

    return median_rate(run, repeats)


def bench_import(repeats: int) -> dict[str, Any]:
    """CPU seconds of `import ttc_envs` in a fresh interpreter, and of gymnasium alone."""
    script = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"

    def seconds(module: str) -> float:
        runs = [
            float(subprocess.check_output([sys.executable, "-c", script.format(module)]))
            for _ in range(repeats)
        ]
        return round(statistics.median(runs), 3)

    return {"seconds": seconds("ttc_envs"), "gymnasium_alone": seconds("gymnasium")}


def bench_strict(repeats: int) -> dict[str, Any]:
    """`strict=True` and Jumanji's Sudoku in turns, both with the first allowed edit."""
    envs = gym.make_vec("ttc/SudokuEdit-v0", num_envs=NUM_ENVS, strict=True, level="givens=26..36")
    _, infos = envs.reset(seed=0)
    latest = {"mask": infos["action_mask"]}

    def ours() -> int:
        for _ in range(STRICT_STEPS):
            first = latest["mask"].view(bool).argmax(axis=1)
            latest["mask"] = envs.step(first)[-1]["action_mask"]
        return NUM_ENVS * STRICT_STEPS

    theirs = jumanji_runner()
    if theirs is None:
        return {**median_rate(ours, repeats), "jumanji": None}
    ours()
    theirs()
    pairs = [(rate(ours), rate(theirs)) for _ in range(repeats)]
    return {
        "steps_per_s": round(statistics.median(own for own, _ in pairs)),
        "jumanji": round(statistics.median(peer for _, peer in pairs)),
        "ratio": round(statistics.median(own / peer for own, peer in pairs), 1),
    }


def jumanji_runner() -> Callable[[], int] | None:
    """A run of Jumanji's Sudoku, compiled with its policy into one scan; None without it."""
    try:
        import jax
        import jax.numpy as jnp
        import jumanji
        from jumanji.wrappers import VmapAutoResetWrapper
    except ImportError:
        return None
    env = VmapAutoResetWrapper(jumanji.make("Sudoku-v0"))

    def first_allowed(carry: Any, _: None) -> Any:
        state, mask = carry
        edit = mask.reshape(NUM_ENVS, -1).argmax(axis=1)
        action = jnp.stack(jnp.unravel_index(edit, (9, 9, 9)), axis=1)
        state, timestep = env.step(state, action)
        return (state, timestep.observation.action_mask), timestep.reward.sum()

    state, timestep = jax.jit(env.reset)(jax.random.split(jax.random.PRNGKey(0), NUM_ENVS))
    play = jax.jit(lambda carry: jax.lax.scan(first_allowed, carry, None, length=20))
    latest = {"carry": (state, timestep.observation.action_mask)}

    def run() -> int:
        latest["carry"], rewards = play(latest["carry"])
        jax.block_until_ready(rewards)
        return NUM_ENVS * 20

    return run


BENCHMARKS: dict[str, Callable[[int], dict[str, Any]]] = {
    "edit": bench_edit,
    "full": bench_full,
    "sorting": bench_sorting,
    "sorting_edit": bench_sorting_edit,
    "single": bench_single,
    "strict": bench_strict,
    "import": bench_import,
}


def main() -> None:
    """Run the benchmarks and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="default 5")
    parser.add_argument("--only", nargs="+", choices=sorted(BENCHMARKS), default=list(BENCHMARKS))
    options = parser.parse_args()
    results = {}
    for name in options.only:
        results[name] = BENCHMARKS[name](options.repeats)
        print(name, results[name], flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
