"""A model as a policy: one call of `predict` is one refinement step.

    z <- initial state where an episode begins
    z <- step(encode(fields), z, t),  action = argmax over choices of readout(z)

The state that `predict` hands back carries z and t of each row, so that rows may begin at different
times, as they do in vector envs with autoreset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.models.base import RefinementModel, to_batch
from ttc_agents.policies.observation import Seen, read_observation, starting_rows


@dataclass(frozen=True, eq=False)
class PolicyState:
    """What a model carries from one step to the next.

    Args:
        z: (B, ...), the state of the model.
        steps: (B,) int64, the steps taken.
        finite: (B,) bool, whether logits and state have been finite so far. Where they have not,
            the action is choice 0 throughout and says nothing: such a row counts as unsolved.
        confidence: (B, N) float32, probability of each chosen class.
    """

    z: Tensor
    steps: Tensor
    finite: np.ndarray
    confidence: np.ndarray


class RefinementPolicy:
    """A model behind `predict`, for envs with `action_mode="full"`.

    Args:
        model: The model, in evaluation mode.
        seed: Seed of the random first states that `deterministic=False` asks for.
    """

    def __init__(self, model: RefinementModel, seed: int = 0) -> None:
        self.model = model
        self._device = device_of(model)
        self._generator = torch.Generator(self._device).manual_seed(seed)

    @torch.inference_mode()
    def predict(
        self,
        observation: dict[str, Any],
        state: PolicyState | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, PolicyState]:
        """The next answers.

        Args:
            observation: Of a vector env (B rows) or of a single env.
            state: What the previous call gave, None at first.
            episode_start: (B,) bool, rows whose episode begins with this observation.
            deterministic: Begin with the model's own first state; else with a random one.

        Returns:
            Answers (B, N) int64, or (N,) for a single env, and the next state.
        """
        seen = read_observation(observation, self.model.spec)
        starts = starting_rows(episode_start, state, len(seen))
        context = self.model.encode(self._batch(seen))
        z, steps, finite = self._begin(context, state, starts, deterministic)
        z = self.model.step(context, z, steps)
        logits = self.model.readout(context, z)
        finite = finite & finite_rows(logits, norms(z))
        answer, confidence = decide(logits)
        answer[~finite] = 0
        return seen.unbatched(answer), PolicyState(z, steps + 1, finite, confidence)

    def _batch(self, seen: Seen) -> dict[str, Tensor]:
        read = {"answer": seen.answer} if self.model.reads_answer else {}
        return to_batch({**seen.fields, **read}, self._device)

    def _begin(
        self, context: Any, state: PolicyState | None, starts: np.ndarray, deterministic: bool
    ) -> tuple[Tensor, Tensor, np.ndarray]:
        """State, steps and finiteness of all rows, anew where episodes begin."""
        if state is not None and not starts.any():
            return state.z, state.steps, state.finite
        fresh = self.model.initial_state(context, None if deterministic else self._generator)
        if state is None or starts.all():
            zeros = torch.zeros(len(starts), dtype=torch.int64, device=self._device)
            return fresh, zeros, np.ones_like(starts)
        mask = torch.from_numpy(starts).to(self._device)
        z = torch.where(mask.view(-1, *[1] * (fresh.ndim - 1)), fresh, state.z)
        return z, state.steps.masked_fill(mask, 0), state.finite | starts


def device_of(model: RefinementModel) -> torch.device:
    """Where the model's parameters are."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def norms(z: Tensor) -> Tensor:
    """(B,) the norm of each row of a state (B, ...)."""
    return z.flatten(1).norm(dim=1)


def finite_rows(logits: Tensor, norm: Tensor) -> np.ndarray:
    """(B,) bool: all logits and the norm of the state are finite.

    A norm takes one pass over the state, and overflows only where all is lost anyway.
    """
    finite = logits.isfinite().flatten(1).all(1) & norm.isfinite()
    return finite.cpu().numpy()


def decide(logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The most likely choice of each node (B, N) int64, and its probability (B, N) float32.

    Rows that are not finite are for the caller to set aside.
    """
    probability, answer = logits.float().softmax(-1).max(-1)
    return answer.cpu().numpy(), probability.nan_to_num(0.0).cpu().numpy()
