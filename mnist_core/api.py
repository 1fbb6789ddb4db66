"""The HTTP routes: a picture in, a prediction out, both ways in the words of the public face.

`server.py` puts them beside the dashboard. Pictures are answered in threads of their own, so that the server goes on
serving; what waits meanwhile is answered together, in one batch a model.
"""

import asyncio
import base64
import contextlib
import json
import queue
import re
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future

from python_multipart.multipart import parse_options_header
from starlette.applications import Starlette
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mnist_core.checkpoints import Card, CheckpointError
from mnist_core.classifier import DigitClassifier, Prediction, use_one_thread
from mnist_core.ink import InkError
from mnist_core.openapi import FORM, JSON, MAX_BODY, PICTURES, describe

PATIENCE = 30  # seconds for a body to arrive in
HELD = 64_000_000  # bytes of all bodies that are in the house at once
WAITING = 128  # pictures that wait for an answer
TOGETHER = 16  # pictures that one thread answers at once
THREADS = 2
MAX_SIGNS = 100  # brackets, braces and commas in a body of JSON
BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{1,70}")  # as RFC 2046 has it
FROM_ADDRESSES = str.maketrans("-_", "+/")  # base64 as it is written where + and / have a meaning
NAMED = "The model is named in the address, as ?model=NAME."
ASKED = 'Send {"image": "..."} with the picture in base64 or as a data URL.'

SENTENCES = {
    404: "There is nothing at this address. /api/openapi.json tells what there is.",
    405: "This address does not take this method.",
    500: "This should not have happened. The server's log says more.",
}
Job = tuple[Card, bytes, Future]


def busy() -> HTTPException:
    return HTTPException(503, "Too many pictures are waiting. Try again in a second.", {"Retry-After": "1"})


class Desk:
    """Where pictures wait, and the threads that answer them."""

    def __init__(
        self,
        load: Callable[[Card], DigitClassifier],
        threads: int = THREADS,
        together: int = TOGETHER,
        waiting: int = WAITING,
    ):
        self.load, self.threads, self.together = load, threads, together
        self.jobs: queue.Queue[Job] = queue.Queue(waiting)
        self.held = 0
        for _ in range(threads):
            threading.Thread(target=self._work, name="api", daemon=True).start()

    async def ask(self, card: Card, picture: bytes) -> Prediction:
        answer: Future[Prediction] = Future()
        try:
            self.jobs.put_nowait((card, picture, answer))
        except queue.Full:
            raise busy() from None
        return await asyncio.wrap_future(answer)

    @contextlib.asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[bytes]:
        """The body, refused as soon as it is too large; its bytes count as held until the request is answered."""
        too_large = HTTPException(413, f"A body may have {MAX_BODY // 1_000_000} MB. Send a smaller picture.")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > MAX_BODY:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(PATIENCE):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > MAX_BODY:
                        raise too_large
                    if self.held + len(chunk) > HELD:
                        raise busy()
                    self.held += len(chunk)
                    body += chunk
            yield bytes(body)
        except TimeoutError:
            sentence = f"The picture did not arrive within {PATIENCE} seconds."
            raise HTTPException(408, sentence, {"Connection": "close"}) from None
        except ClientDisconnect:
            raise HTTPException(400, "The connection ended before the picture did.") from None
        finally:
            self.held -= len(body)

    def _work(self) -> None:
        use_one_thread()
        while True:
            jobs = [self.jobs.get()]
            with contextlib.suppress(queue.Empty):
                for _ in range(min(self.together - 1, self.jobs.qsize() // self.threads)):
                    jobs.append(self.jobs.get_nowait())
            self._answer([job for job in jobs if job[2].set_running_or_notify_cancel()])

    def _answer(self, jobs: list[Job]) -> None:
        models: dict[tuple[str, str], tuple[DigitClassifier, list]] = {}
        for card, picture, answer in jobs:
            try:
                model = card.name, card.sha256
                if model not in models:
                    models[model] = self.load(card), []
                classifier, read = models[model]
                read.append((answer, classifier.pipeline.run(picture).without_the_way()))
            except Exception as error:
                answer.set_exception(error)
        for classifier, read in models.values():
            try:
                predictions = classifier.judge([trace for _, trace in read])
            except Exception as error:
                for answer, _ in read:
                    answer.set_exception(error)
            else:
                for (answer, _), prediction in zip(read, predictions, strict=True):
                    answer.set_result(prediction)


def build_api(
    cards: Callable[[], Sequence[Card]],
    load: Callable[[Card], DigitClassifier],
    origins: Sequence[str] = (),
    desk: Desk | None = None,
    broken: Callable[[], Sequence[str]] = tuple,
) -> Starlette:
    """The application that belongs under /api.

    `origins` are the other sites whose pages may ask it; `broken` are the checkpoints that were left out, in sentences.
    """
    desk = desk or Desk(load)

    async def predict(request: Request) -> JSONResponse:
        if [name for name, _ in request.query_params.multi_items()] not in ([], ["model"]):
            raise HTTPException(422, "The one parameter that this address takes is ?model=NAME, once.")
        card = choose_card(await asyncio.to_thread(cards), request.query_params.get("model"))
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        kind = "image/jpeg" if kind == "image/jpg" else kind  # no registered name, and many use it
        if kind not in (*PICTURES, FORM, JSON, ""):
            told = f"Send a picture ({', '.join(PICTURES)}), {FORM} or {JSON}, and name it in Content-Type."
            raise HTTPException(415, told, {"Accept-Post": ", ".join((*PICTURES, FORM, JSON))})
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise HTTPException(415, "Send the body as it is, without a Content-Encoding.")
        async with desk.receive(request) as body:
            if kind == FORM:
                body = await unpack_form(request.headers, body)
            elif kind == JSON:
                body = await asyncio.to_thread(unpack_json, body)
            if not body:
                raise HTTPException(422, "There is no picture in this request.")
            return JSONResponse((await desk.ask(card, body)).as_json(card.name))

    async def models(request: Request) -> JSONResponse:
        return JSONResponse({"models": [describe_card(card) for card in await asyncio.to_thread(cards)]})

    async def health(request: Request) -> JSONResponse:
        names = [card.name for card in await asyncio.to_thread(cards)]
        left_out = list(await asyncio.to_thread(broken))
        said = {"status": "ok" if names else "no model", "models": names, "broken": left_out}
        return JSONResponse(said, 200 if names else 503)

    async def openapi(request: Request) -> JSONResponse:
        return JSONResponse(describe([card.name for card in await asyncio.to_thread(cards)]))

    cors = Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    api = Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            Route("/models", models),
            Route("/health", health),
            Route("/openapi.json", openapi),
        ],
        middleware=[cors] if origins else [],
        exception_handlers={HTTPException: tell, InkError: tell, CheckpointError: tell, Exception: tell},
    )
    api.router.redirect_slashes = False  # a redirection has no sentence, and leads where the request's own header says
    return api


