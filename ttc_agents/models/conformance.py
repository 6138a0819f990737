"""Checks of the contract of `base` that every refinement model has to pass, also your own.

In a test of your package:

    from ttc_agents.models.conformance import check_model

    def test_my_net_keeps_the_contract():
        check_model(MyNet, make_task("ttc/Sudoku4-v0"))

Our own tests run the same checks on every model of `MODELS`. Models are checked in float64, with
weights that are nowhere zero.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ttc_agents.models.base import Batch, RefinementModel, stacked, to_batch
from ttc_envs import Task, TaskSpec

ROWS = 3


def check_model(
    make: Callable[[TaskSpec], RefinementModel], task: Task, level: str | None = None
) -> None:
    """Run all checks on a model.

    Args:
        make: The class of the model, or a function that makes it for a spec.
        task: A task that the model supports.
        level: Of the instances; None takes the last one, which is the hardest.

    Raises:
        AssertionError: The model breaks the contract, or fails; the message says where.
        ValueError: The model does not support the task.
    """
    model = shaken(make(task.spec).double().eval(), seed=0)
    batch = first_batch(model, task, level)
    for check in CHECKS:
        try:
            check(model, batch)
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(failure(model, check, error)) from error


def failure(model: RefinementModel, check: Callable[..., None], error: Exception) -> str:
    """A model that fails, in one line: what was checked, the error, the model's own line."""
    said = " ".join(str(error).split())
    text = f"{type(model).__name__} fails where {promise(check)}: {type(error).__name__}: {said}"
    own = inspect.getsourcefile(type(model))
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == own]
    return text + "".join(f" ({f.filename}:{f.lineno}, {f.name})" for f in lines[-1:])


def promise(check: Callable[..., None]) -> str:
    """What a check holds, as a clause."""
    sentence = (check.__doc__ or check.__name__).split("\n")[0].rstrip(".")
    return sentence[0].lower() + sentence[1:]


