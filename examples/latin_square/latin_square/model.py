"""The model: messages between the choices of a task and its constraint groups.

A model writes `supports`, `encode`, `initial_state`, `step` and `readout`. Training, sweeps,
policies and reports follow from these.

Shapes: B instances, V = N * C choices, G groups, H width; state (B, V, H), logits (B, N, C).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, rms_norm, silu

from ttc_agents import RefinementModel
from ttc_envs import TaskSpec


class LatinNet(RefinementModel):
    """z <- norm(z + x + silu(W [z ; sum of the messages of the groups that a choice is in]))."""

    def __init__(self, spec: TaskSpec, width: int = 32) -> None:
        super().__init__(spec)
        groups = [torch.as_tensor(pairs) for group in spec.groups for pairs in group.members]
        member = torch.zeros(len(groups), spec.num_nodes, spec.num_choices)
        for row, pairs in enumerate(groups):
            member[row, pairs[:, 0], pairs[:, 1]] = 1
        self.register_buffer("member", member.flatten(1), persistent=False)
        self.read, self.score = nn.Embedding(2, width), nn.Linear(width, 1)
        self.message, self.update = nn.Linear(width, width), nn.Linear(2 * width, width)

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It reads givens and constraint groups."""
        return None if spec.groups and spec.given_field else "it has no groups, or no givens"

    def encode(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of every choice, whether it is given, embedded."""
        given = one_hot(batch[self.spec.given_field] + 1, self.spec.num_choices + 1)[..., 1:]
        return {"x": self.read(given.flatten(1))}

    def initial_state(self, context, generator=None) -> Tensor:
        """The inputs, or noise."""
        x = context["x"]
        return x if generator is None else torch.randn(x.shape, generator=generator).to(x)

    def step(self, context, z: Tensor) -> Tensor:
        """One round of messages: choices to groups and back."""
        heard = self.member.T @ (self.member @ torch.relu(self.message(z)))
        z = z + context["x"] + silu(self.update(torch.cat([z, heard], dim=-1)))
        return rms_norm(z, z.shape[-1:])

    def readout(self, context, z: Tensor) -> Tensor:
        """The logits."""
        return self.score(z).view(len(z), self.spec.num_nodes, self.spec.num_choices)
