"""The errors page as a visitor's session runs it, without a browser: what it shows is what the core says."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix
from streamlit.testing.v1 import AppTest

from mnist_core.checkpoints import list_checkpoints, load_answers
from mnist_core.evaluate import evaluate
from mnist_core.labelled import Pictures, Skipped
from mnist_core.neighbours import load_landscape
from pages.parts import loaders
from tests.galleries import numbers, pictures

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def card():
    return list_checkpoints()[0][0]


@pytest.fixture(scope="module")
def answers(card):
    """Labels, answers and how sure they are, of the model that opens first."""
    labels, logits = load_answers(card)
    evaluation = evaluate(labels, logits)
    return evaluation["label"].to_numpy(), evaluation["digit"].to_numpy(), evaluation


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    monkeypatch.setenv("MNIST_DATA_DIR", str(tmp_path))


def open_page(**parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=180)
    app.run().switch_page("pages/errors.py")
    for key, value in parameters.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def captions(app: AppTest) -> list[str]:
    """What stands below the images of the gallery."""
    return ["".join(text for text, _ in picture["caption"]) for picture in pictures(app)]


def count(app: AppTest) -> int:
    (words,) = [m.value for m in app.markdown if re.fullmatch(r"\*\*[\d,]+ images?\*\*", m.value)]
    return int(re.sub(r"\D", "", words))


def test_the_summary_is_scikit_learns_accuracy(answers):
    labels, digits, _ = answers
    words = open_page().markdown[1].value
    assert f"**{accuracy_score(labels, digits):.2%}** right" in words
    assert f"**{(labels != digits).sum()}** mistakes in 10,000 images" in words
    off = confusion_matrix(labels, digits) * (1 - np.eye(10, dtype=int))
    label, digit = re.search(r"most confused: \*\*(\d)\*\* read as \*\*(\d)\*\*", words).groups()
    assert off[int(label), int(digit)] == off.max()


def test_at_first_the_gallery_holds_the_mistakes_the_surest_first(answers):
    labels, digits, evaluation = answers
    app = open_page()
    wrong = evaluation[labels != digits].sort_values("confidence", ascending=False, kind="stable")
    assert count(app) == len(wrong)
    assert numbers(app) == list(wrong["index"][:50])


def test_a_pair_from_the_list_selects_exactly_its_images_and_its_chip_takes_it_back(answers):
    labels, digits, _ = answers
    app = open_page()
    pair = app.selectbox(key="pair").options[1]
    label, digit, times = map(int, re.findall(r"\d+", pair))
    app.selectbox(key="pair").select(pair).run()
    assert sorted(numbers(app)) == list(np.flatnonzero((labels == label) & (digits == digit)))
    assert count(app) == len(numbers(app)) == times
    app.button(key=f"chip {label} read as {digit}").click().run()
    assert count(app) == (labels != digits).sum()


def test_every_page_of_the_gallery_together_holds_each_image_once(answers):
    labels, digits, _ = answers
    app = open_page(show="Right", label="5")
    expected = set(np.flatnonzero((labels == 5) & (digits == 5)))
    assert count(app) == len(expected)
    seen: list[int] = []
    for sheet in range(-(-len(expected) // 50)):
        seen += numbers(open_page(show="Right", label="5", sheet=str(sheet + 1)))
    assert len(seen) == len(expected)
    assert set(seen) == expected


def test_a_link_opens_what_it_names(answers):
    labels, digits, evaluation = answers
    app = open_page(show="All", label="4", sort="narrowest margin first", find="0-2000")
    chosen = evaluation[(labels == 4) & (evaluation["index"] <= 2000)].sort_values("margin", kind="stable")
    assert count(app) == len(chosen)
    assert numbers(app) == list(chosen["index"][:50])


@pytest.mark.parametrize(
    "parameters",
    [
        {"data": "mine"},
        {"label": "77"},
        {"show": "<b>"},
        {"sort": "?"},
        {"sheet": "0"},
        {"doubts": "0", "further": "Right or mislabelled?"},
        {"sure": "lots"},
        {"image": "x" * 500},
        {"door": "Window"},
        {"further": "Nowhere"},
        {"lasso": "1,2_3"},
        {"lasso": "0,0_0,1_1,1", "map": "nowhere"},
        {"lens": "Fish-eye"},
    ],
)
def test_a_link_with_nonsense_opens_the_usual_and_says_so(answers, parameters):
    labels, digits, _ = answers
    app = open_page(**parameters)
    assert any("The link asks for what does not exist" in warning.value for warning in app.warning)
    assert count(app) == (labels != digits).sum()


def test_a_search_that_is_no_number_is_answered_in_a_sentence():
    app = open_page(find="the ugly ones")
    assert any("is no image number" in warning.value for warning in app.warning)


def test_an_empty_selection_says_why(answers):
    labels, digits, _ = answers
    app = open_page(find=str(int(np.flatnonzero(labels == digits)[0])))
    assert count(app) == 0
    assert any("was read wrong" in text.value for text in app.markdown)


def test_an_opened_image_shows_every_models_answer_and_leads_to_the_next(answers, card):
    labels, digits, _ = answers
    app = open_page()
    first, second = numbers(app)[:2]
    app.query_params["image"] = str(first)
    app.run()
    assert any(text.value.startswith(f"**Image {first}**: labelled **{labels[first]}**") for text in app.markdown)
    table = next(frame.value for frame in app.dataframe if "Reads" in frame.value)
    assert list(table["Model"]) == [other.name for other in loaders.shelf()[0]]
    assert table["Reads"][0] == digits[first]
    app.button(key="step Next").click().run()
    assert any(text.value.startswith(f"**Image {second}**") for text in app.markdown)


def test_a_vote_is_kept_and_counted():
    app = open_page(image="947", further="Right or mislabelled?")
    app.segmented_control(key="vote MNIST test 947").select("label wrong").run()
    assert app.session_state["votes"] == {("MNIST test", 947): "label wrong"}
    assert any("1 given in this visit" in text.value for text in app.caption)


def test_every_mistake_is_doubted_and_the_rank_goes_on_across_the_pages(answers):
    labels, digits, evaluation = answers
    wrong = evaluation[labels != digits].sort_values("loss", ascending=False, kind="stable")
    seen = []
    for sheet in range(-(-len(wrong) // 50)):
        app = open_page(further="Right or mislabelled?", doubts=str(sheet + 1))
        (table,) = [frame.value for frame in app.dataframe if "Rank" in frame.value]
        assert len(table) <= 50
        seen += list(zip(table["Rank"], table["Number"], strict=True))
    assert seen == [(rank, f"Image {number}") for rank, number in enumerate(wrong["index"], 1)]


def test_the_threshold_sentence_is_counted_by_hand(answers):
    labels, digits, evaluation = answers
    app = open_page(further="How far to trust it", above="0.8")
    sure = (evaluation["confidence"] >= 0.8).to_numpy()
    right = (labels == digits)[sure].mean()
    assert any(f"**{sure.mean():.1%}** answered, **{right:.2%}** of those right" in text.value for text in app.markdown)


def test_the_scans_are_read_well_by_a_model_that_never_saw_them():
    app = open_page(data="Scanned digits")
    share = float(re.search(r"\*\*([\d.]+)%\*\* right", app.markdown[1].value)[1])
    assert 90 < share < 100
    assert "1,797 images" in app.markdown[1].value


def test_the_visitors_own_pictures_are_evaluated_and_what_was_left_out_is_told():
    app = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=180)
    images = np.zeros((3, 28, 28), dtype=np.uint8)
    images[:, 4:24, 13:15] = 255
    skipped = [Skipped("7/odd.png", "It is odd.")]
    app.session_state["own"] = "mine.zip", Pictures(["a", "b", "c"], images, np.array([1, 1, 7]), skipped)
    app.run().switch_page("pages/errors.py")
    app.query_params["data"] = "Your own"
    app.run()
    assert not app.exception
    assert "**66.67%** right" in " ".join(text.value for text in app.markdown)
    assert count(app) == 1
    assert any("7/odd.png" in frame.value.to_string() for frame in app.dataframe)


@pytest.mark.usefixtures("no_mnist")
def test_without_mnist_every_number_is_there_and_the_images_can_be_fetched(answers):
    labels, digits, _ = answers
    app = open_page()
    assert f"**{accuracy_score(labels, digits):.2%}** right" in app.markdown[1].value
    assert count(app) == (labels != digits).sum()
    assert len(captions(app)) == min(50, count(app))
    assert "Download MNIST" in [button.label for button in app.button]
    app.query_params["image"] = str(numbers(app)[0])
    app.run()
    assert not app.exception


def test_a_line_in_a_link_fences_the_images_it_goes_around_for_every_model(card):
    x, y = load_landscape(card).places.T
    inside = set(np.flatnonzero((x > -0.3) & (x < 0.1) & (y > 0) & (y < 0.5)).tolist())
    line = {"lasso": "-0.3,0_0.1,0_0.1,0.5_-0.3,0.5", "map": card.name}
    assert 0 < len(inside) < 10_000
    app = open_page(show="All", **line)
    assert count(app) == len(inside)
    assert set(numbers(app)) <= inside
    other = loaders.shelf()[0][-1].name
    assert count(open_page(show="All", model=other, **line)) == len(inside)
    assert count(open_page(show="All", data="Scanned digits", **line)) == 1797
    app.button(key=f"chip {len(inside):,} from the map").click().run()
    assert count(app) == 10_000
    assert "lasso" not in app.query_params


@pytest.mark.parametrize("door", ["Map", "Two models"])
def test_every_way_in_opens(door):
    app = open_page(door=door)
    assert app.segmented_control(key="door").value == door
    assert count(app) > 0
