"""What a visit remembers: no command to its canvas is lost, what the canvas says back is no new drawing, and the
address follows the visit."""

import pytest

from pages.parts import state
from pages.parts.state import Board


@pytest.fixture(autouse=True)
def session(monkeypatch) -> dict:
    session = {}
    monkeypatch.setattr(state.st, "session_state", session)
    state.hear_canvas([], b"")  # as a new canvas says
    return session


@pytest.fixture
def address(monkeypatch) -> dict:
    address = {}
    monkeypatch.setattr(state.st, "query_params", address)
    return address


def strokes(*names: str) -> list[dict]:
    return [{"path": name} for name in names]


def hear(*names: str) -> None:
    """The canvas sends these strokes, in a picture that tells them apart."""
    state.hear_canvas(strokes(*names), " ".join(names).encode() or b"paper")


def say_back(*names: str) -> None:
    """The same after a redraw: with details that it adds, and pixels that differ by a shade."""
    state.hear_canvas([{**stroke, "left": 1.5} for stroke in strokes(*names)], f"{names} again".encode())


def draw_three() -> None:
    for count in (1, 2, 3):
        hear(*"abc"[:count])


def story() -> tuple[list[str], str, list[str]]:
    """What Undo leads to, what is drawn now, and what Redo leads to; each as the names of its strokes."""
    board: Board = state.board()
    past, (now,), future = [
        ["".join(stroke["path"] for stroke in drawing.strokes) for drawing in drawings]
        for drawings in (board.past, [board.now], board.future)
    ]
    return past, now, future


def test_examples_and_clearing_do_not_make_the_past_grow_without_end():
    for name in range(60):
        state.draw(state.Drawing(tuple(strokes(str(name))), b"ink"))
        state.clear()
    past, now, _ = story()
    assert (len(past), past[-1], now) == (50, "59", "")


def test_two_quick_undos_keep_the_past_and_the_future():
    draw_three()
    state.undo()
    state.undo()
    assert story() == ([""], "a", ["ab", "abc"])
    say_back("a", "b")
    say_back("a")
    assert story() == ([""], "a", ["ab", "abc"])
    state.redo()
    say_back("a", "b")
    assert story() == (["", "a"], "ab", ["abc"])


def test_a_picture_that_stands_there_on_every_rerun_is_nothing_new():
    draw_three()
    state.undo()
    for _ in range(2):
        hear("a", "b", "c")
    state.undo()
    for _ in range(2):
        say_back("a", "b")
    for _ in range(2):
        say_back("a")
    assert story() == ([""], "a", ["ab", "abc"])


def test_a_redraw_that_the_canvas_skipped_is_not_waited_for():
    draw_three()
    state.undo()
    state.undo()
    say_back("a")
    assert story() == ([""], "a", ["ab", "abc"])
    hear("a", "d")
    assert story() == (["", "a"], "ad", [])


def test_a_stroke_after_skipped_redraws_is_new_though_as_many_strokes_were_told():
    draw_three()
    state.undo()
    state.redo()
    state.undo()
    say_back("a", "b")
    hear("a", "b", "d")
    assert story() == (["", "a", "ab"], "abd", [])


def test_a_stroke_that_was_on_its_way_is_kept_and_the_canvas_has_the_last_word():
    draw_three()
    state.undo()
    hear("a", "b", "c", "d")
    assert story() == (["", "a", "ab"], "abcd", [])
    say_back("a", "b")
    assert story() == (["", "a", "ab", "abcd"], "ab", [])


def test_a_canvas_on_another_page_is_given_the_ink_and_does_not_say_it_back(session):
    draw_three()
    state.undo()
    session["page"] = "Draw"
    state.arrive("Preprocessing")
    assert state.board().shown == tuple(strokes("a", "b"))
    assert state.board().told == ()
    hear("a", "b", "e")
    assert story() == (["", "a", "ab"], "abe", [])


def test_a_canvas_that_was_away_is_given_all_ink_once():
    draw_three()
    state.renew_canvas()
    board = state.board()
    assert [stroke["path"] for stroke in board.shown] == ["a", "b", "c"]
    assert board.told == ()
    state.renew_canvas()
    assert state.board().turn == board.turn, "it has its ink already"
    assert story() == (["", "a", "ab"], "abc", [])


