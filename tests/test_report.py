"""The HTML report needs nothing beside itself, and says what the core says; the pictures in it are the images."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mnist_core.evaluate import evaluate
from pages.parts.charts import BELOW_AND_ABOVE
from pages.parts.datasets import Answered
from pages.parts.pictures import laid_over, placeholder
from pages.parts.report import whole_report


@pytest.fixture
def card(save_untrained):
    return replace(save_untrained(), history=[{"epoch": 1, "train_accuracy": 0.8, "validation_accuracy": 0.9}])


@pytest.fixture
def answers() -> Answered:
    labels = np.array([0, 1, 2, 3, 4])
    logits = 9 * np.eye(10)[[0, 1, 2, 8, 9]]
    images = np.arange(5 * 784, dtype=np.uint32).reshape(5, 28, 28).astype(np.uint8)
    return Answered(
        "Your own", evaluate(labels, logits), logits, images, ["a", "b", "c", "<img src=x>", 'e" onload="x']
    )


def test_the_report_fetches_nothing(card, answers):
    page = whole_report(card, answers)
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<(script|link|iframe)[^>]*(src|href)=", page[:2000] + markup)
    assert all(address.startswith("data:image/png;base64,") for address in re.findall(r'src="([^"]*)"', markup))


def test_the_report_holds_the_figures_and_every_mistake_as_its_picture(card, answers):
    page = whole_report(card, answers)
    assert "3 of 5 images read right: 60.00%" in page
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]*)"', page)
    assert len(pictures) == 2
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))[::6, ::6] for picture in pictures]
    assert {picture.tobytes() for picture in shown} == {answers.images[n].tobytes() for n in (3, 4)}


def test_the_names_of_files_are_words_and_never_markup(card, answers):
    page = whole_report(card, answers)
    assert "&lt;img src=x&gt;" in page
    assert "<img src=x>" not in page
    assert 'e" onload' not in page


def test_a_map_is_laid_over_in_the_colour_of_its_sign():
    heat = np.zeros((28, 28))
    heat[3, 4], heat[5, 6] = 1, -1
    pixels = np.asarray(Image.open(io.BytesIO(laid_over(np.zeros((28, 28)), heat, 2))).convert("RGB"), dtype=float)
    below, _, above = BELOW_AND_ABOVE
    np.testing.assert_allclose(pixels[6, 8], 0.95 * np.array(above), atol=1.5)
    np.testing.assert_allclose(pixels[10, 12], 0.95 * np.array(below), atol=1.5)
    assert pixels[20, 20].max() == 0


def test_a_placeholder_shows_what_it_stands_for():
    one, other = (np.asarray(Image.open(io.BytesIO(placeholder(words)))) for words in ("4?", "9?"))
    assert one.shape == (84, 84)
    assert (one != other).any()
