"""How many can ask at once: the HTTP routes beside a plain Flask server.

    python -m benchmarks.load [--seconds 10] [--rounds 3]

The HTTP routes of `server.py` and a Flask route of the same classifier, under Flask's development server as such
projects deploy it, take turns in one run; each of 1, 10 and 50 clients sends its next picture when the last one is
answered. Needs `pip install flask`, which nothing else here does. Clients and servers share the machine, which should
have nothing else to do.
"""

import argparse
import asyncio
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from mnist_core.strokes import place, render
from tests.browser.serving import serve

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


def picture(number: int) -> bytes:
    """A seven on a canvas, of one of ten sizes."""
    pixels = render(place([[(0, 0), (60, 0), (20, 90)]], 120 + 10 * (number % 10), (140, 140)), 16)
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
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    compare(arguments.seconds, arguments.rounds)


if __name__ == "__main__":
    main()
