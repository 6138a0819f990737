"""A refinement model as the network of an SB3 agent, from scratch or from a checkpoint.

SB3's buffers carry no state from step to step, so the policy is memoryless: at each environment
step the model takes k refinement steps from the observed answer,

    z_0 = initial_state(encode(fields)) + E[answer],   z_k = step^k(z_0),   logits = readout(z_k)

E is a learned embedding of the observed choices, zero at first, so that a warm start begins as the
model it was. The logits (B, N, C) are those of the actions: node by node in mode `full`
(`MultiDiscrete`), and in mode `edit` where an edit is (node, choice), in this order (`Discrete`, N
* C). The critic sees, of each node, whether it is decided and how likely the actor holds its
choice.

In a file of hyperparameters: `policy: ttc_agents.policies.sb3_network.MaskableRefinementNetwork`,
`policy_kwargs: dict(env_id="ttc/...-v0", model="factor_graph_network", steps=6)`.

Shapes: B batch, N nodes, C choices per node.
"""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import MultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from ttc_agents.models import RefinementModel, make_model
from ttc_envs import UNDECIDED, make_task

FEATURES = ("env_id", "model", "model_options", "task", "steps")
"""The arguments of a policy that are those of its `RefinementFeatures`."""


class RefinementFeatures(BaseFeaturesExtractor):
    """Runs the model: (B, N * C + 2 N), the logits and what the critic sees.

    Args:
        observation_space: Of an env with `observation="default"`.
        env_id: The registered id whose task the model works on.
        model: Key of `MODELS`.
        model_options: Arguments of the model.
        task: Arguments of the task.
        steps: Refinement steps per environment step, k.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        env_id: str,
        model: str,
        model_options: dict[str, Any] | None = None,
        task: dict[str, Any] | None = None,
        steps: int = 6,
    ) -> None:
        spec = make_task(env_id, **(task or {})).spec
        shown = observation_space["answer"].shape
        if shown != (spec.num_nodes,):
            raise ValueError(
                f"{env_id} has answers of {spec.num_nodes} nodes, the observation of {shown}: "
                "expected observation='default' of the same task"
            )
        self.num_logits = spec.num_nodes * spec.num_choices
        super().__init__(observation_space, self.num_logits + 2 * spec.num_nodes)
        self.model: RefinementModel = make_model(model, spec, model_options or {})
        self.steps = steps
        self.embedding = nn.Embedding(spec.num_choices + 1, self._width())
        nn.init.zeros_(self.embedding.weight)

    def _width(self) -> int:
        """Size of the state of a node, or of a (node, choice)."""
        spec = self.model.spec
        fields = {
            name: torch.zeros((1, *field.shape), dtype=torch.int64)
            for name, field in spec.fields.items()
        }
        fields["answer"] = torch.zeros((1, spec.num_nodes), dtype=torch.int64)
        with torch.no_grad():
            z = self.model.initial_state(self.model.encode(fields))
        if z.ndim != 3 or z.shape[1] not in (spec.num_nodes, self.num_logits):
            raise ValueError(
                f"expected a model with a state per node or per choice, got {tuple(z.shape[1:])}"
            )
        return z.shape[2]

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """Logits (B, N * C), decided (B, N), likelihood of the shown choice (B, N)."""
        spec = self.model.spec
        batch = {
            name: observation[name].view(-1, *field.shape)
            if field.dtype == "float32"
            else observation[name].long().view(-1, *field.shape)
            for name, field in spec.fields.items()
        }
        answer = observation["answer"].long()
        batch["answer"] = answer
        context = self.model.encode(batch)
        z = self._seeded(self.model.initial_state(context), answer)
        *_, (logits, _) = self.model.steps(context, z, self.steps)
        decided = answer != UNDECIDED
        likely = logits.detach().softmax(-1).gather(2, answer.clamp(min=0)[..., None])[..., 0]
        return torch.cat([logits.flatten(1), decided.float(), likely * decided], 1)

    def _seeded(self, z: Tensor, answer: Tensor) -> Tensor:
        """The state with the embedding of the observed answer added."""
        spec = self.model.spec
        if z.shape[1] == spec.num_nodes:
            return z + self.embedding(answer - UNDECIDED)
        chosen = nn.functional.one_hot(answer - UNDECIDED, spec.num_choices + 1)[..., 1:]
        # One vector for all choices, so that relabelling them still permutes the logits.
        return z + chosen.reshape(len(z), -1, 1) * self.embedding.weight[1]


class Actor(nn.Module):
    """The logits among the features."""

    def __init__(self, num_logits: int) -> None:
        super().__init__()
        self.num_logits = num_logits

    def forward(self, features: Tensor) -> Tensor:
        """(B, N * C)."""
        return features[:, : self.num_logits]


class Critic(nn.Module):
    """The value of what the critic sees."""

    def __init__(self, num_logits: int, seen: int, width: int = 64) -> None:
        super().__init__()
        self.num_logits = num_logits
        self.layers = nn.Sequential(nn.Linear(seen, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(B, 1)."""
        return self.layers(features[:, self.num_logits :])


