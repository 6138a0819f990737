"""A device that is not there: its tensors lie on the CPU, and obey the rules of those on a GPU.

Code that was never run on an accelerator fails on its first one in two ways: it mixes tensors of
both sides, or it makes the host wait so often that the device idles. Both show without one. A
tensor of device `pretend` wraps a CPU tensor; each operation on it passes through `Pretend`, which

- refuses what a device refuses: tensors of two devices in one operation, a generator of the other
  side, `numpy()`, and float64 (which MPS lacks);
- notes what makes the host wait (`Waits`): values or shapes that the host needs, copies home, and
  uploads that were not told to be `non_blocking`.

It says nothing of speed, of kernels, or of memory. The back end is PyTorch's experimental one for
Python (`torch.utils.backend_registration`).
"""

import sys
import threading
from collections import Counter
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    return_and_correct_aliasing,
)

NAME = "pretend"
OURS = ("/ttc_agents/", "/ttc_envs/")
aten = torch.ops.aten


class Module(backend_registration._DummyBackendModule):
    """What PyTorch asks of `torch.pretend`."""

    def get_amp_supported_dtype(self):
        return [torch.bfloat16, torch.float16]

    def synchronize(self, device=None):
        waits.note("synchronize")

    def get_rng_state(self, device=None):
        return torch.get_rng_state()  # numbers are drawn on the CPU

    def set_rng_state(self, new_state, device=None):
        torch.set_rng_state(new_state)

    def _lazy_init(self):
        return None


backend_registration._setup_privateuseone_for_python_backend(NAME, Module())
DEVICE = torch.device(NAME, 0)


class Waits:
    """How often the host waited, by kind and by the line of ours that made it."""

    def __init__(self):
        self.lines = Counter()

    def note(self, kind):
        frame, place = sys._getframe(1), "elsewhere"
        while frame is not None:
            file = frame.f_code.co_filename
            root = next((root for root in OURS if root in file), None)
            if root and "/tests/" not in file:
                place = f"{file[file.index(root) + 1 :]}:{frame.f_lineno}"
                break
            frame = frame.f_back
        self.lines[f"{kind} at {place}"] += 1

    @contextmanager
    def counted(self):
        """A counter of what is waited for inside."""
        outer, self.lines = self.lines, Counter()
        try:
            yield self
        finally:
            self.last, self.total = self.lines, self.lines.total()
            self.lines = outer + self.last


waits = Waits()

# What needs a value or a shape on the host.
ASKS = {
    getattr(aten, name)
    for name in (
        "_local_scalar_dense",
        "nonzero",
        "is_nonzero",
        "masked_select",
        "equal",
        "_unique2",
        "unique_dim",
        "unique_consecutive",
        "repeat_interleave",
        "_linalg_eigh",
        "_linalg_check_errors",
    )
}
INDEXED = {aten.index, aten._unsafe_index, aten.index_put, aten.index_put_, aten._index_put_impl_}
COPIES = {aten._to_copy, aten.copy, aten.copy_}


class PretendTensor(torch.Tensor):
    """A tensor of the device; `held` holds its values."""

    @staticmethod
    def __new__(cls, real):
        if real.dtype in (torch.float64, torch.complex128):
            raise TypeError(f"{NAME} has no {real.dtype}, as MPS has none")
        with torch.inference_mode(False):
            return torch.Tensor._make_wrapper_subclass(
                cls,
                real.size(),
                strides=real.stride(),
                storage_offset=real.storage_offset(),
                dtype=real.dtype,
                device=DEVICE,
                requires_grad=False,
            )

    def __init__(self, real):
        self.held = real

    def __repr__(self, *, tensor_contents=None):
        return f"{NAME}({self.held})"

    def tolist(self):
        waits.note("tolist")
        return self.held.tolist()

    def numpy(self, *, force=False):
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy")

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return perform(func, args, kwargs or {})


def on_device(device):
    return device is not None and torch.device(device).type == NAME


def perform(func, args, kwargs):
    """An operation with a pretended tensor or device in it."""
    given = list(leaves((args, tuple(kwargs.values()))))
    mine = [x for x in given if isinstance(x, PretendTensor)]
    wanted = kwargs.get("device")
    target = on_device(wanted) if wanted is not None else bool(mine)
    packet = func.overloadpacket
    if packet is aten.copy_:
        target = isinstance(args[0], PretendTensor)
    check(packet, args, given, mine, target)
    if mine or on_device(wanted):
        count(packet, args, kwargs, mine, target)
    real_args = changed(args, real_of)
    real_kwargs = {name: changed(value, real_of) for name, value in kwargs.items()}
    if on_device(wanted):
        real_kwargs["device"] = torch.device("cpu")
    with _disable_current_modes():
        out = REPLACED.get(packet, func)(*real_args, **real_kwargs)
    if not target or packet is aten._local_scalar_dense:
        return out
    out = changed(out, lambda x: PretendTensor(x) if isinstance(x, torch.Tensor) else x)
    return return_and_correct_aliasing(func, args, kwargs, out) if mine else out


