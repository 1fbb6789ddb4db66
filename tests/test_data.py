"""Labelled digits: the facts known of MNIST, and the download against a local mirror that misbehaves."""

import gzip
import hashlib
import shutil
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from sklearn.datasets import load_digits

import mnist_core.data
from mnist_core.data import (
    DataUnavailable,
    load_embedded_digits,
    load_mnist,
    mnist_folder,
    mnist_is_here,
)

# MNIST itself ------------------------------------------------------------------------------------------------------


def test_mnists_test_images_are_the_known_ones(mnist_test):
    images, labels = mnist_test
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((10_000, 28, 28), np.uint8, (10_000,), np.int64)
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert images[:, 0, 0].max() == 0, "ink is bright and the corner is paper"


def test_mnists_training_images_have_the_known_mean_and_spread(mnist_test):
    images, labels = load_mnist("train")
    assert np.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert images.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_a_third_split_of_mnist_is_refused():
    with pytest.raises(ValueError, match='"train" and "test", not \'validation\''):
        load_mnist("validation")


# The digits inside scikit-learn ------------------------------------------------------------------------------------


def test_the_embedded_digits_are_scikit_learns_in_mnists_form():
    images, labels = load_embedded_digits()
    original = load_digits()
    assert (images.shape, images.dtype, labels.dtype) == ((1797, 28, 28), np.uint8, np.int64)
    np.testing.assert_array_equal(labels, original.target)
    frame = np.ones((28, 28), dtype=bool)
    frame[4:24, 4:24] = False
    assert images[:, frame].max() == 0
    # Averaged down again to blocks, an enlarged scan must tell the same as the scan did.
    weights = np.clip(np.arange(8)[:, None] * 2.5 + 2.5 - np.arange(20), 0, 1) - np.clip(
        np.arange(8)[:, None] * 2.5 - np.arange(20), 0, 1
    )
    small = weights @ images[:, 4:24, 4:24].astype(float) @ weights.T
    for index in range(0, 1797, 97):
        assert np.corrcoef(small[index].ravel(), original.images[index].ravel())[0, 1] > 0.97


# The download, against a mirror on this machine --------------------------------------------------------------------

LABELS = {"train": np.arange(12, dtype=np.uint8) % 10, "t10k": np.arange(5, dtype=np.uint8)}
IMAGES = {
    half: np.random.default_rng(len(labels)).integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
    for half, labels in LABELS.items()
}
FILES = {f"{half}-labels-idx1-ubyte": struct.pack(">II", 2049, len(y)) + y.tobytes() for half, y in LABELS.items()}
FILES |= {
    f"{half}-images-idx3-ubyte": struct.pack(">IIII", 2051, len(x), 28, 28) + x.tobytes() for half, x in IMAGES.items()
}
ARCHIVES = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}