class _RefinementHeads:
    """What the policy classes below share: heads that read the features as they are."""

    def __init__(
        self: Any,
        observation_space: spaces.Dict,
        action_space: spaces.Space,
        lr_schedule: Any,
        **options: Any,
    ) -> None:
        features = {name: options.pop(name) for name in FEATURES if name in options}
        options |= {"net_arch": [], "ortho_init": False}
        options["features_extractor_class"] = RefinementFeatures
        super().__init__(  # type: ignore[call-arg]
            observation_space,
            action_space,
            lr_schedule,
            features_extractor_kwargs=features,
            **options,
        )

    def _build(self: Any, lr_schedule: Any) -> None:
        """Replace the linear heads, and make the optimizer of what is there then."""
        super()._build(lr_schedule)  # type: ignore[misc]
        policy: Any = self
        features = policy.features_extractor
        _check_actions(policy.action_space, features.model)
        policy.action_net = Actor(features.num_logits)
        policy.value_net = Critic(features.num_logits, features.features_dim - features.num_logits)
        policy.optimizer = policy.optimizer_class(
            policy.parameters(), lr=lr_schedule(1), **policy.optimizer_kwargs
        )

    def _get_constructor_parameters(self: Any) -> dict[str, Any]:
        """What SB3 saves with the policy: the arguments of `__init__`, without what it sets."""
        data = super()._get_constructor_parameters()  # type: ignore[misc]
        for name in ("net_arch", "ortho_init", "features_extractor_class"):
            data.pop(name)
        return {**data, **data.pop("features_extractor_kwargs")}


class RefinementNetwork(_RefinementHeads, MultiInputActorCriticPolicy):
    """For PPO and A2C.

    Args:
        observation_space: Of the env, with `observation="default"`.
        action_space: `MultiDiscrete` (N entries of C) or `Discrete` (N * C edits).
        lr_schedule: SB3's.
        env_id: The registered id.
        model: Key of `MODELS`.
        model_options: Arguments of the model.
        task: Arguments of the task.
        steps: Refinement steps per environment step.
        options: Of SB3's policy.
    """


class MaskableRefinementNetwork(_RefinementHeads, MaskableMultiInputActorCriticPolicy):
    """For MaskablePPO; arguments as those of `RefinementNetwork`."""


def warm_start(agent: BaseAlgorithm, given: RefinementModel) -> None:
    """Give the refinement model inside an agent the weights of another.

    Args:
        agent: Its policy is one of the classes above.
        given: The model, as `load_model` reads it from a checkpoint.

    Raises:
        ValueError: It is another model.
    """
    policy: Any = agent.policy
    own: RefinementModel = policy.features_extractor.model
    try:
        own.load_state_dict(given.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"the {type(given).__name__} that was given has other sizes than the agent's "
            f"{type(own).__name__} ({str(error).splitlines()[0]})"
        ) from error


def _check_actions(space: spaces.Space, model: RefinementModel) -> None:
    """Refuse actions that are not one logit per (node, choice).

    Raises:
        ValueError: They are not.
    """
    spec = model.spec
    entries = int(space.n) if isinstance(space, spaces.Discrete) else None
    if isinstance(space, spaces.MultiDiscrete):
        entries = int(space.nvec.sum())
    if entries != spec.num_nodes * spec.num_choices:
        raise ValueError(
            f"expected actions with a logit per (node, choice), "
            f"{spec.num_nodes} x {spec.num_choices}, got {space}"
        )
