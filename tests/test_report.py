"""The HTML report needs nothing beside itself, and says what the core says; the pictures in it are the images."""

import base64
import io
import re
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mnist_core.evaluate import evaluate
from pages.parts.charts import BELOW_AND_ABOVE
from pages.parts.datasets import MNIST, SCANS, Answered
from pages.parts.doors import COLOURS, Rival, difference_figure, verdict_of
from pages.parts.pictures import laid_over, placeholder
from pages.parts.report import MISTAKES, digit_by_digit, facts, whole_report
from pages.parts.trust import in_words


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
    assert "<b>60.00%</b> right" in page
    assert "<b>2 mistakes</b> in 5 images" in page
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]*)"', page)
    assert len(pictures) == 2
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(picture)))) for picture in pictures]
    assert {picture.tobytes() for picture in shown} == {answers.images[n].tobytes() for n in (3, 4)}


def test_a_digit_that_is_not_there_has_no_share_rather_than_none_right(card, answers):
    labels, logits = np.array([4, 4]), 9 * np.eye(10)[[4, 9]]
    table = digit_by_digit(evaluate(labels, logits)).set_index("digit")
    assert table.loc[4].tolist() == [1, 0.5, pytest.approx(2 / 3), 2]
    assert table["precision"].dropna().to_dict() == {4: 1, 9: 0}
    assert [*table["recall"].dropna().index] == [*table["f1"].dropna().index] == [4]
    assert "<td>–</td>" in whole_report(card, replace(answers, evaluation=evaluate(labels, logits)))


def test_one_mistake_is_one(answers):
    labels, logits = np.array([4, 4]), 9 * np.eye(10)[[4, 9]]
    words = " · ".join(facts(replace(answers, evaluation=evaluate(labels, logits))))
    assert "**1 mistake** in 2 images" in words
    assert "worst digit **4** (50.00%)" in words, "of the digits that are there"
    assert words.endswith("**4** read as **9** (1 time)")


def test_the_report_names_its_day_and_its_weights(card, answers, monkeypatch):
    monkeypatch.setattr("pages.parts.report.date", SimpleNamespace(today=lambda: date(2026, 2, 3)))
    page = whole_report(card, answers)
    assert " 2026-02-03.</p>" in page
    assert "in this visit" not in page, "who is sent the report is in none"
    assert f"<p>SHA-256 of the weights: {card.sha256}</p>" in page


def test_what_reviewers_said_of_mnist_is_said_of_no_other_images(card):
    labels, logits = np.zeros(10_000, dtype=np.int64), 9 * np.eye(10)[np.zeros(10_000, dtype=int)]
    logits[947] = 9 * np.eye(10)[9]
    mnist = Answered(MNIST, evaluate(labels, logits), logits, None)
    for name, said in ((MNIST, True), ("Your own", False)):
        page = whole_report(card, replace(mnist, name=name))
        assert ("Reviewers read a 9: the label is wrong." in page) == said
        assert ("by the labels that reviewers corrected" in page) == said


@pytest.mark.parametrize(
    ("fixed", "new", "words"),
    [
        (8, 0, "other mends 8 mistakes of small and makes 0 new."),
        (8, 0, "probability 0.008 (McNemar's exact test): other is ahead, and that is hardly chance."),
        (12, 0, "probability less than 0.001 (McNemar's exact test): other is ahead, and that is hardly chance."),
        (1, 4, "other mends 1 mistake of small and makes 4 new."),
        (1, 4, "probability 0.375 (McNemar's exact test): small is ahead, but that may well be chance."),
        (2, 2, "other gets 2 right that small gets wrong, and as many the other way: neither is better."),
    ],
)
def test_which_of_two_models_is_ahead_is_said_with_its_chance(fixed, new, words):
    labels, first, second = np.zeros((3, 20), dtype=np.int64)
    first[:fixed] = second[10 : 10 + new] = 1
    first[18:] = second[18:] = 1
    one, other = (
        Answered("Your own", evaluate(labels, 9 * np.eye(10)[digits]), np.zeros((20, 10)), None)
        for digits in (first, second)
    )
    assert words in verdict_of("small", one, Rival("other", other))


def test_a_difference_of_two_models_is_the_second_less_the_first(answers):
    logits = 9 * np.eye(10)[[0, 1, 2, 8, 8]]
    rival = Rival("other", replace(answers, evaluation=evaluate(answers.evaluation["label"].to_numpy(), logits)))
    told = difference_figure("small", answers, rival).data[0].hovertext
    assert told[4][8] == "4 read as 8: 1 more by other than by small"
    assert told[4][9] == "4 read as 9: 1 fewer by other than by small"