def shaken(model: RefinementModel, seed: int) -> RefinementModel:
    """The model itself, with noise added to its weights, some of which begin at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator).to(weight))
    return model


def first_batch(model: RefinementModel, task: Task, level: str | None = None) -> Batch:
    """Some instances as the model reads them before the first step."""
    instances = task.sample(np.arange(ROWS, dtype=np.uint64), level or task.spec.levels[-1])
    answer = task.initial_answer(instances)
    fields = task.spec.shown(instances.fields, answer)
    return to_batch({**fields, "answer": answer} if model.reads_answer else fields)


def same(found: Tensor, expected: Tensor, what: str) -> None:
    """Refuse tensors that differ by more than rounding."""
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9, msg=lambda m: f"{what}: {m}")


def check_trace(model: RefinementModel, batch: Batch) -> None:
    """A trace has finite logits (T, B, N, C), which are those of `iterate`."""
    trace, spec = model(batch, 3), model.spec
    assert trace.logits.shape == (3, ROWS, spec.num_nodes, spec.num_choices), "shape of the logits"
    assert trace.logits.dtype == trace.state.dtype == torch.float64, "type of logits and state"
    assert torch.isfinite(trace.logits).all(), "logits are finite"
    logits, state = stacked(model.iterate(batch, 3))
    same(trace.logits, logits, "the logits of forward and iterate")
    same(trace.state, state, "the state of forward and iterate")


def check_prefix(model: RefinementModel, batch: Batch) -> None:
    """A trace of more steps begins with that of fewer, which goes on from its state."""
    whole, first = model(batch, 5), model(batch, 3)
    answer = {"answer": first.logits[-1].argmax(-1)} if model.reads_answer else {}
    rest = model({**batch, **answer}, 2, state=first.state)
    same(torch.cat([first.logits, rest.logits]), whole.logits, "3 steps and 2 more, or 5")
    same(rest.state, whole.state, "the state after 3 steps and 2 more, or after 5")


def check_rows(model: RefinementModel, batch: Batch) -> None:
    """Instances of a batch do not see each other."""
    whole = model(batch, 2)
    for rows in ([2, 0, 1], [1], [0, 0, 2]):
        part = model({name: values[rows] for name, values in batch.items()}, 2)
        same(part.logits, whole.logits[:, rows], f"the logits of the rows {rows} alone")
        same(part.state, whole.state[rows], f"the state of the rows {rows} alone")


def check_repeatable(model: RefinementModel, batch: Batch) -> None:
    """The same instances give the same bits, and are not written into."""
    before = copy.deepcopy(batch)
    first, second = model(batch, 3), model(batch, 3)
    assert torch.equal(first.logits, second.logits), "the logits of the same instances twice"
    assert torch.equal(first.state, second.state), "the state of the same instances twice"
    assert all(torch.equal(batch[name], before[name]) for name in batch), "the batch was changed"


def check_written(model: RefinementModel, batch: Batch) -> None:
    """A step gives a new state and leaves the old one as it was: both are compared."""
    context = model.encode(batch)
    state = model.initial_state(context)
    before = state.clone()
    model.step(context, state)
    assert torch.equal(state, before), "a step has written into its state"
    model.readout(context, state)
    assert torch.equal(state, before), "the readout has written into the state"


def check_empty(model: RefinementModel, batch: Batch) -> None:
    """No instances are no error, and give logits (T, 0, N, C)."""
    none = {name: values[:0] for name, values in batch.items()}
    shape = (2, 0, model.spec.num_nodes, model.spec.num_choices)
    assert model(none, 2).logits.shape == shape, "shape of the logits of no instances"


def check_first_state(model: RefinementModel, batch: Batch) -> None:
    """The first state is always the same, and random only by a generator."""
    context = model.encode(batch)
    own, before = model.initial_state(context), torch.get_rng_state()

    def drawn(seed: int) -> Tensor:
        return model.initial_state(context, torch.Generator().manual_seed(seed))

    assert torch.equal(model.initial_state(context), own), "the first state differs"
    assert torch.equal(drawn(1), drawn(1)), "the random first states of one seed differ"
    assert torch.equal(torch.get_rng_state(), before), "global random numbers were drawn"
    assert drawn(1).shape == own.shape, "shape of a random first state"
    assert not torch.equal(drawn(1), drawn(2)), "random first states are all alike"
    assert not torch.equal(drawn(1), own), "the first state of a generator is not random"
    assert torch.isfinite(model(batch, 2, drawn(1)).logits).all(), "a random first state fails"


def check_copies(model: RefinementModel, batch: Batch) -> None:
    """State dict, deep copy and pickle carry the whole model."""
    expected, other = model(batch, 2).logits, shaken(copy.deepcopy(model), seed=1)
    assert not torch.allclose(other(batch, 2).logits, expected), "other weights change nothing"
    other.load_state_dict(model.state_dict())
    for twin in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(batch, 2).logits, expected), "a copy differs from the model"


def check_graph(model: RefinementModel, batch: Batch) -> None:
    """A model that takes a graph does with that of the spec what it does without one."""
    if not model.takes_graph or model.spec.neighbours is None:
        return
    graph, encode = torch.as_tensor(model.spec.neighbours).long(), model.encode
    expected = model(batch, 2).logits
    for given in (graph, graph.expand(ROWS, -1, -1)):
        context = encode(batch, given)  # type: ignore[call-arg]
        logits = stacked(model.steps(context, model.initial_state(context), 2))[0]
        same(logits, expected, "the graph of the spec, given")


def check_no_steps(model: RefinementModel, batch: Batch) -> None:
    """No steps are an error."""
    for num_steps in (0, -1):
        said = ""
        try:
            model(batch, num_steps)
        except ValueError as error:
            said = str(error)
        assert "num_steps must be at least 1" in said, f"{num_steps} steps are no such error"


CHECKS: tuple[Callable[[RefinementModel, Batch], None], ...] = (
    check_trace,
    check_prefix,
    check_rows,
    check_repeatable,
    check_written,
    check_empty,
    check_first_state,
    check_copies,
    check_graph,
    check_no_steps,
)
