"""What lies around a drawing and is none of it: the table under the paper, a page beside it, a frame printed on it."""

from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy import ndimage, spatial

SMALL = 128  # pixels of the longer side, in which a sheet is looked for
EVEN = 0.04  # how far a screen's one colour strays in a JPEG; light on paper strays farther
ROUND = 0.3  # of the shorter side, the farthest that a rounded corner reaches; that of a 0 reaches farther
LEAST = 20  # pixels a side of what may be a picture within another
STEP = 3  # of those pixels, between an edge and what lies safely on either side of it


def otsu(picture: np.ndarray) -> float:
    """The grey level that parts the picture into the two most different halves."""
    counts = np.bincount((picture * 255).astype(np.uint8).ravel(), minlength=256).astype(np.float64)
    below = counts.cumsum()
    above = below[-1] - below
    weighted = (counts * np.arange(256)).cumsum()
    apart = np.zeros(256)
    both = (below > 0) & (above > 0)
    apart[both] = (weighted[-1] * below[both] / below[-1] - weighted[both]) ** 2 / (below[both] * above[both])
    # Where nothing lies between the halves every level parts them alike: the middle is as far from both.
    best = np.flatnonzero(apart == apart.max())
    return float((best[0] + best[-1]) / 2 + 0.5) / 255


def without_table(picture: np.ndarray) -> tuple[np.ndarray, bool]:
    """A picture with paper where there was a table, and whether there was one."""
    factor = max(1, max(picture.shape) / SMALL)
    size = tuple(round(side / factor) for side in picture.shape[::-1])
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    edges = next((edges for level in _levels(small) if (edges := _find_sheet(small, small > level)) is not None), None)
    if edges is None:
        return picture, False
    # A broad stroke may be half of its neighbourhood, but hardly three quarters; every second pixel tells as much.
    inside = _within(edges, small.shape, 4 * STEP)[::2, ::2]
    bare = small[_nearest(_within(edges, small.shape, STEP))][::2, ::2]
    paper = ndimage.percentile_filter(bare, 75, 15, mode="nearest")[_nearest(inside)]
    on_sheet, paper = (
        np.asarray(Image.fromarray(np.float32(part)).resize(picture.shape[::-1], Image.Resampling.BILINEAR))
        for part in (_within(edges, small.shape, STEP), paper)
    )
    return np.where(on_sheet > 0.5, picture, paper), True


def without_margin(picture: np.ndarray, light: np.ndarray) -> tuple[np.ndarray, bool]:
    """A picture with its own paper where a page of the other kind lies around it or beside it, and whether one did.

    So lie a dark canvas in a figure or on a web page, and a canvas under a strip that was caught with it. `light` says
    which pixels are light.
    """
    for page in _pages(picture, light):
        if page.all() or not page.any():
            continue
        top, left, bottom, right = box_of(~page)
        part, inner = picture[top:bottom, left:right], ~page[top:bottom, left:right]
        # Strokes seldom go straight along all four sides; where they do, as in a square 0, they leave room within.
        if inner.mean() <= 0.6 or inner.size <= 0.02 * page.size or min(inner.shape) < LEAST or inner.all():
            continue
        corners = _round_corners(inner)
        if inner.size == page.size and not corners.any():
            continue
        level = np.median(part[inner])
        alike = np.abs(part - level) <= EVEN
        round_off = int(ROUND * min(inner.shape)) if corners.any() else 0
        for rim in range(1 if round_off else 1 + _rim(inner)):
            within = (slice(rim, part.shape[0] - rim), slice(rim, part.shape[1] - rim))
            if border(alike[within], round_off) > 0.98:
                bare = np.full_like(picture, level)
                bare[top:bottom, left:right][within] = np.where(corners, level, part)[within]
                return bare, True
    return picture, False


def _pages(picture: np.ndarray, light: np.ndarray) -> Iterator[np.ndarray]:
    """What may be the page: what is like the picture's border, where all of it is alike. Else all that is light or all
    that is dark; or, where page and canvas are of one kind beside their ink, what of this kind is nearer to the ink,
    together with it."""
    alike = np.abs(picture - picture[0, 0]) <= EVEN
    if border(alike) == 1:
        yield alike
        return
    yield light
    yield ~light
    _, *halves = _levels(picture[::2, ::2])
    if len(halves) == 2:
        among_light, among_dark = halves
        yield picture <= among_light
        yield picture > among_dark


