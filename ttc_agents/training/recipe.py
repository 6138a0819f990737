"""A recipe: the task, the model and every number of a training, as data.

Named ones stand in `recipes/`; a user's own come from a module (`my_module:RECIPE`), from a TOML
file, or out of the defaults of a model. The length is given in `seconds`, or in `updates`, which
can be resumed bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ttc_agents.training.schedule import Length


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a training run.

    Args:
        name: How `ttc train` calls it.
        description: One line for `ttc train --help`.
        env_id: The id whose task is learned, `module:id` for one of another package.
        model: Key of `ttc_agents.models.MODELS`, or `module:Class` of the user's.
        level: Level of the training instances, or several with commas between them. The path of a
            level `file:PATH` may have commas: it ends where another `,file:` begins, or at the end.
            Where the target is `search` they are a curriculum, easiest first.
        task: Keyword arguments of the task (`size`, `split`).
        model_options: Keyword arguments of the model.
        target: What each step is trained towards: the `solution`; for models that read the
            answer `improve`, what one step of the task's classical method makes of that answer; or
            `search`, the answer that the model's own searches find and the rules accept (`expert`).
        objective: Key of `ttc_agents.training.objectives.OBJECTIVES`, or `module:function`.
        forcing: Each update shows the right answer so far (teacher forcing), for autoregressive
            models.
        first: Name of a recipe that is trained before, into DIR/first; what its weights have in
            common with this one's, by name and shape, is taken over.
        frozen: Prefix of the names of parameters that are not trained; empty trains all.
        seconds: Length in seconds, or None.
        updates: Length in updates, or None.
        batch_size: Instances per update.
        segment_steps: Refinement steps per update, with a loss at each.
        backward_every: Steps between two backward passes of an update, so that memory is that of
            so many steps; no gradient passes from one piece to the next. None: one backward pass.
            An energy learns the same from pieces, since its steps begin at detached answers.
        restart: Probability that an instance is replaced by a fresh one after an update; a state
            is carried for segment_steps / restart steps on average.
        random_start: Probability that the first state of a fresh instance is drawn at random.
        optimizer: Key of `ttc_agents.training.optimizer.OPTIMIZERS`, or `module:callable`.
        learning_rate: Peak rate of AdamW.
        matrix_learning_rate: Peak rate of Muon, which `optimizer="muon"` gives all matrices to.
        warmup: Updates of linear warm-up.
        decay_from: Share of the length after which the rate decays as a cosine.
        weight_decay: Of AdamW.
        beta2: Of AdamW.
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights, which are the ones evaluated.
        precision: `auto` times three refinement steps of each and takes the faster.
        compile: `auto` does so too, in trainings of ten minutes or more; a failed compilation falls
            back.
        alarm_every: Updates between two checks of the alarm (`hooks.Alarm`), which
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
    target: Literal["solution", "improve", "search"] = "solution"
    objective: str = "cross_entropy"
    forcing: bool = False
    first: str | None = None
    frozen: str = ""
    seconds: float | None = None
    updates: int | None = None
    batch_size: int = 16
    segment_steps: int = 8
    backward_every: int | None = None
    restart: float = 0.25
    random_start: float = 0.0
    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 0.01
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
        """Refuse a recipe without a definite length, of wrong types or impossible numbers."""
        self.check_types()
        if self.seconds is None and self.updates is None:
            raise ValueError("a recipe has either seconds or updates, got neither")
        Length(self.seconds, self.updates)
        self.check_values()

    def check_types(self) -> None:
        """Refuse a word where a number stands, and so on."""
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            optional = "None" in str(f.type)
            kinds = next(kinds for word, kinds in TYPES.items() if word in str(f.type))
            fits = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
            if not (fits or (optional and value is None)):
                raise ValueError(f"{f.name} must be {f.type}, got {value!r}")

    def check_values(self) -> None:
        """Refuse what a field of its type may not hold."""
        for names, allowed, holds in RULES:
            for name in names:
                value = getattr(self, name)
                if value is not None and not holds(value):
                    raise ValueError(f"{name} must be {allowed}, got {value!r}")

    @property
    def length(self) -> Length:
        """The length as `loop.run` takes it."""
        return Length(self.seconds, self.updates)

    def modules(self) -> tuple[str, ...]:
        """Modules of other packages that its environment and model stand in."""
        names = [name.rpartition(":")[0] for name in (self.env_id, self.model)]
        return tuple(dict.fromkeys(name for name in names if name not in ("", "ttc_envs")))

    def levels(self) -> tuple[str, ...]:
        """The levels that refills of the batch draw from, one at a time."""
        return split_levels(self.level)

    # As a document

    def to_json(self) -> dict[str, Any]:
        """The recipe as a document, as JSON gives it back."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Recipe:
        """The recipe of a document; entries that it lacks have their defaults.

        Raises:
            ValueError: It has others, lacks one without a default, or one is out of range.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise ValueError(f"a recipe has no {unknown[0]!r}, it has {', '.join(sorted(known))}")
        try:
            return cls(**document)
        except TypeError as error:
            raise ValueError(f"not a recipe: {error}") from error

    def differences(self, saved: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        """{field: (saved, own)} of what matters to a resumed training; its length may differ."""
        mine, theirs = self.to_json(), Recipe.from_json(saved).to_json()
        ignored = ("name", "description", "seconds", "updates")
        return {
            name: (theirs[name], mine[name])
            for name in mine
            if name not in ignored and mine[name] != theirs[name]
        }

    def to_toml(self) -> str:
        """The recipe as a TOML file, which `read_recipe` reads."""
        entries = {name: value for name, value in self.to_json().items() if value is not None}
        return "".join(f"{name} = {toml(value)}\n" for name, value in entries.items())

    def replaced(self, **changes: Any) -> Recipe:
        """The recipe with other entries; a length in seconds replaces one in updates, and back.

        Raises:
            ValueError: There is no such entry, or one is out of range.
        """
        for name, other in (("seconds", "updates"), ("updates", "seconds")):
            if changes.get(name) is not None:
                changes.setdefault(other, None)
        return Recipe.from_json({**vars(self), **changes})

    def changed(self, settings: Sequence[str]) -> Recipe:
        """The recipe with settings `field=value`; `model_options.width=64` changes one entry.

        A value is read as JSON, and as a word where it is none; `none` clears an optional field.

        Raises:
            ValueError: There is no such field, or its value is out of range.
        """
        document, named = self.to_json(), []
        for setting in settings:
            path, equals, text = setting.partition("=")
            *above, last = path.split(".")
            if not equals or not last:
                raise ValueError(f"expected FIELD=VALUE, got {setting!r}")
            inner = document
            for name in above:
                inner = inner.setdefault(name, {})
                if not isinstance(inner, dict):
                    raise ValueError(f"{setting!r}: {name} holds no entries")
            inner[last] = read_value(text)
            named.append(path.split(".")[0])
        return self.replaced(**{name: document[name] for name in named})


FILE_LEVEL, BETWEEN_FILES = re.compile(r"(^|,)file:"), re.compile(r",(?=file:)")
RULES: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (
        ("batch_size", "segment_steps", "backward_every", "alarm_every"),
        "at least 1",
        lambda n: n >= 1,
    ),
    (("learning_rate", "matrix_learning_rate", "clip"), "positive", lambda x: x > 0),
    (("decay_from", "ema", "beta2"), "in [0, 1)", lambda x: 0 <= x < 1),
    (("restart",), "a probability above 0", lambda p: 0 < p <= 1),
    (("random_start",), "a probability", lambda p: 0 <= p <= 1),
    (
        ("target",),
        "solution, improve or search",
        {"solution", "improve", "search"}.__contains__,
    ),
    (("precision",), "auto, float32 or bfloat16", {"auto", "float32", "bfloat16"}.__contains__),
    (("compile",), "auto, on or off", {"auto", "on", "off"}.__contains__),
)
"""Fields, what they may hold, and a test of it."""
TYPES: dict[str, tuple[type, ...]] = {
    "Literal": (str,),
    "dict": (dict,),
    "bool": (bool,),
    "float": (int, float),
    "int": (int,),
    "str": (str,),
}
"""What a field may hold, by the first of these words in its annotation."""


def split_levels(text: str) -> tuple[str, ...]:
    """The levels in a text; no path of a level `file:PATH` is split at its commas."""
    files = FILE_LEVEL.search(text)
    if files is None:
        return tuple(text.split(","))
    named = text[: files.start()]
    paths = BETWEEN_FILES.split(text[files.start() :].removeprefix(","))
    return (*(named.split(",") if named else ()), *paths)


def read_value(text: str) -> Any:
    """A value on a command line: JSON where it is some, `none`, else the word itself."""
    if text.lower() == "none":
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def toml(value: Any) -> str:
    """A value of a JSON document in TOML's spelling, tables in one line.

    Raises:
        ValueError: It holds null, which TOML cannot say.
    """
    if isinstance(value, dict):
        inner = (f"{json.dumps(name)} = {toml(each)}" for name, each in value.items())
        return f"{{ {', '.join(inner)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if value is None:
        raise ValueError("TOML has no word for null, which an entry within another one holds")
    return json.dumps(value, ensure_ascii=False)


def read_recipe(path: Path) -> Recipe:
    """The recipe of a TOML file; without a name it is called after the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no TOML, or no recipe.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return Recipe.from_json({"name": path.stem, "description": str(path), **document})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
