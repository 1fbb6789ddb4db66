"""What belongs to one visitor for one visit: the few session keys, and their only writers."""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.state import get_session_state

from mnist_core.checkpoints import Card
from mnist_core.labelled import Pictures
from mnist_core.preprocess import Pipeline, Trace
from mnist_core.words import whole_number

# Widgets with these keys keep their values across pages; the model also stands in the URL.
MODEL, SOURCE, PEN, SAMPLE = "model", "source", "pen", "sample"
# Not widgets, but in the URL: the image that is open, and the line that was drawn on a map.
IMAGE = "image"
LASSO, MAP = "lasso", "map"
MOST_KEPT = 50  # drawings that Undo knows, or that the canvas was told of


@dataclass(frozen=True)
class Drawing:
    """What is on the canvas: its strokes as the canvas describes them, and its pixels as a PNG."""

    strokes: tuple[dict, ...] = ()
    png: bytes = b""
    own: bool = True  # false where the visitor has added nothing to an example or a link's drawing


@dataclass(frozen=True)
class Board:
    """The canvas with its past. The canvas redraws itself from `shown` whenever `turn` changes, and only then."""

    now: Drawing = Drawing()
    past: tuple[Drawing, ...] = ()
    future: tuple[Drawing, ...] = ()
    shown: tuple[dict, ...] = ()
    turn: int = 0
    listened: bool = False  # whether the canvas has been asked at all
    heard: bytes = b""  # the last picture that the canvas sent: it stands there again on every rerun
    told: tuple[list, ...] = ()  # the lines of what it was told to draw and has not said back, the oldest first


@dataclass(frozen=True)
class Brought:
    """A picture that did not come from the canvas."""

    name: str
    content: bytes
    own: bool = True  # false where a page sent it here from a set of images


@dataclass(frozen=True)
class Judged:
    """One answer that the visitor has judged."""

    label: int | None  # none where the visitor says that it is no digit
    digit: int | None  # none where the drawing was turned away
    confidence: float | None
    model: str
    picture: bytes = field(repr=False)  # what the model saw, as a PNG of 28 x 28


def arrive(page: str) -> None:
    """Called by the frame on every run."""
    if st.session_state.get("page") != page:
        st.session_state["page"] = page
        renew_canvas()
        st.session_state.pop("trace", None)  # of a photograph 10 MB, which no other page asks for
        for key in ("told of link", "walk", "words"):
            st.session_state.pop(key, None)
        # Of itself a widget on the next page takes the kept value over one run too late.
        for key in (SOURCE, PEN, SAMPLE):
            if key in st.session_state:
                st.session_state[key] = st.session_state[key]


def renew_canvas() -> None:
    """A canvas that leaves the page forgets its ink. The next one is given it, and does not report that back."""
    if (before := board()).told or before.shown != before.now.strokes:
        _show(before.now)
        st.session_state["board"] = replace(board(), told=())


def settle_model(names: list[str]) -> None:
    """Before the picker is shown: this visit's model, or the link's, or the first."""
    model = st.session_state.get(MODEL)
    if model not in names:
        linked = st.query_params.get(MODEL)
        model = linked if linked in names else names[0]
    # In every run, since a click may end the first one before the browser has heard of it: the picker would then stand
    # at the first model, and the next run would take that for the visitor's choice.
    st.session_state[MODEL] = model


def linked_model(names: list[str]) -> str | None:
    """What the browser shall write into the address for the picked model; none while a link there is nonsense.

    Not bound to the address by Streamlit itself: the page list leads to addresses without it, and it would be lost.
    """
    linked, model, usual = st.query_params.get(MODEL), st.session_state[MODEL], names[0]
    if model == usual and linked is not None and linked not in names:
        return None
    return "" if (linked, model) == (None, usual) else model


def keep_words(words: dict[str, str]) -> None:
    """What the browser writes into this page's address itself; "" where there shall be none."""
    st.session_state["words"] = st.session_state.get("words", {}) | words
    know_words()


