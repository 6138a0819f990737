"""A causal transformer that writes a path down place by place, as GPT writes text.

Radford et al. 2018 ("Improving language understanding by generative pre-training"):

    h = F_L(... F_1(norm(W [e(y_{i-1}) ; e(x_i)]))),   p(y_i | ...) = softmax(W_o h_i + b)

with the blocks F of `attention`, in which slot i sees the slots up to i, and rotary positions. When
it writes, keys and values of what it has read are kept, so that a place costs one slot's work and
not that of all before it. `path_model` says how it is trained, decoded and refined.

When to use it: where paths are long, or many places matter at once, and a GPU is there; on a CPU
`recurrent_path` writes faster.

Shapes: B instances, N slots, C places; state (B, N, C + 1).
"""

from __future__ import annotations

from torch import Tensor, nn

from ttc_agents.models.attention import Block, KeyValues, Rotary, unit
from ttc_agents.models.path_model import PathModel, SlotCache
from ttc_envs import TaskSpec


class CausalTransformer(PathModel):
    """Causal transformer over places (see the module for the equations).

    Args:
        spec: See `PathModel`.
        width: H.
        heads: Of the attention.
        layers: Blocks.
        embedding: Width of the embedding of a place.

    Shapes: logits (B, N, C).
    """

    def __init__(
        self,
        spec: TaskSpec,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        embedding: int = 64,
    ) -> None:
        super().__init__(spec, embedding, width)
        assert spec.positions is not None  # a line has positions
        self.enter = nn.Linear(self.inputs_width, width)
        self.rotary = Rotary(spec.positions, width // heads)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.heads = heads

    def hidden(self, inputs: Tensor, caches: list[KeyValues] | None = None) -> Tensor:
        """What the last block gives at each slot; with caches, at one more slot."""
        h = unit(self.enter(inputs))
        for i, block in enumerate(self.blocks):
            cache = None if caches is None else caches[i]
            h = block(h, rotary=self.rotary, causal=cache is None, cache=cache)
        return h

    def cache(self, rows: int) -> SlotCache:
        """Room for the keys and values of all slots."""
        return Cache(self, rows)


class Cache:
    """Keys and values of every block.

    Args:
        model: Whose.
        rows: R.
    """

    def __init__(self, model: CausalTransformer, rows: int) -> None:
        shape = (rows, model.heads, model.spec.num_nodes, model.enter.out_features // model.heads)
        new = model.enter.weight.detach().new_empty
        self._model = model
        self._blocks = [KeyValues(new(shape), new(shape)) for _ in model.blocks]

    def advance(self, inputs: Tensor) -> Tensor:
        """Read one more slot."""
        return self._model.hidden(inputs, self._blocks)

    def select(self, rows: Tensor) -> None:
        """Go on with these rows."""
        for cache in self._blocks:
            cache.select(rows)
