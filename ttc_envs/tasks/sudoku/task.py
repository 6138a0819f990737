"""The Sudoku task: what an instance is, what an answer is, how it is scored.

An answer (B, N) holds digits 0..S-1 (shown as 1..S), -1 where undecided. Quality is the share of
rows, columns and boxes that hold each digit once; with bits[b, i] = 1 << answer[b, i] a line does
so if the bitwise or over its S cells is 2^S - 1.

Shapes: B batch, N = S * S cells, S digits, L = 3 S lines, E = N S edits.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ttc_envs.spec import (
    UNDECIDED,
    Array,
    Baseline,
    EditState,
    Field,
    Group,
    Instances,
    TaskSpec,
    count_per_row,
)
from ttc_envs.tasks.sudoku import bank, solver
from ttc_envs.tasks.sudoku.edits import SudokuEdits, edit_mask, tables_of
from ttc_envs.tasks.sudoku.grid import BOXES, grid_of
from ttc_envs.tasks.sudoku.strict_edits import StrictEdits

FILE_PREFIX = "file:"


class SudokuTask:
    """Sudoku: fill the grid so that each row, column and box holds each digit once.

    ## Description
    An instance is a puzzle with one solution: some cells are given, the others are to be filled.
    The answer is the whole grid, right or wrong; each refinement step rewrites all of it or one
    cell. What is given stays.

    ## Action Space
    - `action_mode="full"` (`ttc/Sudoku-v0`, `ttc/Sudoku4-v0`): `MultiDiscrete([size] * cells)`, a
      digit 0..size-1 for every cell, row by row. Given cells take any digit and keep theirs.
    - `action_mode="edit"` (`ttc/SudokuEdit-v0`, `ttc/SudokuEdit4-v0`): `Discrete(cells * size)`;
      edit `cell * size + digit` writes a digit into a cell and may overwrite. The mask forbids
      edits of given cells and edits that change nothing; a forbidden edit changes nothing and costs
      the step. With `strict=True` only blank cells may be filled, with digits that their row,
      column and box do not hold; a forbidden edit, or the lack of an allowed one, ends the episode.
    - `action_mode="logits"`: `Box(-1, 1, (cells * size,), float32)`; the answer is the argmax over
      digits. Any finite value is accepted.

    ## Observation Space
    A `Dict` of 1-d boxes:

    | entry | shape | dtype | values |
    |---|---|---|---|
    | `givens` | (cells,) | int8 | digit 0..size-1, -1 where free |
    | `answer` | (cells,) | int8 | digit 0..size-1, -1 where undecided |
    | `step` | (1,) | int32 | steps taken |

    With `observation="one_hot"` `givens` and `answer` are (cells * size,) int8: 1 at `cell * size +
    digit`, all 0 for a cell that is free or undecided.

    ## Rewards
    - `reward="verifier"` (default): the gain in quality, the share of the rows, columns and boxes
      that hold each digit once.
    - `reward="oracle"`: the gain in accuracy, the share of cells that agree with the solution.
    - `reward="sparse"`: nothing.

    All three add 1 at the first step after which the puzzle is solved.

    ## Starting State
    A puzzle drawn by a key from the env's own generator, out of a packaged bank under random
    symmetry moves. The answer holds what is given, the rest is undecided. `reset` takes these
    options: `instance_id` (a key, to replay a puzzle), `level`, and `instance` (`{"givens": ...}`
    or `Instances`) for a puzzle of one's own. Labels are not shown.

    ## Episode End
    - Termination: the puzzle is solved (not with `terminate_on_solved=False`); under `strict=True`
      also by a forbidden edit or when no edit is allowed.
    - Truncation: after `max_episode_steps`, 32 by default, 4 * cells for the edit ids (324 and 64).

    ## Information
    `solved`, `is_success` (bool), `quality`, `accuracy` (float32), `changed` (cells that the step
    changed), `first_solved_step` (-1 before), `level` (index into `task.spec.levels`, -1 for
    `givens=...`, `file:...` and given puzzles), `instance_id` (uint64; the key), and in mode `edit`
    `action_mask` (cells * size,) int8. `action_masks()` returns the mask as bool.

    ## Arguments
    - `size`: 9 (4 for the ids with a 4), also 4, 6, 16. The edit ids keep their step limit.
    - `split`: `train` (default), `validation` or `test`; no two share a puzzle up to symmetry.
    - `level`: `easy` (default), `medium`, `hard`, `minimal` (no given can be spared; not for
      16x16), `givens=K`, `givens=LOW..HIGH`, or `file:PATH`, a file for `load_puzzles`, from which
      the key picks row key modulo rows as it is.
    - `action_mode`, `reward`, `terminate_on_solved`, `observation`, `strict`: see above.

    ## Version History
    - v0: first version.
    """

    def __init__(self, size: int = 9, split: str = "train") -> None:
        if split not in bank.SPLITS:
            raise ValueError(f"split must be one of {bank.SPLITS}, got {split!r}")
        if isinstance(size, bool) or not isinstance(size, int) or size not in BOXES:
            raise ValueError(f"size must be one of {sorted(BOXES)}, got {size!r}")
        self.size = size
        self.split = split
        self.spec = _spec(size)
        self._files: dict[str, Instances] = {}

    # Instances

    def level_index(self, level: str) -> int:
        """Index of a named level, -1 for `givens=...` and `file:PATH` (which is read)."""
        if level.startswith(FILE_PREFIX):
            self._from_file(level)
        else:
            bank.parse_level(level, self.size)
        return self.spec.levels.index(level) if level in self.spec.levels else -1

    def sample(self, keys: Array, level: str) -> Instances:
        """Puzzles determined by (key, level), with their solutions as label `answer`."""
        keys = np.asarray(keys, dtype=np.uint64)
        if level.startswith(FILE_PREFIX):
            pool = self._from_file(level)
            chosen = pool[(keys % np.uint64(len(pool))).astype(np.int64)]
            return Instances(keys, chosen.fields, chosen.labels)
        puzzles, solutions, _ = bank.draw(keys, self.size, level, self.split)
        return Instances(keys, {"givens": puzzles}, {"answer": solutions})

    def _from_file(self, level: str) -> Instances:
        """All puzzles of a file, read once."""
        if level not in self._files:
            from ttc_envs.tasks.sudoku.files import load_puzzles

            loaded = load_puzzles(level.removeprefix(FILE_PREFIX))
            num_cells = loaded.puzzles.shape[1]
            if num_cells != self.spec.num_nodes or not len(loaded.puzzles):
                raise ValueError(
                    f"{level}: expected puzzles of {self.spec.num_nodes} cells, "
                    f"got {len(loaded.puzzles)} of {num_cells}"
                )
            keys = np.arange(len(loaded.puzzles), dtype=np.uint64)
            self._files[level] = Instances(
                keys, {"givens": loaded.puzzles}, {"answer": loaded.solutions}
            )
        return self._files[level]

    def from_fields(self, fields: dict[str, Any]) -> Instances:
        """Puzzles of the caller's; where there are several solutions, one of them is the label."""
        givens = self.spec.check_fields(fields)["givens"]
        solutions, counts = solver.solve(givens, self.size)
        if (counts == 0).any():
            raise ValueError(f"puzzles {np.flatnonzero(counts == 0)[:8]} have no solution")
        return Instances(
            np.zeros(len(givens), np.uint64), {"givens": givens}, {"answer": solutions}
        )

    # Answers

    def initial_answer(self, instances: Instances) -> Array:
        """What is given; the rest undecided."""
        return instances.fields["givens"].copy()

    def apply(self, instances: Instances, answer: Array, action: Array, mode: str) -> Array:
        """The next answer (B, N) int8 by a whole answer (B, N) or an edit (B,), givens kept."""
        givens = instances.fields["givens"]
        if mode == "full":
            # The sign of a given is a mask of bits: all where free, none where given.
            kept: Array = np.maximum(givens, action.astype(np.int8) & (givens >> 7))
            return kept
        if mode != "edit":
            raise ValueError(f"mode must be 'full' or 'edit', got {mode!r}")
        rows = np.arange(len(answer))
        cells, digits = np.divmod(action, self.size)
        after = answer.copy()
        after[rows, cells] = np.where(givens[rows, cells] == UNDECIDED, digits, givens[rows, cells])
        return after

    def edit_mask(self, instances: Instances, answer: Array, strict: bool = False) -> Array:
        """(B, E) int8: edits of free cells that change something, or those that `strict` allows."""
        return edit_mask(instances.fields["givens"], answer, self.size, strict)

    def edit_state(self, instances: Instances, strict: bool) -> EditState:
        """Answers that change by edits."""
        return (StrictEdits if strict else SudokuEdits)(instances, self.size)

    def edit_path(self, instances: Instances, answer: Array) -> list[Array]:
        """For each row the edits that write the solution into the cells that differ, in order."""
        solutions = instances.labels["answer"]
        edits = np.arange(self.spec.num_nodes) * self.size + solutions
        return [row[wrong] for row, wrong in zip(edits, answer != solutions, strict=True)]

    def score(self, instances: Instances, answer: Array) -> dict[str, Array]:
        """`quality`, `accuracy` and `solved` of answers (B, N)."""
        givens = instances.fields["givens"]
        complete = _complete_lines(answer, self.size)
        right = count_per_row(answer == instances.labels["answer"])
        scores = tables_of(self.size).scores(complete, right)
        full = scores["solved"].nonzero()[0]
        if len(full):
            kept = (answer[full] == givens[full]) | (givens[full] == UNDECIDED)
            scores["solved"][full] = kept.all(axis=1)
        return scores

    def score_parts(self, instances: Instances, answer: Array) -> None:
        """None: a board is one question."""

    # Classical solvers

    def solve(self, instances: Instances) -> Array:
        """Exact solutions, by search: labels are not looked at."""
        return solver.solve(instances.fields["givens"], self.size)[0]

    def count_solutions(self, instances: Instances) -> Array:
        """(B,) int8: 0, 1 or 2 for several."""
        return solver.solve(instances.fields["givens"], self.size)[1]

    def improve(self, instances: Instances, answer: Array) -> Array:
        """One round of naked and hidden singles, all at once."""
        return solver.parallel_singles(instances.fields["givens"], answer, self.size)

    def baselines(self) -> dict[str, Baseline]:
        """None beside `improve` and `solve`."""
        return {}

    def render(
        self, instance: Instances, answer: Array, mode: str, confidence: Array | None = None
    ) -> Any:
        """One board (B = 1) as `ansi` text or `rgb_array`; confidence (N,) colours free cells."""
        from ttc_envs.tasks.sudoku.render import render

        return render(instance.fields["givens"][0], answer[0], self.size, mode, confidence)