def know_words() -> None:
    """Before anything is written into the address through Streamlit, which then writes all of it anew: of words that
    the browser wrote there itself it may know those before."""
    with get_session_state().query_params() as parameters:
        for name, word in st.session_state.get("words", {}).items():
            if word:
                parameters.set_with_no_forward_msg(name, word)
            else:
                parameters.discard_param_no_forward_msg(name)


def need_frame() -> None:
    """Run again inside the frame where a link to a page was the first thing that a new server heard.

    Streamlit then takes the folder `pages` for the old kind of app and runs the page alone, without st.navigation.
    """
    if MODEL not in st.session_state:
        PagesManager.uses_pages_directory = False
        st.rerun()


def visit() -> int:
    """A number that no other visit has."""
    return st.session_state.setdefault("visit", random.getrandbits(50))


def told_of_link(place: str, words: list[str]) -> list[str]:
    """What of a link makes no sense, as long as the page is open: Streamlit takes it out of the address at once."""
    told = st.session_state.setdefault("told of link", {})
    if words:
        told[place] = words
    return told.get(place, [])


def knows_link(word: str) -> bool:
    """Whether this visit has read or written a link's word before: an old one must not undo what came after it."""
    known = st.session_state.setdefault("links", set())
    mark = _digest(word.encode())
    before = mark in known
    known.add(mark)
    return before


def board() -> Board:
    return st.session_state.setdefault("board", Board())


def hear_canvas(strokes: list[dict], png: bytes) -> None:
    """Take in what the canvas says. What it repeats, or says back after it was told to redraw, is nothing new."""
    is_first, before = not board().listened, replace(board(), listened=True)
    st.session_state["board"] = before
    if not png or png == before.heard:
        return
    if (lines := _lines(strokes)) in before.told:
        # Its pixels may differ by a shade from those it was told of; the ink must stay the same ink. What it was told
        # before that it has skipped, and will not say back any more.
        told = before.told[before.told.index(lines) + 1 :]
        st.session_state["board"] = replace(before, heard=png, told=told)
        return
    drawing = Drawing(tuple(strokes), png if strokes else b"")
    if is_first:
        # A new canvas has nothing to say. This one says what was drawn before the server forgot the visit, and may be
        # redrawing itself meanwhile as the new visit began.
        st.session_state["board"] = replace(before, heard=png, told=(_lines(before.shown),))
        draw(replace(drawing, own=False))  # it may be an example; the tab knows which was the visitor's
        return
    st.session_state["board"] = replace(before, now=drawing, heard=png, past=_past_and_now(), future=(), told=())


def undo() -> None:
    if (before := board()).past:
        _show(before.past[-1], past=before.past[:-1], future=(before.now, *before.future))


def redo() -> None:
    if (before := board()).future:
        _show(before.future[0], past=_past_and_now(), future=before.future[1:])


def clear() -> None:
    if board().now.strokes:
        _show(Drawing(), past=_past_and_now(), future=())


def draw(drawing: Drawing) -> None:
    """Put a whole drawing on the canvas, which Undo takes away again."""
    _show(drawing, past=_past_and_now(), future=())


def _past_and_now() -> tuple[Drawing, ...]:
    return (*board().past, board().now)[-MOST_KEPT:]


def _show(drawing: Drawing, **changes) -> None:
    before = board()
    told = (*before.told, _lines(drawing.strokes))[-MOST_KEPT:]
    after = replace(before, now=drawing, shown=drawing.strokes, turn=before.turn + 1, told=told, **changes)
    st.session_state["board"] = after


def _lines(strokes: Sequence[dict]) -> list:
    """What of a drawing the canvas says back as it was told; to the rest it adds details of its own."""
    return [stroke.get("path") for stroke in strokes]


def bring(name: str, content: bytes, own: bool = True) -> None:
    st.session_state["brought"] = Brought(name, content, own)


def brought() -> Brought | None:
    return st.session_state.get("brought")


def put_away() -> None:
    st.session_state.pop("brought", None)
    st.session_state["put away"] = put_away_times() + 1


def put_away_times() -> int:
    return st.session_state.get("put away", 0)


