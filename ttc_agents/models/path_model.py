"""Language models over places, which are also refinement models.

A path is written slot by slot. The distribution of each place depends on the places before it:

    p(y) = prod_i p(y_i | y_0 ... y_{i-1}, x)          x the fields of the instance, slot by slot

Three things can be done with such a model:

- `forced` gives the logits of every next place after the right path so far. It is what training
  uses (teacher forcing, Williams and Zipser 1989).
- `generate` writes one place after the other, greedily or with a beam.
- As a refinement model, a step reads the last answer and rewrites all slots at once: Jacobi
  iteration on y_i = argmax p(. | y_0 ... y_{i-1}) (Song et al. 2021, arXiv 2002.03629). After t
  steps the first t + 1 slots are those of the greedy path. So N steps give the greedy path, and
  fewer steps do where the guesses of later slots were right.

Shapes: B instances, N slots, C places, E embedding, K beams, R rows (B or B * K), H width; state
(B, N, C + 1), the logits of the last answer and of "nothing written".
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import (
    Batch,
    Context,
    RefinementModel,
    Trace,
    device_of,
    fields_of,
    noise,
    to_batch,
    to_tensor,
)
from ttc_agents.models.readout import ABSENT
from ttc_envs import UNDECIDED, TaskSpec

if TYPE_CHECKING:
    from ttc_envs import Instances, Task

BEAMS = (1, 10)
"""Widths of the beams that write paths for `findings`."""
ROWS = 250
"""Instances of a batch in `findings`."""


class SlotCache(Protocol):
    """What a model keeps of the slots that it has read, for R rows."""

    def advance(self, inputs: Tensor) -> Tensor:
        """Read one more slot (R, 1, I); (R, 1, H)."""

    def select(self, rows: Tensor) -> None:
        """Go on with these R of the rows, which may repeat."""


class Prefix:
    """The cache of a model that has none of its own: it keeps inputs and computes all anew."""

    def __init__(self, model: PathModel) -> None:
        self._model, self._inputs = model, torch.empty(0)

    def advance(self, inputs: Tensor) -> Tensor:
        """Read one more slot."""
        before = [self._inputs] if self._inputs.numel() else []
        self._inputs = torch.cat([*before, inputs], dim=1)
        return self._model.hidden(self._inputs)[:, -1:]

    def select(self, rows: Tensor) -> None:
        """Go on with these rows."""
        self._inputs = self._inputs[rows]


class PathModel(RefinementModel):
    """Base of the language models over places (see the module).

    Args:
        spec: A task of class choices whose nodes stand in a line and whose fields hold choices.
        embedding: E; the last place and the fields share one table of embeddings.
        width: H, the width of `hidden`.
    """

    training_defaults: ClassVar[dict[str, Any]] = {
        "forcing": True,
        "batch_size": 32,
        "segment_steps": 1,
        "restart": 1.0,
        "weight_decay": 0.3,
    }

    autoregressive = True

    def __init__(self, spec: TaskSpec, embedding: int, width: int) -> None:
        super().__init__(spec)
        self.nothing = spec.num_choices
        self.names = list(spec.fields)
        self.givens = fields_of(spec, "given", "node")
        self.places = nn.Embedding(spec.num_choices + 1, embedding)
        # Small, so that what is learnt of a place outweighs the noise that it began with.
        nn.init.normal_(self.places.weight, std=embedding**-0.5)
        self.inputs_width = (1 + len(self.names)) * embedding
        self.logits = nn.Linear(width, spec.num_choices)

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs a line of slots, and fields that hold what slots hold."""
        if spec.choices != "class":
            return f"its choices are pointers ({spec.choices}), not classes"
        if spec.positions is None or spec.positions.shape[1] != 1:
            return "its nodes do not stand in a line, to be written one after the other"
        for name, f in spec.fields.items():
            places = f.kind in ("given", "symbol") and f.shape == (spec.num_nodes,)
            if f.per != "node" or not places or f.high != spec.num_choices - 1:
                return f"its field {name!r} holds something else than choices"
        return None

    @abstractmethod
    def hidden(self, inputs: Tensor) -> Tensor:
        """(R, n, inputs) -> (R, n, H), each slot seeing itself and those before it."""

    def cache(self, rows: int) -> SlotCache:
        """The cache of R rows that have read nothing."""
        return Prefix(self)

    def encode(self, batch: Batch) -> Context:
        """The embedded fields of every slot, and what is given."""
        places = torch.stack([batch[name] for name in self.names], dim=2)
        embedded = self.places(torch.where(places < 0, self.nothing, places))
        none = torch.full_like(places[..., 0], UNDECIDED)
        given = torch.stack([none, *(batch[name] for name in self.givens)]).amax(0)
        return {"fields": embedded.flatten(2), "given": given}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """Nothing written, or random places."""
        given, fields = context["given"], context["fields"]
        z = F.pad(fields.new_zeros(*given.shape, self.nothing), (0, 1), value=1.0)
        return z if generator is None else noise(z, generator)

    def step(self, context: Context, z: Tensor) -> Tensor:
        """Every slot anew, by the slots before it."""
        return self.after(context, z.argmax(-1))

    def after(self, context: Context, path: Tensor) -> Tensor:
        """The state that predicts each slot from those before it on a path (B, N)."""
        logits = self.logits(self.read(context, path)).to(context["fields"])
        return F.pad(logits, (0, 1), value=ABSENT)

    def forced(self, batch: Batch, answer: Tensor) -> Trace:
        """Teacher forcing: one step (T = 1) that is shown the right path (B, N) before each slot.

        It is the one way by which labels reach a model, in training.
        """
        context = self.encode(batch)
        z = self.after(context, answer)
        return Trace(self.readout(context, z)[None], z)

    def read(self, context: Context, path: Tensor) -> Tensor:
        """(B, N, H), what predicts each slot from those before it on a path (B, N)."""
        path = torch.where(context["given"] >= 0, context["given"], path)
        before = F.pad(path[:, :-1], (1, 0), value=self.nothing)
        return self.hidden(torch.cat([self.places(before), context["fields"]], dim=-1))

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits of the last answer."""
        return z[..., :-1]

    @torch.no_grad()
    def generate(self, batch: Batch, beam: int = 1) -> Tensor:
        """(B, N) int64, the paths of the highest probability that a beam finds.

        A row whose scores are not finite is -1 throughout.

        Args:
            batch: The instance fields.
            beam: K, partial paths that are kept; 1 is greedy.

        Raises:
            ValueError: `beam` is not positive.
        """
        if not 1 <= beam <= self.nothing:
            raise ValueError(f"beam must lie in 1..{self.nothing}, got {beam}")
        context = self.encode(batch)
        size, slots = context["given"].shape
        fields = context["fields"].repeat_interleave(beam, 0)
        given = context["given"]
        reading = self.cache(size * beam)
        device = given.device
        paths = torch.full((size * beam, slots), self.nothing, device=device)
        # At first all beams are alike, and only one of them counts.
        scores = fields.new_full((size, beam), -torch.inf)
        scores[:, 0] = 0.0
        first = beam * torch.arange(size, device=device)[:, None]
        last = paths[:, :1]
        for slot in range(slots):
            inputs = torch.cat([self.places(last), fields[:, slot : slot + 1]], dim=-1)
            logits = self.logits(reading.advance(inputs))[:, 0].to(fields)
            chances = with_given(logits.view(size, beam, -1), given[:, slot])
            scores, chosen = (scores[..., None] + chances).flatten(1).topk(beam)
            if beam > 1:
                rows = (first + chosen // self.nothing).flatten()
                reading.select(rows)
                paths = paths[rows]
            last = (chosen % self.nothing).view(-1, 1)
            paths[:, slot : slot + 1] = last
        finite = scores[:, :1].isfinite()
        return torch.where(finite, paths.view(size, beam, slots)[:, 0], UNDECIDED)

    # What is asked of trained models

    def choice_embeddings(self) -> Tensor | None:
        """The table of places."""
        return self.places.weight[: self.nothing]

    def choice_states(
        self, batch: Batch, answer: Tensor, num_steps: int
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """`reading`: what is kept of each place once it is read, with the right path shown."""
        states = self.read(self.encode(batch), answer)
        return {"reading": (states[:, 1:], answer[:, :-1])}

    @torch.no_grad()
    def findings(self, task: Task, instances: Instances) -> dict[str, Any]:
        """The loss of the next place, and flags of the paths that beams of `BEAMS` write.

        A low loss says little of whole paths, and so do paths without an illegal jump unless they
        lead somewhere: look at all of them.

        Returns:
            `next_place_loss` in nats and `next_place_accuracy`, where the right path so far is
            shown, over its jumps alone. `beam_1`, `beam_10`: {flag: (n,) bool}: `legal`, without an
            illegal jump; `arrives`, the last place is the target; `both`, and of these `bounded`
            (at most the task's bound times the optimum) and `optimal`.
        """
        losses, right = [], []
        paths: dict[int, list[Tensor]] = {beam: [] for beam in BEAMS}
        for start in range(0, len(instances), ROWS):
            rows = instances[start : start + ROWS]
            batch = to_batch(rows.fields, device_of(self))
            answer = to_tensor(rows.labels["answer"], device_of(self))
            jumps = answer[:, 1:] != answer[:, :-1]  # after its arrival a path stays
            places = answer[:, 1:][jumps]
            logits = self.forced(batch, answer).logits[0, :, 1:][jumps]
            losses.append(F.cross_entropy(logits.float(), places, reduction="none"))
            right.append(logits.argmax(-1) == places)
            for beam in BEAMS:
                paths[beam].append(self.generate(batch, min(beam, self.nothing)))
        found: dict[str, Any] = {
            "next_place_loss": float(torch.cat(losses).mean()),
            "next_place_accuracy": float(torch.cat(right).float().mean()),
        }
        for beam, written in paths.items():
            found[f"beam_{beam}"] = path_flags(task, instances, torch.cat(written).cpu().numpy())
        return found


def path_flags(task: Task, instances: Instances, paths: np.ndarray) -> dict[str, np.ndarray]:
    """{name: (n,) bool} of paths (n, N), as `PathModel.findings` says."""
    scores = task.score(instances, paths)
    legal, arrives = scores["illegal_jumps"] == 0, scores["ends_at_target"]
    flags = {"legal": legal, "arrives": arrives, "both": legal & arrives}
    return {**flags, "bounded": scores["bounded"], "optimal": scores["optimal"]}


def with_given(logits: Tensor, given: Tensor) -> Tensor:
    """Log-probabilities (B, K, C); where a place is given (B,) it is certain."""
    chances = logits.log_softmax(-1)
    places = torch.arange(logits.shape[-1], device=given.device)
    certain = torch.where(places == given[:, None], 0.0, ABSENT)[:, None].to(chances)
    return torch.where(given[:, None, None] >= 0, certain, chances)
