"""What policies share: reading an observation of the environments back into instance fields.

The environments show flat 1-d entries, batched by a vector env; the `TaskSpec` knows the shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ttc_envs import TaskSpec


@dataclass(frozen=True, eq=False)
class Seen:
    """An observation with the batch axis and the shapes of the spec.

    Args:
        fields: The instance fields {name: (B, *Field.shape)}.
        answer: (B, N), the current answers.
        single: Whether the observation was one without a batch axis.
    """

    fields: dict[str, np.ndarray]
    answer: np.ndarray
    single: bool

    def __len__(self) -> int:
        """B."""
        return len(self.answer)

    def unbatched(self, action: np.ndarray) -> np.ndarray:
        """The action (B, ...) as the env expects it: without the batch axis where it had none."""
        return action[0] if self.single else action


def read_observation(observation: dict[str, Any], spec: TaskSpec) -> Seen:
    """The fields and the answer of an observation with `observation="default"`.

    Args:
        observation: {name: (B, size) or (size,)} with the fields of the spec and `answer`.
        spec: The task.

    Raises:
        ValueError: An entry is missing or has another size.
    """
    missing = sorted({*spec.fields, "answer"} - set(observation))
    if missing:
        raise ValueError(f"the observation lacks {missing}, it has {sorted(observation)}")
    answer = np.asarray(observation["answer"])
    single = answer.ndim == 1
    shapes = {name: field.shape for name, field in spec.fields.items()}
    shapes["answer"] = (spec.num_nodes,)
    batch = 1 if single else len(answer)
    entries = {}
    for name, shape in shapes.items():
        values = np.asarray(observation[name])
        if values.size != batch * np.prod(shape, dtype=int):
            raise ValueError(
                f"{name} must hold {shape} for each of {batch} rows, got shape {values.shape} "
                "(policies read observation='default')"
            )
        entries[name] = values.reshape(batch, *shape)
    answer = entries.pop("answer")
    return Seen(entries, answer, single)


def starting_rows(episode_start: Any, state: Any, batch: int) -> np.ndarray:
    """(B,) bool, the rows where an episode begins: all of them without a state.

    Raises:
        ValueError: `episode_start` has another shape.
    """
    if state is None:
        return np.ones(batch, dtype=bool)
    if episode_start is None:
        return np.zeros(batch, dtype=bool)
    starts = np.atleast_1d(np.asarray(episode_start)).astype(bool)
    if starts.shape != (batch,):
        raise ValueError(f"episode_start must have shape ({batch},), got {starts.shape}")
    return starts
