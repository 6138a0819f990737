"""The Sudoku task: what an instance is, what an answer is, how it is scored.

An answer (B, N) holds digits 0..S-1 (shown as 1..S), -1 where undecided.

Shapes: B batch, N = S * S cells, S digits, E = N S edits.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ttc_envs.contracts import EditState, Loaded, Wording
from ttc_envs.spec import Array, Instances
from ttc_envs.task import Task
from ttc_envs.tasks.sudoku import bank, scoring, solver
from ttc_envs.tasks.sudoku.edits import SudokuEdits, edit_mask
from ttc_envs.tasks.sudoku.grid import BOXES
from ttc_envs.tasks.sudoku.instances import sudoku_spec
from ttc_envs.tasks.sudoku.own import OwnPuzzles, own_puzzles
from ttc_envs.tasks.sudoku.strict_edits import StrictEdits

if TYPE_CHECKING:
    from ttc_envs.tasks.sudoku.files import PuzzleFile

FILE_PREFIX, OWN_LEVEL = "file:", "own"


class SudokuTask(Task):
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

    The 15,316 puzzles of the level `extreme` were bred from random minimal ones: a given is taken
    away, others are added, and what makes the exact solver guess more is kept. It guesses 29 times
    in the median of the training puzzles (validation 37, test 21; `minimal`: 1). Islands that were
    bred apart are in different splits. `extreme` is not in `task.spec.levels`: it is drawn where it
    is named. `ttc data sudoku --level extreme --count 5000 --out FILE` makes new ones, about 30 a
    second. All 25x25 puzzles can be solved by singles.

    ## Episode End
    - Termination: the puzzle is solved (not with `terminate_on_solved=False`); under `strict=True`
      also by a forbidden edit or when no edit is allowed.
    - Truncation: after `max_episode_steps`, 32 by default, 4 * cells for the edit ids (324 and 64).

    ## Information
    - `solved`, `is_success` (bool); `quality`, `accuracy` (float32).
    - `changed`: cells that the step changed. `first_solved_step`: -1 before.
    - `level`: index into `task.spec.levels`, -1 for `givens=...`, `file:...` and given
      puzzles. `instance_id` (uint64): the key.
    - `action_mask` in mode `edit` (cells * size,), int8. `action_masks()` returns it as bool.

    ## Arguments
    - `size`: 9 (4 for the ids with a 4), also 4, 6, 16, 25. The edit ids keep their step limit.
    - `split`: `train` (default), `validation` or `test`; no two share a puzzle up to symmetry.
    - `level`: `easy` (default), `medium`, `hard`, `minimal` (no given can be spared; up to 9x9),
      `extreme` (9x9: minimal puzzles bred for guesses of the exact solver, see above), `givens=K`,
      `givens=LOW..HIGH` (16x16: 80 and more, 25x25: 267 and more), or `file:PATH`, a file for
      `load_puzzles`, from which the key picks row key modulo rows as it is.
    - `puzzles`: default None; the path of a file for `load_puzzles`, to train on puzzles of one's
      own. They are drawn at the level `own`, then the default, each under a random symmetry move.
      A tenth of their symmetry classes is for `validation` and a tenth for `test`.
    - `action_mode`, `reward`, `terminate_on_solved`, `observation`, `strict`: see above.

    ## Version History
    - v0: first version.
    """

    splits = bank.SPLITS
    wording = Wording(
        "Sudoku from generated puzzles",
        "classical singles",
        "Digits are tinted by the confidence of the network, from red to green; grey cells are "
        "given.",
    )

    def __init__(
        self,
        size: int = 9,
        split: str = "train",
        puzzles: str | os.PathLike[str] | None = None,
    ) -> None:
        if split not in bank.SPLITS:
            raise ValueError(f"split must be one of {bank.SPLITS}, got {split!r}")
        if isinstance(size, bool) or not isinstance(size, int) or size not in BOXES:
            raise ValueError(f"size must be one of {sorted(BOXES)}, got {size!r}")
        self.size = size
        self.split = split
        self.spec = sudoku_spec(size)
        self._files: dict[str, Loaded] = {}
        self._own: OwnPuzzles | None = None
        if puzzles is not None:
            self._own = own_puzzles(puzzles, size, split)
            levels = (OWN_LEVEL, *self.spec.levels)
            self.spec = dataclasses.replace(self.spec, levels=levels)

    @property
    def sources(self) -> dict[str, str]:
        """The content of the files of puzzles: those of one's own, and those of levels."""
        own = {} if self._own is None else {"puzzles": self._own.sha256}
        return own | {level: loaded.sha256 for level, loaded in self._files.items()}

    # Instances

    def level_index(self, level: str) -> int:
        """Index of a named level, -1 for `givens=...` and `file:PATH` (which is read)."""
        if level.startswith(FILE_PREFIX):
            self._from_file(level)
        elif self._own is None or level != OWN_LEVEL:
            bank.parse_level(level, self.size)
        return self.spec.levels.index(level) if level in self.spec.levels else -1

    def sample(self, keys: Array, level: str) -> Instances:
        """Puzzles determined by (key, level), with their solutions as label `answer`."""
        keys = np.asarray(keys, dtype=np.uint64)
        if level.startswith(FILE_PREFIX):
            pool = self._from_file(level).instances
            chosen = pool[(keys % np.uint64(len(pool))).astype(np.int64)]
            return Instances(keys, chosen.fields, chosen.labels)
        if self._own is not None and level == OWN_LEVEL:
            puzzles, solutions = self._own.draw(keys)
        else:
            puzzles, solutions, _ = bank.draw(keys, self.size, level, self.split)
        return Instances(keys, {"givens": puzzles}, {"answer": solutions})

    def _from_file(self, level: str) -> Loaded:
        """All puzzles of a file, read once: a task does not change while episodes draw from it."""
        if level not in self._files:
            self._files[level] = self.load(level.removeprefix(FILE_PREFIX))
        return self._files[level]

    # Answers

    def apply(self, instances: Instances, answer: Array, action: Array, mode: str) -> Array:
        """The next answer (B, N) int8 by a whole answer (B, N) or an edit (B,), givens kept."""
        if mode == "full":
            givens = instances.fields["givens"]
            # The sign of a given is a mask of bits: all where free, none where given.
            kept: Array = np.maximum(givens, action.astype(np.int8) & (givens >> 7))
            return kept
        return super().apply(instances, answer, action, mode)

    def edit_mask(self, instances: Instances, answer: Array, strict: bool = False) -> Array:
        """(B, E) int8: edits of free cells that change something, or those that `strict` allows."""
        return edit_mask(instances.fields["givens"], answer, self.size, strict)

    def edit_state(self, instances: Instances, strict: bool) -> EditState:
        """Answers that change by edits."""
        return (StrictEdits if strict else SudokuEdits)(instances, self.size)

    def score(self, instances: Instances, answer: Array) -> dict[str, Array]:
        """`quality`, `accuracy` and `solved` of answers (B, N)."""
        return scoring.score(instances, answer, self.size)

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

    def several_solutions(self, instances: Instances) -> Array:
        """(B,) bool, whether a puzzle has more than one solution."""
        several: Array = self.count_solutions(instances) > 1
        return several

    # Words, files and pictures

    def spell(self, answer: Array) -> str:
        """A board (N,) as one word of digits, row by row, dots where undecided."""
        from ttc_envs.tasks.sudoku.files import spell_puzzle

        return spell_puzzle(answer)

    def parse(self, text: str) -> Instances:
        """The puzzles that a text spells, in any layout of `load_puzzles`; most often one.

        Raises:
            ValueError: Wrong length, a letter, a clash, or no solution. Several are welcome.
        """
        return self.load_text(text, several_solutions=True).instances

    def load(
        self,
        path: str | os.PathLike[str],
        on_error: str = "raise",
        several_solutions: bool = False,
    ) -> Loaded:
        """The puzzles of a file in any layout that `load_puzzles` reads."""
        from ttc_envs.tasks.sudoku.files import load_puzzles

        return self._loaded(load_puzzles(path, on_error, several_solutions))

    def load_text(
        self, text: str, on_error: str = "raise", several_solutions: bool = False
    ) -> Loaded:
        """The puzzles of a text in any layout that `load_puzzles` reads."""
        from ttc_envs.tasks.sudoku.files import parse_puzzles

        return self._loaded(parse_puzzles(text, on_error, several_solutions))

    def _loaded(self, found: PuzzleFile) -> Loaded:
        """The puzzles of a file, all of this task's size, as instances."""
        from ttc_envs.tasks.sudoku.files import of_size

        found = of_size(found, self.size)
        keys = np.arange(len(found), dtype=np.uint64)
        instances = Instances(keys, {"givens": found.puzzles}, {"answer": found.solutions})
        return Loaded(instances, found.rejected, found.duplicates, found.sha256)

    def render(
        self, instance: Instances, answer: Array, mode: str, confidence: Array | None = None
    ) -> Any:
        """One board (B = 1) as `ansi` text or `rgb_array`; confidence (N,) colours free cells."""
        from ttc_envs.tasks.sudoku.render import render

        return render(instance.fields["givens"][0], answer[0], self.size, mode, confidence)
