"""Observations: the fields of an instance, the current answer and the steps taken, flat.

Every entry is a 1-d box with finite bounds, since wrappers and RL libraries take no others; tables
are flattened and the spec knows their shapes. `default` shows class indices, `one_hot` shows them
as int8 one-hot rows (an undecided node is a row of zeros), for policies that are plain MLPs.

Shapes: B batch, N nodes, C choices per node.
"""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from ttc_envs.spec import UNDECIDED, Array, Field, TaskSpec

MAX_STEPS = 2**31 - 1


class Observer:
    """Makes the observation space of a task, and observations.

    Args:
        spec: The task.
        mode: `default` or `one_hot`.
    """

    def __init__(self, spec: TaskSpec, mode: str) -> None:
        if mode not in ("default", "one_hot"):
            raise ValueError(f"observation must be 'default' or 'one_hot', got {mode!r}")
        self._spec = spec
        self._names = tuple(spec.fields)
        self._ordered = any(field.per == "answer" for field in spec.fields.values())
        answer = Field(
            per="node",
            kind="symbol",
            shape=(spec.num_nodes,),
            dtype="int8" if spec.answer_dtype == np.int8 else "int32",
            low=UNDECIDED,
            high=spec.num_choices - 1,
        )
        fields = {**spec.fields, "answer": answer}
        one_hot = {name for name in fields if fields[name].kind in ("symbol", "given")}
        self._classes = {
            name: np.arange(int(fields[name].high) + 1)
            for name in (one_hot if mode == "one_hot" else ())
        }
        self.space = spaces.Dict(
            {
                **{name: self._box(name, field) for name, field in fields.items()},
                "step": spaces.Box(0, MAX_STEPS, (1,), np.int32),
            }
        )

    def _box(self, name: str, field: Field) -> spaces.Box:
        size = int(np.prod(field.shape))
        if name in self._classes:
            return spaces.Box(0, 1, (size * len(self._classes[name]),), np.int8)
        dtype = np.dtype(field.dtype).type
        return spaces.Box(field.low, field.high, (size,), dtype)

    def observe(
        self, fields: dict[str, Array], answer: Array, steps: Array, rows: Array | None = None
    ) -> dict[str, Array]:
        """New arrays for the rows (all where None) of batches of fields, answers and steps."""
        if self._ordered:
            fields = self._spec.shown(fields, answer)
        seen = {name: fields[name] for name in self._names}
        seen["answer"] = answer
        seen["step"] = steps[:, None]
        for name, values in seen.items():
            if name in self._classes:
                values = values if rows is None else values[rows]
                values = (values[..., None] == self._classes[name]).view(np.int8)
            else:
                values = values.copy() if rows is None else values[rows]
            seen[name] = values if values.ndim == 2 else values.reshape(len(values), -1)
        return seen
