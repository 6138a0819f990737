"""Language models over places, as refinement models and as what they are.

A path is written slot by slot, each place drawn from a distribution that is given all before it:

    p(y) = prod_i p(y_i | y_0 ... y_{i-1}, x)          x the fields of the instance, slot by slot

Training shows the right path so far (teacher forcing, Williams and Zipser 1989): one step from the
state `answer` (B, N) gives the logits of every next place. `generate` writes places one after the
other, greedily or with a beam. As a refinement model, a step reads the whole last answer and
rewrites every slot at once: Jacobi iteration on y_i = argmax p(. | y_0 ... y_{i-1}) (Song et al.
2021, arXiv 2002.03629). After t steps the first t + 1 slots are those of the greedy path, so that N
steps decode greedily, the same answer in fewer steps where guesses ahead come true.

Shapes: B instances, N slots, C places, E embedding, K beams, R rows at work (B or B * K), H width;
state (B, N, C + 1), the logits of the last answer and of "nothing written".
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import Batch, Context, RefinementModel
from ttc_agents.models.readouts import ABSENT
from ttc_envs import TaskSpec


class Memory(Protocol):
    """What a model keeps of the slots that it has read, for R rows."""

    def advance(self, inputs: Tensor) -> Tensor:
        """Read one more slot (R, 1, I); (R, 1, H)."""

    def select(self, rows: Tensor) -> None:
        """Go on with these rows (R',), which may repeat."""


class Prefix:
    """The memory that remembers its inputs alone and computes all anew."""

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
        spec: A task of class choices, in a line, whose fields hold such choices.
        embedding: E, of a place; one table serves the last place and the fields.
        width: H, of what predicts the next place.
    """

    def __init__(self, spec: TaskSpec, embedding: int, width: int) -> None:
        super().__init__(spec)
        self.nothing = spec.num_choices
        self.names = list(spec.fields)
        self.givens = [n for n, f in spec.fields.items() if f.kind == "given"]
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

    @abstractmethod
    def memory(self, rows: int) -> Memory:
        """The memory of R rows that have read nothing."""

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The embedded fields of every slot, and what is given.

        Raises:
            ValueError: There is another graph; a line has none.
        """
        if graph is not None:
            raise ValueError("slots are written in a line: no other graph can be given to them")
        places = torch.stack([batch[name] for name in self.names], dim=2)
        embedded = self.places(torch.where(places < 0, self.nothing, places))
        given = torch.full_like(places[..., 0], -1)
        for name in self.givens:
            given = torch.maximum(given, batch[name])
        return {"fields": embedded.flatten(2), "given": given}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """Nothing written, or random places."""
        shape = (*context["given"].shape, self.nothing + 1)
        fields = context["fields"]
        if generator is None:
            return F.pad(fields.new_zeros(*shape[:2], self.nothing), (0, 1), value=1.0)
        return torch.randn(shape, generator=generator, device=generator.device).to(fields)

    def step(self, context: Context, z: Tensor, t: Tensor) -> Tensor:
        """Every slot anew, by the slots before it; z may also be a path (B, N)."""
        h = self.read(context, z if z.ndim == 2 else z.argmax(-1))
        return F.pad(self.logits(h).to(context["fields"]), (0, 1), value=ABSENT)

    def read(self, context: Context, path: Tensor) -> Tensor:
        """(B, N, H), what predicts each slot from those before it on a path (B, N)."""
        path = torch.where(context["given"] >= 0, context["given"], path)
        before = F.pad(path[:, :-1], (1, 0), value=self.nothing)
        return self.hidden(torch.cat([self.places(before), context["fields"]], dim=-1))

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits of the last answer."""
        return z[..., :-1]

    @torch.no_grad()
    def generate(self, batch: Batch, beam: int = 1, cache: bool = True) -> Tensor:
        """(B, N) int64, the paths of the highest probability that a beam finds.

        Args:
            batch: The instance fields.
            beam: K, partial paths that are kept; 1 is greedy.
            cache: Keep what has been read; without, all is computed anew for every slot.

        Raises:
            ValueError: `beam` is not positive.
        """
        if not 1 <= beam <= self.nothing:
            raise ValueError(f"beam must lie in 1..{self.nothing}, got {beam}")
        context = self.encode(batch)
        size, slots = context["given"].shape
        fields = context["fields"].repeat_interleave(beam, 0)
        given = context["given"]
        memory = self.memory(size * beam) if cache else Prefix(self)
        device = given.device
        paths = torch.full((size * beam, slots), self.nothing, device=device)
        # At first all beams are alike, and only one of them counts.
        scores = fields.new_full((size, beam), -torch.inf)
        scores[:, 0] = 0.0
        first = beam * torch.arange(size, device=device)[:, None]
        last = paths[:, :1]
        for slot in range(slots):
            inputs = torch.cat([self.places(last), fields[:, slot : slot + 1]], dim=-1)
            logits = self.logits(memory.advance(inputs))[:, 0].to(fields)
            chances = with_given(logits.view(size, beam, -1), given[:, slot])
            scores, chosen = (scores[..., None] + chances).flatten(1).topk(beam)
            if beam > 1:
                rows = (first + chosen // self.nothing).flatten()
                memory.select(rows)
                paths = paths[rows]
            last = (chosen % self.nothing).view(-1, 1)
            paths[:, slot : slot + 1] = last
        return paths.view(size, beam, slots)[:, 0]


def with_given(logits: Tensor, given: Tensor) -> Tensor:
    """Log-probabilities (B, K, C); where a place is given (B,) it is certain."""
    chances = logits.log_softmax(-1)
    places = torch.arange(logits.shape[-1], device=given.device)
    certain = torch.where(places == given[:, None], 0.0, ABSENT)[:, None].to(chances)
    return torch.where(given[:, None, None] >= 0, certain, chances)
