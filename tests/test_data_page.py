"""The data page as a visitor's session runs it, without a browser: what it shows is what was counted."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from mnist_core.data import load_embedded_digits, mnist_is_here
from mnist_core.figures import load_figures
from mnist_core.measure import MEASURES
from mnist_core.pictures import png
from mnist_core.recipes import read_recipe
from mnist_core.studies import STUDIES, Study, list_studies
from mnist_core.tune import parse_arguments
from pages.parts.hand import compared, in_words
from pages.parts.holdings import Holding
from pages.parts.state import Judged
from pages.parts.study import command_of
from tests.galleries import numbers

ROOT = Path(__file__).resolve().parent.parent
PARTS = ["Samples", "Balance", "Averages", "Shape", "Typical and odd", "Twins", "Map", "Your hand"]


def open_page(drawings: list[Judged] | None = None, **parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=180)
    if drawings:
        app.session_state["own drawings"] = {str(number): drawing for number, drawing in enumerate(drawings)}
    app.run().switch_page("pages/data.py")
    for key, value in parameters.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return "\n".join(text.value for text in [*app.markdown, *app.caption])


@pytest.fixture
def thick_drawings() -> list[Judged]:
    """Scanned digits, judged as if they were drawn."""
    digits = load_embedded_digits()
    return [
        Judged(int(label), int(label), 0.9, "mlp", png(image / 255))
        for image, label in zip(digits.images[:8], digits.labels[:8], strict=True)
    ]


@pytest.mark.usefixtures("no_mnist")
@pytest.mark.parametrize("part", PARTS)
def test_every_part_opens_without_mnist(part):
    app = open_page(part=part)
    assert app.segmented_control(key="part").value == part
    assert [title.value for title in app.title] == ["Data"]


def test_the_wall_is_the_links_and_a_shuffle_is_another_one():
    labels = load_figures().labels
    first, again = open_page(wall="7", digit="3"), open_page(wall="7", digit="3")
    assert numbers(first) == numbers(again)
    assert {int(labels[n]) for n in numbers(first)} == {3}
    before = numbers(first)
    first.button(key="shuffle").click().run()
    assert not first.exception
    assert numbers(first) != before
    assert len(numbers(first)) == 40


def test_the_counts_are_those_of_the_labels():
    app, figures = open_page(part="Balance"), load_figures()
    shown = app.dataframe[0].value
    assert list(shown["Training images"]) == list(np.bincount(figures.labels[:60_000]))
    assert list(shown["Test images"]) == list(np.bincount(figures.labels[60_000:]))
    assert list(shown["Scanned digits"]) == list(np.bincount(load_embedded_digits().labels))


def test_the_most_typical_images_lead_to_one_image_and_its_measures():
    app = open_page(part="Typical and odd", digit="4")
    first = numbers(app)[0]
    assert first == load_figures().typical[4, 0]
    app.query_params["image"] = str(first)
    app.run()
    assert not app.exception
    assert f"**Training image {first:,}**: labelled **4**" in words(app)
    if mnist_is_here():
        assert {"Preprocessing", "Draw"} <= {button.label for button in app.button}


def test_a_hand_that_was_not_seen_yet_is_asked_to_draw():
    assert "Nothing of yours is here yet" in words(open_page(part="Your hand"))


def test_a_hand_is_described_in_sentences(thick_drawings):
    app = open_page(thick_drawings, part="Your hand")
    assert "Your strokes are" in words(app)
    assert len(numbers(app)) == 8
    assert "Your strokes are" in words(open_page(thick_drawings[:5], part="Your hand"))
    app = open_page(thick_drawings[:4], part="Your hand")
    assert "**4 drawn and judged.** From 5 drawings on" in words(app)


@pytest.mark.parametrize("part", ["Samples", "Averages"])
def test_the_visitors_drawings_are_a_set_like_the_others(thick_drawings, part):
    app = open_page(thick_drawings, part=part, of="Your drawings")
    assert "You have judged no drawing" not in words(app)
    if part == "Samples":
        assert numbers(app) == list(range(200_000, 200_008))
    else:
        assert [image.proto.imgs[0].caption for image in app.get("image")] == 2 * [str(digit) for digit in range(8)]


def test_drawings_without_the_chosen_digit_are_not_called_none_at_all(thick_drawings):
    assert [drawing.label for drawing in thick_drawings] == list(range(8))
    assert "None of these images is an 8." in words(open_page(thick_drawings, of="Your drawings", digit="8"))
    assert "You have judged no drawing in this visit yet." in words(open_page(of="Your drawings", digit="8"))


def test_an_image_that_was_sent_to_the_draw_page_is_judged_and_is_nobodys_drawing():
    app = open_page(of="Scanned digits", image="100000")
    app.button(key="send Draw").click().run().switch_page("pages/draw.py").run()
    app.button(key="is_8").click().run()
    assert not app.exception
    assert [judged.label for judged in app.session_state["scorecard"].values()] == [8]
    assert "own drawings" not in app.session_state


def test_only_a_wall_that_another_person_can_see_is_said_to_be_the_same(thick_drawings):
    assert "The link shows another person the same one." in words(open_page())
    app = open_page(thick_drawings, of="Your drawings")
    assert "Wall 1." in words(app)
    assert "another person" not in words(app)


def test_the_text_of_an_image_names_its_digit_with_the_right_article():
    images = Holding("Test images", np.array([8, 7]), None)
    assert images.picture(0).words == "Test image 0, an 8 (the image is not at hand)."
    assert images.picture(1).words == "Test image 1, a 7 (the image is not at hand)."
    scans = Holding("Scanned digits", np.array([8, 7]), None, first=100_000)
    assert scans.picture(100_001).words.startswith("Scanned digit 1, a 7"), "each set is counted from 0"


def test_the_visitors_drawings_are_counted_beside_the_others(thick_drawings):
    shown = open_page(thick_drawings, part="Balance").dataframe[0].value
    assert list(shown["Your drawings"]) == list(np.bincount([judged.label for judged in thick_drawings], minlength=10))


@pytest.mark.usefixtures("no_mnist")
@pytest.mark.parametrize(
    ("of", "offered"), [("Training images", True), ("Test images", True), ("Scanned digits", False)]
)
def test_mnist_is_only_offered_beside_images_that_are_missing(of, offered):
    app = open_page(of=of)
    assert ("Download MNIST" in [button.label for button in app.button]) == offered


def test_a_hand_twice_as_thick_is_told_so():
    figures = load_figures()
    labels = np.array([1, 7, 7, 3, 0])
    usual = pd.DataFrame(
        {name: figures.quantiles[place, labels, 2] for place, name in enumerate(MEASURES)}, dtype=float
    )
    same = in_words(compared(usual, labels, figures))
    assert same[0] == "Your strokes are as thick as MNIST's."
    assert same[-1] == "They lean as MNIST's do."
    other = in_words(
        compared(usual.assign(thickness=usual["thickness"] * 2, slant=usual["slant"] - 10), labels, figures)
    )
    assert other[0] == "Your strokes are 2.0 times as thick as MNIST's."
    assert other[-1] == "They lean 10 degrees more to the left than MNIST's."
    thin, wide = usual.assign(thickness=usual["thickness"] / 2), usual.assign(width=usual["width"] * 1.3)
    assert in_words(compared(thin, labels, figures))[0] == "Your strokes are 0.5 times as thick as MNIST's."
    assert in_words(compared(wide, labels, figures))[:3] == [*same[:2], "Your digits are 1.3 times as wide as MNIST's."]


@pytest.mark.parametrize(
    ("leans", "told"),
    [
        ([1.5] * 5, "They lean as MNIST's do."),
        ([12] * 5, "They lean 12 degrees more to the right than MNIST's."),
        ([0, 0, 0, 0, 50], "They lean as MNIST's do."),
    ],
    ids=["hardly", "all", "one alone"],
)
def test_a_hand_leans_as_the_middle_one_of_its_drawings_does(leans, told):
    figures, labels = load_figures(), np.array([1, 7, 7, 3, 0])
    usual = pd.DataFrame(
        {name: figures.quantiles[place, labels, 2] for place, name in enumerate(MEASURES)}, dtype=float
    )
    assert in_words(compared(usual.assign(slant=usual["slant"] + leans), labels, figures))[-1] == told


@pytest.mark.parametrize(
    "parameters",
    [
        {"part": "Cellar"},
        {"of": "mine"},
        {"digit": "12"},
        {"part": "Typical and odd", "digit": "any"},
        {"measure": "weight", "part": "Shape"},
        {"image": "x"},
        {"image": "9" * 5000},
        {"wall": "abc"},
    ],
)
def test_a_link_with_nonsense_opens_the_usual_and_says_so(parameters):
    assert any("The link asks for what does not exist" in w.value for w in open_page(**parameters).warning)


def test_a_digit_that_stands_from_another_part_is_no_strange_link():
    app = open_page(part="Samples", digit="any")
    app.segmented_control(key="part").set_value("Typical and odd").run()
    assert not app.exception
    assert not app.warning


@pytest.mark.parametrize("number", ["70000", "199999", "123456789", "9" * 5000])
def test_a_number_that_no_image_has_is_told(number):
    assert [toast.value for toast in open_page(image=number).toast] == ["There is no such image here."]


def test_a_drawing_is_waited_for_until_the_tab_has_told_what_it_kept(thick_drawings):
    app = open_page(image="200000")
    assert not app.toast
    app.session_state["heard tab"] = True
    app.session_state["own drawings"] = {str(n): each for n, each in enumerate(thick_drawings)}
    assert "**Your drawing 1**" in words(app.run())
    app = open_page(image="200099")
    app.session_state["heard tab"] = True
    assert [toast.value for toast in app.run().toast] == ["There is no such image here."]


def test_an_image_leads_to_the_next_of_those_that_it_was_opened_among():
    app = open_page(part="Typical and odd", digit="4")
    first, second, *_ = load_figures().typical[4]
    app.session_state["walk"] = (int(first), int(second))
    app.query_params["image"] = str(first)
    app.run().button(key="step Next").click().run()
    assert f"**Training image {second:,}**" in words(app)
    assert app.button(key="step Next").disabled


def test_a_line_around_nothing_can_be_taken_away():
    app = open_page(part="Map", lasso="0.98,0.98_0.99,0.98_0.98,0.99")
    assert "**0 images**" in words(app)
    assert "Nothing is caught yet." in words(app.button(key="let go").click().run())


def test_a_wall_that_is_no_number_is_the_first():
    assert numbers(open_page(wall="9" * 5000)) == numbers(open_page(wall="1"))


@pytest.mark.parametrize(
    ("beside", "dotted", "marks"),
    [("nothing", 0, 0), ("Test images", 10, 0), ("Scanned digits", 10, 0), ("Your drawings", 0, 8)],
)
def test_a_shape_can_be_compared(thick_drawings, beside, dotted, marks):
    app = open_page(thick_drawings, part="Shape", beside=beside, measure="Slant")
    (chart,) = app.get("plotly_chart")
    traces = json.loads(chart.proto.spec)["data"]
    assert len([trace for trace in traces if "fill" in trace]) == 10
    assert len([trace for trace in traces if trace.get("line", {}).get("dash") == "dot"]) == dotted
    assert sum(len(trace["text"]) for trace in traces if trace["mode"] == "markers") == marks
    assert (f"Dotted: {beside.lower()}." in words(app)) == (dotted > 0)
    table = app.dataframe[0].value
    assert list(table["50%"]) == pytest.approx(load_figures().quantiles[2, :, 2], abs=0.01)


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("mlp", {"data": "mnist", "epochs": 5, "images": 20000, "seed": 1}, " --images 20000"),
        ("mlp", {"data": "mnist", "epochs": 5, "images": None, "seed": 1}, ""),
        (
            "second",
            {"data": "embedded", "epochs": 5, "images": None, "seed": 7},
            " --data embedded --seed 7 --name second",
        ),
    ],
)
def test_the_command_under_a_study_asks_for_all_that_it_was(name, settings, told):
    trials = list_studies()[0][0].trials
    command = command_of(Study(name, "mlp", settings, trials, {}))
    assert command == f"python -m mnist_core.tune --architecture mlp --trials {len(trials)} --epochs 5{told}"
    asked = vars(parse_arguments(command.removeprefix("python -m mnist_core.tune ").split()))
    assert {key: asked[key] for key in ("name", *settings)} == {"name": name, **settings}


def test_the_models_page_shows_the_shipped_study():
    app = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=180).run()
    app.switch_page("pages/models.py").run()
    assert not app.exception
    (study,) = list_studies()[0]
    assert len(study.trials) >= 30
    assert f"**{len(study.trials)} trials**" in words(app)
    assert f"**{study.best['validation_accuracy']:.2%}**" in words(app)
    assert any("Weight decay" in frame.value for frame in app.dataframe)
    recipe = read_recipe(str(STUDIES / "mlp.recipe.json"))
    assert recipe.batch_size == study.best["batch_size"]
    assert recipe.arguments == {"dropout": study.best["dropout"]}