def leaves(value):
    """What is in lists and tuples of lists and tuples."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from leaves(part)
    else:
        yield value


def changed(value, change):
    """Lists and tuples with every leaf changed."""
    if isinstance(value, list | tuple):
        return type(value)([changed(part, change) for part in value])
    return change(value)


def real_of(value):
    return value.held if isinstance(value, PretendTensor) else value


def check(packet, args, given, mine, target):
    """Refuse what a device refuses."""
    theirs = [x for x in given if isinstance(x, torch.Tensor) and not isinstance(x, PretendTensor)]
    if mine and packet not in COPIES and any(x.dim() for x in theirs):
        # Indices may lie on the host, and are then brought over.
        if packet not in INDEXED or not isinstance(args[0], PretendTensor):
            raise RuntimeError(f"Expected all tensors to be on the same device: {packet}")
        waits.note("index on the host")
    for drawn in given:
        if isinstance(drawn, RealGenerator) and PretendGenerator.owns(drawn) != target:
            raise RuntimeError(f"Expected a generator of the other device: {packet}")


def count(packet, args, kwargs, mine, target):
    """Note what makes the host wait."""
    if packet in ASKS:
        waits.note(packet.__name__)
    if packet in INDEXED and any(is_mask(index) for index in args[1] or ()):
        waits.note("mask")
    if packet is aten._to_copy and target != bool(mine) and not kwargs.get("non_blocking"):
        waits.note("upload" if target else "copy home")
    if packet is aten.copy_ and isinstance(args[1], PretendTensor) != target:
        blocking = not (kwargs.get("non_blocking") or (len(args) > 2 and args[2]))
        if blocking and args[1].dim():
            waits.note("upload" if target else "copy home")


def is_mask(index):
    return isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)


RealGenerator = torch.Generator


class PretendGenerator(RealGenerator):
    """What `torch.Generator` is while the device is there: one of the device that is named.

    Operations are handed another Python object of the same generator, which `seen` knows.
    """

    device = DEVICE
    seen: ClassVar[list] = []

    def __new__(cls, device="cpu"):
        return super().__new__(cls) if on_device(device) else RealGenerator(device)

    def __init__(self, device="cpu"):
        super().__init__()
        with _disable_current_modes(), Handed() as handed:
            torch.rand(0, generator=self)
        self.seen.append(handed.generator)

    @classmethod
    def owns(cls, generator):
        return any(generator is one for one in cls.seen)


class Handed(TorchDispatchMode):
    """Notes the generator that an operation is handed."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.generator = kwargs["generator"]
        return func(*args, **kwargs)


# Fused kernels that CPUs and GPUs have under other names, by their parts.


def lstm_cell(from_inputs, from_hidden, cell, bias_in=None, bias_hidden=None):
    """`_thnn_fused_lstm_cell`: the new state, the new cell, and what its backward reads."""
    total = from_inputs + from_hidden
    if bias_in is not None:
        total = total + bias_in + bias_hidden
    enter, forget, new, leave = total.chunk(4, 1)
    enter, forget, leave = enter.sigmoid(), forget.sigmoid(), leave.sigmoid()
    new = new.tanh()
    after = forget * cell + enter * new
    return leave * after.tanh(), after, torch.cat([enter, forget, new, leave], 1)


def lstm_cell_backward(grad_hidden, grad_cell, before, after, parts, has_bias):
    """`_thnn_fused_lstm_cell_backward_impl`."""
    enter, forget, new, leave = parts.chunk(4, 1)
    squashed = after.tanh()
    down = torch.zeros_like(after) if grad_cell is None else grad_cell
    up = torch.zeros_like(after) if grad_hidden is None else grad_hidden
    down = down + up * leave * (1 - squashed.square())
    gates = [
        down * new * enter * (1 - enter),
        down * before * forget * (1 - forget),
        down * enter * (1 - new.square()),
        up * squashed * leave * (1 - leave),
    ]
    joined = torch.cat(gates, 1)
    return joined, down * forget, joined.sum(0) if has_bias else torch.empty(0)


REPLACED = {
    # Derivatives of constants, which have no memory of their own.
    aten._efficientzerotensor: torch.zeros,
    aten._thnn_fused_lstm_cell: lstm_cell,
    aten._thnn_fused_lstm_cell_backward_impl: lstm_cell_backward,
}


class Pretend(TorchDispatchMode):
    """Sees the operations that no tensor of the device takes part in, such as `torch.zeros`."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # else PyTorch imports its compiler, which takes seconds

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return perform(func, args, kwargs or {})


def no_inference_mode(mode=True):
    """No derivatives, in the place of `torch.inference_mode`."""
    return torch.no_grad() if mode else torch.enable_grad()


@contextmanager
def present():
    """While it is on, `pretend` is a device like any other, in all threads that begin inside.

    Inference mode passes by what Python sees of operations; `no_grad` stands in its place.
    """
    run, inference_mode = threading.Thread.run, torch.inference_mode

    def run_with_device(thread):
        with Pretend():
            run(thread)

    torch.Generator, threading.Thread.run = PretendGenerator, run_with_device
    torch.inference_mode = no_inference_mode
    try:
        with Pretend():
            yield DEVICE
    finally:
        torch.Generator, threading.Thread.run = RealGenerator, run
        torch.inference_mode = inference_mode