@cache
def _spec(size: int) -> TaskSpec:
    """The spec of a size."""
    grid = grid_of(size)
    num_cells = grid.num_cells
    digits = np.arange(size, dtype=np.int32)
    groups = tuple(
        Group(kind, _groups(grid.groups[i * size : (i + 1) * size], size))
        for i, kind in enumerate(("row", "column", "box"))
    )
    cells = np.broadcast_to(np.arange(num_cells)[:, None], (num_cells, size))
    in_cell = np.stack([cells, np.broadcast_to(digits, cells.shape)], axis=2).astype(np.int32)
    row, column = np.divmod(np.arange(num_cells), size)
    return TaskSpec(
        name="sudoku",
        levels=bank.level_names(size),
        fields={
            "givens": Field("node", "given", (num_cells,), "int8", UNDECIDED, size - 1),
        },
        num_nodes=num_cells,
        num_choices=size,
        choices="class",
        num_edits=num_cells * size,
        neighbours=grid.peers.astype(np.int32),
        groups=(*groups, Group("cell", in_cell)),
        positions=np.stack([row, column], axis=1).astype(np.float32),
    )


def _groups(lines: Array, size: int) -> Array:
    """(S * S, S, 2): for each of S lines (S, S) and each digit, the cells that may hold it."""
    cells = np.broadcast_to(lines[:, None, :], (size, size, size))
    digits = np.broadcast_to(np.arange(size)[None, :, None], cells.shape)
    return np.stack([cells, digits], axis=3).reshape(size * size, size, 2).astype(np.int32)


def _complete_lines(answer: Array, size: int) -> Array:
    """(B,) how many rows, columns and boxes hold each digit once."""
    # Cells first, so that each operation runs along the batch; a shift by -1 is out of range and 0.
    digits = np.ascontiguousarray(answer.T).astype(np.uint16)
    bits = np.left_shift(np.uint16(1), digits).reshape(size, size, -1)
    height, width = BOXES[size]
    boxes = bits.reshape(size // height, height, size // width, width, -1)
    full = np.uint16(2**size - 1)
    lines = (
        np.bitwise_or.reduce(bits, axis=1),
        np.bitwise_or.reduce(bits, axis=0),
        np.bitwise_or.reduce(np.bitwise_or.reduce(boxes, axis=3), axis=1).reshape(size, -1),
    )
    complete: Array = sum((line == full).sum(axis=0, dtype=np.int32) for line in lines)
    return complete
