"""Named trainings. A recipe is data: the task, the model and every number of the training.

Give its length either in `seconds` (counted from the first batch) or in `updates` (bit-identical
on resume).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

PRECISIONS = ("auto", "float32", "bfloat16")
COMPILATIONS = ("auto", "on", "off")
TARGETS = ("solution", "improve")


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a training run.

    Args:
        name: How `ttc train` calls it.
        description: One line for `ttc train --help`.
        env_id: The registered id whose task is learned.
        model: Key of `ttc_agents.models.MODELS`.
        level: Level of the training instances, or several with commas between them.
        task: Keyword arguments of the task (`size`, `split`).
        model_options: Keyword arguments of the model.
        target: What each step is trained towards: the `solution`, or for models that read the
            answer `improve`, what one step of the task's classical method makes of that answer.
        objective: Key of `ttc_agents.training.objectives.OBJECTIVES`.
        forcing: Each update begins with the right answer as the state (teacher forcing), for
            language models over paths.
        first: Name of a recipe that is trained before, into DIR/first; what its weights have in
            common with this one's, by name and shape, is taken over.
        frozen: Parameters whose names begin so are not trained; empty: all are.
        seconds: Length in seconds, or None.
        updates: Length in updates, or None.
        batch_size: Instances per update.
        segment_steps: Refinement steps per update, with a loss at each.
        restart: Probability that an instance is replaced by a fresh one after an update; a state
            is carried for segment_steps / restart steps on average.
        random_start: Probability that the first state of a fresh instance is drawn at random.
        learning_rate: Peak rate of AdamW.
        matrix_learning_rate: Peak rate of Muon, which then takes all matrices; None: AdamW does.
        warmup: Updates of linear warm-up.
        decay_from: Share of the length after which the rate decays as a cosine.
        weight_decay: Of AdamW.
        beta2: Of AdamW.
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights, which are the ones evaluated.
        precision: `auto` times three refinement steps of each and takes the faster.
        compile: `auto` does so too, in trainings of ten minutes or more; a failed compilation falls
            back.
        alarm_every: Updates between two checks of the alarm (`ttc_agents.training.alarm`), which
            takes a training that is about to fail back to its best weights; None: no alarm.
        seed: Of the weights and of the stream of instances.
    """

    name: str
    description: str
    env_id: str
    model: str
    level: str
    task: dict[str, Any] = field(default_factory=dict)
    model_options: dict[str, Any] = field(default_factory=dict)
    target: Literal["solution", "improve"] = "solution"
    objective: str = "cross_entropy"
    forcing: bool = False
    first: str | None = None
    frozen: str = ""
    seconds: float | None = None
    updates: int | None = None
    batch_size: int = 16
    segment_steps: int = 8
    restart: float = 0.25
    random_start: float = 0.0
    learning_rate: float = 3e-3
    matrix_learning_rate: float | None = None
    warmup: int = 50
    decay_from: float = 0.5
    weight_decay: float = 0.0
    beta2: float = 0.99
    clip: float = 1.0
    ema: float = 0.998
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    alarm_every: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a recipe without a definite length or with impossible numbers."""
        if (self.seconds is None) == (self.updates is None):
            raise ValueError(
                f"a recipe has either seconds or updates, got {self.seconds} and {self.updates}"
            )
        if (self.seconds or self.updates or 0) <= 0:
            raise ValueError(f"the length must be positive, got {self.seconds or self.updates}")
        self.check_numbers()

    def check_numbers(self) -> None:
        """Refuse numbers and names out of range."""
        for name in ("batch_size", "segment_steps", "alarm_every"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"{name} must be at least 1, got {count}")
        if not (0 < self.restart <= 1 and 0 <= self.random_start <= 1):
            raise ValueError(
                f"restart is a probability above 0, got {self.restart}, and random_start one from "
                f"0 on, got {self.random_start}"
            )
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("decay_from", "ema", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        named = (("precision", PRECISIONS), ("compile", COMPILATIONS), ("target", TARGETS))
        for name, known in named:
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {known}, got {getattr(self, name)!r}")

    def levels(self) -> tuple[str, ...]:
        """The levels of the training instances."""
        return tuple(self.level.split(","))

    def to_json(self) -> dict[str, Any]:
        """The recipe as a document."""
        return dataclasses.asdict(self)
