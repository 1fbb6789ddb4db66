"""The pages as a visitor's session runs them, without a browser: what they show is what the core says."""

import base64
import gc
import io
import json
import re
import shutil
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from mnist_core import CheckpointError, DigitClassifier, Prediction
from mnist_core.checkpoints import CHECKPOINTS, list_checkpoints
from mnist_core.pictures import png, to_png
from mnist_core.preprocess import NAIVE, Pipeline
from mnist_core.recipes import RECIPES, read_recipe, usual_name
from mnist_core.strokes import render
from mnist_core.train import parse_arguments
from mnist_core.words import as_code, as_written, counted, whole_number, whole_percent, with_article
from pages.parts import loaders, quality, state
from pages.parts.examples import EXAMPLES
from pages.parts.pictures import data_address
from pages.parts.quality import read as read_figures
from tests.inks import SEVEN

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["pages/draw.py", "pages/models.py"]
BLANK = np.zeros((28, 28), dtype=np.float32)


def open_app() -> AppTest:
    return AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=120)


def open_scorecard() -> AppTest:
    app = open_app()
    app.session_state["scorecard_open"] = True
    return app.run()


def as_canvas(pixels: np.ndarray, strokes: int = 1) -> dict:
    """What the drawing component sends for these pixels."""
    data = data_address(to_png(Image.fromarray(pixels)))
    return {"drawing": {"raw": {"objects": [{"type": "Path"}] * strokes}, "data": data}}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_without_ink_and_names_itself(path):
    app = open_app().run().switch_page(path).run()
    assert not app.exception
    assert len(app.title) == 1


def test_a_blank_canvas_is_not_an_eight():
    app = open_app().run()
    assert [heading.value for heading in app.header] == [":gray[–]"]
    assert "**Nothing is drawn.**" in [text.value for text in app.markdown]


def test_the_page_answers_what_the_classifier_answers():
    app = open_app()
    app.session_state["canvas"] = as_canvas(SEVEN)
    app.run()
    prediction = DigitClassifier.load().predict(SEVEN)
    assert prediction.digit == 7
    assert [heading.value for heading in app.header] == [f":blue[{prediction.digit}]"]
    assert f"**{prediction.in_words}**" in [text.value for text in app.markdown]


@pytest.mark.parametrize(
    ("shortcut", "words"),
    [(4, "gives the same answer here."), (9, "**Why not 9?**"), (None, "nothing that looks like a digit.")],
)
def test_the_page_says_what_shrinking_the_whole_paper_would_have_read(shortcut, words, monkeypatch):
    def judge(self, traces) -> list[Prediction]:
        digits = [4 if trace["crop"].on else shortcut for trace in traces]
        return [Prediction("not a digit" if d is None else "digit", np.eye(10)[d or 0], BLANK) for d in digits]

    monkeypatch.setattr(DigitClassifier, "judge", judge)
    app = open_app().run()
    app.button(key="example 4").click().run()
    said = [text.value for text in (*app.markdown, *app.caption) if "Shrinking the whole paper" in text.value]
    assert len(said) == 1
    assert words in said[0]


def test_the_shortcut_is_the_same_and_does_not_read_the_ink_a_second_time(monkeypatch):
    shrunk, run = [], Pipeline.run

    def listen(self, ink, before=None):
        trace = run(self, ink, before)
        if self is NAIVE:
            shrunk.append((before, trace))
        return trace

    app = open_app().run()
    monkeypatch.setattr(Pipeline, "run", listen)
    app.session_state["canvas"] = as_canvas(SEVEN)
    app.run()
    (before, trace), *_ = shrunk
    assert trace.steps[0] is before.steps[0]
    assert np.array_equal(trace.tensor, run(NAIVE, SEVEN).tensor)


