"""One instance being refined, as an animated picture: red turns green as confidence grows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ttc_agents.evaluation.records import Records
from ttc_agents.figures.theme import gif
from ttc_agents.inference.precision import full_float32
from ttc_agents.inference.refine import Step, refine
from ttc_agents.models.base import RefinementModel
from ttc_envs import Instances, Task

MOST_FRAMES = 64
FRAME_MS, LAST_MS = 160, 3500
AFTERWARDS = 6
"""Steps after the answer settled, in which confidence still grows."""
COLOURS = 128
_STRIP, _INK, _SOFT, _GREEN = 46, (31, 41, 55), (107, 114, 128), (22, 128, 61)


@dataclass(frozen=True, eq=False)
class Frame:
    """The answer of one instance after a step (0: before the first).

    Args:
        step: The steps taken.
        answer: (1, N).
        confidence: (N,), or None before the first step and of classical methods.
        changed: Nodes that this step changed.
        solved: Whether the rules hold.
        finite: Whether logits and state are finite; else the answer is the last one that was.
        note: Of a search: its state in words.
        residual: Relative change of the state; None before the first step and of what has none.
    """

    step: int
    answer: np.ndarray
    confidence: np.ndarray | None
    changed: int
    solved: bool
    finite: bool
    note: str = ""
    residual: float | None = None


def frames(steps: Iterator[Step], task: Task, instance: Instances) -> Iterator[Frame]:
    """Yield what is to be seen of one instance (B = 1), from before the first step to the last."""

    def solved(answer: np.ndarray) -> bool:
        return bool(task.score(instance, answer)["solved"][0])

    last = task.initial_answer(instance)
    yield Frame(0, last, None, 0, solved(last), True)
    for count, step in enumerate(steps, start=1):
        confidence = None if step.confidence is None else step.confidence[0]
        changed, finite = int((step.answer != last).sum()), bool(step.finite[0])
        last = step.answer
        residual = None if step.residual is None else float(step.residual[0])
        holds = finite and solved(last)
        yield Frame(count, last, confidence, changed, holds, finite, step.note, residual)


def showcase(records: Records) -> int:
    """The index of an instance worth watching: solved for good, as late as `MOST_FRAMES` allows.

    Where none was, the one that settled last.
    """
    good = records.solved[:, -1] & (records.settled <= MOST_FRAMES)
    if good.any():
        return int(np.where(good, records.settled, -1).argmax())
    return int(records.settled.argmax())


def solve_gif(model: RefinementModel, task: Task, instance: Instances, num_steps: int) -> bytes:
    """The refinement of one instance, until shortly after it settled.

    Args:
        model: The model.
        task: The task.
        instance: One (B = 1).
        num_steps: The budget.
    """
    with full_float32(model):
        steps = refine(model, task, instance, num_steps)
        return gif_of(task, instance, list(frames(steps, task, instance)))


def gif_of(task: Task, instance: Instances, seen: list[Frame], width: int | None = None) -> bytes:
    """All frames of one instance as a film, until shortly after the answer settled.

    Args:
        task: Draws the answers.
        instance: One (B = 1).
        seen: The frames.
        width: In pixels; None is that of the task's pictures.
    """
    settled = max((m.step for m in seen if m.changed), default=0)
    chosen = thinned(seen[: settled + 1 + AFTERWARDS])
    images = [_image(task, instance, frame) for frame in chosen]
    if width is not None:
        height = round(images[0].height * width / images[0].width)
        images = [image.resize((width, height), Image.Resampling.LANCZOS) for image in images]
    # One palette for all frames, or colours would flicker.
    palette = _side_by_side([images[0], images[len(images) // 2], images[-1]])
    palette = palette.quantize(COLOURS, dither=Image.Dither.NONE)
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    return gif(images, FRAME_MS, LAST_MS)


def thinned(seen: list[Frame]) -> list[Frame]:
    """At most `MOST_FRAMES` of them, the first and the last among these, denser early on."""
    if len(seen) <= MOST_FRAMES:
        return seen
    index = np.unique(np.geomspace(1, len(seen), MOST_FRAMES).round().astype(int) - 1)
    return [seen[i] for i in index]


def _image(task: Task, instance: Instances, frame: Frame) -> Image.Image:
    """The picture with a strip of text below it."""
    board = Image.fromarray(task.render(instance, frame.answer, "rgb_array", frame.confidence))
    image = Image.new("RGB", (board.width, board.height + _STRIP), "white")
    image.paste(board)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=20)
    middle = board.height + _STRIP / 2 - 6
    draw.text((14, middle), f"step {frame.step}", fill=_INK, font=font, anchor="lm")
    text, colour = _caption(frame)
    draw.text((board.width - 14, middle), text, fill=colour, font=font, anchor="rm")
    return image


def _side_by_side(images: list[Image.Image]) -> Image.Image:
    """The images as one picture."""
    return Image.fromarray(np.concatenate([np.asarray(image) for image in images], axis=1))


def _caption(frame: Frame) -> tuple[str, tuple[int, int, int]]:
    if frame.solved:
        return "the rules hold", _GREEN
    if not frame.step:
        return "the first answer", _SOFT
    return f"{frame.changed} changed", _SOFT
