import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_envs import Instances, SudokuTask, make_task

SIZES = [4, 6, 9, 16, 25]
BOX_HEIGHT = {4: 2, 6: 2, 9: 3, 16: 4, 25: 5}


def keys_of(*keys):
    return np.array(keys, dtype=np.uint64)


def lines_of(size):
    """Rows, columns and boxes as sets of cells, from the definition."""
    height = BOX_HEIGHT[size]
    width = size // height
    rows = [[r * size + c for c in range(size)] for r in range(size)]
    columns = [[r * size + c for r in range(size)] for c in range(size)]
    boxes = [
        [(y + i) * size + x + j for i in range(height) for j in range(width)]
        for y in range(0, size, height)
        for x in range(0, size, width)
    ]
    return rows, columns, boxes


def naive_quality(answer, size):
    lines = [line for kind in lines_of(size) for line in kind]
    return sum(set(answer[line].tolist()) == set(range(size)) for line in lines) / len(lines)


def naive_mask(givens, answer, size, strict):
    lines = [line for kind in lines_of(size) for line in kind]
    mask = np.zeros((size * size, size), dtype=np.int8)
    for cell in range(size * size):
        held = {int(answer[other]) for line in lines if cell in line for other in line}
        for digit in range(size):
            if strict:
                mask[cell, digit] = answer[cell] == -1 and digit not in held
            else:
                mask[cell, digit] = givens[cell] == -1 and answer[cell] != digit
    return mask.reshape(-1)


@pytest.mark.parametrize("size", SIZES)
def test_the_spec_describes_the_grid(size):
    spec = SudokuTask(size).spec
    assert (spec.num_nodes, spec.num_choices, spec.num_edits) == (size**2, size, size**3)
    assert [group.kind for group in spec.groups] == ["row", "column", "box", "cell"]
    for group, lines in zip(spec.groups, lines_of(size), strict=False):
        assert group.members.shape == (size * size, size, 2)
        cells = [set(members[:, 0].tolist()) for members in group.members]
        assert cells == [set(line) for line in lines for _ in range(size)]
        digits = group.members[:, :, 1]
        assert (digits == np.tile(np.arange(size), size)[:, None]).all()
    in_cell = spec.groups[3].members
    assert (in_cell[:, :, 0] == np.arange(size * size)[:, None]).all()
    assert (in_cell[:, :, 1] == np.arange(size)).all()
    for cell, peers in enumerate(spec.neighbours):
        related = {c for kind in lines_of(size) for line in kind if cell in line for c in line}
        assert set(peers.tolist()) == related - {cell}
    assert spec.positions[size + 2].tolist() == [1, 2]
    assert spec.neighbours.dtype == np.int32


@pytest.mark.parametrize("size", SIZES)
def test_instances_are_a_function_of_key_and_level(size):
    task = SudokuTask(size)
    for level in task.spec.levels:
        one = task.sample(keys_of(3, 2**64 - 1, 3), level)
        again = SudokuTask(size).sample(keys_of(2**64 - 1), level)
        assert np.array_equal(one.fields["givens"][1], again.fields["givens"][0])
        assert np.array_equal(one.fields["givens"][0], one.fields["givens"][2])
        assert not np.array_equal(one.fields["givens"][0], one.fields["givens"][1])
        assert task.score(one, one.labels["answer"])["solved"].all()


def test_splits_differ():
    drawn = [
        SudokuTask(split=split).sample(keys_of(1), "easy").fields["givens"]
        for split in ("train", "validation", "test")
    ]
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[1], drawn[2])


@pytest.mark.parametrize("size", [4, 6, 9])
@given(seed=st.integers(0, 10**6), wrong=st.integers(0, 5), open_cells=st.integers(0, 3))
@settings(max_examples=25)
def test_scores_agree_with_the_definition(size, seed, wrong, open_cells):
    task, rng = SudokuTask(size), np.random.default_rng(seed)
    instances = task.sample(keys_of(seed), "easy")
    answer = instances.labels["answer"].copy()
    cells = rng.permutation(size * size)[: wrong + open_cells]
    answer[0, cells] = rng.integers(0, size, len(cells))
    answer[0, cells[:open_cells]] = -1
    scores = task.score(instances, answer)
    right = (answer == instances.labels["answer"]).mean()
    assert scores["quality"][0] == np.float32(naive_quality(answer[0], size))
    assert scores["accuracy"][0] == np.float32(right)
    assert scores["solved"][0] == (right == 1)
    assert [scores[name].dtype for name in ("quality", "accuracy", "solved")] == [
        np.float32,
        np.float32,
        bool,
    ]


