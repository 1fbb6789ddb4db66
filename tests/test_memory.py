"""What a browser's tab is given to keep is what was judged, and what it gives back is read with care."""

import base64
import json

import numpy as np
import pytest

from mnist_core.pictures import png
from pages.parts import memory, state
from pages.parts.state import Judged

PICTURE = png(np.random.default_rng(0).random((28, 28)))


@pytest.fixture(autouse=True)
def session(monkeypatch) -> dict:
    session = {}
    monkeypatch.setattr(state.st, "session_state", session)
    return session


def judge(ink: str, label: int | None, digit: int | None, confidence: float | None, own: bool) -> None:
    state.judge(Judged(label, digit, confidence, "house", PICTURE), ink.encode(), own)


def everything() -> tuple:
    return state.judgements(), state.own_judgements(), state.all_votes()


def test_another_visit_has_what_was_judged_in_the_one_before(session):
    judge("a", 7, 7, 0.9, own=True)
    judge("b", 4, 9, 0.5, own=False)
    judge("c", None, None, None, own=True)
    state.vote("MNIST test", 18, "ambiguous")
    before, text = everything(), memory._packed()
    session.clear()
    state.bring_back(*memory._unpacked(text))
    assert everything() == before


def test_what_was_judged_since_counts(session):
    judge("a", 7, 7, 0.9, own=True)
    judge("b", 4, 4, 0.9, own=True)
    text = memory._packed()
    session.clear()
    judge("a", 1, 7, 0.9, own=True)
    state.bring_back(*memory._unpacked(text))
    assert {judged.label for judged in state.scorecard()} == {1, 4}
    assert {judged.label for judged in state.own_drawings()} == {1, 4}


def test_a_drawing_of_the_visitors_stays_that_when_it_is_judged_again_after_a_reload():
    judge("a", 7, 7, 0.9, own=True)
    judge("a", 1, 7, 0.9, own=False)
    assert [judged.label for judged in state.own_drawings()] == [1]


def test_a_drawing_that_was_not_judged_yet_is_the_visitors_own_after_a_reload_too(session):
    state.claim(b"a")
    text = memory._packed()
    session.clear()
    assert not state.is_claimed(b"a")
    state.bring_back(*memory._unpacked(text))
    assert state.is_claimed(b"a")
    assert not state.is_claimed(b"b")


def test_nothing_is_kept_where_nothing_was_judged():
    assert memory._packed() == ""


def test_the_last_five_hundred_are_kept(session):
    for number in range(503):
        judge(str(number), number % 10, 0, 0.9, own=True)
    before, text = list(state.judgements()), memory._packed()
    session.clear()
    state.bring_back(*memory._unpacked(text))
    assert list(state.judgements()) == before[3:]
    assert len(state.own_drawings()) == 500


def test_verdicts_on_pictures_that_are_not_kept_are_not_kept():
    state.vote("Your own", 3, "label wrong")
    assert memory._packed() == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": 10},
        {"label": "7"},
        {"digit": -1},
        {"digit": [7]},
        {"confidence": 1.5},
        {"confidence": float("nan")},
        {"confidence": "0.9"},
        {"picture": "no letters of base64"},
        {"picture": base64.b64encode(b"no picture").decode()},
        {"picture": base64.b64encode(png(np.zeros((29, 28)))).decode()},
        {"picture": base64.b64encode(PICTURE[:60]).decode()},
    ],
)
def test_a_judgement_that_no_page_makes_is_not_read(wrong):
    entry = {"mark": "m", "model": "house", "label": 7, "digit": 7, "confidence": 0.9}
    entry |= {"picture": base64.b64encode(PICTURE).decode()}
    assert len(memory._unpacked(as_kept(entry))[0]) == 1
    with pytest.raises((ValueError, TypeError)):
        memory._unpacked(as_kept(entry | wrong))


def as_kept(entry: dict) -> str:
    return json.dumps({"judged": [list(entry.values())], "own": [], "votes": []})


@pytest.mark.parametrize("sent", ["never", "[" * 100_000, "[]", "{}", '{"judged": 7}', 7, None])
def test_what_no_page_has_kept_brings_nothing_back_and_is_not_asked_for_again(sent, monkeypatch, session):
    monkeypatch.setattr(memory, "_tab", lambda key, data, on_before_change: on_before_change())
    session[memory.KEY] = {"before": sent}
    memory.remember()
    assert everything() == ({}, {}, {})
    assert state.tab_was_heard()


def test_a_verdict_that_no_page_offers_is_not_read():
    votes = [["MNIST test", 18, "ambiguous"], ["MNIST test", 19, "splendid"]]
    assert memory._unpacked(json.dumps({"judged": [], "own": [], "votes": votes}))[2] == {
        ("MNIST test", 18): "ambiguous"
    }
