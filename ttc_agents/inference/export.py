"""A trained network for other runtimes: one refinement step as one call of plain tensors.

    logits, state = step(state, begin, fields)

One call does what the loop of `RefinementModel.steps` does once: it encodes the instance, takes the
first state in the rows where `begin` holds, refines, and reads the logits out. So a single graph is
all that a runtime has to load, and the caller keeps nothing but the state. The encoding is computed
anew at each step, which is a small part of one.

When to use it: to run a network where there is no PyTorch (`onnx_file`), or no ttc-gym (`program`).

Shapes: B instances (free), N nodes, C choices; fields (B, ...) int64 or float32, state (B, ...)
float32, begin (B,) bool, logits (B, N, C). Models that `reads_answer` also take `answer` (B, N)
int64, and fields in its order; the task moves it on between the calls.
"""

from __future__ import annotations

import contextlib
import copy
import io
import warnings

import numpy as np
import torch
from torch import Tensor, nn

from ttc_agents.models.base import Batch, RefinementModel, to_batch

EXAMPLE_ROWS = 2
"""Rows of the batch that is traced: with one alone, the size of the batch would not be free."""


class OneStep(nn.Module):
    """One refinement step of a model as a function of tensors (see the module)."""

    def __init__(self, model: RefinementModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, state: Tensor, begin: Tensor, fields: Batch) -> dict[str, Tensor]:
        """The logits and the state after the step."""
        context = self.model.encode(fields)
        first = self.model.initial_state(context)
        z = torch.where(begin.view(-1, *[1] * (state.dim() - 1)), first, state)
        z = self.model.step(context, z)
        return {"logits": self.model.readout(context, z), "state": z}


def frozen(model: RefinementModel) -> RefinementModel:
    """A copy without gradients, whose buffers without elements are plain tensors.

    `torch.export.save` cannot write a buffer without elements.
    """
    model = copy.deepcopy(model).requires_grad_(False)
    for module in model.modules():
        for name, values in list(module.named_buffers(recurse=False)):
            if not values.numel():
                delattr(module, name)
                setattr(module, name, values)
    return model


def blank_batch(model: RefinementModel) -> Batch:
    """Zeros in the shapes of what a model reads; what it does must not depend on values."""
    spec = model.spec
    fields = {name: np.zeros((EXAMPLE_ROWS, *f.shape), f.dtype) for name, f in spec.fields.items()}
    if model.reads_answer:
        fields["answer"] = np.zeros((EXAMPLE_ROWS, spec.num_nodes), np.int64)
    return to_batch(fields)


def program(model: RefinementModel) -> torch.export.ExportedProgram:
    """One refinement step of a model, traced by `torch.export` with a free batch axis.

    Args:
        model: In evaluation mode, on a CPU. The type of its weights is that of the state.

    Raises:
        ValueError: The model cannot be exported; the message says why.
    """
    name = type(model).__name__
    if model.not_exported is not None:
        raise ValueError(f"{name} cannot be exported: {model.not_exported}")
    fields, size = blank_batch(model), torch.export.Dim("batch")
    axes = ({0: size}, {0: size}, {field: {0: size} for field in fields})
    try:
        with torch.no_grad():
            state = model.initial_state(model.encode(fields))
            begin = torch.ones(EXAMPLE_ROWS, dtype=torch.bool)
            return torch.export.export(
                OneStep(frozen(model)), (state, begin, fields), dynamic_shapes=axes
            )
    except (RuntimeError, TypeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"{name} cannot be exported: {reason}") from error


def torch_file(step: torch.export.ExportedProgram) -> bytes:
    """A `program` as a file that `torch.export.load` reads, without this package."""
    buffer = io.BytesIO()
    torch.export.save(step, buffer)
    return buffer.getvalue()


def onnx_file(step: torch.export.ExportedProgram) -> bytes:
    """A `program` as an ONNX file, its weights included.

    Inputs `state`, `begin` and the fields, outputs `logits` and `next_state`.

    Raises:
        ModuleNotFoundError: The extra `onnx` is missing.
    """
    fields = step.example_inputs[0][2]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's parts warn of each other
        made = torch.onnx.export(
            step,
            dynamo=True,
            input_names=["state", "begin", *fields],
            output_names=["logits", "next_state"],
            verbose=False,
        )
    assert made is not None
    proto = made.model_proto
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    data: bytes = proto.SerializeToString()
    return data
