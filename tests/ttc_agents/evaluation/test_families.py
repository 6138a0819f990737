"""Sets of instances, drawn or read."""

import numpy as np
import pytest

from ttc_agents.evaluation.families import (
    REJECTED_SHOWN,
    default_level,
    draw,
    families_of_files,
    read_file,
    read_text,
)
from ttc_envs import SortingTask, spell_puzzle


@pytest.fixture
def write(tmp_path, task):
    """Writes a file of the task's first puzzles, with other lines before them."""

    def written(name, count, *lines):
        givens = task.sample(np.arange(count, dtype=np.uint64), "givens=6").fields["givens"]
        path = tmp_path / name
        path.write_text("\n".join([*lines, *map(spell_puzzle, givens)]) + "\n")
        return path

    return written


def test_minimal_is_the_usual_level_else_the_first(task):
    assert default_level(task) == "minimal"
    lists = SortingTask(6)
    assert "minimal" not in lists.spec.levels
    assert default_level(lists) == lists.spec.levels[0]


def test_families_of_all_levels_are_drawn_from_one_set_of_keys(task):
    easy, minimal = (draw(task, level, 5, seed=3) for level in ("easy", "minimal"))
    assert len(easy) == 5
    np.testing.assert_array_equal(easy.keys, minimal.keys)
    expected = task.sample(minimal.keys, "minimal")
    np.testing.assert_array_equal(minimal.fields["givens"], expected.fields["givens"])
    # More of them begin with the same, and another seed draws others.
    more = draw(task, "easy", 9, seed=3)
    np.testing.assert_array_equal(more.keys[:5], easy.keys)
    assert (draw(task, "easy", 5, seed=4).keys != easy.keys).all()


def test_levels_that_cannot_be_drawn_are_refused(task):
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        draw(task, "easy", 0, seed=0)
    with pytest.raises(ValueError, match="got 'impossible'"):
        draw(task, "impossible", 2, seed=0)


def test_a_family_for_each_file_called_by_its_name(task, write):
    said = []
    files = [write("first.txt", 5), write("second.more.txt", 3)]
    families = families_of_files(task, files, None, False, said.append)
    assert {name: len(own) for name, own in families.items()} == {"first": 5, "second": 3}
    few = families_of_files(task, files, 4, False, said.append)
    assert {name: len(own) for name, own in few.items()} == {"first": 4, "second": 3}
    expected = families["first"].fields["givens"][:4]
    np.testing.assert_array_equal(few["first"].fields["givens"], expected)
    assert said == []


def test_two_files_cannot_be_one_family(task, write):
    files = [write("same.txt", 2), write("same.csv", 2)]
    with pytest.raises(ValueError, match="both be the family 'same'"):
        families_of_files(task, files, None, False, print)


def test_what_is_left_out_of_a_file_is_said(task, write):
    path, said = write("bad.txt", 3, *["1111" + "." * 12] * (REJECTED_SHOWN + 2)), []
    with pytest.raises(ValueError, match="line 1"):
        read_file(task, path, False, said.append)
    assert said == []
    assert len(read_file(task, path, True, said.append)) == 3
    *lines, last = said
    assert len(lines) == REJECTED_SHOWN
    assert lines[0].startswith(f"{path}, line 1, skipped: ")
    assert last == f"{path}: {REJECTED_SHOWN + 2} rows skipped in all"


def test_repeated_rows_are_counted(task, write):
    path = write("twice.txt", 3)
    path.write_text(path.read_text() * 2)
    said = []
    assert len(read_file(task, path, False, said.append)) == 3
    assert said == [f"{path}: 3 rows repeat earlier ones"]


def test_files_that_cannot_be_read_are_refused(task, tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(task, tmp_path / "absent.txt", False, print)
    with pytest.raises(ValueError, match="sorting reads no files"):
        read_file(SortingTask(6), tmp_path / "absent.txt", False, print)


def test_a_text_gives_what_a_file_that_holds_it_gives(task, write):
    path = write("mixed.txt", 3, "." * 16, "1111" + "." * 12)
    lines, of_file, of_text = path.read_text(), [], []
    from_file = read_file(task, path, True, of_file.append, several_solutions=True)
    from_text = read_text(task, lines, True, of_text.append)
    np.testing.assert_array_equal(from_file.fields["givens"], from_text.fields["givens"])
    assert len(from_text) == 4
    assert [line.replace(str(path), "the text") for line in of_file] == of_text
    with pytest.raises(ValueError, match="stands twice"):
        read_text(task, lines, False, print)
    with pytest.raises(ValueError, match="sorting has no text form"):
        read_text(SortingTask(), "1 2 3", True, print)
