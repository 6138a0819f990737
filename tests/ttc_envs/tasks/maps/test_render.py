import numpy as np
import pytest

from ttc_envs.tasks.maps import render
from ttc_envs.tasks.next_hop.task import NextHopTask
from ttc_envs.tasks.path_sequence.task import SequenceTask

KEYS = np.array([5], dtype=np.uint64)


def next_hop():
    task = NextHopTask(places=16)
    return task, task.sample(KEYS, "spread16")


def sequence():
    task = SequenceTask(cities="spread=40", slots=20)
    return task, task.sample(KEYS, "hops=5..9")


BOTH = pytest.mark.parametrize("make", [next_hop, sequence])


def count(picture, colour):
    return int((np.abs(picture.astype(int) - colour) < 12).all(axis=2).sum())


@BOTH
def test_a_right_answer_is_said_to_be_shortest(make):
    task, instance = make()
    text = task.render(instance, instance.labels["answer"], "ansi")
    assert "shortest" in text
    assert "0 illegal" in text
    assert "->" in text
    assert "\x1b[31m" not in text


@BOTH
def test_an_undecided_answer_does_not_arrive(make):
    task, instance = make()
    text = task.render(instance, task.initial_answer(instance), "ansi")
    assert "does not arrive" in text


def test_an_illegal_jump_is_red():
    task, instance = sequence()
    flying = np.repeat(instance.fields["target"][:, :1], 20, axis=1)
    flying[0, 0] = instance.fields["givens"][0, 0]
    assert "\x1b[31m1 illegal" in task.render(instance, flying, "ansi")
    red = count(task.render(instance, flying, "rgb_array"), render._ILLEGAL)
    assert red > 100
    right = task.render(instance, instance.labels["answer"], "rgb_array")
    assert count(right, render._ILLEGAL) < red / 10


@BOTH
def test_a_picture_shows_the_ends_and_the_path(make):
    task, instance = make()
    right = instance.labels["answer"]
    picture = task.render(instance, right, "rgb_array")
    assert picture.shape == (render.HEIGHT, render.WIDTH, 3)
    assert picture.dtype == np.uint8
    for colour in (render._SOURCE, render._TARGET):
        assert count(picture, colour) > 60
    assert count(picture, render._PATH) > 100
    blank = task.render(instance, task.initial_answer(instance), "rgb_array")
    assert count(blank, render._PATH) < 20
    assert count(blank, render._OPTIMUM) > count(picture, render._OPTIMUM)
    assert np.array_equal(picture, task.render(instance, right, "rgb_array"))


@BOTH
def test_confidence_tints_the_path(make):
    task, instance = make()
    right = instance.labels["answer"]
    size = right.shape[1]
    low, high = (
        task.render(instance, right, "rgb_array", np.full(size, share)) for share in (0.0, 1.0)
    )
    for picture, shown, hidden in ((low, 0, 2), (high, 2, 0)):
        assert count(picture, render._TINTS[shown]) > 50
        assert count(picture, render._TINTS[hidden]) < 50
    with pytest.raises(ValueError, match="confidence must"):
        task.render(instance, right, "ansi", np.full(size + 1, 0.5))


def test_a_map_without_coordinates_is_drawn_on_a_circle():
    task, instance = next_hop()
    own = task.from_fields(instance.fields)
    assert "node " in task.render(own, own.labels["answer"], "ansi")
    assert task.render(own, own.labels["answer"], "rgb_array").std() > 0


@BOTH
def test_another_mode_is_refused(make):
    task, instance = make()
    with pytest.raises(ValueError, match="mode must be 'ansi' or 'rgb_array'"):
        task.render(instance, instance.labels["answer"], "human")


def test_the_projection_keeps_north_up_and_the_country_inside():
    corners = np.array([[47, -124], [45, -67], [25.5, -81], [32.7, -117], [37.5, -96]])
    pixels = render.project(corners) / render.SUPERSAMPLING
    assert (pixels > 0).all()
    assert (pixels < [render.WIDTH, render.HEIGHT]).all()
    assert pixels[0, 1] < pixels[3, 1]
    assert pixels[0, 0] < pixels[4, 0] < pixels[1, 0]
