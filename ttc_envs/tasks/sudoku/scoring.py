"""Scores of boards.

Quality is the share of rows, columns and boxes that hold each digit once; with bits[b, i] = 1 <<
answer[b, i] a line does so if the bitwise or over its S cells is 2^S - 1.

Shapes: B batch, N = S * S cells, S digits, L = 3 S lines.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import UNDECIDED, Array, Instances, count_per_row
from ttc_envs.tasks.sudoku.edits import tables_of
from ttc_envs.tasks.sudoku.grid import BOXES


def score(instances: Instances, answer: Array, size: int) -> dict[str, Array]:
    """`quality`, `accuracy` and `solved` of answers (B, N)."""
    givens = instances.fields["givens"]
    right = count_per_row(answer == instances.labels["answer"])
    scores = tables_of(size).scores(_complete_lines(answer, size), right)
    full = scores["solved"].nonzero()[0]
    if len(full):
        kept = (answer[full] == givens[full]) | (givens[full] == UNDECIDED)
        scores["solved"][full] = kept.all(axis=1)
    return scores


def _complete_lines(answer: Array, size: int) -> Array:
    """(B,) how many rows, columns and boxes hold each digit once."""
    # Cells first, so that each operation runs along the batch; a shift by -1 is out of range and 0.
    batch, word = len(answer), np.uint16 if size <= 16 else np.uint32
    digits = np.ascontiguousarray(answer.T).astype(word)
    bits = np.left_shift(word(1), digits).reshape(size, size, batch)
    height, width = BOXES[size]
    boxes = bits.reshape(size // height, height, size // width, width, batch)
    full = word(2**size - 1)
    lines = (
        np.bitwise_or.reduce(bits, axis=1),
        np.bitwise_or.reduce(bits, axis=0),
        np.bitwise_or.reduce(np.bitwise_or.reduce(boxes, axis=3), axis=1).reshape(size, batch),
    )
    complete: Array = sum((line == full).sum(axis=0, dtype=np.int32) for line in lines)
    return complete