def trace(ink: bytes, pipeline: Pipeline) -> Trace:
    """What a pipeline makes of the ink; of the same ink as last time only what follows a change is made anew."""
    last_ink, before = st.session_state.get("trace", (None, None))
    after = pipeline.run(ink, before=before if last_ink == ink else None)
    st.session_state["trace"] = ink, after
    return after


def put_back(values: dict[str, Any]) -> None:
    """Give widgets, by their keys, other values than the visitor's."""
    st.session_state.update(values)


def put_back_as_one_step(values: dict[str, Any], words: dict[str, str]) -> None:
    """`put_back` for widgets that are bound to the address, in which `words` stand for the values ("" for the usual).

    Each that changes tells the browser the whole address, and each telling is a step for its Back. So all words but one
    are in the address before.
    """
    put_back(values)
    know_words()
    with get_session_state().query_params() as parameters:
        before = parameters.to_dict()
        for key in [key for key, word in words.items() if before.get(key, "") != word][1:]:
            if words[key]:
                parameters.set_with_no_forward_msg(key, words[key])
            else:
                parameters.discard_param_no_forward_msg(key)


def begin_anew(values: dict[str, Any], *words: str) -> None:
    """`put_back`, to the usual, and take `words` that no widget is bound to out of the address: one step in all."""
    there = [word for word in words if word in st.query_params]
    put_back_as_one_step(values, dict.fromkeys([*there, *values], ""))
    for word in there[:1]:
        del st.query_params[word]


def scorecard() -> list[Judged]:
    return list(judgements().values())


def own_drawings() -> list[Judged]:
    """The visitor's own digits among what was judged: each once, as it was judged last."""
    return [judged for judged in own_judgements().values() if judged.label is not None]


def judge(judged: Judged, mark: bytes, own: bool) -> None:
    """Count an answer; judging a model's answer to the same ink again corrects the first judgement."""
    key = _digest(mark)
    st.session_state["scorecard"] = judgements() | {(key, judged.model): judged}
    if own or key in own_judgements():
        st.session_state["own drawings"] = own_judgements() | {key: judged}


def claim(mark: bytes) -> None:
    """The ink on the desk is the visitor's own, also when it comes out of the address after a reload."""
    st.session_state["claimed"] = _digest(mark)


def is_claimed(mark: bytes) -> bool:
    return claimed() == _digest(mark)


def claimed() -> str:
    return st.session_state.get("claimed", "")


def judged(mark: bytes, model: str) -> Judged | None:
    return judgements().get((_digest(mark), model))


def forget_scores() -> None:
    st.session_state["scorecard"] = {}
    st.session_state["own drawings"] = {}


def judgements() -> dict[tuple[str, str], Judged]:
    """By the mark of the ink and the model."""
    return st.session_state.get("scorecard", {})


def own_judgements() -> dict[str, Judged]:
    return st.session_state.get("own drawings", {})


def _digest(mark: bytes) -> str:
    """What tells a mark from others, without the megabytes that a photograph has."""
    return hashlib.sha256(mark).hexdigest()


def bring_back(judged: dict, own: dict, votes: dict, claimed: str) -> None:
    """What an earlier visit of the same tab has judged and drawn; what was judged since then counts."""
    st.session_state.setdefault("claimed", claimed)
    st.session_state["scorecard"] = judged | judgements()
    st.session_state["own drawings"] = own | own_judgements()
    st.session_state["votes"] = votes | all_votes()


def hear_tab() -> None:
    """The browser's tab has told what it kept of the visit before."""
    st.session_state["heard tab"] = True


def tab_was_heard() -> bool:
    return st.session_state.get("heard tab", False)


def hear_touch() -> None:
    """The browser has told that the page is touched."""
    st.session_state["touched"] = True


def is_touched() -> bool:
    return st.session_state.get("touched", False)


# The errors page ----------------------------------------------------------------------------------------------


def fence_in(place: str, text: str, filters: dict[str, str]) -> None:
    """Keep, in the address, what a lasso caught on the map of `place`; the filters must leave it to be seen."""
    put_back_as_one_step({"sheet": 1} | filters, {LASSO: text, MAP: place, "sheet": ""} | filters)
    st.query_params[LASSO] = text
    fill_gallery()