def test_every_model_reads_the_same_ink_where_all_are_asked():
    (letter,) = (example for example in EXAMPLES if example.name == "Letter A")
    ink = render(letter.drawn(), letter.width)
    app = open_app()
    app.session_state["canvas"] = as_canvas(ink)
    app.session_state["all_models"] = True  # opened
    table = app.run().dataframe[0].value
    names = [card.name for card in list_checkpoints()[0]]
    answers = [DigitClassifier.load(name).predict(ink) for name in names]
    assert list(table["Model"]) == names
    assert list(table["Likeliest"]) == [str(said.probabilities.argmax()) for said in answers]
    assert list(table["In words"]) == [said.in_words for said in answers]
    assert len(set(table["In words"])) > 1


@pytest.mark.parametrize(
    ("raw", "data", "sentence"),
    [
        ({"objects": [{}]}, "data:image/png;base64,AAAA", "not a picture in a known format"),
        ({"objects": [{}]}, "nonsense", "did not arrive whole"),
        ({"objects": 7}, "data:image/png;base64,AAAA", "did not arrive whole"),
        ({"objects": [7]}, "data:image/png;base64,AAAA", "did not arrive whole"),
        ([], None, "Nothing is drawn."),
        ({"objects": [{}]}, "data:image/png;base64,%%%%", "Nothing is drawn."),
    ],
)
def test_what_no_canvas_sends_is_answered_in_a_sentence(raw, data, sentence):
    app = open_app()
    app.session_state["canvas"] = {"drawing": {"raw": raw, "data": data}}
    app.run()
    assert not app.exception
    assert any(sentence in said.value for said in (*app.warning, *app.error, *app.markdown))


def test_an_example_is_drawn_and_read_and_undone():
    app = open_app().run()
    app.button(key="example 4").click().run()
    assert [heading.value for heading in app.header] == [":blue[4]"]
    app.button(key="undo").click().run()
    assert [heading.value for heading in app.header] == [":gray[–]"]
    app.button(key="redo").click().run()
    assert [heading.value for heading in app.header] == [":blue[4]"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_lies_whole_on_the_paper(example):
    points = np.concatenate(example.drawn())
    assert points.min() >= example.width / 2
    assert points.max() <= 280 - example.width / 2


def test_an_examples_button_shows_its_ink_without_paper_in_a_grey_for_light_and_dark():
    app = open_app().run()
    label = app.button(key="example 7").label
    picture = Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^)]*)", label)[1])))
    grey, ink = np.moveaxis(np.asarray(picture), -1, 0)
    assert set(np.unique(grey)) == {130}
    assert ink[0, 0] == 0
    assert ink.max() == 255


def test_each_stroke_of_a_drawing_has_its_own_pen_and_a_dot_is_a_stroke():
    open_app().run()  # elsewhere the canvas cannot be loaded
    from pages.parts.canvas import to_drawing

    drawing = to_drawing([[(60, 40), (60, 240)], [(200, 40), (200, 240)], [(140, 20)]], [4, 30, 8])
    dark = np.asarray(Image.open(io.BytesIO(drawing.png)).convert("L")) < 128
    assert [dark[140, :130].sum(), dark[140, 130:].sum(), dark[20].sum()] == pytest.approx([4, 30, 8], abs=1)
    assert drawing.strokes[2]["path"] == [["M", 140, 20], ["L", 140, 20]]


def test_judging_the_same_ink_again_corrects_the_first_word():
    app = open_app().run()
    app.button(key="example 9").click().run()
    app.button(key="right").click().run()
    app.button(key="is_4").click().run()
    assert scores(app) == [(4, 9)]


def test_ink_that_comes_back_is_known_and_another_model_is_judged_on_its_own():
    app = open_app().run()
    app.button(key="example 9").click().run()
    app.button(key="right").click().run()
    app.button(key="example 2").click().run()
    app.button(key="right").click().run()
    app.button(key="undo").click().run()
    assert any(text.value == "Counted as a 9." for text in app.markdown)
    app.button(key="is_4").click().run()
    assert scores(app) == [(4, 9), (2, 2)]
    app.selectbox(key="model").set_value("mlp").run()
    assert any(text.value == "Was this right?" for text in app.markdown)
    app.button(key="is_9").click().run()
    assert [label for label, _ in scores(app)] == [4, 2, 9]


