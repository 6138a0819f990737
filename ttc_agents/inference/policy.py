"""Models behind `predict(obs, state, episode_start, deterministic)`: one call is one step.

    z <- initial state where an episode begins
    z <- step(encode(fields), z),  action = argmax over choices of readout(z)

The state that `predict` hands back carries z of each row, so that rows may begin at different
times, as they do in vector envs with autoreset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.inference.boards import BUDGET, DEFAULT, Boards, check_search
from ttc_agents.inference.observation import read_observation, starting_rows
from ttc_agents.inference.refine import norms, packed, unpacked
from ttc_agents.inference.search import Branching, Search
from ttc_agents.models.base import Context, RefinementModel, device_of, sent, to_batch
from ttc_envs import UNDECIDED


@dataclass(frozen=True, eq=False)
class PolicyState:
    """What a model carries from one step to the next.

    Args:
        z: (B, ...), the state of the model.
        finite: (B,) bool, whether logits and state have been finite so far. Where they have not,
            the action is choice 0 throughout and says nothing: such a row counts as unsolved.
        confidence: (B, N) float32, probability of each chosen class.
    """

    z: Tensor
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
        read = {"answer": seen.answer} if self.model.reads_answer else {}
        context = self.model.encode(to_batch({**seen.fields, **read}, self._device))
        z, finite = self._begin(context, state, starts, deterministic)
        ((logits, z),) = self.model.steps(context, z, 1)
        norm = norms(z)
        usable, answer, confidence, _ = unpacked(packed(logits, norm, norm).cpu().numpy())
        finite = finite & usable
        answer[~finite] = 0
        return seen.unbatched(answer), PolicyState(z, finite, confidence)

    def _begin(
        self,
        context: Context,
        state: PolicyState | None,
        starts: np.ndarray,
        deterministic: bool,
    ) -> tuple[Tensor, np.ndarray]:
        """State and finiteness of all rows, anew where episodes begin."""
        if state is not None and not starts.any():
            return state.z, state.finite
        fresh = self.model.initial_state(context, None if deterministic else self._generator)
        if state is None or starts.all():
            return fresh, np.ones_like(starts)
        mask = sent(torch.from_numpy(starts), self._device)
        z = torch.where(mask.view(-1, *[1] * (fresh.ndim - 1)), fresh, state.z)
        return z, state.finite | starts


class Searches(list[Search]):
    """The searches of B episodes."""

    @property
    def finite(self) -> np.ndarray:
        """(B,) bool, whether no board was lost because logits or state were not finite."""
        return np.array([search.tree.finite for search in self])


class BranchingPolicy:
    """A model behind `predict` that searches over pins: one call is one visit of each search.

    The action is the best board so far, which the model alone accepts (`p2-branch`). A search that
    has ended keeps its answer.

    Args:
        model: The model, in evaluation mode.
        how: The search.
        budget: Refinement steps of all boards of an episode together.
        seed: Of doubt.

    Raises:
        ValueError: The model cannot search over pins.
    """

    def __init__(
        self,
        model: RefinementModel,
        how: Branching = DEFAULT,
        budget: int = BUDGET,
        seed: int = 0,
    ) -> None:
        check_search(model)
        self.model, self.how, self.budget, self.seed = model, how, budget, seed

    @torch.inference_mode()
    def predict(
        self,
        observation: dict[str, Any],
        state: Searches | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, Searches]:
        """The best boards' answers (B, N) int64, or (N,) for a single env, and the searches."""
        seen = read_observation(observation, self.model.spec)
        starts = starting_rows(episode_start, state, len(seen))
        boards = Boards(self.model, seen.fields, self.how)
        searches = Searches(
            boards.begin(row, self.budget, seed=self.seed)
            if state is None or starts[row]
            else state[row]
            for row in range(len(seen))
        )
        boards.advance([pair for pair in enumerate(searches) if pair[1].visit is not None])
        answers = np.stack([search.tree.answer for search in searches])
        return seen.unbatched(answers.astype(np.int64)), searches


@dataclass(frozen=True, eq=False)
class BeamState:
    """What a beam has written.

    Args:
        answer: (B, N) int64.
        finite: (B,) bool, whether all scores were finite; else the answer is choice 0 throughout.
    """

    answer: np.ndarray
    finite: np.ndarray


class BeamPolicy:
    """An autoregressive model behind `predict`, which writes whole answers with a beam.

    Steps do not matter to it: an answer is written where an episode begins, and stays. Its
    test-time compute is the width of the beam.

    Args:
        model: The model, in evaluation mode.
        beam: Partial answers that are kept while one is written; 1 is greedy.

    Raises:
        ValueError: The model is not autoregressive.
    """

    def __init__(self, model: RefinementModel, beam: int = 1) -> None:
        if not model.autoregressive:
            raise ValueError(f"a {type(model).__name__} does not write answers slot by slot")
        self.model: Any = model
        self.beam = beam

    def predict(
        self,
        observation: dict[str, Any],
        state: BeamState | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, BeamState]:
        """The answers (B, N) int64, or (N,) for a single env, and what they are in the state."""
        seen = read_observation(observation, self.model.spec)
        starts = starting_rows(episode_start, state, len(seen))
        answers = np.zeros((len(seen), self.model.spec.num_nodes), dtype=np.int64)
        finite = np.ones(len(seen), dtype=bool)
        if state is not None:
            answers, finite = state.answer.copy(), state.finite.copy()
        if starts.any():
            fields = {name: values[starts] for name, values in seen.fields.items()}
            batch = to_batch(fields, device_of(self.model))
            written = self.model.generate(batch, self.beam).cpu().numpy()
            finite[starts] = (written != UNDECIDED).all(axis=1)
            answers[starts] = np.maximum(written, 0)
        return seen.unbatched(answers), BeamState(answers, finite)
