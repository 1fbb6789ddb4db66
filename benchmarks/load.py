"""How many can ask at once: the HTTP routes beside a plain Flask server, and the dashboard.

    python -m benchmarks.load [--seconds 10] [--rounds 3] [--visitors 20] [--only {routes,dashboard}]

The HTTP routes of `server.py` and a Flask route of the same classifier, under Flask's development server as such
projects deploy it, take turns in one run; each of 1, 10 and 50 clients sends its next picture when the last one is
answered. Needs `pip install flask`, which nothing else here does. Clients and servers share the machine, which should
have nothing else to do.

The dashboard's visitors are websockets that speak as its browser side does: each opens the draw page and sends a stroke
every two seconds; the time is that to the end of the answer. What a browser takes to show it comes on top.
"""

import argparse
import asyncio
import base64
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from mnist_core.strokes import place, render
from tests.browser.serving import resident, serve, start
from tests.inks import SEVEN_STROKES

FLASK = """
import sys
from flask import Flask, jsonify, request
from mnist_core import DigitClassifier

app, classifier = Flask(__name__), DigitClassifier.load()

@app.get("/_stcore/health")
def health():
    return "ok"

@app.post("/predict")
def predict():
    said = classifier.predict(request.get_data())
    return jsonify(digit=said.digit, confidence=said.confidence, probabilities=said.probabilities.tolist())

app.run(port=int(sys.argv[1]))
"""


def seven(number: int) -> list:
    return place(SEVEN_STROKES, 120 + 10 * (number % 10), (140, 140))


@cache
def picture(number: int) -> bytes:
    """A seven on a canvas, of one of ten sizes."""
    pixels = render(seven(number), 16)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


async def ask(port: int, path: str, pictures: list[bytes], until: float, times: list[float], errors: list[str]) -> None:
    """One client. Plain sockets, so that it takes little of the machine; a connection is kept where the server does."""
    writer = None
    while (started := time.perf_counter()) < until:
        body = random.choice(pictures)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            async with asyncio.timeout(30):
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(head.encode() + body)
                status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
                length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length"))
                answer = json.loads(await reader.readexactly(length))
            if " 200" not in status or answer["digit"] != 7:
                errors.append(f"{status}: {answer}")
            kept = "connection: close" not in lines
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            errors.append(repr(error))
            kept = False
        times.append(time.perf_counter() - started)
        if writer and not kept:
            writer.close()
            writer = None


async def press(port: int, path: str, clients: int, seconds: float) -> tuple[list[float], list[str], float]:
    pictures, times, errors = [picture(number) for number in range(10)], [], []
    started = time.perf_counter()
    await asyncio.gather(*(ask(port, path, pictures, started + seconds, times, errors) for _ in range(clients)))
    return times, errors, time.perf_counter() - started


def compare(seconds: float, rounds: int) -> None:
    with serve_lab() as lab, serve_flask() as flask:
        servers = {"lab": (lab, "/api/predict"), "flask": (flask, "/predict")}
        ports = {name: (int(address.rpartition(":")[2]), path) for name, (address, path) in servers.items()}
        for port, path in ports.values():
            asyncio.run(press(port, path, 1, 1))
        print("clients  server  requests/s  p50 ms  p99 ms  errors")
        for clients in (1, 10, 50):
            rates = {}
            runs = {name: [] for name in ports}
            for _ in range(rounds):
                for name, (port, path) in ports.items():
                    runs[name].append(asyncio.run(press(port, path, clients, seconds)))
            for name, parts in runs.items():
                times = np.concatenate([times for times, _, _ in parts]) * 1000
                errors = [error for _, errors, _ in parts for error in errors]
                rates[name] = len(times) / sum(wall for _, _, wall in parts)
                p50, p99 = np.percentile(times, [50, 99])
                print(f"{clients:7}  {name:6}  {rates[name]:10.1f}  {p50:6.1f}  {p99:6.1f}  {len(errors):6}")
                for error in errors[:1]:
                    print(" " * 17 + error)
            print(f"{clients:7}  ratio   {rates['lab'] / rates['flask']:10.2f}")