def test_an_eight_is_named_with_the_right_article():
    assert [with_article(digit) for digit in (0, 7, 8)] == ["a 0", "a 7", "an 8"]
    app = open_app().run()
    app.button(key="example 8").click().run()
    app.button(key="right").click().run()
    assert any(text.value == "Counted as an 8." for text in app.markdown)


def test_a_drawing_that_two_models_were_asked_about_is_one_drawing_with_the_last_word():
    app = open_scorecard()
    bring_seven(app)
    app.run().button(key="right").click().run()
    app.selectbox(key="model").set_value("mlp").run()
    app.button(key="is_4").click().run()
    assert drawn(app) == [4]
    app.selectbox(key="model").set_value("house").run()
    app.button(key="is_3").click().run()
    assert drawn(app) == [3]
    assert [label for label, _ in scores(app)] == [3, 4]
    next(button for button in app.button if button.label == "Start again").click().run()
    assert (drawn(app), scores(app)) == ([], [])


def test_a_sample_is_judged_and_is_nobodys_drawing():
    app = open_app()
    bring_seven(app)
    app.run().button(key="right").click().run()
    app.segmented_control(key=state.SOURCE).set_value("Sample").run()
    app.button(key="is_3").click().run()
    assert [label for label, _ in scores(app)] == [7, 3]
    assert drawn(app) == [7]


def test_an_example_is_judged_and_is_nobodys_drawing():
    app = open_app().run()
    app.button(key="example 9").click().run()
    app.button(key="right").click().run()
    assert (scores(app), drawn(app)) == ([(9, 9)], [])


def test_a_share_in_whole_percents_is_never_rounded_to_all_or_nothing():
    said = [whole_percent(right / total) for right, total in ((0, 1), (1, 2), (2, 3), (200, 201), (1, 201), (3, 3))]
    assert said == ["0%", "50%", "67%", "99.5%", "0.5%", "100%"]


def test_the_scores_are_numbered_as_the_drawings_in_the_archive(monkeypatch):
    files = {}
    monkeypatch.setattr(st, "download_button", lambda _, data, name, *__, **___: files.update({name: data}))
    app = open_scorecard()
    for example in "97":
        app.button(key=f"example {example}").click().run()
        app.button(key="right").click().run()
    rows = [row.split(",") for row in files["scores.csv"].splitlines()[1:]]
    assert [row[:3] for row in rows] == [["1", "9", "9"], ["2", "7", "7"]]
    with zipfile.ZipFile(io.BytesIO(files["drawings.zip"]())) as archive:
        assert archive.namelist() == ["001-label-9-read-9.png", "002-label-7-read-7.png"]


def bring_seven(app: AppTest) -> None:
    """A picture of a 7 that the visitor has uploaded."""
    app.session_state[state.SOURCE] = "Upload"
    app.session_state["brought"] = state.Brought("mine.png", png(SEVEN[..., 0] / 255))


def scores(app: AppTest) -> list[tuple[int | None, int | None]]:
    return [(judged.label, judged.digit) for judged in app.session_state["scorecard"].values()]


def drawn(app: AppTest) -> list[int]:
    if "own drawings" not in app.session_state:
        return []
    return [judged.label for judged in app.session_state["own drawings"].values()]


@pytest.mark.parametrize(("verdict", "before"), [("unsure", ""), ("not a digit", "If it had to name one: ")])
def test_the_shares_stand_below_the_reason_and_are_no_answer_where_there_is_none(verdict, before, monkeypatch):
    shares = np.eye(10)[4] * 0.5 + np.eye(10)[9] * 0.3 + 0.02
    answer = Prediction(verdict, shares, BLANK, "Few people write one like this.")
    monkeypatch.setattr(DigitClassifier, "judge", lambda self, traces: [answer] * len(traces))
    app = open_app().run()
    app.button(key="example 4").click().run()
    (said,) = [text.value for text in app.caption if text.value.startswith("Few people")]
    assert said.splitlines()[1] == f"{before}4: 52.0% · 9: 32.0% · 0: 2.0%"


