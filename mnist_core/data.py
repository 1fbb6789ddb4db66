"""Labelled digits as arrays: MNIST from disk or its mirrors, and the digits that come inside scikit-learn.

Everything here is uint8 images (N x 28 x 28, ink bright) and int64 labels.
"""

import gzip
import hashlib
import os
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
VALIDATION_SIZE = 5_000
STALLED_AFTER = 30  # seconds without a byte before a mirror is given up
# MD5 of the unpacked files; torchvision knows only those of the archives it fetches.
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_one_download = threading.Lock()


class DataUnavailable(Exception):
    """Labelled digits that cannot be had now; the message says why and what to do."""


class Labelled(NamedTuple):
    images: np.ndarray  # uint8, N x 28 x 28
    labels: np.ndarray  # int64, N


Progress = Callable[[str, float], None]  # told the name of what is fetched and the share that has come


class Splits(NamedTuple):
    train: Labelled
    validation: Labelled
    test: Labelled


def mnist_folder() -> Path:
    return Path(os.environ.get("MNIST_DATA_DIR") or ROOT / "data")


def mnist_is_here() -> bool:
    """Whether `load_mnist` would find its files without fetching any (their content is checked on loading)."""
    return all((mnist_folder() / "MNIST" / "raw" / name).is_file() for name in MNIST_MD5)


def load_mnist(split: Literal["train", "test"], progress: Progress | None = None) -> Labelled:
    """One half of MNIST, fetched from torchvision's mirrors where it is not on disk."""
    if split not in ("train", "test"):
        raise ValueError(f'MNIST has the splits "train" and "test", not {split!r}.')
    # Seconds and 160 MB that a prediction must not pay for.
    from torchvision.datasets.mnist import read_image_file, read_label_file

    raw, half = mnist_folder() / "MNIST" / "raw", {"train": "train", "test": "t10k"}[split]
    try:
        with _one_download:
            _make_whole(raw, progress)
        images, labels = (
            read(str(raw / f"{half}-{kind}-ubyte"))
            for read, kind in ((read_image_file, "images-idx3"), (read_label_file, "labels-idx1"))
        )
    except OSError as error:
        place = "the folder named by MNIST_DATA_DIR" if os.environ.get("MNIST_DATA_DIR") else "data/"
        reason = error.strerror or type(error).__name__
        raise DataUnavailable(f"MNIST cannot be read from or written to {place}: {reason}.") from error
    return Labelled(images.numpy(), labels.numpy())


def load_embedded_digits() -> Labelled:
    """The 1,797 scanned digits inside scikit-learn, 8 x 8, enlarged to 20 x 20 in a frame of 28 x 28."""
    from sklearn.datasets import load_digits  # not needed for MNIST or a prediction

    digits = load_digits()
    images = np.zeros((len(digits.images), 28, 28), dtype=np.uint8)
    for image, small in zip(images, digits.images, strict=True):
        scan = Image.fromarray(np.uint8(np.round(small * (255 / 16))))
        image[4:24, 4:24] = scan.resize((20, 20), Image.Resampling.BICUBIC)
    return Labelled(images, digits.target.astype(np.int64))


def _make_whole(raw: Path, progress: Progress | None = None) -> None:
    """Set aside every file that is not MNIST's own and fetch what is then missing."""
    for name, md5 in MNIST_MD5.items():
        path = raw / name
        if path.exists() and _md5(path.read_bytes()) != md5:
            aside = path.with_name(f"{name}.broken")
            print(
                f"{name} is cut off or not MNIST's own; it is set aside as {aside.name} and fetched again.",
                file=sys.stderr,
            )
            path.replace(aside)
        if not path.exists():
            raw.mkdir(parents=True, exist_ok=True)
            # Other processes may be looking for the same file: it appears at once and whole.
            part = path.with_name(f".{name}.{os.getpid()}")
            try:
                part.write_bytes(_fetch(name, progress))
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)


def _fetch(name: str, progress: Progress | None) -> bytes:
    """The content of one of MNIST's files, from the first mirror that has it whole."""
    from torchvision.datasets import MNIST

    archive = f"{name}.gz"
    reasons = []
    for mirror in MNIST.mirrors:
        try:
            packed = _download(mirror + archive, progress)
        except Exception as error:  # URLError, resets, short reads, odd answers: each mirror fails in its own way
            reasons.append(str(getattr(error, "reason", error)) or type(error).__name__)
            continue
        if _md5(packed) == dict(MNIST.resources)[archive]:
            return gzip.decompress(packed)
        reasons.append("what came is not the whole file or another one")
    raise DataUnavailable(
        f"MNIST's {name} could not be downloaded ({'; '.join(dict.fromkeys(reasons))}). Check the network and "
        "try again, or copy MNIST's four files into MNIST/raw/ of a folder and name that folder in MNIST_DATA_DIR."
    )


def _download(url: str, progress: Progress | None) -> bytes:
    from tqdm import tqdm

    content = bytearray()
    request = urllib.request.Request(url, headers={"User-Agent": "MNIST Digit Lab"})
    with urllib.request.urlopen(request, timeout=STALLED_AFTER) as response:
        name = url.rpartition("/")[2]
        with tqdm(total=response.length, desc=name, unit="B", unit_scale=True) as bar:
            while chunk := response.read(1 << 16):
                content += chunk
                bar.update(len(chunk))
                if progress:
                    progress(name, min(1.0, len(content) / (bar.total or len(content))))
    return bytes(content)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