class Mirror:
    """An HTTP server that hands out the small archives in one of several manners, and remembers what was asked."""

    def __init__(self, manner: str):
        self.asked: list[str] = []
        self.over = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                name = self.path.rpartition("/")[2]
                mirror.asked.append(name)
                content = ARCHIVES[name]
                if manner == "missing":
                    self.send_error(404)
                    return
                if manner == "silent":
                    mirror.over.wait(30)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if manner == "cut":
                    content = content[: len(content) // 2]
                elif manner == "altered":
                    content = bytes([*content[:-9], content[-9] ^ 1, *content[-8:]])
                elif manner == "a web page":
                    content = b"<html>Please sign in</html>".ljust(len(content))
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/mnist/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def mirrors(monkeypatch, tmp_path):
    """A function: mirrors of these manners, in this order, are all there is; MNIST is small and its folder is empty."""
    opened = []

    def open_mirrors(*manners: str) -> list[Mirror]:
        opened.extend(Mirror(manner) for manner in manners)
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [mirror.url for mirror in opened])
        return opened

    monkeypatch.setenv("MNIST_DATA_DIR", str(tmp_path / "digits"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    md5s = {name: hashlib.md5(content).hexdigest() for name, content in {**FILES, **ARCHIVES}.items()}
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", [(name, md5s[name]) for name in ARCHIVES])
    monkeypatch.setattr(mnist_core.data, "MNIST_MD5", {name: md5s[name] for name in FILES})
    yield open_mirrors
    for mirror in opened:
        mirror.close()


def raw_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (mnist_folder() / "MNIST" / "raw").iterdir()}


def put(name: str, content: bytes) -> Path:
    path = mnist_folder() / "MNIST" / "raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def assert_loads_the_small_mnist() -> None:
    for half, split in (("train", "train"), ("t10k", "test")):
        images, labels = load_mnist(split)
        np.testing.assert_array_equal(images, IMAGES[half])
        np.testing.assert_array_equal(labels, LABELS[half])


def test_missing_files_are_fetched_once_with_a_progress_bar(mirrors, capsys):
    (mirror,) = mirrors("good")
    assert not mnist_is_here()
    assert_loads_the_small_mnist()
    assert mnist_is_here()
    assert sorted(mirror.asked) == sorted(ARCHIVES)
    shown = capsys.readouterr()
    assert all(name in shown.err for name in ARCHIVES)
    assert "100%" in shown.err
    assert shown.out == ""
    assert raw_files() == FILES


def test_a_download_tells_how_far_it_has_come(mirrors):
    mirrors("good")
    told: list[tuple[str, float]] = []
    load_mnist("test", lambda name, share: told.append((name, share)))
    assert {name for name, share in told if share == 1} == {*ARCHIVES}
    assert all(0 < share <= 1 for _, share in told)


def test_the_folder_is_data_at_the_root_unless_the_environment_names_one(monkeypatch, tmp_path):
    monkeypatch.delenv("MNIST_DATA_DIR", raising=False)
    assert mnist_folder() == Path(__file__).resolve().parent.parent / "data"
    monkeypatch.setenv("MNIST_DATA_DIR", str(tmp_path))
    assert mnist_folder() == tmp_path


@pytest.mark.parametrize(
    ("manner", "told"),
    [
        ("cut", "not the whole file"),
        ("altered", "not the whole file or another one"),
        ("a web page", "another one"),
        ("missing", "Not Found"),
        ("silent", "timed out"),
    ],
)
def test_a_mirror_that_fails_is_told_with_what_to_do_and_leaves_nothing_behind(mirrors, monkeypatch, manner, told):
    monkeypatch.setattr(mnist_core.data, "STALLED_AFTER", 0.2)
    mirrors(manner)
    with pytest.raises(DataUnavailable) as error:
        load_mnist("test")
    sentence = str(error.value)
    assert told in sentence
    assert "Check the network and try again, or copy MNIST's four files into MNIST/raw/" in sentence
    assert "\n" not in sentence
    assert raw_files() == {}


def test_a_refused_connection_is_told_with_what_to_do(mirrors):
    (mirror,) = mirrors("good")
    mirror.close()
    with pytest.raises(DataUnavailable, match="Connection refused.*Check the network and try again"):
        load_mnist("train")
    assert raw_files() == {}


@pytest.mark.parametrize("manner", ["cut", "altered", "missing", "silent"])
def test_a_second_mirror_rescues_the_first(mirrors, monkeypatch, manner):
    monkeypatch.setattr(mnist_core.data, "STALLED_AFTER", 0.2)
    first, second = mirrors(manner, "good")
    assert_loads_the_small_mnist()
    assert sorted(first.asked) == sorted(second.asked) == sorted(ARCHIVES)
    assert raw_files() == FILES


@pytest.mark.parametrize("content", [FILES["train-images-idx3-ubyte"][:-100], b"quite another file", b""])
def test_a_truncated_or_foreign_file_is_named_set_aside_and_fetched_again(mirrors, capsys, content):
    for name in FILES:
        put(name, FILES[name])
    put("train-images-idx3-ubyte", content)
    (mirror,) = mirrors("good")
    assert_loads_the_small_mnist()
    assert mirror.asked == ["train-images-idx3-ubyte.gz"]
    assert raw_files() == {**FILES, "train-images-idx3-ubyte.broken": content}
    assert "train-images-idx3-ubyte is cut off or not MNIST's own" in capsys.readouterr().err


def test_a_half_fetched_archive_of_an_earlier_try_does_no_harm(mirrors):
    put("t10k-images-idx3-ubyte.gz", b"half")
    mirrors("good")
    assert_loads_the_small_mnist()


def test_whole_files_need_no_network(mirrors):
    for name in FILES:
        put(name, FILES[name])
    mirrors()
    assert_loads_the_small_mnist()


def test_threads_that_ask_at_once_fetch_each_file_once(mirrors):
    (mirror,) = mirrors("good")
    threads = [threading.Thread(target=load_mnist, args=["test"]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(mirror.asked) == sorted(ARCHIVES)


def test_a_file_where_the_folder_should_be_is_told_as_that_and_not_as_a_network_fault(mirrors, tmp_path):
    (tmp_path / "digits").write_text("in the way")
    mirrors("good")
    with pytest.raises(DataUnavailable, match="the folder named by MNIST_DATA_DIR: (Not a directory|File exists)"):
        load_mnist("test")


def test_a_folder_that_may_not_be_written_is_told_and_nothing_is_left(mirrors, monkeypatch):
    def refuse(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:7])
        raise OSError(28, "No space left on device")

    mirrors("good")
    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(DataUnavailable, match="the folder named by MNIST_DATA_DIR: No space left on device"):
        load_mnist("test")
    assert raw_files() == {}


def test_the_place_named_in_a_sentence_is_data_where_nothing_else_was_asked_for(mirrors, monkeypatch, tmp_path):
    monkeypatch.delenv("MNIST_DATA_DIR")
    monkeypatch.setattr(mnist_core.data, "ROOT", tmp_path)
    (tmp_path / "data").write_text("in the way")
    mirrors("good")
    with pytest.raises(DataUnavailable, match="written to data/: "):
        load_mnist("test")


def test_a_folder_in_a_files_place_is_told(mirrors):
    path = put("t10k-labels-idx1-ubyte", b"")
    path.unlink()
    path.mkdir()
    mirrors("good")
    with pytest.raises(DataUnavailable, match="Is a directory"):
        load_mnist("test")
    shutil.rmtree(path)