def visit(visitors: int, seconds: float) -> None:
    # As many copies of a server as there are processors would share this work; this is one of them.
    with start("server.py") as (address, server):
        url = address.replace("http", "ws") + "/_stcore/stream"
        asyncio.run(gather_visitors(url, 1, 4))  # the first visitor brings the model into memory
        before = resident(server.pid)
        parts, after = asyncio.run(gather_visitors(url, visitors, seconds, lambda: resident(server.pid)))
    times = np.concatenate(parts) * 1000
    p50, p95 = np.percentile(times, [50, 95])
    print(f"{visitors} visitors of the dashboard, a stroke every 2 s: {len(times)} answers, p50 {p50:.0f} ms, ", end="")
    print(f"p95 {p95:.0f} ms, {(after - before) / visitors:.1f} MB a session")


async def gather_visitors(
    url: str, visitors: int, seconds: float, measure: Callable[[], float] = float
) -> tuple[list[list[float]], float]:
    async with AsyncExitStack() as sockets:
        opened = [
            await sockets.enter_async_context(connect(url, subprotocols=["streamlit"], max_size=None))
            for _ in range(visitors)
        ]
        canvases = [await open_page(socket) for socket in opened]
        until = time.perf_counter() + seconds
        times = await asyncio.gather(*map(draw, opened, canvases, [until] * visitors))
        return times, measure()


async def open_page(socket: ClientConnection) -> tuple[str, str]:
    """The canvas of the draw page and the fragment it belongs to."""
    message = BackMsg()
    message.rerun_script.query_string = ""
    await socket.send(message.SerializeToString())
    async for answer in until_answered(socket):
        element = answer.delta.new_element
        if element.WhichOneof("type") == "bidi_component" and "canvas" in element.bidi_component.component_name:
            canvas = element.bidi_component.id, answer.delta.fragment_id
    return canvas


async def draw(socket: ClientConnection, canvas: tuple[str, str], until: float) -> list[float]:
    times: list[float] = []
    widget, fragment = canvas
    number = random.randrange(10)
    await asyncio.sleep(random.uniform(0, 2))
    while (started := time.perf_counter()) < until:
        number = (number + 1) % 10
        data = f"data:image/png;base64,{base64.b64encode(picture(number)).decode()}"
        path = [["ML"[step > 0], *map(float, point)] for step, point in enumerate(seven(number)[0])]
        raw = {"objects": [{"type": "Path", "path": path, "strokeWidth": 16}]}
        message = BackMsg()
        message.rerun_script.fragment_id = fragment
        message.rerun_script.widget_states.widgets.add(
            id=widget, json_value=json.dumps({"drawing": {"raw": raw, "data": data}})
        )
        started = time.perf_counter()
        await socket.send(message.SerializeToString())
        said = [answer.delta.new_element.heading.body async for answer in until_answered(socket)]
        assert any("7" in body for body in said), "the drawing was not answered"
        times.append(time.perf_counter() - started)
        await asyncio.sleep(max(0, 2 - times[-1]))
    return times


async def until_answered(socket: ClientConnection) -> AsyncIterator[ForwardMsg]:
    async for data in socket:
        answer = ForwardMsg.FromString(data)
        if answer.WhichOneof("type") == "script_finished":
            return
        yield answer


def serve_lab():
    return serve(command=[sys.executable, "-m", "uvicorn", "server:app", "--port", "{port}", "--no-access-log"])


@contextmanager
def serve_flask() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "plain.py"
        script.write_text(FLASK)
        with serve(str(script), command=[sys.executable, str(script), "{port}"], PYTHONPATH=".") as address:
            yield address


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, metavar="X", help="of each run (default: 10)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each server (default: 3)")
    parser.add_argument("--visitors", type=int, default=20, metavar="N", help="of the dashboard (default: 20)")
    parser.add_argument("--only", choices=["routes", "dashboard"], help="this part alone")
    arguments = parser.parse_args()
    if arguments.only != "dashboard":
        compare(arguments.seconds, arguments.rounds)
    if arguments.only != "routes":
        visit(arguments.visitors, arguments.seconds * arguments.rounds)


if __name__ == "__main__":
    main()
