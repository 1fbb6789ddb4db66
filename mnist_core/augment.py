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
    return change(
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
    )


def change(images: Tensor, changes: Changes) -> Tensor:
    """N x 28 x 28 in [0, 1] -> the same form, each image moved, bent and written with another pen."""
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
    fine = F.grid_sample(images[:, None], grid, align_corners=False)
    coarse = F.avg_pool2d(_rewrite(fine, changes.pen[:, None, None, None]), 2)[:, 0]
    return coarse / coarse.amax(dim=(1, 2), keepdim=True).clamp_min(0.1)


def _rewrite(fine: Tensor, pixels: Tensor) -> Tensor:
    """Strokes thicker or thinner by `pixels` of the coarse image: one 3 x 3 step on the fine one is worth 1."""
    once = F.max_pool2d(fine, 3, stride=1, padding=1)
    twice = F.max_pool2d(once, 3, stride=1, padding=1)
    thin = -F.max_pool2d(-fine, 3, stride=1, padding=1)
    thicker = fine + pixels.clamp(0, 1) * (once - fine) + (pixels - 1).clamp(0, 1) * (twice - once)
    return torch.where(pixels < 0, fine + (-pixels).clamp(0, 1) * (thin - fine), thicker)