def fence() -> tuple[str, str]:
    """The map that was drawn on, and what was drawn; "" where the address does not say."""
    return st.query_params.get(MAP, ""), st.query_params.get(LASSO, "")


def take_fence_down(**filters: str) -> None:
    begin_anew({"sheet": 1} | filters, LASSO, MAP)
    turn_charts()


def look_at_others() -> None:
    """Other images are to be looked at: what was chosen among those before is nothing to them."""
    begin_anew({"sheet": 1, "doubts": 1, "find": ""}, LASSO, MAP, IMAGE)
    turn_charts()


def ask_other_model(name: str) -> None:
    """Another model's mistakes are another list, and begin on their first sheet."""
    if st.session_state.get("listed", name) != name:
        put_back({"sheet": 1, "doubts": 1})
    st.session_state["listed"] = name


def turn_charts() -> None:
    """A chart's own selection can only be undone by making the chart anew, under another key."""
    st.session_state["charts"] = chart_turn() + 1
    mark_cell({})


def chart_turn() -> int:
    return st.session_state.get("charts", 0)


def turn_doubts() -> None:
    """So is the tick in a table."""
    st.session_state["doubts seen"] = doubts_turn() + 1


def doubts_turn() -> int:
    return st.session_state.get("doubts seen", 0)


def mark_cell(filters: dict[str, str]) -> None:
    """Keep what the filters had to say when a matrix marked the cell that was clicked."""
    st.session_state["marked"] = filters


def marked_cell() -> dict[str, str]:
    return st.session_state.get("marked", {})


def fill_gallery() -> None:
    """The gallery was filled by a click that lies far from it on a phone."""
    st.session_state["filled"] = gallery_turn() + 1


def gallery_turn() -> int:
    return st.session_state.get("filled", 0)


def open_image(number: int, walk: Sequence[int] = ()) -> None:
    """Open one image; `walk` is the row of images through which next and previous lead."""
    know_words()
    st.query_params[IMAGE] = str(number)
    if walk:
        walk_along(walk)


def walk_along(numbers: Sequence[int]) -> None:
    st.session_state["walk"] = tuple(int(number) for number in numbers)


def opened() -> str | None:
    return st.query_params.get(IMAGE)


def walk() -> tuple[int, ...]:
    return st.session_state.get("walk", ())


def close_image() -> None:
    know_words()
    st.query_params.pop(IMAGE, None)


def vote(place: str, number: int, word: str | None) -> None:
    votes = {key: value for key, value in all_votes().items() if key != (place, number)}
    st.session_state["votes"] = votes | ({(place, number): word} if word else {})


def all_votes() -> dict[tuple[str, int], str]:
    """What the visitor said of an image, by the data it is from and its number."""
    return st.session_state.get("votes", {})


def votes_of(place: str) -> dict[int, str]:
    return {number: word for (where, number), word in all_votes().items() if where == place}


def forget_votes(place: str) -> None:
    st.session_state["votes"] = {key: word for key, word in all_votes().items() if key[0] != place}


def keep_archive(pictures: Pictures | None, name: str = "") -> None:
    st.session_state["own"] = (name, pictures) if pictures else None
    st.session_state["own logits"] = {}
    if not pictures:  # a page that ends early, since no picture could be used, has left the uploader its file
        st.session_state.pop("archive", None)


def archive() -> tuple[str, Pictures] | None:
    """The labelled pictures of this visit, with the name of their archive."""
    return st.session_state.get("own")


def archive_logits(card: Card, ask: Callable[[], np.ndarray]) -> np.ndarray:
    """What a model says of them; it is asked once."""
    kept = st.session_state.get("own logits", {})
    if (key := (card.name, card.sha256)) not in kept:
        kept = st.session_state["own logits"] = kept | {key: ask()}
    return kept[key]


# The data page ------------------------------------------------------------------------------------------------


def wall() -> int:
    """The number of the wall of samples, from the address; the same number is the same wall."""
    number = whole_number(st.query_params.get("wall", ""))
    return 1 if number is None else number


def reshuffle() -> None:
    know_words()
    st.query_params["wall"] = str(random.choice([n for n in range(1, 1000) if n != wall()]))