def judge_what_is_turned_away(app: AppTest, monkeypatch, example: str, word: str) -> None:
    """Draw an example for a model that turns everything away, and press the button `word`."""
    nothing = Prediction("not a digit", np.full(10, 0.1), BLANK)
    with monkeypatch.context() as patch:
        patch.setattr(DigitClassifier, "judge", lambda self, traces: [nothing] * len(traces))
        app.button(key=f"example {example}").click().run()
        app.button(key=word).click().run()


def test_a_digit_that_is_turned_away_can_be_counted_and_is_not_right(monkeypatch):
    app = open_scorecard()
    judge_what_is_turned_away(app, monkeypatch, "5", "is_5")
    assert any(text.value == "Counted as a 5 that was turned away." for text in app.markdown)
    assert any(text.value == "**0 of 1 right** (0%), 1 turned away" for text in app.markdown)
    app.button(key="example 9").click().run()
    app.button(key="right").click().run()
    assert scores(app) == [(5, None), (9, 9)]
    assert any(text.value == "**1 of 2 right** (50%), 1 turned away" for text in app.markdown)
    assert app.dataframe[-1].value.values.tolist() == [["5", 1, 0.0], ["9", 1, 1.0]]
    assert not app.exception


def test_what_is_no_digit_is_right_where_it_is_turned_away_and_wrong_where_it_is_read(monkeypatch):
    app = open_scorecard()
    judge_what_is_turned_away(app, monkeypatch, "Letter A", "right")
    assert any(text.value == "Counted as rightly turned away." for text in app.markdown)
    app.button(key="example 9").click().run()
    app.button(key="is_none").click().run()
    assert any(text.value == "Counted as no digit." for text in app.markdown)
    assert scores(app) == [(None, None), (None, 9)]
    assert any(text.value == "**1 of 2 right** (50%), 1 turned away" for text in app.markdown)
    assert app.dataframe[-1].value.values.tolist() == [["none", 2, 0.5]]
    assert list(app.dataframe[-1].value) == ["Digit", "Judged", "Read right"], "one drawing, judged of many models"
    assert not app.exception


def test_a_slip_in_judging_what_is_turned_away_can_be_corrected(monkeypatch):
    nothing = Prediction("not a digit", np.full(10, 0.1), BLANK)
    monkeypatch.setattr(DigitClassifier, "judge", lambda self, traces: [nothing] * len(traces))
    app = open_app().run()
    app.button(key="example Letter A").click().run()
    app.button(key="is_5").click().run()
    assert not app.button(key="right").disabled
    app.button(key="right").click().run()
    assert scores(app) == [(None, None)]
    assert app.button(key="right").disabled


def test_the_chosen_model_answers():
    names = [card.name for card in list_checkpoints()[0]]
    app = open_app()
    app.query_params["model"] = names[-1]
    app.run()
    assert app.selectbox(key="model").options == names
    assert app.selectbox(key="model").value == names[-1]
    app.button(key="example 2").click().run()
    assert any(text.value.startswith(f"{names[-1]}: ") for text in app.caption)


def test_a_model_that_is_missing_for_a_moment_while_it_is_replaced_is_asked_again(monkeypatch):
    cards, broken = loaders.shelf()
    looks = []

    def shelf():
        looks.append(cards[1:] if len(looks) == 1 else cards)
        return looks[-1], broken

    monkeypatch.setattr(loaders, "shelf", shelf)
    app = open_app().run()
    assert not app.exception
    assert app.selectbox(key="model").value == cards[0].name
    assert cards[1:] in looks


def test_the_model_page_shows_every_checkpoint_with_its_figures():
    app = open_app().run().switch_page("pages/models.py").run()
    cards, _ = list_checkpoints()
    headings = [heading.value for heading in app.subheader if not heading.value.startswith(("What ", "The search "))]
    assert headings == [card.name for card in cards]
    shown = [metric.value for metric in app.metric]
    for card in cards:
        assert f"{card.test.accuracy:.2%}" in shown
        assert f"{card.parameters:,}" in shown