def test_a_drawing_of_somebody_else_is_the_visitors_from_the_first_stroke_that_is_added():
    state.draw(state.Drawing(tuple(strokes("a")), b"a", own=False))
    say_back("a")
    assert not state.board().now.own
    hear("a", "b")
    assert state.board().now.own
    state.undo()
    assert not state.board().now.own


@pytest.mark.parametrize("linked", ["", "a"])
def test_what_a_canvas_says_at_once_is_from_a_forgotten_visit_and_outlasts_its_redrawing(session, linked):
    session.clear()
    if linked:
        state.draw(state.Drawing(tuple(strokes(linked)), b"link", own=False))
    hear("a", "b")
    told = (["", *linked], "ab", [])
    assert story() == told
    say_back(*linked)
    assert story() == told
    assert state.board().shown == tuple(strokes("a", "b"))
    say_back("a", "b")
    assert story() == told
    assert not state.board().now.own, "it may be an example"
    hear("a", "b", "c")
    assert state.board().now.own


def test_a_links_drawing_that_a_canvas_says_at_once_stays_the_links(session):
    session.clear()
    state.draw(state.Drawing(tuple(strokes("a")), b"link", own=False))
    say_back("a")
    assert story() == ([""], "a", [])
    assert not state.board().now.own


def test_undo_brings_back_what_was_cleared_and_takes_a_whole_drawing_away():
    draw_three()
    state.clear()
    assert story() == (["", "a", "ab", "abc"], "", [])
    state.clear()
    assert story() == (["", "a", "ab", "abc"], "", []), "empty paper is not cleared once more"
    state.draw(state.Drawing(tuple(strokes("x", "y")), b"xy"))
    state.undo()
    state.undo()
    assert story() == (["", "a", "ab"], "abc", ["", "xy"])


def test_undo_and_redo_stop_at_the_ends():
    draw_three()
    for _ in range(5):
        state.undo()
    assert story() == ([], "", ["a", "ab", "abc"])
    for _ in range(5):
        state.redo()
    assert story() == (["", "a", "ab"], "abc", [])


def test_the_last_fifty_drawings_can_be_gone_back_to():
    for count in range(1, 61):
        hear(*"a" * count)
    past, now, _ = story()
    assert (len(past), len(past[0]), len(past[-1]), len(now)) == (50, 10, 59, 60)


@pytest.mark.parametrize(
    ("kept", "linked", "settled"),
    [
        (None, None, "house"),
        (None, "mlp", "mlp"),
        (None, "oracle", "house"),
        ("mlp", "house", "mlp"),
        ("gone", "mlp", "mlp"),
    ],
)
def test_a_visit_keeps_its_model_and_begins_with_the_links_or_the_first(kept, linked, settled, session, address):
    if kept:
        session["model"] = kept
    if linked:
        address["model"] = linked
    state.settle_model(["house", "mlp"])
    assert session["model"] == settled


@pytest.mark.parametrize(
    ("linked", "model", "word"),
    [
        (None, "house", ""),
        (None, "mlp", "mlp"),
        ("mlp", "mlp", "mlp"),
        ("mlp", "house", "house"),
        ("oracle", "mlp", "mlp"),
    ],
)
def test_the_address_names_the_picked_model_unless_it_is_the_usual_one(linked, model, word, session, address):
    session["model"] = model
    if linked:
        address["model"] = linked
    assert state.linked_model(["house", "mlp"]) == word


def test_a_model_that_is_not_here_stays_in_the_address_until_another_is_picked(session, address):
    session["model"], address["model"] = "house", "oracle"
    assert state.linked_model(["house", "mlp"]) is None
    assert address == {"model": "oracle"}


def test_the_trace_of_some_ink_is_kept_as_long_as_its_page_is_open(session):
    state.arrive("preprocessing")
    session["trace"] = b"ink", None
    state.arrive("preprocessing")
    assert "trace" in session
    state.arrive("draw")
    assert "trace" not in session


def test_a_links_word_is_news_once():
    assert [state.knows_link("brought") for _ in range(3)] == [False, True, True]


def test_a_vote_can_be_changed_and_taken_back():
    state.vote("MNIST test", 7, "ambiguous")
    state.vote("Your own", 7, "label right")
    state.vote("MNIST test", 7, "label wrong")
    assert state.votes_of("MNIST test") == {7: "label wrong"}
    state.vote("MNIST test", 7, None)
    assert state.all_votes() == {("Your own", 7): "label right"}
