"""Colours that the pictures of all tasks share."""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import Array

Colour = tuple[int, int, int]

RED, YELLOW, GREEN = (244, 120, 108), (253, 224, 130), (130, 212, 144)


def confidence_colour(confidence: float) -> Colour:
    """Red at 0, yellow at 0.5, green at 1, linear between."""
    low, high = (RED, YELLOW) if confidence < 0.5 else (YELLOW, GREEN)
    return blend(low, high, 2 * confidence - (0 if confidence < 0.5 else 1))


def blend(start: Colour, end: Colour, share: float) -> Colour:
    """The colour that lies `share` of the way from start to end."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(start, end, strict=True))
    return red, green, blue


def check_confidence(confidence: Array, size: int) -> Array:
    """(N,) float64 in [0, 1].

    Raises:
        ValueError: Another shape, NaN, or values that are no probabilities.
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    if confidence.shape != (size,):
        raise ValueError(f"confidence must have shape ({size},), got {confidence.shape}")
    # Written so that NaN fails too; softmax may pass 1 by rounding.
    if not ((confidence >= -1e-6) & (confidence <= 1 + 1e-6)).all():
        raise ValueError(
            f"confidence must lie in [0, 1], got {confidence.min()}..{confidence.max()}"
        )
    return confidence.clip(0, 1)
