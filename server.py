"""The dashboard and the HTTP routes on one port: `streamlit run server.py` or `uvicorn server:app`."""

import os
import time
from functools import lru_cache
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mnist_core.api import build_api
from mnist_core.checkpoints import Card
from mnist_core.classifier import DigitClassifier


def cards() -> list[Card]:
    return shelf_in(int(time.monotonic()))[0]


def broken() -> list[str]:
    return shelf_in(int(time.monotonic()))[1]


# Looking for changed checkpoints costs a request more than answering it in JSON: once a second is often enough.
# The caches of the dashboard are imported when they are first asked: before Streamlit runs they warn that it does not.
@lru_cache(maxsize=1)
def shelf_in(second: int) -> tuple[list[Card], list[str]]:
    from pages.parts import loaders

    return loaders.shelf()


def load(card: Card) -> DigitClassifier:
    from pages.parts import loaders

    return loaders.load_classifier(card)


# Other sites whose pages may ask, separated by spaces or commas; none unless named.
# A browser ends a site's name without a stroke.
origins = [site.rstrip("/") for site in os.environ.get("API_CORS_ORIGINS", "").replace(",", " ").split()]
api = build_api(cards, load, origins, broken=broken)
routes = Router([Route("/api", api), Mount("/api", api)])


def api_first(dashboard: ASGIApp) -> ASGIApp:
    """All under /api passes by the dashboard's cookies, compression and rules on paths, which answer in no JSON."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and f"{scope['path']}/".startswith("/api/")
        await (routes if is_api else dashboard)(scope, receive, send)

    return choose


app = st.App(Path(__file__).with_name("streamlit_app.py"), middleware=[Middleware(api_first)])
