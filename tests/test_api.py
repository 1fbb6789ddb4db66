"""The HTTP routes say what the public face says, and every wrong request gets a sentence and a fitting status."""

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.routing import Mount, Route, Router
from starlette.testclient import TestClient

from mnist_core import CheckpointError, DigitClassifier, api
from mnist_core.api import Desk, build_api
from mnist_core.checkpoints import list_checkpoints
from mnist_core.openapi import MAX_BODY
from mnist_core.pictures import to_png
from tests import inks

ROOT = Path(__file__).resolve().parent.parent
PNG = {"Content-Type": "image/png"}


def as_png(pixels: np.ndarray) -> bytes:
    return to_png(Image.fromarray(pixels))


SEVEN = as_png(inks.SEVEN)
BLANK = as_png(np.full((50, 50), 255, dtype=np.uint8))


@pytest.fixture
def serve(save_untrained, tmp_path):
    """A function that gives a client of the routes as `server.py` mounts them, over two untrained checkpoints."""
    save_untrained("first")
    save_untrained("second")
    shelf, _ = list_checkpoints(tmp_path)

    def open_client(**options) -> TestClient:
        load = options.pop("load", lambda card: DigitClassifier.load(card.name, tmp_path))
        application = build_api(lambda: shelf, load, **options)
        return TestClient(Router([Route("/api", application), Mount("/api", application)]))

    return open_client


@pytest.fixture
def client(serve):
    return serve()


@pytest.mark.parametrize(
    "request_parts",
    [
        {"content": SEVEN, "headers": PNG},
        {"content": SEVEN, "headers": {"Content-Type": "application/octet-stream"}},
        {"content": SEVEN},
        {"files": {"image": ("seven.png", SEVEN, "image/png")}},
        {"files": {"anything": ("seven", SEVEN)}, "data": {"note": "mine"}},
        {"json": {"image": base64.b64encode(SEVEN).decode()}},
        {"json": {"image": base64.encodebytes(SEVEN).decode()}},
        {"json": {"image": base64.urlsafe_b64encode(SEVEN).decode().rstrip("=")}},
        {"json": {"image": "data:image/png;base64," + base64.b64encode(SEVEN).decode()}},
        {"json": {"image": "\n DATA:IMAGE/PNG;BASE64, " + base64.b64encode(SEVEN).decode()}},
        {"content": SEVEN, "headers": {"Content-Type": "image/jpg"}},
        {"content": SEVEN, "headers": {**PNG, "Content-Encoding": "Identity"}},
    ],
    ids=[
        *("raw", "bytes", "unnamed", "form", "form with more", "base64", "base64 in lines", "base64 for addresses"),
        *("data URL", "data URL in capitals and lines", "jpg", "identity"),
    ],
)
def test_a_picture_is_answered_as_the_classifier_answers_it(client, tmp_path, request_parts):
    said = client.post("/api/predict", **request_parts)
    expected = DigitClassifier.load("first", tmp_path).predict(SEVEN)
    assert said.status_code == 200
    told = said.json()
    assert told.pop("milliseconds") > 0
    np.testing.assert_allclose(told.pop("probabilities"), expected.probabilities, atol=1e-6)
    assert told.pop("confidence") == pytest.approx(expected.confidence, abs=1e-6)
    assert [place["digit"] for place in told.pop("top")] == [digit for digit, _ in expected.top(3)]
    assert told == {
        "digit": expected.digit,
        "verdict": expected.verdict,
        "in_words": expected.in_words,
        "reason": expected.reason,
        "model": "first",
    }


