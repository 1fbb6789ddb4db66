"""The dashboard and the HTTP routes on one port: `streamlit run server.py` or `uvicorn server:app`."""

import os
from pathlib import Path

import streamlit as st
from starlette.routing import Mount, Route

from mnist_core.api import build_api
from mnist_core.checkpoints import Card
from mnist_core.classifier import DigitClassifier


# The caches of the dashboard are imported when they are first asked: before Streamlit runs they warn that it does not.
def cards() -> list[Card]:
    from pages.parts import loaders

    return loaders.shelf()[0]


def load(card: Card) -> DigitClassifier:
    from pages.parts import loaders

    return loaders.load_classifier(card)


# Other sites whose pages may ask, separated by spaces; none unless named.
origins = os.environ.get("API_CORS_ORIGINS", "").split()
api = build_api(cards, load, origins)
app = st.App(Path(__file__).with_name("streamlit_app.py"), routes=[Route("/api", api), Mount("/api", api)])
