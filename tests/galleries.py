"""What a page gives its gallery, read from an AppTest, to which the gallery is an element unknown."""

import json

from streamlit.testing.v1 import AppTest


def pictures(app: AppTest) -> list[dict]:
    return [picture for gallery in app.get("bidi_component") for picture in json.loads(gallery.proto.json)["pictures"]]


def numbers(app: AppTest) -> list[int]:
    return [picture["number"] for picture in pictures(app)]
