"""The stress bench: one image turned, moved, resized, slanted, rewritten or spoilt, until its answer tips over."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mnist_core.architectures import SIDE
from mnist_core.augment import Changes, change


@dataclass(frozen=True)
class Dial:
    """One thing to vary: its range, its step, and the value at which nothing is changed."""

    name: str
    low: float
    high: float
    usual: float
    step: float
    unit: str
    what: str

    @property
    def positions(self) -> np.ndarray:
        return np.round(np.arange(self.low, self.high + self.step / 2, self.step), 4)


DIALS = {
    dial.name: dial
    for dial in (
        Dial("rotation", -90, 90, 0, 2, "°", "Turned, clockwise above 0."),
        Dial("right", -10, 10, 0, 0.5, " px", "Moved to the right, to the left below 0."),
        Dial("down", -10, 10, 0, 0.5, " px", "Moved down, up below 0."),
        Dial("size", 0.4, 1.6, 1, 0.02, " x", "Enlarged above 1."),
        Dial("slant", -1, 1, 0, 0.05, "", "Leaning to the right, to the left below 0."),
        Dial("pen", -1, 2, 0, 0.05, " px", "A thicker pen, a thinner one below 0."),
        Dial("noise", 0, 1, 0, 0.02, "", "Random grey on every pixel."),
        Dial("contrast", 0.05, 3, 1, 0.05, " x", "Paler ink below 1, harder edges above."),
    )
}

MOVES = ("rotation", "right", "down", "size", "slant", "pen")  # the others touch each pixel where it is


def vary(image: np.ndarray, values: Mapping[str, float], along: str | None = None) -> Tensor:
    """An image in [0, 1] as the dials' values make it; with `along`, once for each position of that dial."""
    if unknown := values.keys() - DIALS.keys():
        raise ValueError(f"No dial is called {', '.join(sorted(unknown))}; there are {', '.join(DIALS)}.")
    positions = torch.from_numpy(DIALS[along].positions).float() if along else torch.zeros(1)
    n = len(positions)
    at = {name: torch.full((n,), float(values.get(name, dial.usual))) for name, dial in DIALS.items()}
    if along:
        at[along] = positions
    still = torch.as_tensor(image, dtype=torch.float32).expand(n, SIDE, SIDE)
    changes = Changes(at["rotation"], at["size"], at["size"], at["slant"], at["right"], at["down"], at["pen"])
    moves = torch.stack([at[name] != DIALS[name].usual for name in MOVES])
    # Drawing an image anew softens it a little; what is not moved stays the very image.
    moved = torch.where(moves.any(dim=0)[:, None, None], change(still, changes), still)
    grain = torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return (moved * at["contrast"][:, None, None] + grain * at["noise"][:, None, None]).clamp(0, 1)


def steady_range(digits: np.ndarray, here: int) -> tuple[int, int]:
    """First and last position around `here` up to which the answer stays the one that is given here."""
    others = np.flatnonzero(digits != digits[here])
    first = others[others < here].max(initial=-1) + 1
    last = others[others > here].min(initial=len(digits)) - 1
    return int(first), int(last)