def _rim(tile: np.ndarray) -> int:
    """How broad an edge may be that is of neither kind: it lies between two pixels, or has a line along it."""
    return max(1, min(tile.shape) // 100)


def _round_corners(tile: np.ndarray) -> np.ndarray:
    """What a tile's four rounded corners leave of its box, and their soft rims; nothing where a corner is not round."""
    corners = np.ix_([0, -1], [0, -1])
    if tile[corners].any():
        return np.zeros_like(tile)
    labels, _ = ndimage.label(~tile)
    pieces, numbers = ndimage.find_objects(labels), np.unique(labels[corners])
    spans = [max(part.stop - part.start for part in pieces[number - 1]) for number in numbers]
    if max(spans) > ROUND * min(tile.shape) or max(spans) <= _rim(tile):
        return np.zeros_like(tile)
    return ndimage.binary_dilation(np.isin(labels, numbers), iterations=4)


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The first row and column of what is true, and those after its last."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def border(mask: np.ndarray, corner: int = 0) -> float:
    """The share that a mask has of the picture's border, perhaps without so many pixels of it at each corner."""
    height, width = mask.shape
    level, upright = mask[[0, -1], corner : width - corner], mask[corner : height - corner, [0, -1]]
    return float(np.concatenate([level.ravel(), upright.ravel()]).mean())


def _levels(small: np.ndarray) -> Iterator[float]:
    """What may part paper from its table: of three kinds, ink among them, two may be the more alike."""
    middle = otsu(small)
    yield middle
    for half in (small[small > middle], small[small <= middle]):
        if half.size:
            yield otsu(half)


def _find_sheet(small: np.ndarray, light: np.ndarray) -> np.ndarray | None:
    """The edges of a sheet: light, straight, darker all around it, and no more than written on."""
    # What is narrow is a thing on the table, or its grain.
    labels, count = ndimage.label(ndimage.binary_opening(light, iterations=2))
    if not count:
        return None
    region = ndimage.binary_fill_holes(labels == np.bincount(labels.ravel())[1:].argmax() + 1)  # what a 0 encloses too
    if region.mean() < 0.1:
        return None
    hull = _hull(region)
    edges = _edges(hull, region.shape)
    sheet = _within(edges, region.shape)
    if sheet.mean() > 0.98:
        return None
    around, rim = ~sheet, sheet & ~_within(edges, region.shape, STEP)
    fits = region[sheet].mean() > 0.75 and region[rim].mean() > 0.8 and light[around].sum() < 0.25 * around.sum()
    fits &= light[sheet].mean() > 0.6
    whole = border(sheet) < 0.25
    if not (fits and (_four_sided(hull) > 0.9 if whole else sheet.mean() > 0.4)):
        return None
    # The shadow of a hand may be as dark as a table, but does not lie on all sides.
    return edges if _end_sharply(small, edges, 0.85 if whole else 0.5) else None


def _end_sharply(small: np.ndarray, edges: np.ndarray, darkest: float) -> bool:
    """Light fades over a long way; where a sheet ends the table begins at once."""
    inside, outside = _within(edges, small.shape, STEP), _within(edges, small.shape, -STEP - 1)
    outside &= ~_within(edges, small.shape, -STEP)
    if not (inside.any() and outside.any()):
        return False
    paper = ndimage.median_filter(small, 5, mode="nearest")[_nearest(inside)]
    return bool(np.mean(small[outside] < darkest * paper[outside]) > 0.85)


def _hull(region: np.ndarray) -> spatial.ConvexHull:
    return spatial.ConvexHull(np.argwhere(region)[:, ::-1])


def _edges(hull: spatial.ConvexHull, shape: tuple[int, int]) -> np.ndarray:
    """The lines around a hull, each as x, y and offset of its normal; at the picture's border nothing ends."""
    x, y, offset = hull.equations.T
    reach = np.abs(x) * (x > 0) * (shape[1] - 1) + np.abs(y) * (y > 0) * (shape[0] - 1)
    at_border = (np.abs(x * y) < 1e-9) & (np.abs(reach + offset) < 1e-9)
    return hull.equations[~at_border]


def _within(edges: np.ndarray, shape: tuple[int, int], pixels: float = 0) -> np.ndarray:
    """What lies at least so far inside all edges."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.all([nx * x + ny * y + offset <= 0.5 - pixels for nx, ny, offset in edges], axis=0)


def _nearest(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True))


def _four_sided(hull: spatial.ConvexHull) -> float:
    """The share that the quadrangle of the farthest corners has of all that a hull encloses."""
    corners = hull.points[hull.vertices]
    first = corners[np.linalg.norm(corners - corners.mean(axis=0), axis=1).argmax()]
    second = corners[np.linalg.norm(corners - first, axis=1).argmax()]
    along = second - first
    aside = along[0] * (corners - first)[:, 1] - along[1] * (corners - first)[:, 0]
    # Half of what its diagonal spans with the corners on either side.
    return (aside.max() - aside.min()) / 2 / hull.volume


def without_frame(picture: np.ndarray) -> tuple[np.ndarray, bool]:
    """Ink without the printed frame around it, and whether there was one."""
    mask = picture > 0.1 * picture.max()
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if count < 2:
        return picture, False
    spans = np.array(
        [(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in ndimage.find_objects(labels)]
    )
    number = int(spans.prod(axis=1).argmax()) + 1
    if (spans[number - 1] < 0.5 * np.array(picture.shape)).any():
        return picture, False
    frame = labels == number
    inside = ndimage.binary_fill_holes(frame)
    if frame.sum() > 0.3 * inside.sum():
        return picture, False
    hull = _hull(frame)
    straight = inside.sum() > 0.93 * hull.volume and _four_sided(hull) > 0.93
    # The dot of a zero is less.
    written = picture[inside & ~frame].sum() > 0.15 * picture[frame].sum()
    if not (straight and written):
        return picture, False
    # The rim of blurred lines is paler than ink.
    return np.where(inside & ~ndimage.binary_dilation(frame, iterations=2), picture, 0), True