def test_the_names_of_files_are_words_and_never_markup(card, answers):
    page = whole_report(card, answers)
    assert "&lt;img src=x&gt;" in page
    assert "<img src=x>" not in page
    assert 'e" onload' not in page


def test_a_row_of_the_visitors_own_answers_names_its_file(answers):
    lines = answers.csv(answers.evaluation).splitlines()
    assert lines[0].endswith(",file")
    assert lines[1].endswith(",a")
    assert "file" not in replace(answers, files=None).csv(answers.evaluation)


def test_a_model_that_learned_from_the_scans_is_said_to_know_them(card, answers):
    scans = replace(answers, name=SCANS)
    assert "learned from most of them" in whole_report(replace(card, data="embedded"), scans)
    assert "learned from most of them" not in whole_report(replace(card, data="mnist"), scans)


def charts(page: str) -> int:
    return len(re.findall(r"Plotly\.newPlot\(\s+\"", page))


def test_every_chart_says_in_words_what_it_shows(card, answers):
    rival = Rival("other", answers)
    page = whole_report(card, answers, np.zeros((5, 2)), rival=rival)
    words = re.findall(r'<div role="img" aria-label="([^"]+)">', page)
    assert len(words) == len(set(words)) == charts(page) == 7
    assert f"Share of wrong answers of {card.name} after each epoch" in " ".join(words)
    assert "The confusion matrix of other less that of" in " ".join(words)


def test_the_map_the_comparison_and_the_verdicts_join_where_they_are_at_hand(card, answers):
    logits = 9 * np.eye(10)[[0, 1, 7, 3, 9]]
    rival = Rival("<other>", replace(answers, evaluation=evaluate(answers.evaluation["label"].to_numpy(), logits)))
    bare = whole_report(card, answers)
    whole = whole_report(card, answers, np.zeros((5, 2)), rival=rival, votes={3: "label wrong", 1: "ambiguous"})
    assert charts(whole) == charts(bare) + 2
    assert verdict_of(card.name, answers, rival).replace("<", "&lt;").replace(">", "&gt;") in whole
    for kind, count in (("Fixed", 1), ("New", 1), ("Shared", 1)):
        assert f"<p>{kind}, {count}: " in whole
    assert "You: label wrong" in whole
    table = re.findall(r"<td>(.*?)</td>", whole.partition("Right or mislabelled?")[2])
    assert [(table[row], table[row + 4]) for row in (0, 5)] == [
        ("b", "ambiguous"),
        ("&lt;img src=x&gt;", "label wrong"),
    ]
    assert "<other>" not in whole
    assert not {"Compared with", "Map", "Right or mislabelled?"} & set(re.findall(r"<h2>(.*?)</h2>", bare))


def test_the_map_of_the_report_is_coloured_as_that_of_the_page(card, answers):
    crosses = ['"symbol":"x"' in whole_report(card, answers, np.zeros((5, 2)), by) for by in COLOURS]
    assert crosses == [False, True]


def test_more_mistakes_than_a_file_should_hold_are_counted_and_the_surest_are_shown(card):
    count = MISTAKES + 7
    labels, logits = np.zeros(count, dtype=np.int64), np.eye(10)[np.ones(count, dtype=int)]
    logits *= np.linspace(1, 9, count)[:, None]
    page = whole_report(card, Answered("MNIST test", evaluate(labels, logits), logits, None))
    assert page.count("<figure>") == MISTAKES
    assert re.findall(r"<figcaption>Image (\d+)<", page) == [str(number) for number in range(count - 1, 6, -1)]
    assert "1,007, the surest first. 1,000 stand here, 7 are left out." in page
    assert "were not at hand" in page


def test_the_threshold_is_the_visitors(card, answers):
    assert in_words(answers.evaluation, 0.5).replace("**", "") in re.sub(
        "</?b>", "", whole_report(card, answers, threshold=0.5)
    )


def test_a_threshold_that_nothing_reaches_is_told_and_all_right_is_said_without_decimals():
    labels = np.zeros(30, dtype=np.int64)
    assert (
        in_words(evaluate(labels[:2], np.zeros((2, 10))), 0.5)
        == "No answer is 50.0% sure or more: nothing is answered at all."
    )
    logits = 3 * np.eye(10)[labels]
    assert in_words(evaluate(labels, logits), 0.5).endswith("**100%** answered, **100%** of those right.")


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
