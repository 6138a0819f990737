"""Policy gradient for refinement models: the rules of the task as the only teacher.

At every refinement step K answers are drawn from the model's logits for the same instance and state
and put to K copies of it in the vector environment. What the verifier says of each (quality, and 1
more if solved) is compared with what it says of the others (REINFORCE, Williams 1992, with the
leave-one-out baseline of Kool et al. 2019):

    loss = -1/K sum_k (s_k - mean_{j != k} s_j) log p(answer_k),   s = quality + solved

No label is looked at. The state z persists through the episode; segments of a few steps are
differentiated through, and z is detached between them. The answers that were drawn do not influence
z, so each is judged by itself; a model that reads the answer is refused.

Shapes: B instances, K samples of each, N nodes, C choices per node, T steps of a segment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from ttc_agents.inference.observation import read_observation
from ttc_agents.models import RefinementModel
from ttc_agents.models.base import device_of, free_nodes, sent, to_batch
from ttc_agents.training.schedule import NOTHING, Spent
from ttc_envs import RefinementVectorEnv, Task


@dataclass(frozen=True)
class PolicyGradient:
    """The numbers of a training.

    Args:
        batch_size: Instances per update, B.
        samples: Answers drawn per instance and step, K, at least 2.
        segment_steps: Steps per update, T.
        episode_steps: Steps after which new instances are drawn.
        learning_rate: Of AdamW.
        clip: Largest norm of the gradient.
    """

    batch_size: int = 16
    samples: int = 8
    segment_steps: int = 8
    episode_steps: int = 32
    learning_rate: float = 1e-3
    clip: float = 1.0

    def __post_init__(self) -> None:
        """Refuse one sample, which has no others to be compared with, and segments left over."""
        if self.samples < 2:
            raise ValueError(f"samples must be at least 2, got {self.samples}")
        if self.episode_steps % self.segment_steps:
            raise ValueError(
                f"episode_steps must be a multiple of segment_steps, "
                f"got {self.episode_steps} and {self.segment_steps}"
            )


def leave_one_out_loss(log_probs: Tensor, scores: Tensor) -> Tensor:
    """The loss of the module.

    Args:
        log_probs: (..., K), of the drawn answers.
        scores: (..., K), what the verifier says of them.

    Returns:
        The mean over all, a scalar. Its gradient is an unbiased estimate of that of minus the
        expected score.
    """
    samples = scores.shape[-1]
    others = (scores.sum(-1, keepdim=True) - scores) / (samples - 1)
    return -((scores - others) * log_probs).mean()


class VerifierTraining:
    """A model that is being trained by the verifier.

    Args:
        model: The model, trained in place.
        task: The task.
        level: Of the instances.
        settings: The numbers.
        seed: Of the instances and the answers.

    Raises:
        ValueError: The model reads the answer.
    """

    def __init__(
        self,
        model: RefinementModel,
        task: Task,
        level: str,
        settings: PolicyGradient,
        seed: int = 0,
    ) -> None:
        if model.reads_answer:
            raise ValueError(f"{type(model).__name__} reads the answer: its draws would mix")
        self.model, self.settings = model.train(), settings
        self._envs = RefinementVectorEnv(
            task,
            settings.batch_size * settings.samples,
            level=level,
            terminate_on_solved=False,
            autoreset_mode=AutoresetMode.DISABLED,
        )
        self._device = device_of(model)
        self._keys = np.random.default_rng(seed)
        self._generator = torch.Generator(self._device).manual_seed(seed)
        self._optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate)
        self._taken = settings.episode_steps
        self._z = torch.empty(0)
        self.spent = NOTHING

    def update(self, done: float = 0.0) -> dict[str, Tensor]:
        """One segment: loss, mean score and solved share of the drawn answers.

        Args:
            done: The share of the training that is done, on which nothing depends here.
        """
        settings = self.settings
        if self._taken == settings.episode_steps:
            self._begin()
        log_probs, scores, solved = [], [], []
        context = self.model.encode(self.batch)
        for logits, z in self.model.steps(context, self._z, settings.segment_steps):
            self._z = z
            answers, log_prob = self._draw(logits)
            log_probs.append(log_prob)
            info = self._envs.step(answers)[-1]
            solved.append(info["solved"].mean())
            scores.append(self._per_instance(info["quality"] + info["solved"]))
        self._taken += settings.segment_steps
        loss = leave_one_out_loss(torch.stack(log_probs), torch.stack(scores))
        self._learn(loss)
        self._z = self._z.detach()
        env_steps = settings.segment_steps * self._envs.num_envs
        self.spent += Spent(updates=1, env_steps=env_steps)
        score, share = torch.stack(scores).mean(), torch.tensor(float(np.mean(solved)))
        return {"loss": loss.detach(), "solved": share, "score": score}

    def _begin(self) -> None:
        """New instances, K copies of each, and the model's first state."""
        settings = self.settings
        keys = self._keys.integers(2**64, size=settings.batch_size, dtype=np.uint64)
        options = {"instance_id": keys.repeat(settings.samples)}
        observation, _ = self._envs.reset(options=options)
        seen = read_observation(observation, self.model.spec)
        fields = {name: values[:: settings.samples] for name, values in seen.fields.items()}
        self.batch = to_batch(fields, self._device)
        self._free = free_nodes(self.model.spec, self.batch)
        self._z = self.model.initial_state(self.model.encode(self.batch)).detach()
        self._taken = 0

    def _draw(self, logits: Tensor) -> tuple[np.ndarray, Tensor]:
        """Answers (B * K, N), and their log-probabilities (B, K) over the free nodes."""
        batch, nodes, choices = logits.shape
        flat = logits.detach().softmax(-1).view(-1, choices)
        samples = self.settings.samples
        drawn = torch.multinomial(flat, samples, replacement=True, generator=self._generator)
        drawn = drawn.view(batch, nodes, samples)
        answers = drawn.transpose(1, 2)
        each = logits.log_softmax(-1).gather(2, drawn).transpose(1, 2)
        if self._free is not None:
            each = each * self._free[:, None]
        return answers.reshape(-1, nodes).cpu().numpy(), each.sum(-1)

    def _per_instance(self, values: np.ndarray) -> Tensor:
        scores = sent(torch.from_numpy(values.astype(np.float32)), self._device)
        return scores.view(-1, self.settings.samples)

    def _learn(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self._optimizer.step()
