"""Telling ink from the paper it stands on: which of the two is dark, and what else is only paper.

`polarity` and `background` are stages of the pipeline: a picture in, the next one and the facts found out.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_core.ink import Facts
from mnist_core.surroundings import border, otsu, without_frame, without_margin, without_table

PHOTOGRAPH_SIDE = 64  # smaller pictures show little of their paper
PAPER_SIDE = 24  # smaller ones have no room for any around a digit
FAINTEST = 0.1  # of the way from black to white, by which ink stands out from its paper
SURROUNDED = 0.5  # of its border, and a clean picture is looked at for a sheet; a stroke along one side is less


def polarity(picture: np.ndarray, paper: str = "auto") -> tuple[np.ndarray, Facts]:
    threshold = otsu(picture)
    bare = without_margin(picture, picture > threshold)[0]
    if bare is picture and _may_have_a_table(picture, picture <= threshold):
        bare = without_table(picture)[0]
    light = _inside_rim(bare > threshold)
    facts = {"threshold": threshold, "light border": border(light), "light picture": float(light.mean())}
    if paper != "auto":
        is_light = paper == "light"
    elif min(picture.shape) < PHOTOGRAPH_SIDE or _is_flat(picture):
        # Paper reaches the border and covers most of the picture; each has its say, so that a digit that runs
        # over the edge and one that fills its picture are both understood.
        is_light = border(light) + light.mean() > 1
    else:
        # Where what is light is broader than any pen, and what is dark is not, there is no shadow to mislead.
        broad = max(bare.shape) // 5
        is_light = (_has_room(light, broad) and not _has_room(~light, broad)) or _strays_to_dark(bare)
    facts["paper"] = "light" if is_light else "dark"
    return (1 - picture if is_light else picture), facts


def _may_have_a_table(picture: np.ndarray, around: np.ndarray) -> bool:
    """Whether a sheet is to be looked for: in a photograph, and in a screenshot, where a page lies on a darker one."""
    return min(picture.shape) >= PHOTOGRAPH_SIDE and (not _is_flat(picture) or border(around) > SURROUNDED)


def _inside_rim(light: np.ndarray) -> np.ndarray:
    """What a frame at the picture's border surrounds, if there is one: right inside it all is of the other kind, as is
    most of the picture."""
    rim = border(light)
    if rim not in (0, 1) or (light.mean() > 0.5) == rim:
        return light
    for width in range(1, min(light.shape) // 8 + 1):
        inner = light[width:-width, width:-width]
        if (here := border(inner)) != rim:
            return inner if abs(here - rim) > 0.9 else light
    return light


def _is_flat(picture: np.ndarray) -> bool:
    """Whether most of the picture is either as dark or as light as it gets, as no photograph is."""
    low, high = picture.min() + 2 / 255, picture.max() - 2 / 255
    return 2 * np.count_nonzero((picture <= low) | (picture >= high)) > picture.size


def _strays_to_dark(picture: np.ndarray) -> bool:
    """Shadows mislead a threshold; ink is what differs much from its own neighbourhood. An empty page is light."""
    small = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BOX))
    strays = small - ndimage.median_filter(small, 11, mode="nearest")
    return bool((strays**3).mean() < 1e-4)


def background(picture: np.ndarray, softness: float = 0.5) -> tuple[np.ndarray, Facts]:
    facts: Facts = {"paper": "clean", "table": False, "frame": False, "ruled lines": 0}
    threshold = otsu(picture)
    picture, facts["table"] = without_margin(picture, picture > threshold)
    if not facts["table"] and _may_have_a_table(picture, picture > threshold):
        bare, facts["table"] = without_table(1 - picture)
        picture = 1 - bare if facts["table"] else picture
    if facts["table"]:
        threshold = otsu(picture)
    level, noise = _paper(picture, threshold)
    facts |= {"level": level, "noise": noise}
    side, photographed = min(picture.shape), False
    if side >= PHOTOGRAPH_SIDE:
        even = np.abs(_block_floors(picture) - level) <= 2 / 255
        photographed = noise > 2 / 255 or even.mean() < 0.75
    elif side >= PAPER_SIDE:
        photographed = noise > 4 / 255
    if photographed:
        lifted, facts["threshold"] = _lift_off_paper(picture, softness)
        # Few pixels of which none stands out say too little to be called empty paper.
        photographed = side >= PHOTOGRAPH_SIDE or lifted.any()
    if photographed:
        facts["paper"], picture = "photographed", lifted
    elif level:
        picture = (picture - level).clip(0)
    if side >= PAPER_SIDE:
        picture, facts["frame"] = without_frame(picture)
    if side >= PHOTOGRAPH_SIDE:
        picture, facts["ruled lines"] = _without_ruled_lines(picture, photographed)
    return picture, facts


def _paper(picture: np.ndarray, threshold: float) -> tuple[float, float]:
    """The usual level of what is not ink, and how far it strays from it."""
    lowest = picture.min()
    if 2 * np.count_nonzero(picture == lowest) > np.count_nonzero(picture <= threshold):
        return float(lowest), 0.0  # what more than half agree on is the median, and so is their distance to it
    paper = picture[picture <= threshold]
    level = np.median(paper)
    return float(level), float(np.median(np.abs(paper - level)) * 1.4826)


def _has_room(mask: np.ndarray, side: int) -> bool:
    """Whether a square of so many pixels a side fits into a mask."""
    return bool(ndimage.minimum_filter(mask.view(np.uint8), side, mode="constant").any())


def _block_floors(picture: np.ndarray) -> np.ndarray:
    rows, columns = (np.linspace(0, side, 8, endpoint=False).astype(int) for side in picture.shape)
    return np.minimum.reduceat(np.minimum.reduceat(picture, rows, axis=0), columns, axis=1)


def _lift_off_paper(picture: np.ndarray, softness: float) -> tuple[np.ndarray, float]:
    """Take away the light, then all that does not stand out from the grain of the paper."""
    smooth = _without_light(ndimage.uniform_filter(picture, max(1, max(picture.shape) // 200)))
    threshold = otsu(smooth.clip(0, 1))
    level, noise = _paper(smooth, threshold)
    written = smooth[smooth > threshold]
    if not written.size or written.mean() - level < max(FAINTEST, 6 * noise):
        return np.zeros_like(picture), threshold
    full = float(np.percentile(written, 75))
    low = max(softness * threshold, level + 3 * noise)
    return ((smooth - low) / max(full - low, 1e-3)).clip(0, 1), threshold


def _without_light(picture: np.ndarray) -> np.ndarray:
    """What no pen is wide enough to cover is light; opening keeps even the edge of a hard shadow."""
    wide, grid = max(picture.shape) * 4 // 25, 64
    dark = picture > otsu(picture.clip(0, 1))
    if _has_room(dark, wide // 2) and not _has_room(dark, wide * 7 // 5):  # a broad pen, and no shadow
        wide, grid = 2 * wide, grid // 2
    light = ndimage.grey_opening(picture, (wide, wide), mode="nearest")
    ink = (picture - light) / (1 - light).clip(0.1)
    # Towards a border the opening falls short of light that grows; what it missed varies slowly.
    small = Image.fromarray(ink).resize((grid, grid), Image.Resampling.BOX)
    missed = ndimage.percentile_filter(np.asarray(small), 30, size=21, mode="nearest")
    missed = Image.fromarray(ndimage.gaussian_filter(missed, grid // 16, mode="nearest"))
    return ink - np.asarray(missed.resize(picture.shape[::-1], Image.Resampling.BILINEAR))


def _without_ruled_lines(picture: np.ndarray, photographed: bool) -> tuple[np.ndarray, int]:
    """Rules run thin and straight from edge to edge; what was written across them is closed again."""
    found, peak = 0, picture.max()
    for _ in range(2):  # horizontal ones, then, on their side, vertical ones
        mask = picture > 0.1 * picture.max()
        if mask[:, 0].any() and mask[:, -1].any():
            slope = _slope_of_rules(mask) if photographed else 0.0
            lines, count = _find_rules(_sheared(mask, slope))
            lines = _sheared(lines, -slope) & mask
            # On a canvas one line from edge to edge may be a stroke, and where all is line, all was meant.
            if count >= (1 if photographed else 3) and (count > 2 or (mask & ~lines).any()):
                bridged = ndimage.grey_closing(np.where(lines, 0, picture), size=(2 * _thin(mask) + 3, 1))
                picture = np.where(lines, np.minimum(bridged, picture), picture)
                found += count
        picture = picture.T
    if found:
        # Where nothing but pale traces of rules is left, nothing was written.
        picture = _without_scraps(picture) if picture.max() > 0.5 * peak else np.zeros_like(picture)
    return np.ascontiguousarray(picture), found


def _without_scraps(picture: np.ndarray) -> np.ndarray:
    """Rules cut short by a corner leave scraps at the border; a digit has most of its ink elsewhere."""
    labels, count = ndimage.label(picture > 0.1 * picture.max(), np.ones((3, 3)))
    at_border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    mass = np.bincount(labels.ravel(), weights=picture.ravel(), minlength=count + 1)
    scraps = at_border[(at_border > 0) & (mass[at_border] < 0.2 * mass[1:].sum())]
    return np.where(np.isin(labels, scraps), 0, picture)


def _thin(mask: np.ndarray) -> int:
    return max(1, len(mask) // 40)


def _slope_of_rules(mask: np.ndarray) -> float:
    """The slope along which a few columns agree best on where ink is."""
    width = mask.shape[1]
    columns = np.linspace(0, width - 1, 32).astype(int)
    few = mask[:, columns].astype(np.float32)
    slopes = np.linspace(-0.08, 0.08, 65)  # 4.6 degrees either way
    agreement = [(_sheared(few, slope, columns - width // 2).sum(axis=1) ** 2).sum() for slope in slopes]
    return float(slopes[int(np.argmax(agreement))])


def _sheared(picture: np.ndarray, slope: float, across: np.ndarray | None = None) -> np.ndarray:
    """Every column moved up by whole pixels, round the edge, so that the way back loses nothing."""
    height, width = picture.shape
    across = np.arange(width) - width // 2 if across is None else across
    rows = np.arange(height)[:, None] + np.round(slope * across).astype(int)
    return np.take_along_axis(picture, rows % height, axis=0) if slope else picture


def _find_rules(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Where the level lines of a mask are, and how many."""
    height, width = mask.shape
    # A written stroke is seldom this long, never this thin and never touches both edges.
    long = max(2, width // 3)
    grown = ndimage.maximum_filter1d(mask.view(np.uint8), 3, axis=0)
    runs = ndimage.maximum_filter1d(ndimage.minimum_filter1d(grown, long, axis=1), long, axis=1).astype(bool)
    labels, count = ndimage.label(runs) if runs.any() else (runs, 0)
    lines, found = np.zeros_like(mask), 0
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels) if count else (), 1):
        line = labels[rows, columns] == number
        thickness = line.sum(axis=0)
        usual = np.median(thickness)
        if columns.stop - columns.start < 0.96 * width or usual - 2 > _thin(mask):
            continue
        # A stroke that goes along the line for a while is thicker; the line itself bends but slightly.
        alone = np.flatnonzero(thickness <= usual + 1)
        middle = (np.arange(len(line)) @ line)[alone] / thickness[alone]
        bend = np.polyval(np.polyfit(alone, middle, 2), np.arange(line.shape[1])) if len(alone) > 9 else middle.mean()
        lines[rows, columns] |= line & (np.abs(np.arange(len(line))[:, None] - bend) <= usual / 2 + 1)
        found += 1
    return lines, found