def test_a_stroke_behind_an_address_is_another_address_and_no_redirection(client):
    said = client.get("/api/models/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert (said.status_code, "location" in said.headers) == (404, False)
    assert "openapi.json" in said.json()["error"]


def test_a_blank_picture_has_no_digit_and_says_why(client):
    told = client.post("/api/predict", content=BLANK, headers=PNG).json()
    assert (told["digit"], told["confidence"], told["verdict"], told["top"]) == (None, 0, "blank", [])
    assert told["reason"] == "Nothing is drawn."


def test_the_model_is_chosen_by_name(client):
    told = client.post("/api/predict?model=second", content=SEVEN, headers=PNG).json()
    assert told["model"] == "second"
    assert [model["name"] for model in client.get("/api/models").json()["models"]] == ["first", "second"]
    assert client.get("/api/health").json() == {"status": "ok", "models": ["first", "second"], "broken": []}


def test_a_checkpoint_that_was_left_out_is_told_beside_those_that_answer(serve):
    client = serve(broken=lambda: ["house.safetensors is missing."])
    assert client.get("/api/health").json()["broken"] == ["house.safetensors is missing."]


def test_without_a_model_the_server_says_so():
    client = TestClient(Mount("/api", build_api(lambda: [], lambda card: None)))
    assert client.get("/api/health").status_code == 503
    said = client.post("/api/predict", content=SEVEN, headers=PNG)
    assert said.status_code == 503
    assert "no model" in said.json()["error"]


PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nhi\r\n--x--\r\n'


def form(body: bytes, kind: str = "multipart/form-data; boundary=x") -> dict:
    return {"content": body, "headers": {"Content-Type": kind}}


HUGE = as_png(np.zeros((6251, 8000), dtype=bool))


@pytest.mark.parametrize(
    ("status", "method", "path", "parts", "told"),
    [
        (400, "POST", "predict", form(b'{"image": ', "application/json"), "not JSON"),
        (422, "POST", "predict", form(b"[" * 100_000, "application/json"), "image"),
        (400, "POST", "predict", form(b"\xff\xfe\xfd", "application/json"), "not JSON"),
        (400, "POST", "predict", form(b"no form"), "form"),
        (400, "POST", "predict", form(SEVEN, "multipart/form-data"), "boundary"),
        (404, "POST", "predict?model=oracle", {"content": SEVEN, "headers": PNG}, "first, second"),
        (404, "POST", "predict?model=../first", {"content": SEVEN, "headers": PNG}, "no model of this name"),
        (422, "POST", "predict?Model=second", {"content": SEVEN, "headers": PNG}, "?model=NAME"),
        (422, "POST", "predict?model=second&top=5", {"content": SEVEN, "headers": PNG}, "?model=NAME"),
        (422, "POST", "predict?model=first&model=second", {"content": SEVEN, "headers": PNG}, "once"),
        (422, "POST", "predict", {"files": {"image": SEVEN}, "data": {"model": "second"}}, "?model=NAME"),
        (422, "POST", "predict", {"json": {"image": "", "model": "second"}}, "?model=NAME"),
        (422, "POST", "predict", {"json": {"image": "", "top": 5}}, 'Send {"image": "..."}'),
        (404, "GET", "nothing", {}, "openapi.json"),
        (404, "GET", "", {}, "openapi.json"),
        (404, "POST", "predict/more", {}, "openapi.json"),
        (405, "GET", "predict", {}, "method"),
        (405, "PUT", "predict", {"content": SEVEN, "headers": PNG}, "method"),
        (405, "POST", "health", {}, "method"),
        (405, "OPTIONS", "predict", {}, "method"),
        (413, "POST", "predict", {"content": bytes(MAX_BODY + 1), "headers": PNG}, "10 MB"),
        (415, "POST", "predict", {"data": {"image": "7"}}, "Content-Type"),
        (415, "POST", "predict", form(b"<svg/>", "image/svg+xml"), "image/png"),
        (415, "POST", "predict", {"content": SEVEN, "headers": {**PNG, "Content-Encoding": "gzip"}}, "as it is"),
        (422, "POST", "predict", {"content": b"", "headers": PNG}, "no picture"),
        (422, "POST", "predict", {"content": b"words", "headers": PNG}, "not a picture in a known format"),
        (422, "POST", "predict", {"content": SEVEN[:300], "headers": PNG}, "cut off or broken"),
        (422, "POST", "predict", {"content": HUGE, "headers": PNG}, "50 megapixels"),
        (422, "POST", "predict", {"files": {"note": (None, "words")}}, "no whole file"),
        (422, "POST", "predict", form(PART, "multipart/form-data; boundary=x; charset=undefined"), "no whole file"),
        (422, "POST", "predict", {"files": {"image": ("empty.png", b"")}}, "no picture"),
        (422, "POST", "predict", {"json": []}, "image"),
        (422, "POST", "predict", {"json": {"image": 7}}, "image"),
        (422, "POST", "predict", {"json": {"image": ""}}, "no picture"),
        (422, "POST", "predict", {"json": {"image": "sieben!"}}, "base64"),
        (422, "POST", "predict", form(b'{"image": "\\ud800"}', "application/json"), "base64"),
        (422, "POST", "predict", {"json": {"image": "data:image/png,raw"}}, "base64"),
        (422, "POST", "predict", {"json": {"image": base64.b64encode(b"words").decode()}}, "not a picture"),
    ],
)
def test_a_wrong_request_is_told_in_a_sentence(client, status, method, path, parts, told):
    said = client.request(method, f"/api/{path}".rstrip("/"), **parts)
    assert said.status_code == status
    assert said.headers["content-type"] == "application/json"
    (sentence,) = said.json().values()
    assert told in sentence
    assert sentence.endswith(".")
    assert status != 405 or said.headers["allow"]


def test_a_body_without_a_length_is_refused_while_it_arrives(client):
    taken = []

    async def endless(scope, receive, send):
        async def more():
            taken.append(1_000_000)
            return {"type": "http.request", "body": bytes(taken[-1]), "more_body": True}

        await client.app(scope, more, send)

    assert TestClient(endless).post("/api/predict", headers=PNG).status_code == 413
    assert sum(taken) == MAX_BODY + 1_000_000


def test_the_texts_of_a_form_cost_nothing_in_whatever_letters_it_says_they_are(client):
    note = PART.replace(b"hi", b"a" * 120_000 + b"-" + b"a" * 120_000)
    started = time.perf_counter()
    said = client.post("/api/predict", **form(note, "multipart/form-data; boundary=x; charset=punycode"))
    assert said.status_code == 422
    inside = note.replace(b"--x", b'--x"; charset="punycode')
    said = client.post("/api/predict", **form(inside, r'multipart/form-data; boundary="x\"; charset=\"punycode"'))
    assert (said.status_code, "boundary" in said.json()["error"]) == (400, True)
    assert time.perf_counter() - started < 20  # minutes, where such letters are read


def test_a_mistake_of_our_own_is_told_without_its_traceback(serve):
    def load(card):
        raise RuntimeError("/secret/path")

    client = serve(load=load)
    client = TestClient(client.app, raise_server_exceptions=False)
    said = client.post("/api/predict", content=SEVEN, headers=PNG)
    assert (said.status_code, "secret" in said.text) == (500, False)


def test_pages_of_other_sites_may_ask_only_where_configured(serve):
    here, there = {"Origin": "https://there.example"}, {"Origin": "https://elsewhere.example"}
    assert "access-control-allow-origin" not in serve().get("/api/health", headers=here).headers
    client = serve(origins=["https://there.example"])
    assert client.get("/api/health", headers=here).headers["access-control-allow-origin"] == "https://there.example"
    assert "access-control-allow-origin" not in client.get("/api/health", headers=there).headers


def test_pages_of_another_site_that_is_configured_may_send_pictures(serve):
    asked = {"Origin": "https://there.example", "Access-Control-Request-Method": "POST"}
    said = serve(origins=["https://there.example"]).options("/api/predict", headers=asked)
    assert said.status_code == 200
    assert {"GET", "POST"} <= {*said.headers["access-control-allow-methods"].split(", ")}


def test_the_models_are_listed_with_the_figures_of_their_cards(client, tmp_path):
    listed = client.get("/api/models").json()["models"]
    for told, card in zip(listed, list_checkpoints(tmp_path)[0], strict=True):
        test = {"accuracy": card.test.accuracy, "low": card.test.low, "high": card.test.high, "of": card.test.total}
        assert (told["name"], told["test"], told["sha256"]) == (card.name, test, card.sha256)
        assert told["parameters"] == card.parameters


@pytest.mark.parametrize("path", ["models", "health", "openapi.json", "predict"])
def test_checkpoints_are_looked_for_beside_the_loop_that_serves_everybody(save_untrained, tmp_path, path):
    card = save_untrained("first")

    def beside_the_loop(found):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return found

    application = build_api(
        lambda: beside_the_loop([card]),
        lambda card: DigitClassifier.load(card.name, tmp_path),
        broken=lambda: beside_the_loop([]),
    )
    client = TestClient(Mount("/api", application))
    asked = {"method": "POST", "content": SEVEN, "headers": PNG} if path == "predict" else {"method": "GET"}
    assert client.request(url=f"/api/{path}", **asked).status_code == 200


def test_a_model_that_cannot_be_had_now_is_told_in_its_own_words(serve):
    def load(card):
        raise CheckpointError(f"{card.name} was replaced a moment ago. Ask once more.")

    said = serve(load=load).post("/api/predict", content=SEVEN, headers=PNG)
    assert (said.status_code, said.json()) == (503, {"error": "first was replaced a moment ago. Ask once more."})
    assert said.headers["retry-after"] == "1"


def test_a_body_that_says_it_is_too_large_is_refused_before_it_arrives(client):
    async def unread(scope, receive, send):
        await client.app(scope, lambda: pytest.fail("the body was asked for"), send)

    content = {"content": b"", "headers": {**PNG, "Content-Length": str(MAX_BODY + 1)}}
    assert TestClient(unread).post("/api/predict", **content).status_code == 413


# The document -------------------------------------------------------------------------------------------------


@pytest.fixture
def document(client) -> dict:
    return client.get("/api/openapi.json").json()


def test_the_document_names_every_route_with_its_method_and_the_models_that_are_there(client, document):
    methods = {path: {*entries} for path, entries in document["paths"].items()}
    assert methods.pop("/api/predict") == {"post"}
    assert methods == {f"/api/{name}": {"get"} for name in ("models", "health", "openapi.json")}
    assert all(client.get(path).status_code == 200 for path in methods)
    (model,) = document["paths"]["/api/predict"]["post"]["parameters"]
    assert (model["name"], model["schema"]["enum"]) == ("model", ["first", "second"])


def test_every_kind_of_body_in_the_document_is_taken(client, document):
    kinds = document["paths"]["/api/predict"]["post"]["requestBody"]["content"]
    assert len(kinds) == 9
    for kind in kinds:
        assert client.post("/api/predict", content=SEVEN, headers={"Content-Type": kind}).status_code != 415, kind


@pytest.mark.parametrize("picture", [SEVEN, BLANK], ids=["seven", "blank"])
def test_an_answer_has_the_entries_that_the_document_promises(client, document, picture):
    promised = document["components"]["schemas"]["Prediction"]
    told = client.post("/api/predict", content=picture, headers=PNG).json()
    assert {*told} == {*promised["properties"]} == {*promised["required"]}
    assert told["verdict"] in promised["properties"]["verdict"]["enum"]
    assert len(told["top"]) <= promised["properties"]["top"]["maxItems"]
    promised = document["components"]["schemas"]["Model"]
    for model in client.get("/api/models").json()["models"]:
        assert {*model} == {*promised["required"]}
        assert {*model["test"]} == {*promised["properties"]["test"]["required"]}


class Waiting:
    """A classifier whose answers come when the test says so; it remembers how many it was asked at once."""

    def __init__(self, classifier: DigitClassifier):
        self.pipeline, self.classifier = classifier.pipeline, classifier
        self.go, self.asked = threading.Event(), []

    def judge(self, traces):
        self.asked.append(len(traces))
        self.go.wait(20)
        return self.classifier.judge(traces)


@pytest.fixture
def slow(save_untrained, tmp_path):
    card = save_untrained("first")
    return card, Waiting(DigitClassifier.load("first", tmp_path))


def test_what_waits_is_answered_together_and_what_is_too_much_is_sent_away(slow):
    card, classifier = slow
    desk = Desk(lambda card: classifier, threads=1, together=8, waiting=4)
    application = build_api(lambda: [card], None, desk=desk)
    client = TestClient(Mount("/api", application))
    said = []

    def ask():
        said.append(client.post("/api/predict", content=SEVEN, headers=PNG))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    threads[0].start()
    wait_until(lambda: classifier.asked == [1])
    for thread in threads[1:]:
        thread.start()
    wait_until(desk.jobs.full)
    ask()
    assert (said[0].status_code, said[0].headers["retry-after"]) == (503, "1")
    classifier.go.set()
    for thread in threads:
        thread.join(20)
    assert [answer.status_code for answer in said[1:]] == [200] * 5
    assert classifier.asked == [1, 4]
    assert desk.held == 0


def run(coroutine):
    """In a thread of its own: where browser tests came before, their event loop still holds this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def wait_until(condition, seconds: float = 10) -> None:
    for _ in range(int(seconds * 50)):
        if condition():
            return
        time.sleep(0.02)
    raise TimeoutError("what was waited for did not happen")


def test_a_picture_that_cannot_be_read_spoils_no_other_of_its_batch(slow):
    card, classifier = slow
    desk = Desk(lambda card: classifier, threads=1)

    async def ask():
        first = asyncio.ensure_future(desk.ask(card, SEVEN))
        await asyncio.to_thread(wait_until, lambda: classifier.asked)
        rest = [asyncio.ensure_future(desk.ask(card, picture)) for picture in (SEVEN, b"words", BLANK)]
        await asyncio.to_thread(wait_until, lambda: desk.jobs.qsize() == len(rest))
        classifier.go.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    first, second, broken, blank = run(ask())
    assert classifier.asked == [1, 2]
    assert first.digit == second.digit
    assert "not a picture" in str(broken)
    assert blank.verdict == "blank"


def test_two_models_that_are_asked_in_one_batch_each_answer_for_themselves(slow, save_untrained, tmp_path):
    card, classifier = slow
    other = save_untrained("second", "simple_cnn")
    models = {"first": classifier, "second": DigitClassifier.load("second", tmp_path)}
    desk = Desk(lambda card: models[card.name], threads=1)

    async def ask():
        busy = asyncio.ensure_future(desk.ask(card, SEVEN))
        await asyncio.to_thread(wait_until, lambda: classifier.asked)
        batch = [asyncio.ensure_future(desk.ask(asked, SEVEN)) for asked in (card, other, card)]
        await asyncio.to_thread(wait_until, lambda: desk.jobs.qsize() == len(batch))
        classifier.go.set()
        return await asyncio.gather(busy, *batch)

    _, *answers = run(ask())
    assert classifier.asked == [1, 2]
    first, second = (DigitClassifier.load(name, tmp_path).predict(SEVEN).probabilities for name in models)
    assert np.abs(first - second).max() > 1e-3
    for answer, expected in zip(answers, (first, second, first), strict=True):
        np.testing.assert_allclose(answer.probabilities, expected, atol=1e-6)


def test_a_body_that_does_not_arrive_is_given_up_and_nothing_is_held(save_untrained, monkeypatch):
    monkeypatch.setattr(api, "PATIENCE", 0.2)
    desk = Desk(lambda card: None, threads=1)
    application = build_api(lambda: [save_untrained("first")], None, desk=desk)
    messages: list[dict] = []

    async def send(message):
        messages.append(message)

    async def ask(second: dict | None):
        arriving = iter([{"type": "http.request", "body": b"\x89PNG", "more_body": True}, second])

        async def receive():
            return next(arriving) or await asyncio.sleep(60)

        scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": []}
        await application(scope, receive, send)

    run(ask(None))
    assert messages[0]["status"] == 408
    run(ask({"type": "http.disconnect"}))
    assert messages[2]["status"] == 400
    assert desk.held == 0


def test_the_bodies_in_the_house_are_bounded_together(save_untrained):
    desk = Desk(lambda card: None, threads=1)
    client = TestClient(Mount("/api", build_api(lambda: [save_untrained("first")], None, desk=desk)))
    desk.held = api.HELD
    assert client.post("/api/predict", content=SEVEN, headers=PNG).status_code == 503
    assert desk.held == api.HELD


def test_the_shipped_classifier_reads_a_seven_over_http():
    cards, _ = list_checkpoints()
    client = TestClient(Mount("/api", build_api(lambda: cards, lambda card: DigitClassifier.load(card.name))))
    told = client.post("/api/predict", content=SEVEN, headers=PNG).json()
    assert (told["digit"], told["verdict"], told["model"]) == (7, "digit", cards[0].name)


@pytest.mark.parametrize(
    "command",
    [
        ["uvicorn", "server:app", "--host", "127.0.0.1", "--port"],
        ["streamlit", "run", "server.py", "--server.headless=true", "--server.address=127.0.0.1", "--server.port"],
    ],
    ids=["uvicorn", "streamlit"],
)
def test_one_command_serves_dashboard_and_routes(command, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with (
        open(tmp_path / "log", "w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", *command, str(port)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env={**os.environ, "API_CORS_ORIGINS": "https://here.example/,https://there.example/"},
        ) as server,
    ):
        try:
            wait_until(lambda: server.poll() is not None or answers(f"{address}/_stcore/health"), 60)
            assert "<title>Streamlit</title>" in read(address)
            assert json.loads(read(f"{address}/api/health"))["status"] == "ok"
            asked = urllib.request.Request(f"{address}/api/predict", SEVEN, {**PNG, "Origin": "https://there.example"})
            with urllib.request.urlopen(asked, timeout=30) as said:
                assert said.headers["access-control-allow-origin"] == "https://there.example"
                assert json.load(said)["digit"] == 7
            for path in ("nothing", "../nothing", "%2e%2e/nothing"):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    read(f"{address}/api/{path}")
                with refused.value as said:
                    assert (said.code, "error" in json.load(said)) == (404, True)
        finally:
            server.terminate()
            server.wait(20)
        log.seek(0)
        assert not [line for line in log if "WARNING" in line or "Traceback" in line]


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as page:
        return page.read().decode()


def answers(address: str) -> bool:
    try:
        return bool(read(address))
    except OSError:
        return False
