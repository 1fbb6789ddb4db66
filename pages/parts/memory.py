"""What a browser's tab keeps of a visit: what was judged in it, and which drawing was the visitor's own. A visit that
begins anew there, after a reload or where the server has forgotten the one before, is given it. The server itself
stores nothing.
"""

import base64
import json
from contextlib import suppress
from typing import Any

import streamlit as st

from mnist_core.pictures import read_png
from pages.parts import state
from pages.parts.datasets import OWN
from pages.parts.doubts import VOTES

MOST = 500  # judgements, half a kilobyte each: all of them travel with each new one
KEY = "kept by the tab"

_tab = st.components.v2.component(
    "tab",
    js="""
export default function ({ data: { kept, visit, heard, asked }, setTriggerValue }) {
    const name = "what was judged";
    try {
        const before = JSON.parse(sessionStorage.getItem(name) ?? "{}");
        const foreign = before.kept && before.visit !== visit;
        if (!heard && (foreign || asked)) setTriggerValue("before", foreign ? before.kept : "nothing");
        if (!heard && foreign) return;
        sessionStorage.setItem(name, JSON.stringify({ kept, visit }));
    } catch {
        // Some browsers keep nothing for a page in a frame: what was judged then ends with the visit.
    }
}
""",
)


def remember(asked: bool = False) -> None:
    """Once in each run of a page that shows what was judged, or of the part of it in which judging takes place.

    Where it is `asked` the tab answers also when it has kept nothing.
    """

    def hear() -> None:
        state.hear_tab()
        with suppress(TypeError, ValueError, KeyError, RecursionError):  # no page of ours has sent it
            state.bring_back(*_unpacked(st.session_state[KEY]["before"]))

    _tab(
        key=KEY,
        data={"kept": _packed(), "visit": state.visit(), "heard": state.tab_was_heard(), "asked": asked},
        on_before_change=hear,
    )


def _packed() -> str:
    judged = [
        [mark, model, each.label, each.digit, each.confidence, base64.b64encode(each.picture).decode()]
        for (mark, model), each in list(state.judgements().items())[-MOST:]
    ]
    own = [[mark, each.model] for mark, each in state.own_judgements().items()]
    # The visitor's own pictures are not kept, and others will have their numbers.
    votes = [[place, number, word] for (place, number), word in state.all_votes().items() if place != OWN]
    claimed = state.claimed()
    kept = {"judged": judged, "own": own, "votes": votes, "claimed": claimed}
    return json.dumps(kept) if judged or votes or claimed else ""


def _unpacked(text: str) -> tuple[dict, dict, dict, str]:
    """What was judged, which of it are the visitor's own drawings, the verdicts on images, and the mark of the last
    drawing of their own."""
    kept = json.loads(text)
    judged = dict(_judged(*entry) for entry in kept["judged"][-MOST:])
    own = {mark: judged[mark, model] for mark, model in kept["own"] if (mark, model) in judged}
    votes = {(str(place), int(number)): word for place, number, word in kept["votes"] if word in VOTES}
    return judged, own, votes, str(kept.get("claimed", ""))


def _judged(mark: str, model: str, label: Any, digit: Any, confidence: Any, picture: str) -> tuple:
    read_png(content := base64.b64decode(picture, validate=True))
    if {label, digit} - {None, *range(10)} or not (confidence is None or 0 <= confidence <= 1):
        raise ValueError("not what is judged")
    return (str(mark), str(model)), state.Judged(label, digit, confidence, str(model), content)
