"""A real server, and what a browser needs to be started with, for browser tests and benchmarks."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Chromium as root in a container, and without calls of its own to the outside.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def resident(pid: int) -> float:
    """Megabytes of memory that a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def serve(script: str = "streamlit_app.py", command: list[str] | None = None, **environment: str) -> Iterator[str]:
    """The dashboard as its users start it, or another server, on a free port of this machine; gives its address."""
    with start(script, command, **environment) as (address, _):
        yield address


@contextmanager
def start(
    script: str, command: list[str] | None = None, port: int | None = None, **environment: str
) -> Iterator[tuple[str, subprocess.Popen]]:
    """The same with the process, for who wants to see it die, or to start another in its place."""
    port = port or _free_port()
    options = {"port": port, "address": "127.0.0.1", "headless": "true", "fileWatcherType": "none"}
    streamlit = [sys.executable, "-m", "streamlit", "run", script]
    streamlit += [f"--server.{name}={value}" for name, value in options.items()]
    command = [part.format(port=port) for part in command] if command else streamlit
    with (
        open(os.environ.get("SERVER_LOG", os.devnull), "a") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **environment}) as server,
    ):
        try:
            yield _when_it_answers(f"http://127.0.0.1:{port}", server), server
        finally:
            server.terminate()


@contextmanager
def balance(copies: list[str], folder: Path) -> Iterator[str]:
    """The shipped nginx before copies of the lab, each answer of which names its copy in X-Copy; gives its address."""
    port = _free_port()
    rendered = (ROOT / "deploy" / "nginx.conf").read_text()
    rendered = rendered.replace("/tmp/nginx", f"{folder}/nginx").replace("listen 8080", f"listen 127.0.0.1:{port}")
    for number, address in enumerate(copies, 1):
        rendered = rendered.replace(f"lab-{number}:7860", address.partition("//")[2])
    rendered = rendered.replace("add_header Set-Cookie", "add_header X-Copy $upstream_addr;\nadd_header Set-Cookie")
    (folder / "nginx.conf").write_text(rendered)
    command = ["nginx", "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf", "-g", "daemon off;"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
        try:
            yield _when_it_answers(f"http://127.0.0.1:{port}", nginx)
        finally:
            nginx.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _when_it_answers(address: str, server: subprocess.Popen) -> str:
    for _ in range(300):
        assert server.poll() is None, "the server ended by itself"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
                return address
        except OSError:
            time.sleep(0.2)
    raise TimeoutError("the server did not answer within a minute")