def test_a_full_grid_that_drops_a_given_is_not_solved():
    task = SudokuTask(4)
    instances = task.sample(keys_of(1), "easy")
    # Relabelled digits keep the rules, not the givens.
    answer = (instances.labels["answer"] + 1) % 4
    scores = task.score(instances, answer)
    assert scores["quality"][0] == 1
    assert not scores["solved"][0]


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_the_edit_kernel_agrees_with_the_task(size, strict, batch):
    task, rng = SudokuTask(size), np.random.default_rng(size)
    live = task.sample(np.arange(batch, dtype=np.uint64), "easy")
    state = task.edit_state(live, strict)
    scores = state.set_rows(slice(None), task.initial_answer(live))
    assert_same_scores(scores, task.score(live, state.answer))
    for step in range(60):
        mask = task.edit_mask(live, state.answer, strict)
        assert np.array_equal(state.mask, mask)
        edits = mixed_edits(mask, rng)
        allowed = mask[np.arange(batch), edits] == 1
        edited = task.apply(live, state.answer, edits, "edit")
        expected = np.where(allowed[:, None], edited, state.answer)
        scores = state.apply(edits)
        assert np.array_equal(state.answer, expected)
        assert_same_scores(scores, task.score(live, expected))
        assert np.array_equal(state.changed, allowed)
        stuck = ~task.edit_mask(live, expected, strict).any(axis=1)
        assert np.array_equal(state.ended, (~allowed | stuck) & strict)
        if step % 20 == 19:
            rows = np.arange(0, batch, 2)
            fresh = task.sample(keys_of(*(100 + step + rows)), "medium")
            live.assign(rows, fresh)
            scores = state.set_rows(rows, task.initial_answer(fresh))
            assert_same_scores(scores, task.score(fresh, task.initial_answer(fresh)))
            assert not state.changed[rows].any()
            assert not state.ended[rows].any()


def mixed_edits(mask, rng):
    """Allowed edits, and one in eight any edit at all."""
    edits = (rng.random(mask.shape) * mask).argmax(axis=1)
    return np.where(rng.random(len(mask)) < 0.125, rng.integers(0, mask.shape[1], len(mask)), edits)


def assert_same_scores(left, right):
    assert set(left) == set(right)
    for name, values in left.items():
        assert values.dtype == right[name].dtype
        assert np.array_equal(values, right[name])


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("size", [4, 6, 9])
def test_edit_masks_agree_with_the_definition(size, strict):
    task, rng = SudokuTask(size), np.random.default_rng(0)
    instances = task.sample(keys_of(1, 2), "easy")
    givens, answer = instances.fields["givens"], task.initial_answer(instances)
    free = (givens == -1) & (rng.random(answer.shape) < 0.3)
    answer[free] = instances.labels["answer"][free]
    masks = task.edit_mask(instances, answer, strict)
    for row in range(2):
        expected = naive_mask(givens[row], answer[row], size, strict)
        assert np.array_equal(masks[row], expected)


def test_strict_edits_that_follow_the_solution_solve():
    task = SudokuTask()
    instances = task.sample(keys_of(1), "minimal")
    state = task.edit_state(instances, strict=True)
    state.set_rows(slice(None), task.initial_answer(instances))
    for edit in task.edit_path(instances, state.answer)[0]:
        assert not state.ended[0]
        scores = state.apply(np.array([edit]))
    assert scores["solved"][0]
    # No edit is left.
    assert state.ended[0]


def test_an_edit_of_a_given_keeps_it():
    task = SudokuTask(4)
    instances = task.sample(keys_of(0), "easy")
    answer = task.initial_answer(instances)
    cell = int(np.flatnonzero(answer[0] >= 0)[0])
    edits = np.array([cell * 4 + (answer[0, cell] + 1) % 4])
    assert np.array_equal(task.apply(instances, answer, edits, "edit"), answer)


