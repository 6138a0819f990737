"""A recurrent language model over places: an LSTM that writes a path down place by place.

The model of many route and sentence generators since Sutskever et al. 2014 (arXiv 1409.3215), after
Hochreiter and Schmidhuber 1997:

    h_i, c_i = LSTM([e(y_{i-1}) ; e(x_i)], (h_{i-1}, c_{i-1})),   p(y_i | ...) = softmax(W h_i + b)

e embeds places, y_{i-1} is the place before and x_i what the instance says of slot i (the target,
in the first slot also the source). `path_model` says how it is trained, decoded and refined.

When to use it: to write paths as text with the smallest model; experiments/recurrence studies it. A
low loss of the next place says little about whole paths: see `PathModel.findings`.

Shapes: B instances, N slots, C places; state (B, N, C + 1).
"""

from __future__ import annotations

from torch import Tensor, nn

from ttc_agents.models.path_model import PathModel, SlotCache
from ttc_envs import TaskSpec


class RecurrentPath(PathModel):
    """LSTM language model over places (see the module for the equations).

    Args:
        spec: See `PathModel`.
        width: H, of the LSTM.
        layers: LSTMs on top of each other.
        embedding: Width of the embedding of a place.

    Shapes: logits (B, N, C).
    """

    def __init__(
        self, spec: TaskSpec, width: int = 128, layers: int = 1, embedding: int = 64
    ) -> None:
        super().__init__(spec, embedding, width)
        self.lstm = nn.LSTM(self.inputs_width, width, layers, batch_first=True)

    def hidden(self, inputs: Tensor) -> Tensor:
        """What the LSTM gives at each slot."""
        return self.lstm(inputs)[0]

    def cache(self, rows: int) -> SlotCache:
        """States of zeros."""
        shape = (self.lstm.num_layers, rows, self.lstm.hidden_size)
        zeros = self.logits.weight.detach().new_zeros(shape)
        return CellStates(self.lstm, zeros, zeros)


class CellStates:
    """The states of an LSTM, (layers, R, H) each."""

    def __init__(self, lstm: nn.LSTM, hidden: Tensor, cell: Tensor) -> None:
        self._lstm, self._hidden, self._cell = lstm, hidden, cell

    def advance(self, inputs: Tensor) -> Tensor:
        """Read one more slot."""
        out: Tensor
        out, (self._hidden, self._cell) = self._lstm(inputs, (self._hidden, self._cell))
        return out

    def select(self, rows: Tensor) -> None:
        """Go on with these rows."""
        self._hidden, self._cell = self._hidden[:, rows], self._cell[:, rows]