def choose_card(cards: Sequence[Card], name: str | None) -> Card:
    if not cards:
        raise HTTPException(503, "There is no model to ask. Train one: python -m mnist_core.train --architecture mlp.")
    for card in cards:
        if name in (card.name, None):
            return card
    raise HTTPException(404, f"There is no model of this name. There are {', '.join(card.name for card in cards)}.")


async def unpack_form(headers: Headers, body: bytes) -> bytes:
    async def stream() -> AsyncIterator[bytes]:
        yield body

    # Nobody reads the texts in a form, and to decode them takes minutes in some of the letters that it may name.
    boundary = parse_options_header(headers["content-type"])[1].get(b"boundary", b"")
    if not BOUNDARY.fullmatch(boundary):  # a quotation mark in it would bring such letters along
        raise HTTPException(
            400, "The form cannot be read: Its Content-Type names no boundary, or none that is allowed."
        )
    kind = Headers(raw=[(b"content-type", b'form; boundary="%s"' % boundary)])
    parser = MultiPartParser(kind, stream(), max_files=1, max_fields=16)
    parser.spool_max_size = MAX_BODY  # what has arrived in memory need not go to the disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"The form cannot be read: {error.message}") from None
    try:
        if any(isinstance(part, str) for part in form.getlist("model")):
            raise HTTPException(422, NAMED)
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                return await part.read()
    finally:
        await form.close()
    raise HTTPException(422, "There is no whole file in the form.")


def unpack_json(body: bytes) -> bytes:
    # Of a few megabytes of brackets the parser, which nothing can interrupt, makes hundreds.
    if sum(body.count(sign) for sign in (b"[", b"{", b",")) > MAX_SIGNS:
        raise HTTPException(422, ASKED)
    try:
        values = json.loads(body)
    except ValueError:
        raise HTTPException(400, "The body is not JSON.") from None
    if isinstance(values, dict) and "model" in values:
        raise HTTPException(422, NAMED)
    if not (isinstance(values, dict) and values.keys() == {"image"} and isinstance(text := values["image"], str)):
        raise HTTPException(422, ASKED)
    text = re.sub(r"\s+", "", text)
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise HTTPException(422, "A data URL of a picture is written in base64.")
    text = text.rstrip("=").translate(FROM_ADDRESSES)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise HTTPException(422, "The image is not in base64.") from None


def describe_card(card: Card) -> dict:
    accuracy = {"accuracy": card.test.accuracy, "low": card.test.low, "high": card.test.high, "of": card.test.total}
    return {
        "name": card.name,
        "architecture": card.architecture,
        "parameters": card.parameters,
        "test": accuracy,
        "sha256": card.sha256,
    }


async def tell(request: Request, error: Exception) -> JSONResponse:
    """Whatever went wrong, in a sentence and with the status that fits."""
    if isinstance(error, InkError):
        return JSONResponse({"error": str(error)}, 422)
    if isinstance(error, CheckpointError):
        return JSONResponse({"error": str(error)}, 503, {"Retry-After": "1"})
    if not isinstance(error, HTTPException):
        return JSONResponse({"error": SENTENCES[500]}, 500)
    told = error.detail if error.status_code not in (404, 405) or error.detail.endswith(".") else None
    return JSONResponse({"error": told or SENTENCES[error.status_code]}, error.status_code, error.headers)