def test_an_unknown_mode_is_an_error():
    task = SudokuTask(4)
    instances = task.sample(keys_of(0), "easy")
    with pytest.raises(ValueError, match="'full' or 'edit'"):
        task.apply(instances, task.initial_answer(instances), np.zeros(1, int), "logits")


@pytest.mark.parametrize("size", [4, 6, 9])
def test_solve_and_improve(size):
    task = SudokuTask(size)
    instances = task.sample(np.arange(4, dtype=np.uint64), "easy")
    assert np.array_equal(task.solve(instances), instances.labels["answer"])
    answer = task.initial_answer(instances)
    qualities = [task.score(instances, answer)["quality"].mean()]
    for _ in range(5):
        answer = task.improve(instances, answer)
        qualities.append(task.score(instances, answer)["quality"].mean())
    assert qualities == sorted(qualities)
    assert qualities[-1] > qualities[0]


def test_fields_of_ones_own_are_solved():
    task = SudokuTask(4)
    instances = task.sample(keys_of(0, 1), "minimal")
    own = task.from_fields({"givens": instances.fields["givens"].astype(np.int64)})
    assert np.array_equal(own.labels["answer"], instances.labels["answer"])
    several = task.from_fields({"givens": np.full((1, 16), -1)})
    assert task.score(several, several.labels["answer"])["solved"].all()


@pytest.mark.parametrize(("size", "level"), [(4, "givens=6..8"), (9, "givens=30"), (9, "minimal")])
def test_levels_fix_the_number_of_givens(size, level):
    task = SudokuTask(size)
    givens = task.sample(np.arange(50, dtype=np.uint64), level).fields["givens"]
    counts = (givens >= 0).sum(axis=1)
    if level != "minimal":
        low, _, high = level.removeprefix("givens=").partition("..")
        assert (counts >= int(low)).all()
        assert (counts <= int(high or low)).all()
    assert task.level_index(level) == (3 if level == "minimal" else -1)


def test_extreme_puzzles_are_drawn_where_they_are_named_and_listed_nowhere():
    task = SudokuTask(9)
    instances = task.sample(np.arange(50, dtype=np.uint64), "extreme")
    assert task.score(instances, instances.labels["answer"])["solved"].all()
    assert task.level_index("extreme") == -1
    assert "extreme" not in task.spec.levels
    with pytest.raises(ValueError, match="one of easy, medium, hard, minimal, extreme, givens=K"):
        task.level_index("extrem")


def test_a_file_is_a_level(tmp_path):
    task = SudokuTask(9)
    instances = task.sample(np.arange(3, dtype=np.uint64), "easy")
    lines = ["".join(".123456789"[d + 1] for d in row) for row in instances.fields["givens"]]
    path = tmp_path / "puzzles.txt"
    path.write_text("\n".join(lines))
    level = f"file:{path}"
    drawn = task.sample(keys_of(1, 3, 2**64 - 1), level)
    assert np.array_equal(
        drawn.fields["givens"], instances.fields["givens"][[1, 0, (2**64 - 1) % 3]]
    )
    assert np.array_equal(drawn.labels["answer"][0], instances.labels["answer"][1])
    assert drawn.keys.tolist() == [1, 3, 2**64 - 1]
    assert task.level_index(level) == -1
    with pytest.raises(ValueError, match="expected puzzles of 16 cells"):
        SudokuTask(4).level_index(level)


def test_make_task_builds_the_task_of_an_id():
    assert make_task("ttc/SudokuEdit4-v0").spec.num_nodes == 16
    assert make_task("ttc_envs:ttc/Sudoku-v0", size=6, split="test").size == 6
    with pytest.raises(ValueError, match="env_id must be one of"):
        make_task("ttc/Chess-v0")
    with pytest.raises(TypeError, match="level"):
        make_task("ttc/Sudoku-v0", level="easy")


