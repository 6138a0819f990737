"""Batches of a family side by side, one thread each.

The operations on a batch that fits the cache are too small to be split over threads: on a CPU,
whole batches run in parallel instead, each with one thread. Results do not depend on how many
there are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from ttc_agents.inference.precision import full_float32
from ttc_agents.models.base import RefinementModel, device_of
from ttc_envs import Instances

# A batch whose states fit the cache is quicker per puzzle than a large one; a GPU wants large ones.
BATCH_SIZES = {"cpu": 32, "cuda": 1024}
OTHER_BATCH_SIZE = 256

Report = Callable[[str, float], None]
"""Called with what is being run and the share of it that is done."""

Result = TypeVar("Result")


class Stopped(Exception):
    """Raised inside a batch whose results nobody waits for any more."""


def pick_batch_size(model: RefinementModel, batch_size: int | None) -> int:
    """The batch size asked for, or one that is quick on the model's device.

    Raises:
        ValueError: It is not positive.
    """
    if batch_size is None:
        return BATCH_SIZES.get(device_of(model).type, OTHER_BATCH_SIZE)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    return batch_size


def map_batches(
    work: Callable[[Instances, int, Callable[[], None]], Result],
    model: RefinementModel,
    instances: Instances,
    batch_size: int,
    report: Callable[[float], None] = lambda done: None,
) -> list[Result]:
    """Apply `work` to each batch, in full float32.

    Args:
        work: Takes a batch, the index of its first row, and a function that it should call at each
            step, which raises `Stopped` once the results are not wanted any more.
        model: The model that `work` runs.
        instances: The family.
        batch_size: Puzzles at a time.
        report: Called with the share that is done.
    """
    starts = range(0, len(instances), batch_size)
    on_cpu = device_of(model).type == "cpu"
    workers = min(torch.get_num_threads(), len(starts)) if on_cpu else 1
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    @torch.inference_mode()
    def run(start: int) -> Result:
        return work(instances[start : start + batch_size], start, check)

    results = []
    with full_float32(model), _one_thread_each(on_cpu), ThreadPoolExecutor(workers) as pool:
        try:
            for result in pool.map(run, starts):
                results.append(result)
                report(len(results) / len(starts))
        finally:
            stop.set()
    return results


@contextmanager
def _one_thread_each(on_cpu: bool) -> Iterator[None]:
    """Threads that begin inside take one thread for each operation."""
    before = torch.get_num_threads()
    if on_cpu:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
