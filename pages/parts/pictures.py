"""Images -> the bytes that a browser shows or a visitor takes away."""

import base64
import io
import zipfile
from collections.abc import Iterable

import numpy as np
from PIL import Image
from torch import Tensor


def png(image: np.ndarray, enlarged: int = 1) -> bytes:
    """An image in [0, 1] as a PNG, every pixel a crisp square of `enlarged` pixels."""
    grey = np.uint8(np.round(np.clip(image, 0, 1) * 255))
    file = io.BytesIO()
    Image.fromarray(grey.repeat(enlarged, axis=0).repeat(enlarged, axis=1)).save(file, "PNG")
    return file.getvalue()


def npy(numbers: np.ndarray | Tensor) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(numbers), allow_pickle=False)
    return file.getvalue()


def data_address(png: bytes) -> str:
    """A PNG as an address that holds it, for tables."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return file.getvalue()
