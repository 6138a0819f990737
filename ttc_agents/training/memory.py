"""Bytes of the tensors that some work holds at once.

The resident set of a process also counts what the allocator keeps; this counts tensors alone, so
that two runs of the same work agree to the byte. It sees what goes through PyTorch's dispatcher,
on any device: not the scratch space inside of one operation.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary


class PeakBytes(TorchDispatchMode):
    """Bytes of what operations make while the context is entered, as long as it is there.

    What was there before does not count. `now` are the bytes at present, `peak` the most at once:

        with PeakBytes() as counted:
            model(batch, 16).logits.sum().backward()
        print(counted.peak)
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen = WeakIdKeyDictionary()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run the operation and look at what it has made."""
        for _ in self._unseen((args, kwargs)):
            pass  # it was there before
        made = func(*args, **(kwargs or {}))
        for storage in self._unseen(made):
            self._add(storage.nbytes())
            weakref.finalize(storage, self._add, -storage.nbytes())
        return made

    def _unseen(self, tree: Any) -> Iterator[torch.UntypedStorage]:
        """The storages of tensors that are seen for the first time."""
        for leaf in tree_leaves(tree):
            if isinstance(leaf, torch.Tensor) and leaf.untyped_storage() not in self._seen:
                storage = leaf.untyped_storage()
                self._seen[storage] = True
                yield storage

    def _add(self, size: int) -> None:
        """Count bytes that are made, or below 0 freed."""
        self.now += size
        self.peak = max(self.peak, self.now)
