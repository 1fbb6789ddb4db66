"""What a page gives its gallery, read from an AppTest, to which the gallery is an element unknown."""

import json

from streamlit.testing.v1 import AppTest


def galleries(app: AppTest) -> list[list[dict]]:
    """The pictures of each gallery; the page's other elements of this kind hold none."""
    given = [json.loads(element.proto.json or "{}") for element in app.get("bidi_component")]
    return [each["pictures"] for each in given if "pictures" in each]


def pictures(app: AppTest) -> list[dict]:
    return [picture for gallery in galleries(app) for picture in gallery]


def numbers(app: AppTest) -> list[int]:
    return [picture["number"] for picture in pictures(app)]
