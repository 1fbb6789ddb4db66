"""Variations of a whole batch of images at once: random ones for training, chosen ones to try a model with."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How far an image may be changed; every amount is drawn evenly between minus and plus its limit."""

    rotation: float = 12.0  # degrees
    scale: float = 0.12  # of the size, each axis on its own
    shear: float = 0.2  # horizontal pixels a vertical pixel
    shift: float = 1.5  # pixels
    thinner: float = 0.9  # pixels a stroke may lose
    thicker: float = 2.0  # pixels a stroke may gain
    bend: float = 0.0  # pixels that a place may be moved while its surroundings follow smoothly
    hole: float = 0.0  # pixels a side of a square that is rubbed out, in every second image


class Changes(NamedTuple):
    """What is done to each of N images: N numbers of each kind."""

    rotation: Tensor  # degrees, clockwise
    width: Tensor  # factors
    height: Tensor
    slant: Tensor  # horizontal pixels a vertical pixel; the top goes to the right
    right: Tensor  # pixels
    down: Tensor
    pen: Tensor  # pixels that a stroke gains, or loses below 0


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """N x 28 x 28 in [0, 1] -> the same form, each image moved, bent and written with another pen."""
    draw = torch.rand(len(images), 7, generator=generator, device=generator.device).to(images.device).mul_(2).sub_(1)
    changed = change(
        images,
        Changes(
            rotation=-draw[:, 0] * augmentation.rotation,
            width=1 + draw[:, 1] * augmentation.scale,
            height=1 + draw[:, 2] * augmentation.scale,
            slant=draw[:, 3] * augmentation.shear,
            right=-draw[:, 4] * augmentation.shift,
            down=-draw[:, 5] * augmentation.shift,
            pen=torch.where(draw[:, 6] < 0, draw[:, 6] * augmentation.thinner, draw[:, 6] * augmentation.thicker),
        ),
        _bends(images, augmentation.bend, generator) if augmentation.bend else None,
    )
    return _with_holes(changed, augmentation.hole, generator) if augmentation.hole else changed


def change(images: Tensor, changes: Changes, bends: Tensor | None = None) -> Tensor:
    """N x 28 x 28 in [0, 1] -> the same form, each image moved, bent and written with another pen.

    bends says for each place of the image at twice its resolution how many pixels it is moved: N x 56 x 56 x 2.
    """
    n, side, _ = images.shape
    angle = torch.deg2rad(-changes.rotation)
    width, height, shear = changes.width, changes.height, changes.slant
    # The grid says where each new pixel comes from, so the matrix is the way back: shift, turn, shear, scale.
    cosine, sine = torch.cos(angle), torch.sin(angle)
    matrix = torch.stack(
        [
            torch.stack([cosine / width, (shear * cosine - sine) / width, -changes.right * 2 / side], 1),
            torch.stack([sine / height, (shear * sine + cosine) / height, -changes.down * 2 / side], 1),
        ],
        dim=1,
    )
    # Twice the resolution, so that a stroke can change by half a pixel on each side.
    grid = F.affine_grid(matrix, [n, 1, 2 * side, 2 * side], align_corners=False)
    if bends is not None:
        grid = grid + bends * (2 / side)
    fine = F.grid_sample(images[:, None], grid, align_corners=False)
    coarse = F.avg_pool2d(_rewrite(fine, changes.pen[:, None, None, None]), 2)[:, 0]
    return coarse / coarse.amax(dim=(1, 2), keepdim=True).clamp_min(0.1)


def _bends(images: Tensor, limit: float, generator: torch.Generator) -> Tensor:
    """Few places that are moved at will, the rest smoothly between them."""
    n, side, _ = images.shape
    few = torch.rand(n, 2, 5, 5, generator=generator, device=generator.device).to(images.device).mul_(2).sub_(1)
    smooth = F.interpolate(few * limit, size=(2 * side, 2 * side), mode="bicubic", align_corners=True)
    return smooth.permute(0, 2, 3, 1)


def _with_holes(images: Tensor, limit: float, generator: torch.Generator) -> Tensor:
    n, side, _ = images.shape
    draw = torch.rand(n, 3, generator=generator, device=generator.device).to(images.device)
    half = (draw[:, 0] * 2 - 1).clamp_min(0) * limit / 2
    places = torch.arange(side, device=images.device) + 0.5
    row, column = ((places - (side * middle)[:, None]).abs() < half[:, None] for middle in (draw[:, 1], draw[:, 2]))
    return images * ~(row[:, :, None] & column[:, None, :])


def _rewrite(fine: Tensor, pixels: Tensor) -> Tensor:
    """Strokes thicker or thinner by `pixels` of the coarse image: one 3 x 3 step on the fine one is worth 1."""
    once = _grown(fine)
    twice = _grown(once)
    thin = -_grown(-fine)
    thicker = fine + pixels.clamp(0, 1) * (once - fine) + (pixels - 1).clamp(0, 1) * (twice - once)
    return torch.where(pixels < 0, fine + (-pixels).clamp(0, 1) * (thin - fine), thicker)


def _grown(fine: Tensor) -> Tensor:
    """The largest of each pixel and its eight neighbours: max_pool2d, which is ten times slower on a CPU."""
    framed = F.pad(fine, (1, 1, 1, 1), value=-torch.inf)
    rows = torch.maximum(torch.maximum(framed[..., :-2, :], framed[..., 1:-1, :]), framed[..., 2:, :])
    return torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
