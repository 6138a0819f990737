"""What all pictures share."""

import io

import pytest
from matplotlib.colors import to_hex
from PIL import Image

from ttc_agents.figures.theme import THEMES, canvas, gif, headline, legend, percent_axis, png


@pytest.mark.parametrize("name", THEMES)
def test_titles_and_legends_are_in_the_colours_of_the_page(name, opened, has_colour):
    theme, other = THEMES[name], THEMES[{"light": "dark", "dark": "light"}[name]]
    figure, axes = canvas(theme, (4, 3))
    assert not has_colour(opened(png(figure)), theme.ink)
    headline(axes, "A TITLE", 14, "bold")
    assert has_colour(opened(png(figure)), theme.ink)
    axes.plot([0, 1], label="words")
    legend(axes, "lower right")
    drawn = axes.get_legend()
    assert [to_hex(text.get_color()) for text in drawn.get_texts()] == [theme.soft]
    assert to_hex(drawn.get_frame().get_facecolor()) == theme.paper
    image = opened(png(figure))
    assert has_colour(image.crop((0, 0, 1, 1)), theme.paper)
    assert not has_colour(image, other.paper)


def test_shares_are_labelled_in_percent():
    figure, axes = canvas(THEMES["light"], (4, 3))
    percent_axis(axes)
    figure.canvas.draw()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert {"0%", "100%"} <= set(labels)
    assert axes.get_ylim() == (-2, 102)


def test_a_film_shows_its_last_picture_for_longer():
    images = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    film = Image.open(io.BytesIO(gif(images, 50, 900)))
    durations = []
    for frame in range(film.n_frames):
        film.seek(frame)
        durations.append(film.info["duration"])
    assert durations == [50, 50, 900]
    assert film.info["loop"] == 0
