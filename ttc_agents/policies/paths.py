"""A language model over places as a policy: one call of `predict` writes whole paths.

Steps do not matter to it: a path is written where an episode begins, and stays. Its test-time
compute is the width of the beam.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_agents.models.base import to_batch
from ttc_agents.models.path_model import PathModel
from ttc_agents.policies.observation import read_observation, starting_rows
from ttc_agents.policies.refinement import device_of


class PathPolicy:
    """A path model behind `predict`, for envs with `action_mode="full"`.

    Args:
        model: The model, in evaluation mode.
        beam: Partial paths that are kept while one is written; 1 is greedy.
    """

    def __init__(self, model: PathModel, beam: int = 1) -> None:
        self.model, self.beam = model, beam

    def predict(
        self,
        observation: dict[str, Any],
        state: np.ndarray | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The paths (B, N) int64, or (N,) for a single env; the state is the paths (B, N)."""
        seen = read_observation(observation, self.model.spec)
        starts = starting_rows(episode_start, state, len(seen))
        paths = np.zeros((len(seen), self.model.spec.num_nodes), dtype=np.int64)
        if state is not None:
            paths = state.copy()
        if starts.any():
            fields = {name: values[starts] for name, values in seen.fields.items()}
            batch = to_batch(fields, device_of(self.model))
            paths[starts] = self.model.generate(batch, self.beam).cpu().numpy()
        return seen.unbatched(paths), paths
