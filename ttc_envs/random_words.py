"""Random numbers that are a pure function of a key, as array operations.

`random_words(keys, stream, count)` mixes key, stream and counter as splitmix64 does. A row depends
on its own key alone, so a draw does not depend on how keys are batched.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import Array

GOLDEN = 0x9E3779B97F4A7C15


def mix(values: Array) -> Array:
    """A bijection of uint64 that spreads each bit over all (the finaliser of splitmix64)."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def random_words(keys: Array, stream: int, count: int) -> Array:
    """(B, count) uint64, determined by keys (B,) uint64; streams are independent of each other.

    Raises:
        ValueError: The keys are not a (B,) array of non-negative integers.
    """
    keys = np.asarray(keys)
    if keys.ndim != 1 or keys.dtype.kind not in "iu":
        raise ValueError(f"keys must be (B,) uint64, got {keys.dtype} of shape {keys.shape}")
    steps = (stream << 32) + 1 + np.arange(count, dtype=np.uint64)
    start = mix(keys.astype(np.uint64))
    return mix(start[:, None] + steps * np.uint64(GOLDEN))
