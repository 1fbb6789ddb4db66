"""The errors page as a visitor's session runs it, without a browser: what it shows is what the core says."""

import io
import re
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from sklearn.metrics import accuracy_score, confusion_matrix
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from mnist_core import CheckpointError, DataUnavailable
from mnist_core.checkpoints import CHECKPOINTS, list_checkpoints, load_answers
from mnist_core.data import load_embedded_digits, mnist_is_here
from mnist_core.evaluate import choose, compare, evaluate
from mnist_core.labelled import Pictures, Skipped
from mnist_core.neighbours import load_landscape
from mnist_core.pictures import png
from mnist_core.words import percent
from pages.parts import doors, gallery, loaders
from pages.parts.doors import ASK, KINDS, of_cell
from tests.galleries import galleries, numbers, pictures

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


def open_page(**parameters: str | list[str]) -> AppTest:
    app = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=180)
    if "model" in parameters:  # a visit keeps the model that it began with
        app.query_params["model"] = parameters["model"]
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
    assert f"**{(labels != digits).sum()} mistakes** in 10,000 images" in words
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
    assert app.selectbox(key="pair").value == ASK, "so that the same pair can be chosen again"
    app.button(key=f"chip {label} read as {digit}").click().run()
    assert count(app) == (labels != digits).sum()


def test_each_chip_takes_away_what_it_names_and_nothing_else():
    app = open_page(show="All", label="4", find="0-2000", sure=["20", "100"])
    for chip, key, usual in (
        ("labelled 4", "label", "any"),
        ("20% to 100% sure", "sure", (0, 100)),
        ("numbers `0-2000`", "find", ""),
    ):
        assert app.session_state[key] != usual
        app.button(key=f"chip {chip}").click().run()
        assert app.session_state[key] == usual
    assert count(app) == 10_000


def test_what_is_left_when_a_chip_is_taken_away_begins_at_its_first_sheet():
    app = open_page(show="Right", label="5", sheet="3")
    assert app.session_state["sheet"] == 3
    app.button(key="chip labelled 5").click().run()
    assert app.session_state["sheet"] == 1


@pytest.mark.parametrize(
    ("clicked", "cell"),
    [([], None), ([(2, 7)], (2, 7)), ([(2, 7), (4, 9)], (4, 9)), ([(2, -1)], (2, None)), ([(-1, 7)], (None, 7))],
)
def test_the_cell_that_was_clicked_last_counts(clicked, cell, monkeypatch):
    points = [{"customdata": each} for each in clicked]
    monkeypatch.setattr(doors, "st", SimpleNamespace(session_state={"chart": {"selection": {"points": points}}}))
    assert doors._pressed("chart") == cell


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
        {"sheet": "9" * 5000},
        {"doubts": "0", "further": "Right or mislabelled?"},
        {"doubts": "9" * 5000, "further": "Right or mislabelled?"},
        {"sure": "lots"},
        {"sure": "20"},
        {"sure": "12.5"},
        {"sure": ["x", "20"]},
        {"sure": ["20", "101"]},
        {"sure": ["20", "30", "40"]},
        {"sure": ["80", "20"]},
        {"above": "0.9999", "further": "How far to trust it"},
        {"doubts": "77", "further": "Right or mislabelled?"},
        {"sheet": "77"},
        {"wall": "abc"},
        {"image": "x" * 500},
        {"image": "9" * 5000},
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


@pytest.mark.parametrize(
    "parameters",
    [
        {"sure": ["20", "80"]},
        {"sure": ["12.5", "80"]},
        {"sure": ["0", "100"]},
        {"above": "0.999", "further": "How far to trust it"},
        {"doubts": "1", "further": "Right or mislabelled?"},
        {"sheet": "200", "show": "All"},
    ],
)
def test_a_link_that_asks_for_what_there_is_brings_no_warning(parameters):
    assert not open_page(**parameters).warning