@pytest.mark.parametrize("same", [True, False])
def test_ingredients_of_another_recipe_are_said_to_be(same, monkeypatch):
    recipe = list_checkpoints()[0][0].recipe | {"architecture": "house", "arguments": {}}
    rows = {"command": "c", "tables": [{"title": "t", "columns": ["x"], "rows": [["a", "1"]]}]}
    kept = rows | {"recipe": recipe if same else recipe | {"written": 7}}
    monkeypatch.setattr(quality, "read", lambda name: kept if name == "ablations" else read_figures(name))
    app = open_app().run().switch_page("pages/models.py").run()
    (said,) = [text.value for text in app.caption if text.value.startswith("Short runs")]
    assert ("has changed since" in said) != same


def test_a_checkpoint_that_is_replaced_while_the_table_is_made_leaves_its_cost_empty(monkeypatch):
    card, *others = list_checkpoints()[0]
    with pytest.raises(CheckpointError, match="was replaced a moment ago"):
        loaders.cost(card.name, others[0].sha256)
    cost = loaders.cost
    monkeypatch.setattr(loaders, "cost", lambda name, sha: cost(name, others[0].sha256 if name == card.name else sha))
    app = open_app().run().switch_page("pages/models.py").run()
    assert not app.exception
    empty = app.dataframe[0].value[["MB", "Million multiply-adds"]].isna().all(axis=1)
    assert empty.tolist() == [True] + [False] * len(others)


def test_two_checkpoints_with_the_same_weights_stand_side_by_side(monkeypatch, tmp_path):
    shutil.copytree(CHECKPOINTS, tmp_path, dirs_exist_ok=True)
    card = list_checkpoints()[0][0]
    twin = replace(card, name="twin")
    (tmp_path / "twin.json").write_text(twin.to_json())
    shutil.copy(tmp_path / f"{card.name}.safetensors", tmp_path / "twin.safetensors")
    monkeypatch.setattr(loaders, "CHECKPOINTS", tmp_path)
    app = open_app().run().switch_page("pages/models.py").run()
    assert not app.exception
    assert {card.name, "twin"} <= {heading.value for heading in app.subheader}


def test_a_usual_recipe_on_other_data_is_repeated_under_its_own_name(save_untrained, monkeypatch, tmp_path):
    usual = {key: value for key, value in asdict(RECIPES["mlp"]).items() if key not in ("architecture", "arguments")}
    for name, told in {"mlp": " --name mlp", "mlp_embedded": ""}.items():
        card = replace(save_untrained(name), data="embedded", recipe=usual)
        (tmp_path / f"{name}.json").write_text(card.to_json())
        monkeypatch.setattr(loaders, "CHECKPOINTS", tmp_path)
        app = open_app().run().switch_page("pages/models.py").run()
        commands = [block.value for block in app.code if "mnist_core.train" in block.value]
        assert f"python -m mnist_core.train --architecture mlp --data embedded{told}" in commands


def test_weights_that_were_replaced_meanwhile_are_not_kept_under_the_old_cards_key(
    save_untrained, monkeypatch, tmp_path
):
    monkeypatch.setattr(loaders, "CHECKPOINTS", tmp_path)
    old = save_untrained("mine")
    new = save_untrained("mine", "simple_cnn", filters=2, hidden=3)
    with pytest.raises(CheckpointError, match="replaced"):
        loaders.load_classifier(old)
    assert loaders.load_classifier(new).card.sha256 == new.sha256


def test_what_stands_once_a_model_is_loaded_is_no_longer_searched_for_garbage_after_each_run():
    gc.unfreeze()
    loaders._load_classifier.clear()
    loaders.load_classifier(loaders.shelf()[0][0])
    assert gc.get_freeze_count() > 20 * len(gc.get_objects())


@pytest.mark.parametrize("page", ["errors", "data", "models"])
def test_nor_is_it_where_a_page_without_a_model_stood_first(page):
    app = open_app().run()
    gc.unfreeze()
    loaders.settle.clear()
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert gc.get_freeze_count() > 5 * len(gc.get_objects())


def test_a_shipped_model_is_repeated_by_its_architecture_alone():
    app = open_app().run().switch_page("pages/models.py").run()
    assert "python -m mnist_core.train --architecture mlp" in [block.value for block in app.code]


