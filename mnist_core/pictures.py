"""Pictures -> PNG: images with crisp pixels, numbers as colours, and what each stage of the pipeline put out."""

import io

import numpy as np
from PIL import Image

from mnist_core.preprocess import Step, to_rows

BELOW_AND_ABOVE = (42, 127, 134), (243, 240, 233), (168, 104, 16)  # the colours of -1, 0 and 1


def to_png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def png(image: np.ndarray, enlarged: int = 1) -> bytes:
    """An image in [0, 1] as a PNG, every pixel a crisp square of `enlarged` pixels."""
    grey = to_rows(image)
    return to_png(Image.fromarray(grey.repeat(enlarged, axis=0).repeat(enlarged, axis=1)))


def read_png(content: bytes) -> np.ndarray:
    """What a model saw, out of the PNG it was made into: 28 x 28 bytes. ValueError where it is anything else."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            if (picture.mode, picture.size) != ("L", (28, 28)):
                raise ValueError("not what a model sees")
            return np.array(picture)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("not a PNG") from error


def in_colour(values: np.ndarray) -> np.ndarray:
    """Numbers as colours, 0 always the same; height x width x 3 bytes."""
    limit = max(float(np.abs(values).max()), 1e-6)
    channels = [np.interp(values / limit, (-1, 0, 1), shades) for shades in zip(*BELOW_AND_ABOVE, strict=True)]
    return np.uint8(np.round(np.stack(channels, axis=-1)))


def step_png(step: Step) -> bytes:
    """What a stage put out, pixel for pixel; the tensor, which goes below 0, in colours."""
    if step.stage.name == "normalise":
        return to_png(Image.fromarray(in_colour(step.output[0].numpy())))
    return png(step.output)