def test_a_link_that_compares_a_model_with_itself_says_so(card):
    other = loaders.shelf()[0][1].name
    for versus, told in ((card.name, True), (other, False)):
        app = open_page(door="Two models", versus=versus)
        assert any(f"`versus={versus}`" in warning.value for warning in app.warning) == told
    app.selectbox(key="model").set_value(other).run()
    assert not app.warning, "for it is no link that asks"


def test_a_sheet_that_the_visit_chose_itself_is_no_strange_link():
    app = open_page(show="All", sheet="150")
    app.segmented_control(key="show").set_value("Wrong").run()
    assert not app.warning


@pytest.mark.parametrize("number", ["10000", "99999999", "x", "9" * 5000])
def test_a_number_that_no_image_has_is_told(number):
    assert [toast.value for toast in open_page(image=number).toast] == ["There is no such image here."]


@pytest.mark.parametrize("key", ["image", "label", "lens", "find"])
def test_a_link_shows_its_own_words_letter_by_letter_and_never_as_another_link(key):
    app = open_page(**{key: "`[here](//a.bc)\n\n[here](//a.bc)"})
    words = [element.value for element in (*app.warning, *app.toast, *app.markdown, *app.caption)]
    words += [button.label for button in app.button]
    assert not any("](" in re.sub("`[^`\n]*`", "", text) for text in words)
    assert any("[here](//a.bc)" in text for text in words)


def test_a_search_that_is_no_number_is_answered_in_a_sentence():
    app = open_page(find="the ugly ones")
    assert any("is no image number" in warning.value for warning in app.warning)


def test_an_empty_selection_says_why(answers):
    labels, digits, _ = answers
    app = open_page(find=str(int(np.flatnonzero(labels == digits)[0])))
    assert count(app) == 0
    assert any("was read wrong" in text.value for text in app.markdown)
    assert len(galleries(app)) == 1  # the gallery stays, to come into sight on a phone


def test_where_all_is_shown_an_empty_selection_is_not_told_to_choose_it():
    app = open_page(show="All", find="7-9", sure=["0", "1"])
    assert count(app) == 0
    assert "No image fits all filters. Take a filter away." in [text.value for text in app.markdown]


def test_an_opened_image_shows_every_models_answer_and_leads_to_the_next(answers, card):
    labels, digits, _ = answers
    app = open_page()
    first, second = numbers(app)[:2]
    app.query_params["image"] = str(first)
    app.run()
    assert any(text.value.startswith(f"**Image {first}**: labelled **{labels[first]}**") for text in app.markdown)
    table = next(frame.value for frame in app.dataframe if "Likeliest" in frame.value)
    assert list(table["Model"]) == [other.name for other in loaders.shelf()[0]]
    assert table["Likeliest"][0] == str(digits[first])
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
        seen += list(zip(table["Rank"], table["Number"], table["For the label"], strict=True))
    share = [percent(np.exp(-loss)) for loss in wrong["loss"]]
    assert seen == list(zip(range(1, len(wrong) + 1), [f"Image {n}" for n in wrong["index"]], share, strict=True))


def test_the_threshold_sentence_is_counted_by_hand(answers):
    labels, digits, evaluation = answers
    app = open_page(further="How far to trust it", above="0.8")
    sure = (evaluation["confidence"] >= 0.8).to_numpy()
    right = (labels == digits)[sure].mean()
    assert any(f"**{sure.mean():.1%}** answered, **{right:.2%}** of those right" in text.value for text in app.markdown)


def test_a_report_is_taken_with_the_threshold_of_its_link(monkeypatch):
    taken = []
    monkeypatch.setattr(st, "download_button", lambda _, data, name, *__, **___: taken.append((name, data)))
    open_page(further="Report", above="0.8")
    (report,) = [data for name, data in taken if name.endswith(".html")]
    assert "at least 80.0% sure" in report()


def test_the_scans_are_read_well_by_a_model_that_never_saw_them():
    app = open_page(data="Scanned digits")
    share = float(re.search(r"\*\*([\d.]+)%\*\* right", app.markdown[1].value)[1])
    assert 90 < share < 100
    assert "1,797 images" in app.markdown[1].value