@pytest.mark.parametrize(("data", "whose"), [("mnist", "MNIST's"), ("embedded", "its")])
@pytest.mark.parametrize("name", ["mlp", "mlp_tuned"])
def test_a_card_is_repeated_under_its_own_name(name, data, whose, save_untrained, monkeypatch, tmp_path):
    card = save_untrained(name, dropout=0.1)
    tuned = json.loads((CHECKPOINTS / "studies" / "mlp.recipe.json").read_text())
    recipe = {key: value for key, value in tuned.items() if key not in ("architecture", "arguments")}
    card = replace(card, data=data, recipe=recipe)
    (tmp_path / f"{name}.json").write_text(card.to_json())
    monkeypatch.setattr(loaders, "CHECKPOINTS", tmp_path)
    app = open_app().run()
    assert any(f"of {whose} test images right" in text.value for text in app.caption)
    app.switch_page("pages/models.py").run()
    assert not app.exception
    (command,) = [block.value for block in app.code if "mnist_core.train" in block.value]
    (shown,) = [block.value for block in app.json if '"learning_rate"' in block.value]
    (tmp_path / "FILE").write_text(shown)
    monkeypatch.chdir(tmp_path)
    asked = parse_arguments(command.removeprefix("python -m mnist_core.train ").split())
    assert (asked.name or usual_name("mlp", data, tuned=True), asked.data) == (name, data)
    assert asked.recipe == replace(
        read_recipe(str(CHECKPOINTS / "studies" / "mlp.recipe.json")), arguments={"dropout": 0.1}
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("99999999", 99_999_999)]
    + [(odd, None) for odd in ("", "100000000", "9" * 5000, "-1", "+1", "1.0", "1_0", " 1", "²", "٣")],
)
def test_a_whole_number_is_eight_digits_at_most(text, number):
    assert whole_number(text) == number


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures"), (1234, "1,234 pictures")]
)
def test_one_is_not_said_as_many_are(count, words):
    assert counted(count, "picture") == words


@pytest.mark.parametrize(
    "text", ["[x](//a.bc)", "`[x](//a.bc)`", "a\n\n[x](//a.bc)", "`" * 9 + "[x](//a.bc)", "x" * 999]
)
def test_text_from_outside_is_one_piece_of_code(text):
    assert re.fullmatch(r"`[^`\n]{1,40}`", as_code(text))


def test_no_sign_of_a_name_from_outside_means_anything_in_markdown():
    assert as_written("my 3_$x$ [1](//a.bc) :smile:.png") == r"my 3\_\$x\$ \[1\]\(\/\/a\.bc\) \:smile\:\.png"
    assert as_written("Ziffer ü") == "Ziffer ü"


def test_without_any_checkpoint_the_app_says_how_to_make_one(monkeypatch, tmp_path):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "broken.safetensors").write_bytes(b"")
    monkeypatch.setattr(loaders, "CHECKPOINTS", tmp_path)
    loaders._read_shelf.clear()
    try:
        app = open_app().run()
        assert not app.exception
        assert "python -m mnist_core.train" in app.error[0].value
        assert any("broken.json" in text.value for text in app.caption)
    finally:
        loaders._read_shelf.clear()


def test_a_bar_moves_fifty_times_at_most_and_goes_even_when_its_work_fails(monkeypatch):
    moved = []

    class Bar:
        def progress(self, share: float, words: str) -> "Bar":
            moved.append((share, words))
            return self

        def empty(self) -> None:
            moved.append("gone")

    monkeypatch.setattr(loaders, "st", Bar())

    def work() -> None:
        with loaders.progress_bar("Reading …") as report:
            for done in range(1001):
                report(done / 1000)
            raise ValueError("a file is broken")

    with pytest.raises(ValueError, match="a file is broken"):
        work()
    assert moved[0] == (0.0, "Reading …")
    assert len(moved) == 51
    assert moved[-1] == "gone"


def test_work_that_is_done_at_once_shows_no_bar(monkeypatch):
    monkeypatch.setattr(loaders, "st", None)
    with loaders.progress_bar("Asking …") as report:
        report(1.0)
