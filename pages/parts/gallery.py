"""A grid of small crisp images, each with a button below that names it and opens it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

SIDE = 84  # pixels of the screen: three for each of the image's


class Picture(NamedTuple):
    number: int
    address: str  # of a PNG
    caption: str
    words: str  # the text alternative


def show_gallery(pictures: Sequence[Picture], open_picture: Callable[[int], None], key: str) -> None:
    with st.grid(min_column_width=SIDE + 6, gap="xsmall", key=key):
        for picture in pictures:
            with st.container(gap=None, horizontal_alignment="center"):
                st.image(picture.address, width=SIDE, alt=picture.words)
                st.button(
                    picture.caption,
                    key=f"{key} {picture.number}",
                    type="tertiary",
                    on_click=open_picture,
                    args=[picture.number],
                )
