"""The one way from ink to the tensor a network sees.

A pipeline is a row of named stages. Each takes a picture and returns the next one with the facts it found;
running the pipeline keeps every picture on the way. The stages repeat how MNIST itself was made, so that a
drawing arrives at the network in the form it was trained on.

Between the stages a picture is float32, height x width, 0 to 1. From `polarity` on, ink is bright.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import takewhile
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from mnist_core.architectures import SIDE
from mnist_core.ink import Facts, Ink, grey
from mnist_core.paper import background, polarity
from mnist_core.surroundings import box_of

# Averaging cannot enlarge without steps; between few pixels a straight line is the honest guess.
FILTERS = {"area": "BILINEAR", "bilinear": "BILINEAR", "bicubic": "BICUBIC", "nearest": "NEAREST"}
MEAN, STD = 0.1307, 0.3081  # of the ink in MNIST's 60,000 training images


def to_images(rows: np.ndarray | Tensor) -> Tensor:
    """Rows of a data set (uint8) or images (float) -> images in [0, 1]."""
    images = torch.as_tensor(rows)
    return images.float().div(255) if images.dtype == torch.uint8 else images.float()


def to_rows(images: np.ndarray) -> np.ndarray:
    """Images in [0, 1] -> rows of a data set, in its 256 steps."""
    return np.round(images.clip(0, 1) * 255).astype(np.uint8)


def to_tensor(images: np.ndarray | Tensor, mean: float = MEAN, std: float = STD) -> Tensor:
    """... x 28 x 28 images -> ... x 1 x 28 x 28 normalised tensors, for training and for serving alike."""
    return to_images(images).sub(mean).div(std).unsqueeze(-3)


# Crop, scale, stretch, centre ---------------------------------------------------------------------------------


def crop(picture: np.ndarray, threshold: float = 0.1, speck: float = 0.08, margin: int = 0) -> tuple[np.ndarray, Facts]:
    facts: Facts = {"threshold": threshold, "specks": 0, "box": None}
    mask = picture > threshold * picture.max()
    if not mask.any():
        return picture, {**facts, "blank": "Nothing is drawn."}
    top, left, bottom, right = box_of(mask)
    labels, count = ndimage.label(mask[top:bottom, left:right], np.ones((3, 3)))
    if count > 1:
        mass = np.bincount(labels.ravel(), weights=picture[top:bottom, left:right].ravel())
        mass[0] = 0  # what lies between the pieces
        # Of many pieces, as a dotted line has, each holds little of the ink, and none is a speck beside the others.
        kept = mass >= speck * min(mass.sum(), 3 * mass.max())
        low_y, low_x, high_y, high_x = box_of(kept[labels]) if kept.any() else (0, 0, 0, 0)
        # What lies within the box is part of the drawing, however small: the dot of a zero.
        within = np.bincount(labels[low_y:high_y, low_x:high_x].ravel(), minlength=count + 1)
        facts["specks"] = int((np.bincount(labels.ravel()) > within)[1:].sum())
        top, left, bottom, right = top + low_y, left + low_x, top + high_y, left + high_x
    if max(bottom - top, right - left) < max(2, 0.02 * max(picture.shape)):
        return picture, {**facts, "blank": "There is nothing but specks."}
    facts["box"] = top, left, bottom, right
    if margin:
        picture = np.pad(picture, margin)
        bottom, right = bottom + 2 * margin, right + 2 * margin
    return picture[top:bottom, left:right], facts


def scale(picture: np.ndarray, box: int = 20, resampling: str = "area") -> tuple[np.ndarray, Facts]:
    factor = box / max(picture.shape)
    height, width = (max(1, int(np.ceil(round(side * factor, 6)))) for side in picture.shape)
    facts = {"scale": factor, "resampling": resampling}
    if resampling == "area" and factor <= 1:
        rows = _area_weights(picture.shape[0], height, factor)
        columns = _area_weights(picture.shape[1], width, factor)
        return rows @ picture @ columns.T, facts
    room = [max(0, int(np.ceil(out / factor)) - side) for out, side in zip((height, width), picture.shape, strict=True)]
    padded = Image.fromarray(np.pad(picture, [(0, room[0]), (0, room[1])]))
    source = (0, 0, min(width / factor, padded.width), min(height / factor, padded.height))
    resized = padded.resize((width, height), Image.Resampling[FILTERS[resampling]], box=source)
    return np.asarray(resized).clip(0, 1), facts


def _area_weights(old: int, new: int, factor: float) -> np.ndarray:
    """new x old: the share that each old pixel has in each new one, both seen as lengths on one ruler."""
    edges = np.arange(old + 1) * factor
    starts = np.arange(new)[:, None]
    return np.diff(np.clip(edges - starts, 0, 1), axis=1).astype(np.float32)


def stretch(picture: np.ndarray) -> tuple[np.ndarray, Facts]:
    peak = float(picture.max())
    if not peak:
        return picture, {"peak": peak, "blank": "Nothing is drawn."}
    # In 256 steps, as MNIST is; the centre of mass below is that of the steps.
    return np.round(picture * (255 / peak)).astype(np.float32) / np.float32(255), {"peak": peak}


def centre(picture: np.ndarray, by: str = "mass", whole_pixels: bool = True) -> tuple[np.ndarray, Facts]:
    height, width = picture.shape
    facts: Facts = {}
    if inked := bool(picture.any()):
        middle = np.array([_mean_place(picture.sum(axis=1)), _mean_place(picture.sum(axis=0))])
        facts["centre of mass"] = tuple(middle.tolist())
    if by == "mass" and inked:
        # Pixel centres lie at +0.5. MNIST's rule puts the centre of mass into [14, 15) on both axes.
        shift = np.floor(SIDE / 2 + 1 - middle) if whole_pixels else SIDE / 2 + 0.5 - middle
    elif by == "none":
        shift = np.array([4.0, 4.0]) if max(height, width) <= SIDE - 8 else np.zeros(2)
    else:
        shift = (SIDE - np.array([height, width])) / 2
        shift = np.floor(shift) if whole_pixels else shift
    facts["shift"] = tuple(shift.tolist())
    corner = np.floor(shift).astype(int)
    image = np.zeros((SIDE, SIDE), dtype=np.float32)
    top, left = np.maximum(corner, 0)
    cut_top, cut_left = np.maximum(-corner, 0)
    inside = picture[cut_top : cut_top + SIDE - top, cut_left : cut_left + SIDE - left]
    image[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    if (rest := shift - corner).any():
        image = ndimage.shift(image, rest, order=1)
    return image, facts


def _mean_place(mass: np.ndarray) -> float:
    return float((np.arange(len(mass)) + 0.5) @ mass.astype(np.float64) / mass.sum(dtype=np.float64))


def normalise(picture: np.ndarray, mean: float = MEAN, std: float = STD) -> tuple[Tensor, Facts]:
    return to_tensor(picture, mean, std), {"mean": mean, "std": std}


# The pipeline -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A named step of the pipeline: a function from picture to picture, its parameters' usual values, and what each
    may be: one of some words, or a number between two limits."""

    name: str
    apply: Callable[..., tuple[Any, Facts]] = field(repr=False)
    what: str = field(repr=False)
    why: str = field(repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    allowed: Mapping[str, tuple] = field(default_factory=dict, repr=False)

    def refuses(self, name: str, value: Any) -> str:
        """Why the parameter of that name cannot have a value, in a sentence; nothing where it can."""
        if name not in self.parameters:
            return f"The stage {self.name} has no parameter {name}."
        usual, allowed = self.parameters[name], self.allowed[name]
        if isinstance(usual, bool):
            wanted, fits = "True or False", isinstance(value, bool)
        elif isinstance(usual, str):
            wanted, fits = f"one of {', '.join(allowed)}", isinstance(value, str) and value in allowed
        else:
            whole = isinstance(usual, int)
            wanted = f"a {'whole ' * whole}number from {allowed[0]:g} to {allowed[1]:g}"
            fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
            fits = fits and allowed[0] <= value <= allowed[1]
        return "" if fits else f"The parameter {name} of the stage {self.name} is {wanted}, not {value!r}."


STAGES = (
    Stage(
        "grey",
        grey,
        "Turns colours into brightness and lays transparent ink on paper.",
        "The network knows no colours, and files come in many forms.",
    ),
    Stage(
        "polarity",
        polarity,
        "Finds out whether the ink is dark or light, and makes it bright on black.",
        "MNIST's ink is bright. Most people write dark on light.",
        {"paper": "auto"},
        {"paper": ("auto", "light", "dark")},
    ),
    Stage(
        "background",
        background,
        "Takes away the table under the paper, uneven light, the paper's grain, ruled lines and a frame; "
        "a clean canvas without lines or a frame passes unchanged.",
        "The network has never seen paper and would take its shadows for ink.",
        {"softness": 0.5},
        {"softness": (0.01, 1)},
    ),
    Stage(
        "crop",
        crop,
        "Cuts out the box around the ink; specks do not count.",
        "Where on the canvas a digit stands must not matter.",
        {"threshold": 0.1, "speck": 0.08, "margin": 0},
        {"threshold": (0, 1), "speck": (0, 1), "margin": (0, 1000)},
    ),
    Stage(
        "scale",
        scale,
        "Brings the longer side to 20 pixels, with the shape kept, each new pixel the average of what it covers.",
        "How large a digit is drawn must not matter, and every digit of MNIST fills 20 pixels.",
        {"box": 20, "resampling": "area"},
        {"box": (1, SIDE), "resampling": tuple(FILTERS)},
    ),
    Stage(
        "stretch",
        stretch,
        "Stretches the ink so that its brightest pixel is white.",
        "A thin or pale pen is as much a pen as a thick one.",
    ),
    Stage(
        "centre",
        centre,
        "Moves the centre of mass to the middle of 28 x 28 pixels, by whole pixels.",
        "MNIST was centred like this; the middle of the box lies elsewhere for a 7, a 4 or a 9.",
        {"by": "mass", "whole_pixels": True},
        {"by": ("mass", "box", "none"), "whole_pixels": (False, True)},
    ),
    Stage(
        "normalise",
        normalise,
        "Takes away MNIST's average brightness and divides by its spread: the tensor.",
        "Networks learn best from numbers around 0, and must be asked in the numbers they learned from.",
        {"mean": MEAN, "std": STD},
        {"mean": (-1000, 1000), "std": (0.001, 1000)},
    ),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)


@dataclass(frozen=True)
class Step:
    """What one stage made of a picture."""

    stage: Stage
    on: bool
    parameters: Mapping[str, Any]
    output: np.ndarray | Tensor = field(repr=False)
    facts: Facts = field(repr=False)
    milliseconds: float = field(repr=False)


@dataclass(frozen=True)
class Trace:
    """All that a pipeline made of some ink; where it is blank the later stages have not run."""

    steps: tuple[Step, ...]
    blank: str | None = None  # why there is nothing to answer

    def __getitem__(self, name: str) -> Step:
        return next(step for step in self.steps if step.stage.name == name)

    @cached_property
    def image(self) -> np.ndarray:
        """28 x 28, as the network sees it before normalising; empty where the ink is blank."""
        if self.blank:
            return np.zeros((SIDE, SIDE), dtype=np.float32)
        return self["centre"].output

    @cached_property
    def tensor(self) -> Tensor:
        return to_tensor(self.image) if self.blank else self["normalise"].output

    def to_tensor(self, images: np.ndarray | Tensor) -> Tensor:
        """Other images, in the numbers in which the network was asked about this one."""
        if self.blank:
            return to_tensor(images)
        step = self["normalise"]
        return normalise(images, **step.parameters)[0] if step.on else _pass_by(step.stage.name, images)

    @property
    def milliseconds(self) -> float:
        return sum(step.milliseconds for step in self.steps)

    def without_the_way(self) -> "Trace":
        """All that an answer needs; of a photograph the pictures on the way take hundreds of megabytes."""
        ends = ("centre", "normalise")
        steps = (step if step.stage.name in ends else replace(step, output=None) for step in self.steps)
        return replace(self, steps=tuple(steps))


class Pipeline:
    """The stages in their order, some perhaps off or with other parameters.

    Pipeline() is the house's own. Pipeline(off=["background"], scale={"box": 18}) differs in two places.
    """

    def __init__(self, off: Sequence[str] = (), **parameters: Mapping[str, Any]):
        if unknown := ({*off} | parameters.keys()) - {*STAGE_NAMES}:
            raise ValueError(f"No stage is called {', '.join(sorted(unknown))}; there are {', '.join(STAGE_NAMES)}.")
        if "grey" in off:
            raise ValueError("The stage grey cannot be off: the others need a picture.")
        for stage in STAGES:
            for name, value in parameters.get(stage.name, {}).items():
                if refused := stage.refuses(name, value):
                    raise ValueError(refused)
        self.off = frozenset(off)
        self.parameters = MappingProxyType(
            {stage.name: MappingProxyType({**stage.parameters, **parameters.get(stage.name, {})}) for stage in STAGES}
        )

    def __reduce__(self) -> tuple[Callable[[], "Pipeline"], tuple]:
        """What is read-only cannot be pickled or copied; the call that makes it can."""
        parameters = {name: dict(values) for name, values in self.parameters.items()}
        return partial(Pipeline, [*self.off], **parameters), ()

    def __repr__(self) -> str:
        """The call that makes this pipeline, with all that differs from the house's own."""
        off = [stage.name for stage in STAGES if stage.name in self.off]
        changes = {
            stage.name: {
                key: value for key, value in self.parameters[stage.name].items() if value != stage.parameters[key]
            }
            for stage in STAGES
        }
        words = [f"off={off}"] if off else []
        return f"Pipeline({', '.join(words + [f'{name}={change}' for name, change in changes.items() if change])})"

    def without(self, *names: str) -> "Pipeline":
        """The same settings with more stages off."""
        return Pipeline([*self.off, *names], **self.parameters)

    def until(self, name: str) -> "Pipeline":
        """The same settings with nothing after the stage of that name but the numbers that a network expects."""
        return self.without(*STAGE_NAMES[STAGE_NAMES.index(name) + 1 : -1])

    def run(self, ink: Ink, before: Trace | None = None) -> Trace:
        """All the pictures on the way. What `before`, a trace of the same ink, has in common is not done again."""
        steps = list(takewhile(self._agrees, before.steps)) if before else []
        if steps and "blank" in steps[-1].facts:
            return Trace(tuple(steps), steps[-1].facts["blank"])
        picture: Any = steps[-1].output if steps else ink
        for stage in STAGES[len(steps) :]:
            on, parameters = stage.name not in self.off, self.parameters[stage.name]
            started = time.perf_counter()
            if on:
                picture, facts = stage.apply(picture, **parameters)
            else:
                picture, facts = _pass_by(stage.name, picture), {}
            milliseconds = 1000 * (time.perf_counter() - started)
            steps.append(Step(stage, on, dict(parameters), picture, facts, milliseconds))
            if "blank" in facts:
                return Trace(tuple(steps), facts["blank"])
        return Trace(tuple(steps))

    def _agrees(self, step: Step) -> bool:
        name = step.stage.name
        return step.on == (name not in self.off) and step.parameters == self.parameters[name]


def _pass_by(name: str, picture: np.ndarray) -> np.ndarray | Tensor:
    """What goes on where a stage is off: the picture as it was, in the form that the next stage needs."""
    if name == "scale":
        return scale(picture, SIDE)[0]
    if name == "centre":
        return centre(picture, by="box")[0]
    if name == "normalise":
        return to_tensor(picture, 0, 1)
    return picture


# The two shortcuts that other projects take, as settings of the same pipeline.
NAIVE = Pipeline(off=["background", "crop", "stretch", "centre"], scale={"box": SIDE})  # the whole canvas, shrunk
BOXED = Pipeline(off=["background"], centre={"by": "box"})  # cropped, and centred by its box