def test_words_and_files_of_puzzles(tmp_path):
    task = SudokuTask(4)
    instances = task.sample(keys_of(*range(20)), "minimal")
    words = [task.spell(puzzle) for puzzle in instances.fields["givens"]]
    read = task.parse(words[0])
    assert np.array_equal(read.fields["givens"], instances.fields["givens"][:1])
    assert np.array_equal(read.labels["answer"], instances.labels["answer"][:1])
    assert not task.several_solutions(instances).any()
    assert task.several_solutions(task.parse("." * 16)).all()
    path = tmp_path / "puzzles.txt"
    path.write_text("\n".join([*words, words[0], "11" + "." * 14]))
    with pytest.raises(ValueError, match="1 of 22 rows are bad"):
        task.load(path)
    loaded = task.load(path, on_error="skip")
    distinct = len(set(words))
    assert (len(loaded.instances), loaded.duplicates) == (distinct, 21 - distinct)
    assert loaded.rejected == ((22, "1 stands twice in row 1"),)
    assert np.array_equal(loaded.instances.fields["givens"][0], instances.fields["givens"][0])
    assert task.score(loaded.instances, loaded.instances.labels["answer"])["solved"].all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("." * 81, "expected puzzles of 16 cells, got 1 of 81"),
        ("11" + "." * 14, "twice"),
        ("7" * 16, "7"),
    ],
)
def test_texts_that_are_no_puzzle_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        SudokuTask(4).parse(text)


def test_solutions_are_counted():
    task = SudokuTask(4)
    unique = task.sample(keys_of(3), "minimal").fields["givens"][0]
    none = np.full(16, -1, dtype=np.int8)
    # The last cell of the first row can only be 4, which stands in its column.
    none[[0, 1, 2, 15]] = 0, 1, 2, 3
    several = np.full(16, -1, dtype=np.int8)
    instances = Instances(keys_of(0, 1, 2), {"givens": np.stack([none, unique, several])}, {})
    assert task.count_solutions(instances).tolist() == [0, 1, 2]
    assert task.several_solutions(instances).tolist() == [False, False, True]


def test_a_text_may_hold_many_puzzles_and_bad_ones():
    task = SudokuTask(4)
    givens = task.sample(keys_of(0, 1, 2), "minimal").fields["givens"]
    words = [*map(task.spell, givens), "." * 16]
    parsed = task.parse("\n".join(words))
    assert np.array_equal(parsed.fields["givens"][:-1], givens)
    assert task.score(parsed, parsed.labels["answer"])["solved"].all()
    assert task.several_solutions(parsed).tolist() == [False, False, False, True]
    with pytest.raises(ValueError, match="the text: 1 of 4 rows are bad: line 4: the puzzle has"):
        task.load_text("\n".join(words))
    loaded = task.load_text("\n".join(words), on_error="skip")
    assert (len(loaded.instances), loaded.rejected) == (
        3,
        ((4, "the puzzle has several solutions"),),
    )


def test_of_several_solutions_each_is_right(tmp_path):
    task, path = SudokuTask(4), tmp_path / "open.txt"
    path.write_text("." * 16)
    with pytest.raises(ValueError, match="several solutions"):
        task.load(path)
    instances = task.load(path, several_solutions=True).instances
    other = (instances.labels["answer"] + 1) % 4
    scores = task.score(instances, other)
    assert scores["solved"].tolist() == [True]
    assert scores["accuracy"].tolist() == [0.0]


def test_a_puzzle_that_no_grid_completes_is_refused():
    # The last cell of the first row can only be 4, which stands in its column.
    with pytest.raises(ValueError, match="no solution"):
        SudokuTask(4).parse("123...4........4"[:16])


def test_a_file_of_bad_rows_alone_or_of_another_size_is_refused(tmp_path):
    path = tmp_path / "puzzles.txt"
    path.write_text("11" + "." * 14)
    with pytest.raises(ValueError, match="no row is a puzzle to solve; line 1: 1 stands"):
        SudokuTask(4).load(path, on_error="skip")
    path.write_text(
        SudokuTask(4).spell(SudokuTask(4).sample(keys_of(1), "easy").fields["givens"][0])
    )
    with pytest.raises(ValueError, match="expected puzzles of 81 cells, got 1 of 16"):
        SudokuTask(9).load(path)
