"""The deployment files agree with each other and with what is served; nginx keeps visitors with their copy."""

import http.client
import re
import shutil
from pathlib import Path

import pytest

from tests.browser.serving import balance, serve

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PORT = re.search(r"PORT=(\d+)", DOCKERFILE)[1]
NGINX = (ROOT / "deploy" / "nginx.conf").read_text()


def test_what_the_dockerfile_copies_is_there_and_let_through():
    copied = [name for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.M) for name in line.split()]
    assert {"server.py", "streamlit_app.py", "mnist_core", "pages", "checkpoints", ".streamlit"} <= set(copied)
    let_through = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.M)
    assert sorted(copied) == sorted(let_through)
    assert all((ROOT / name).exists() for name in copied)


def test_the_container_runs_for_nobody_in_particular():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 1000$", last, re.M)
    assert "VOLUME /data" in last
    assert "MNIST_DATA_DIR=/data" in last
    assert "/api/health" in last.partition("HEALTHCHECK")[2]


def test_every_file_speaks_of_the_same_port():
    assert f"EXPOSE {PORT}" in DOCKERFILE
    assert re.findall(r"server lab-\d:(\d+)", NGINX) == [PORT, PORT]
    assert f"value: {PORT}" in (ROOT / "render.yaml").read_text()
    assert f"app_port: {PORT}" in (ROOT / "README.md").read_text()
    assert "listen 8080;" in NGINX
    assert '"8080:8080"' in (ROOT / "deploy" / "compose.yaml").read_text()


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not here; Debian has it as the package nginx-light")
def test_a_visitor_stays_with_one_copy(tmp_path):
    with serve("server.py") as first, serve("server.py") as second, balance([first, second], tmp_path) as address:
        copies, port = {copy.partition("//")[2] for copy in (first, second)}, int(address.rpartition(":")[2])
        visitors = {cookie: copy for _, cookie, copy in (visit(port) for _ in range(20))}
        assert set(visitors.values()) == copies
        for cookie, copy in visitors.items():
            assert visit(port, cookie)[::2] == (200, copy)
            assert upgrade(port, cookie) == 101


def visit(port: int, cookie: str = "") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/api/health", headers={"Cookie": cookie})
        said = connection.getresponse()
        return said.status, said.headers["Set-Cookie"].partition(";")[0], said.headers["X-Copy"]
    finally:
        connection.close()


def upgrade(port: int, cookie: str) -> int:
    """The status of the dashboard's websocket, which only a balancer that lets it through answers with 101."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    asked |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": f"http://127.0.0.1:{port}", "Cookie": cookie}
    try:
        connection.request("GET", "/_stcore/stream", headers=asked)
        return connection.getresponse().status
    finally:
        connection.close()
