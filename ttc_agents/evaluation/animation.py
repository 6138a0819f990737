"""One instance being refined, as an animated picture: red turns green as confidence grows."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ttc_agents.evaluation.precision import full_float32
from ttc_agents.evaluation.records import Records
from ttc_agents.evaluation.sweep import refine
from ttc_agents.models.base import RefinementModel
from ttc_agents.policies.refinement import decide
from ttc_envs import Instances, Task

MOST_FRAMES = 64
FRAME_MS, LAST_MS = 160, 3500
AFTERWARDS = 6
"""Steps after the answer settled, in which confidence still grows."""
COLOURS = 128
_STRIP, _INK, _SOFT, _GREEN = 46, (31, 41, 55), (107, 114, 128), (22, 128, 61)


@dataclass(frozen=True, eq=False)
class Moment:
    """The answer of one puzzle after a step (0: before the first).

    Args:
        step: The steps taken.
        answer: (1, N).
        confidence: (N,), or None before the first step.
        changed: Nodes that this step changed.
        solved: Whether the rules hold.
        finite: Whether logits and state are finite; else the answer is the last one that was.
    """

    step: int
    answer: np.ndarray
    confidence: np.ndarray | None
    changed: int
    solved: bool
    finite: bool


def moments(
    model: RefinementModel, task: Task, instance: Instances, num_steps: int
) -> Iterator[Moment]:
    """Yield what is to be seen of one puzzle (B = 1), from before the first step to the last.

    Precision and gradients are the caller's, see `full_float32`.
    """
    last = yield from _first(task, instance)
    for logits, finite, _ in refine(model, task, instance, num_steps):
        action, confidence = decide(logits)
        after = task.apply(instance, last.answer, action, "full") if finite[0] else last.answer
        last = _next(task, instance, last, after, confidence[0], bool(finite[0]))
        yield last


def classical_moments(
    answers: Iterator[np.ndarray], task: Task, instance: Instances, num_steps: int
) -> Iterator[Moment]:
    """The same of a classical method, by its answers (1, N) after each step."""
    last = yield from _first(task, instance)
    for _ in range(num_steps):
        last = _next(task, instance, last, next(answers, last.answer), None, True)
        yield last


def _first(task: Task, instance: Instances) -> Generator[Moment, None, Moment]:
    """Yields and returns the moment before the first step."""
    answer = task.initial_answer(instance)
    solved = bool(task.score(instance, answer)["solved"][0])
    moment = Moment(0, answer, None, 0, solved, True)
    yield moment
    return moment


def _next(
    task: Task,
    instance: Instances,
    last: Moment,
    answer: np.ndarray,
    confidence: np.ndarray | None,
    finite: bool,
) -> Moment:
    """The moment of an answer that comes after another."""
    solved = bool(task.score(instance, answer)["solved"][0] and finite)
    changed = int((answer != last.answer).sum())
    return Moment(last.step + 1, answer, confidence, changed, solved, finite)


def showcase(records: Records) -> int:
    """The index of a puzzle worth watching: solved for good, as late as `MOST_FRAMES` allows.

    Where none was, the one that settled last.
    """
    good = records.solved[:, -1] & (records.settled <= MOST_FRAMES)
    if good.any():
        return int(np.where(good, records.settled, -1).argmax())
    return int(records.settled.argmax())


def solve_gif(model: RefinementModel, task: Task, instance: Instances, num_steps: int) -> bytes:
    """The refinement of one puzzle, until shortly after it settled.

    Args:
        model: The model.
        task: The task.
        instance: One puzzle (B = 1).
        num_steps: The budget.
    """
    with full_float32(model):
        return gif_of(task, instance, list(moments(model, task, instance, num_steps)))


def gif_of(task: Task, instance: Instances, seen: list[Moment]) -> bytes:
    """All moments of one puzzle as a film, until shortly after the answer settled."""
    settled = max((m.step for m in seen if m.changed), default=0)
    chosen = thinned(seen[: settled + 1 + AFTERWARDS])
    frames = [_frame(task, instance, moment) for moment in chosen]
    # One palette for all frames, or colours would flicker.
    palette = _side_by_side([frames[0], frames[len(frames) // 2], frames[-1]])
    palette = palette.quantize(COLOURS, dither=Image.Dither.NONE)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    stream = io.BytesIO()
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(
        stream, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
    )
    return stream.getvalue()


def thinned(seen: list[Moment]) -> list[Moment]:
    """At most `MOST_FRAMES` of them, the first and the last among these, denser early on."""
    if len(seen) <= MOST_FRAMES:
        return seen
    index = np.unique(np.geomspace(1, len(seen), MOST_FRAMES).round().astype(int) - 1)
    return [seen[i] for i in index]


def _frame(task: Task, instance: Instances, moment: Moment) -> Image.Image:
    """The board with a strip of text below it."""
    board = Image.fromarray(task.render(instance, moment.answer, "rgb_array", moment.confidence))
    frame = Image.new("RGB", (board.width, board.height + _STRIP), "white")
    frame.paste(board)
    draw = ImageDraw.Draw(frame)
    font = ImageFont.load_default(size=20)
    middle = board.height + _STRIP / 2 - 6
    draw.text((14, middle), f"step {moment.step}", fill=_INK, font=font, anchor="lm")
    text, colour = _caption(moment)
    draw.text((board.width - 14, middle), text, fill=colour, font=font, anchor="rm")
    return frame


def _side_by_side(frames: list[Image.Image]) -> Image.Image:
    """The frames as one picture."""
    return Image.fromarray(np.concatenate([np.asarray(frame) for frame in frames], axis=1))


def _caption(moment: Moment) -> tuple[str, tuple[int, int, int]]:
    if moment.solved:
        return "the rules hold", _GREEN
    if not moment.step:
        return "the first answer", _SOFT
    return f"{moment.changed} changed", _SOFT