def test_a_model_that_is_replaced_before_it_has_answered_is_told_in_a_sentence(monkeypatch):
    def load(name, sha256):
        raise CheckpointError(f"{name} was replaced a moment ago. Ask once more.")

    monkeypatch.setattr(loaders, "_load_classifier", load)
    app = open_page(data="Scanned digits")
    assert not app.exception
    assert ["was replaced a moment ago" in error.value for error in app.error] == [True]


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
    assert any("3 pictures of mine" in text.value for text in app.markdown)
    assert any("7/odd.png" in frame.value.to_string() for frame in app.dataframe)


def zipped(labels: list[int]) -> bytes:
    """A visitor's archive of as many pictures, each in the folder of its label."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, label in enumerate(labels):
            archive.writestr(f"{label}/{number}.png", png(load_embedded_digits().images[number] / 255))
    return file.getvalue()


def test_a_model_is_asked_once_about_the_visitors_own_pictures(monkeypatch):
    asked = []
    ask = loaders.ask
    monkeypatch.setattr(loaders, "ask", lambda card, *rest: asked.append(card.name) or ask(card, *rest))
    app = open_page(data="Your own")
    app.file_uploader(key="archive").upload("first.zip", zipped([5, 6]), "application/zip").run()
    app.segmented_control(key="show").set_value("All").run()
    app.segmented_control(key="show").set_value("Right").run()
    assert len(asked) == 1
    next(button for button in app.button if button.label == "Bring another").click().run()
    app.file_uploader(key="archive").upload("second.zip", zipped([5]), "application/zip").run()
    assert len(asked) == 2


def test_a_broken_mnist_is_a_sentence_and_the_numbers_stand(monkeypatch):
    def break_off(split):
        raise DataUnavailable("MNIST's t10k-images-idx3-ubyte is broken.")

    monkeypatch.setattr(loaders, "mnist_is_here", lambda: True)
    monkeypatch.setattr(loaders, "_load_mnist", break_off)
    app = open_page()
    assert any("is broken" in text.value for text in app.error)
    assert len(captions(app)) == min(50, count(app)) > 0


def test_another_archive_can_be_brought_where_no_picture_of_the_first_can_be_used():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "no picture")
    app = open_page(data="Your own")
    app.file_uploader(key="archive").upload("none.zip", file.getvalue(), "application/zip").run()
    assert any("No picture of none" in text.value for text in app.markdown)
    next(button for button in app.button if button.label == "Bring another").click().run()
    app.file_uploader(key="archive").upload("second.zip", zipped([5]), "application/zip").run()
    assert any(r"1 picture of second\.zip" in text.value for text in app.markdown)


def test_another_archive_has_no_verdict_of_the_one_before():
    app = open_page(data="Your own", further="Right or mislabelled?")
    app.file_uploader(key="archive").upload("first.zip", zipped([5, 5, 5, 5]), "application/zip").run()
    app.session_state["votes"] = {("Your own", 3): "label wrong", ("MNIST test", 947): "ambiguous"}
    app.run()
    assert any("1 given in this visit" in text.value for text in app.caption)
    next(button for button in app.button if button.label == "Bring another").click().run()
    app.file_uploader(key="archive").upload("second.zip", zipped([5, 5]), "application/zip").run()
    assert not app.exception
    assert any(r"2 pictures of second\.zip" in text.value for text in app.markdown)
    assert any("0 given in this visit" in text.value for text in app.caption)
    assert app.session_state["votes"] == {("MNIST test", 947): "ambiguous"}


def test_another_archive_begins_at_its_first_sheet():
    app = open_page(data="Your own", show="All")
    app.file_uploader(key="archive").upload("first.zip", zipped([5] * 60), "application/zip").run()
    app.session_state["sheet"] = 2
    app.run()
    assert len(captions(app)) == 10
    next(button for button in app.button if button.label == "Bring another").click().run()
    app.file_uploader(key="archive").upload("second.zip", zipped([5] * 55), "application/zip").run()
    assert len(captions(app)) == 50


def test_an_archive_that_was_taken_in_is_not_kept_beside_its_pictures(monkeypatch):
    kept, remove = [], MemoryUploadedFileManager.remove_file

    def listen(self, session_id, file_id):
        remove(self, session_id, file_id)
        kept.append(len(self.file_storage[session_id]))

    monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", listen)
    app = open_page(data="Your own")
    app.file_uploader(key="archive").upload("mine.zip", zipped([5, 6]), "application/zip").run()
    assert not app.exception
    assert any("2 pictures of mine" in text.value for text in app.markdown)
    assert kept == [0]


@pytest.mark.usefixtures("no_mnist")
def test_without_mnist_every_number_is_there_and_the_images_can_be_fetched(answers):
    labels, digits, _ = answers
    app = open_page()
    assert f"**{accuracy_score(labels, digits):.2%}** right" in app.markdown[1].value
    assert count(app) == (labels != digits).sum()
    assert len(captions(app)) == min(50, count(app))
    assert "Download MNIST" in [button.label for button in app.button]
    assert "Download MNIST" not in [button.label for button in open_page(data="Scanned digits").button]
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
    assert count(app) == card.test.total - card.test.correct, "what is usual"
    assert "lasso" not in app.query_params


@pytest.mark.parametrize("door", ["Map", "Two models"])
def test_every_way_in_opens(door):
    app = open_page(door=door)
    assert app.segmented_control(key="door").value == door
    assert count(app) > 0


@pytest.mark.parametrize("here", [True, False])
def test_a_model_whose_kept_answers_are_broken_is_asked_itself_or_left_out(here, monkeypatch, tmp_path):
    if not here:
        monkeypatch.setenv("MNIST_DATA_DIR", str(tmp_path))
    elif not mnist_is_here():
        pytest.skip("a model can only be asked about images that are there")
    names = [card.name for card in loaders.shelf()[0]]
    kept = loaders.test_answers

    def broken(card):
        if card.name == names[-1]:
            raise CheckpointError(f"{card.name}.answers.npz is missing.")
        return kept(card)

    monkeypatch.setattr(loaders, "test_answers", broken)
    table = next(frame.value for frame in open_page(image="947").dataframe if "Likeliest" in frame.value)
    assert list(table["Model"]) == (names if here else names[:-1])


def test_answers_that_vanish_after_they_were_evaluated_are_missed_in_a_sentence(monkeypatch, tmp_path):
    for file in CHECKPOINTS.glob("mlp.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(loaders, "CHECKPOINTS", tmp_path)
    app = open_page(model="mlp")
    assert count(app) > 0
    (tmp_path / "mlp.answers.npz").unlink()
    loaders._load_answers.clear()
    app.run()
    assert not app.exception
    assert any("mlp.answers.npz" in error.value for error in app.error)


def test_an_evaluation_reads_its_answers_once(monkeypatch, card):
    read = []
    monkeypatch.setattr(loaders, "load_answers", lambda *asked: read.append(asked) or load_answers(*asked))
    loaders._evaluate.clear()
    loaders._load_answers.clear()
    assert len(loaders.evaluation(card)) == len(loaders.test_answers(card)[0])
    assert len(read) == 1


def test_a_model_that_learned_from_other_images_has_no_answers_to_mnists(save_untrained, monkeypatch, tmp_path):
    for file in CHECKPOINTS.glob("mlp.*"):
        shutil.copy(file, tmp_path)
    save_untrained("small")
    monkeypatch.setattr(loaders, "CHECKPOINTS", tmp_path)
    app = open_page(model="small")
    assert any("small learned from other images than MNIST's" in text.value for text in app.markdown)
    assert not app.get("plotly_chart")
    assert not open_page(model="small", data="Scanned digits").exception
    app = open_page(model="mlp", door="Two models")
    assert any("small learned from other images than MNIST's" in text.value for text in app.markdown)
    assert count(app) > 0
    app = open_page(model="mlp", door="Two models", data="Scanned digits")
    (said,) = [text.value for text in app.markdown if "McNemar" in text.value]
    assert said.endswith("small learned from most of them, so that they say little about it.")


def test_a_model_with_other_answers_to_mnist_than_there_are_images_is_left_out(save_untrained, monkeypatch, tmp_path):
    for file in CHECKPOINTS.glob("mlp.*"):
        shutil.copy(file, tmp_path)
    save_untrained("small", data="mnist")
    monkeypatch.setattr(loaders, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr(loaders, "mnist_test_images", lambda: None)
    table = next(frame.value for frame in open_page(model="mlp", image="5000").dataframe if "Likeliest" in frame.value)
    assert list(table["Model"]) == ["mlp"]
    (error,) = open_page(model="small").error
    assert error.value == "small.answers.npz holds answers to 50 images; MNIST has 10,000."


@pytest.mark.parametrize("show", ["Wrong", "Right", "All"])
@pytest.mark.parametrize("place", range(3))
def test_a_kind_of_mistakes_is_shown_whole_whatever_is_shown_elsewhere(place, show, answers):
    of_kind = compare(answers[2], evaluate(*load_answers(list_checkpoints()[0][1])))[place]
    app = open_page(door="Two models", kind=list(KINDS)[place], show=show)
    assert count(app) == len(of_kind) > 0
    assert set(numbers(app)) <= set(of_kind.tolist())
    assert app.segmented_control(key="show all").disabled


def test_the_new_mistakes_are_there_when_the_visit_comes_back_from_the_matrix(answers):
    new = compare(answers[2], evaluate(*load_answers(list_checkpoints()[0][1]))).new
    app = open_page(door="Two models")
    app.segmented_control(key="kind").set_value("New").run()
    app.segmented_control(key="door").set_value("Matrix").run()
    app.segmented_control(key="show").set_value("Wrong").run()
    assert count(app) == (answers[0] != answers[1]).sum()
    app.segmented_control(key="door").set_value("Two models").run()
    assert app.segmented_control(key="kind").value == "New"
    assert count(app) == len(new)
    app.segmented_control(key="door").set_value("Matrix").run()
    assert app.segmented_control(key="show").value == "Wrong"


def test_where_no_image_is_of_a_kind_the_page_promises_none(monkeypatch):
    twin = loaders.test_answers(list_checkpoints()[0][0])
    monkeypatch.setattr(loaders, "evaluation", lambda card: evaluate(*twin))
    app = open_page(door="Two models", kind="New")
    assert count(app) == 0
    assert not any("The gallery shows them" in text.value for text in app.caption)
    assert "There are no such images. Choose another kind." in [text.value for text in app.markdown]


@pytest.mark.parametrize(
    ("own", "other", "words"),
    [
        (
            1,
            7,
            "1 of the 8 is labelled {label}, like it; 7 are labelled {digit}, the answer: it lies with the digit it "
            "was taken for.",
        ),
        (
            7,
            1,
            "7 of the 8 are labelled {label}, like it; 1 is labelled {digit}, the answer: it lies with its own digit.",
        ),
        (4, 4, "4 of the 8 are labelled {label}, like it; 4 are labelled {digit}, the answer: it lies in between."),
        (
            1,
            2,
            "1 of the 8 is labelled {label}, like it; 2 are labelled {digit}, the answer, and 5 are labelled {third}: "
            "it lies among the {third}s.",
        ),
        (
            1,
            3,
            "1 of the 8 is labelled {label}, like it; 3 are labelled {digit}, the answer, and 4 are labelled {third}: "
            "it lies among other digits.",
        ),
        (1, None, "1 of the 8 is labelled {label} too."),
        (8, None, "8 of the 8 are labelled {label} too."),
    ],
)
def test_among_whom_an_image_lies_is_told_as_it_is(own, other, words, answers, monkeypatch):
    labels, digits, _ = answers
    number = np.flatnonzero((labels == digits) == (other is None))[0]
    label, digit = labels[number], digits[number]
    third = next(each for each in range(10) if each not in (label, digit))
    near = [label] * own + [digit] * (other or 0)
    near += [third] * (8 - len(near))
    known = {"labels": np.tile(near, (10_000, 1)), "neighbours": np.zeros((10_000, 8), dtype=int)}
    monkeypatch.setattr(loaders, "landscape", lambda card: SimpleNamespace(places=np.zeros((10_000, 2)), **known))
    shown = [text.value for text in open_page(image=str(number)).caption]
    assert words.format(label=label, digit=digit, third=third) in shown


def test_every_image_of_a_kind_is_behind_its_cell_of_the_difference(answers):
    labels, digits, evaluation = answers
    other = evaluate(*load_answers(list_checkpoints()[0][1]))
    after = other["digit"].to_numpy()
    for kind, of_kind in zip(KINDS, compare(evaluation, other)[:3], strict=True):
        assert len(of_kind)
        wrong, answered = (other, after) if kind == "New" else (evaluation, digits)
        for number in of_kind:
            label, digit = labels[number], answered[number]
            for cell in ((label, digit), (label, label), (label, None), (None, digit)):
                chosen = choose(wrong, *of_cell(*cell), None, (0, 1), set(of_kind.tolist()))
                assert number in set(chosen["index"]), (kind, cell)


def test_new_mistakes_are_shown_with_the_answers_of_the_model_that_makes_them(answers):
    labels, _, evaluation = answers
    rival = list_checkpoints()[0][1]
    other = evaluate(*load_answers(rival))
    new, after = compare(evaluation, other).new, other["digit"]
    app = open_page(door="Two models", versus=rival.name, kind="New", sort="by number")
    assert count(app) == len(new)
    assert any(f"The gallery shows them, as {rival.name} reads them." in caption.value for caption in app.caption)
    assert [words[:5] for words in captions(app)] == [f"{labels[n]} → {after[n]}" for n in sorted(new)[:50]]
    digit = after[new[0]]
    app = open_page(door="Two models", versus=rival.name, kind="New", answer=str(digit))
    assert count(app) == (after[new] == digit).sum()


def test_another_list_begins_at_its_first_sheet(answers):
    app = open_page(show="All", sheet="3", lasso="-2,-2_2,-2_2,2_-2,2", map="house")
    assert app.session_state["sheet"] == 3
    app.button(key="chip 10,000 from the map").click().run()
    assert app.session_state["sheet"] == 1
    app = open_page(show="All", sheet="3")
    app.selectbox(key="model").select("mlp").run()
    assert app.session_state["sheet"] == 1


def test_numbers_of_one_set_of_images_choose_nothing_among_another():
    app = open_page(find="947, 5000")
    assert app.text_input(key="find").value == "947, 5000"
    app.segmented_control(key="data").select("Scanned digits").run()
    assert app.text_input(key="find").value == ""


def test_what_is_told_of_a_link_can_still_be_read_after_a_rerun():
    app = open_page(label="x")
    told = [warning.value for warning in app.warning]
    assert told
    assert [warning.value for warning in app.run().warning] == told


@pytest.mark.parametrize(
    ("sent", "open_now"),
    [({"pressed": 947}, [947]), ({}, [])]
    + [({"pressed": odd}, []) for odd in (948, None, 947.0, True, "947", [947], {"number": 947})],
)
def test_only_the_number_of_a_shown_picture_opens_one(sent, open_now, monkeypatch):
    opened = []
    monkeypatch.setattr(gallery, "st", SimpleNamespace(session_state={"wall": sent}))
    monkeypatch.setattr(gallery, "_grid", lambda key, data, on_pressed_change: on_pressed_change())
    shown = [gallery.Picture(number, "data:,", (), "a picture") for number in (1, 947)]
    gallery.show_gallery(shown, opened.append, "wall")
    assert opened == open_now
