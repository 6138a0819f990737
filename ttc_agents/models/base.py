"""The contract of all refinement models.

A model reads instances once (`encode`), holds a state z, improves it step by step (`step`) and
can be asked for an answer at any time (`readout`). `steps` is the one loop over it: `iterate` and
`forward` begin it for a batch, `ttc_agents.inference.refine` for the instances of a task.

Shapes: B instances, N nodes, C choices; logits (B, N, C), state (B, ...).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ttc_envs import UNDECIDED, TaskSpec

if TYPE_CHECKING:
    from ttc_agents.implicit import Solution
    from ttc_envs import Instances, Task

Batch = dict[str, Tensor]
Context = dict[str, Any]
Observe = Callable[[Tensor], Batch]
Linearized = tuple[Callable[[Tensor], Tensor], Tensor]
"""Logits (B, N, C) of a step -> the batch that the next step of a model reads that is shown its
own answers."""


@dataclass(frozen=True, eq=False)
class DrawnGraphs:
    """Graphs that a model has drawn, S for each instance.

    Args:
        log_prob: (S, B, N), of each node's list of neighbours.
        logits: (S, T, B, N, C), of every graph; None where only the likeliest one was used.
        edge_cost: (S, B, N), what the edges of a node cost.
        penalty: (B or 1, N) to be added to the loss, such as an entropy bonus; None: nothing.
    """

    log_prob: Tensor
    logits: Tensor | None = None
    edge_cost: Tensor | None = None
    penalty: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Energies:
    """Of a model that descends an energy (`Energy`): what it was, and the landscape itself.

    Args:
        before: (T, B), of the answer that each step began with, per free node.
        of: Logits (B, N, C) -> the energies (B,) of these answers.
        moved: Logits (B, N, C) -> those after one step of descent from these answers.
    """

    before: Tensor
    of: Callable[[Tensor], Tensor]
    moved: Callable[[Tensor], Tensor]


@dataclass(eq=False)
class Trace:
    """What T refinement steps gave.

    Args:
        logits: (T, B, N, C).
        state: (B, ...), the last one.
        penalty: A scalar that joins any loss, such as a ponder cost; None: nothing.
        solver: Of a model that solves for a fixed point in training, without the trajectory.
        graphs: Of a model that draws graphs.
        energies: Of a model that descends an energy.
    """

    logits: Tensor
    state: Tensor
    penalty: Tensor | None = None
    solver: Solution | None = None
    graphs: DrawnGraphs | None = None
    energies: Energies | None = None


class RefinementModel(nn.Module, ABC):
    """Base of the models that refine an answer.

    What a model can do beyond the contract, it says by an attribute:

    - `reads_answer`: a step reads the current answer; the batch then holds `answer` (B, N).
    - `takes_graph`: `encode(batch, graph)` takes neighbours that replace those of the task.
    - `autoregressive`: it writes an answer slot by slot: `forced(batch, answer)` gives the logits
      (1, B, N, C) of every slot after a right answer (B, N) up to it, `generate(batch, beam)`
      writes answers (B, N).
    - `per_choice`: its state is one vector for each (node, choice), a view (B, N, C, H).
    - `has_energy`: `energy` says how bad an answer is, and steps descend it (see `Energy`).
    - `not_exported`: why its step cannot be exported (`ttc export`); None: it can.
    - `counts_steps`: its state counts the steps, so that it never rests.
    - `learns_graph`: it infers the graph: `likely_graph(batch)` gives neighbours (B or 1, N, k),
      `edge_shares(batch)` how often each edge is drawn (N, N).

    Args:
        spec: The task that the model is made for.

    Raises:
        ValueError: The model does not support the task; the message says why.
    """

    reads_answer: bool = False
    takes_graph: bool = False
    autoregressive: bool = False
    per_choice: bool = False
    has_energy: bool = False
    counts_steps: bool = False
    learns_graph: bool = False
    not_exported: str | None = None
    training_defaults: ClassVar[dict[str, Any]] = {}
    """Entries of a recipe that suit the model where no recipe is named."""

    forced: Callable[[Batch, Tensor], Trace]
    generate: Callable[..., Tensor]
    likely_graph: Callable[[Batch], Tensor]
    edge_shares: Callable[[Batch], np.ndarray]

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__()
        reason = self.supports(spec)
        if reason is not None:
            raise ValueError(f"{type(self).__name__} does not support {spec.name}: {reason}")
        self.spec = spec

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """None, or the reason why this model cannot work on the task; here None for every task."""
        return None

    @classmethod
    def inner_spec(cls, spec: TaskSpec, options: dict[str, Any]) -> TaskSpec:
        """Of a model that wraps another: what that one is made for, by the wrapper's options."""
        return spec

    @abstractmethod
    def encode(self, batch: Batch) -> Context:
        """Everything that stays fixed while the answer is refined.

        Args:
            batch: The instance fields as tensors, (B, ...) each; models with `reads_answer` also
                find `answer` (B, N).
        """

    @abstractmethod
    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The first state; a generator draws it at random, without one it is always the same."""

    @abstractmethod
    def step(self, context: Context, z: Tensor) -> Tensor:
        """One refinement step. What depends on the number of steps taken is kept in the state."""

    @abstractmethod
    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits (B, N, C) of a state."""

    def possible_choices(self, context: Context) -> Tensor | None:
        """(B, N, C) bool: choices that the givens leave open, by the constraints the model is told.

        None where it is told none. A node without one means that the givens contradict each other.
        """
        return None

    def expected_choice(self, context: Context, chances: Tensor) -> Tensor:
        """(B, N, F): the mean of what the choices stand for, by their probabilities (B, N, C).

        A class stands for itself; models of pointers say what theirs stand for.
        """
        return chances

    def energy(self, context: Context, z: Tensor) -> Tensor:
        """(B,) how bad the model holds the answer of a state to be; of models that `has_energy`.

        Energies of different instances can be compared. The rules of the task are not read.

        Raises:
            ValueError: The model has none.
        """
        raise ValueError(f"a {type(self).__name__} has no energy")

    # States with parts that are not in use

    def compact(self, context: Context, z: Tensor) -> Tensor:
        """The part of a state that is in use, of any shape; here all of it.

        What wrappers compute number by number, they compute on this part.
        """
        return z

    def spread(self, context: Context, values: Tensor) -> Tensor:
        """The state of which `compact` gives these values."""
        return values

    # Ways to compute the same

    @property
    def layouts(self) -> tuple[str, ...]:
        """Ways to compute the same up to rounding, of which a training may time the fastest.

        Empty where there is no choice: the model has one way, or its options have named it.
        """
        return ()

    def lay_out(self, layout: str) -> None:
        """Compute in this one of `layouts` from now on.

        Raises:
            ValueError: There is no such choice.
        """
        raise ValueError(f"a {type(self).__name__} has no layout {layout!r}")

    # The loop

    def steps(
        self, context: Context, z: Tensor, num_steps: int, observe: Observe | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (logits, state) after each of `num_steps` steps from the state z.

        Args:
            context: Of `encode`.
            z: Where to begin.
            num_steps: How many steps to take, at least 1.
            observe: For models with `reads_answer`: what the next step reads.
        """
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {num_steps}")
        for i in range(num_steps):
            z = self.step(context, z)
            logits = self.readout(context, z)
            yield logits, z
            if observe is not None and self.reads_answer and i + 1 < num_steps:
                context = self.encode(observe(logits))

    def iterate(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        observe: Observe | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (logits, state) after each of `num_steps` steps.

        Args:
            batch: The instance fields, and `answer` for models that read it.
            num_steps: How many steps to take.
            state: Where to go on from, such as a random `initial_state`; None begins anew.
            observe: For models with `reads_answer`: the batch that the step after these logits
                reads. None puts the most likely choices into `batch`, even where the task keeps
                something else, such as givens.
        """
        context = self.encode(batch)
        z = self.initial_state(context) if state is None else state
        show = observe or (lambda logits: {**batch, "answer": logits.argmax(-1)})
        yield from self.steps(context, z, num_steps, show)

    def forward(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        observe: Observe | None = None,
    ) -> Trace:
        """The steps of `iterate`, stacked."""
        return Trace(*stacked(self.iterate(batch, num_steps, state, observe)))

    # What is asked of trained models

    def training_depth(self, segment_steps: int) -> int:
        """Steps that training looks at, by the steps of an update; solvers have their own."""
        return segment_steps

    def linearized(self, context: Context, z: Tensor) -> Linearized | None:
        """The map and the point whose Jacobian says whether iteration contracts: here the step.

        None where no derivative passes through a step.
        """
        return lambda state: self.step(context, state), z

    def choice_embeddings(self) -> Tensor | None:
        """(C, F), what the model reads for each choice; None where it has no such table."""
        return None

    def choice_states(
        self, batch: Batch, answer: Tensor, num_steps: int
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """{name: (states (B, n, F), choices (B, n))}: what is kept of nodes that hold a choice.

        Args:
            batch: The instance fields.
            answer: (B, N) right answers, which say what each node is to hold.
            num_steps: Refinement steps, each of which has its states.
        """
        states = (z for _, z in self.iterate(batch, num_steps))
        return {f"step {step}": (z, answer) for step, z in enumerate(states, start=1)}

    def findings(self, task: Task, instances: Instances) -> dict[str, Any]:
        """What this kind of model is judged by beside the share of solved instances.

        Returns:
            {name: a number, a flag of each instance (n,) bool, or a dict of such}.
        """
        return {}


def stacked(steps: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Logits (T, ...) of all steps and the last state; the states between are not kept."""
    stack = []
    for logits, z in steps:
        stack.append(logits)
        state = z
    return torch.stack(stack), state


def to_batch(fields: dict[str, np.ndarray], device: torch.device | str = "cpu") -> Batch:
    """Arrays (B, ...) as a model takes them: integers int64, reals float32, on its device."""
    return {name: to_tensor(values, device) for name, values in fields.items()}


def to_tensor(values: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """An array as int64 or float32 tensor."""
    dtype = torch.float32 if np.issubdtype(values.dtype, np.floating) else torch.int64
    return sent(torch.from_numpy(np.ascontiguousarray(values)).to(dtype), device)


def sent(values: Tensor, device: torch.device | str) -> Tensor:
    """The values on a device. The host does not wait until what was begun there is done."""
    return values.to(device, non_blocking=True)


def rows_of(batch: Batch) -> int:
    """B; a symbol where a batch of any size is traced, of which `len` would make a number."""
    return next(iter(batch.values())).shape[0]


def device_of(model: nn.Module) -> torch.device:
    """Where the parameters of a model are."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Normal numbers of the shape and type of a tensor, drawn where the generator is."""
    drawn = torch.randn(like.shape, generator=generator, device=generator.device)
    return sent(drawn.to(like.dtype), like.device)


def present_nodes(spec: TaskSpec, batch: Batch) -> Tensor | None:
    """(B, N) bool: the nodes that are no padding; None where the task has no masks of nodes."""
    masks = [batch[name] > 0 for name in fields_of(spec, "mask", "node")]
    return torch.stack(masks).all(0) if masks else None


def free_nodes(spec: TaskSpec, batch: Batch) -> Tensor | None:
    """(B, N) bool: the nodes that no given decides; None where the task has no givens."""
    givens = [batch[name] for name in fields_of(spec, "given", "node")]
    return torch.stack([given == UNDECIDED for given in givens]).all(0) if givens else None


# What models ask of a task and of their options


def fields_of(spec: TaskSpec, kind: str, *per: str) -> list[str]:
    """The names of the fields of a kind, per "node", "neighbour" or whatever is asked for."""
    return [name for name, f in spec.fields.items() if f.kind == kind and f.per in per]


def shows_answer(spec: TaskSpec) -> bool:
    """Whether what a task shows changes with the current answer."""
    return any(field.per == "answer" for field in spec.fields.values())


def first_reason(*reasons: tuple[bool, str]) -> str | None:
    """The first reason that holds, for `supports`; None: no reason holds."""
    return next((reason for holds, reason in reasons if holds), None)


def check_name(name: str, known: Iterable[str], what: str) -> None:
    """Refuse a name that is none of the known ones."""
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, got {name!r}")
