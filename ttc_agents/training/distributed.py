"""Several processes that train one model: `torchrun` starts them, PyTorch's DDP joins them.

    torchrun --nproc-per-node 2 -m ttc_agents.cli train RECIPE --out DIR

They are one training. All of them draw the same random numbers for the whole batch, and each
refines its own share of the rows. So no two processes see the same instance, and all together see
those that a single process would see. Gradients and metrics are means over all. The first process
alone writes, and what it writes is the state of the whole batch: any number of processes can go on
from it.

Shapes: B instances of the whole batch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ttc_agents.inference.checkpoint import on_host
from ttc_agents.models import RefinementModel, Trace
from ttc_agents.models.base import sent
from ttc_agents.training.loop import Stop

Value = TypeVar("Value")
TIMEOUT = timedelta(minutes=10)
"""Longer than a checkpoint takes to write: others wait meanwhile."""


@dataclass(frozen=True)
class World:
    """The processes of a training, and which of them this one is.

    Args:
        rank: Its number; 0 writes.
        size: How many there are.
        talk: The group by which they exchange numbers and states of the host; None where one is
            alone.
    """

    rank: int = 0
    size: int = 1
    talk: Any = None

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def rows(self, batch_size: int) -> range:
        """The rows of a batch of B that are this process's.

        Raises:
            ValueError: They cannot be shared out evenly, so their mean would not be that of all.
        """
        if batch_size % self.size:
            raise ValueError(
                f"batch_size must be a multiple of the {self.size} processes, got {batch_size}"
            )
        own = batch_size // self.size
        return range(self.rank * own, (self.rank + 1) * own)

    def agreed(self, value: Value) -> Value:
        """The first process's value, for all."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.talk)
        return values[0]

    def any(self, flag: bool) -> bool:
        """Whether it holds in any process."""
        if self.size == 1:
            return flag
        flags = torch.tensor(int(flag))
        dist.all_reduce(flags, dist.ReduceOp.MAX, group=self.talk)
        return bool(flags)

    def clock(self) -> float:
        """Seconds, the same for all, so that all of them end and decay together."""
        seconds = torch.tensor(time.perf_counter(), dtype=torch.float64)
        if self.size > 1:
            dist.broadcast(seconds, src=0, group=self.talk)
        return float(seconds)

    def means(self, metrics: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """The means of metrics over all processes, still on their device."""
        if self.size == 1:
            return metrics
        values = torch.stack([sent(v.detach().float(), device) for v in metrics.values()])
        dist.all_reduce(values)
        return dict(zip(metrics, (values / self.size).unbind(), strict=True))

    def gathered(self, rows: Any) -> Any:
        """Rows of all processes, joined, on the first of them; the others keep their own.

        Args:
            rows: Tensors (B / size, ...), in dicts; None stays None.
        """
        if self.size == 1:
            return rows
        parts: list[Any] | None = [None] * self.size if self.first else None
        dist.gather_object(on_host(rows), parts, dst=0, group=self.talk)
        return rows if parts is None else joined(parts)

    def joining(
        self, model: RefinementModel, forward: Callable[..., Trace]
    ) -> Callable[..., Trace]:
        """`forward` of the model, whose gradients become means over all processes."""
        if self.size == 1:
            return forward
        # Random graphs and other draws of a model may leave some weights out of an update.
        return DistributedDataParallel(Segment(model, forward), find_unused_parameters=True)


ALONE = World()


@dataclass
class SharedStop:
    """A request to stop that any of the processes has had.

    Args:
        own: That of this process.
        world: All of them.
    """

    own: Stop
    world: World

    @property
    def requested(self) -> bool:
        """Whether any of them has had one; all of them ask at the same time."""
        return self.world.any(self.own.requested)


class Segment(nn.Module):
    """A way to run a model, as a module of the weights that DDP is to join.

    Buffers are not among them: they are the same everywhere, and would be sent at every update.
    """

    def __init__(self, model: RefinementModel, forward: Callable[..., Trace]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(model.parameters())
        self.way = [forward]  # in a list, or a model would be registered as a part

    def forward(self, *inputs: Any, **options: Any) -> Trace:
        """As the function that was given."""
        return self.way[0](*inputs, **options)


def launched() -> bool:
    """Whether `torchrun` has started this process as one of several."""
    return dist.is_available() and dist.is_torchelastic_launched() and world_size() > 1


def speaks() -> bool:
    """Whether this process is alone or the first of several, which print what one would print."""
    return not launched() or os.environ.get("RANK", "0") == "0"


def world_size() -> int:
    """How many processes there are, as `torchrun` says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def world_of(device: torch.device) -> Iterator[World]:
    """The processes that `torchrun` has started, joined by nccl on CUDA and by gloo elsewhere."""
    if not launched() or dist.is_initialized():
        yield current()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield current()
    finally:
        dist.destroy_process_group()


def current() -> World:
    """The processes that are joined; alone where none are."""
    if not (dist.is_available() and dist.is_initialized()):
        return ALONE
    talk = dist.group.WORLD if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")
    return World(dist.get_rank(), dist.get_world_size(), talk)


def own_device(device: torch.device) -> torch.device:
    """Of several processes on CUDA, each has the device of its number on its machine."""
    if device.type != "cuda" or device.index is not None or not launched():
        return device
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def joined(parts: list[Any]) -> Any:
    """Rows of several processes, one after the other."""
    first = parts[0]
    if isinstance(first, dict):
        return {name: joined([part[name] for part in parts]) for name in first}
    return torch.cat(parts) if isinstance(first, Tensor) else first


def share(rows: Any, own: range) -> Any:
    """The rows of one process, the inverse of `joined`."""
    if isinstance(rows, dict):
        return {name: share(part, own) for name, part in rows.items()}
    return rows[own.start : own.stop] if isinstance(rows, Tensor) else rows
