"""How large the red cells are: the ruler built into every smear.

A red cell is 7 to 8 um across in every healthy person, and a smear is full of them. Their diameter
in pixels tells the magnification, and so the size at which a detector should see the image.

The estimate takes all round dark things of the image (`circles`), leaves out those that cannot be
red cells by their colour and density, and asks which size covers most of the image. The confidence
asks how far what was found resembles a smear: enough things, of one size, round, apart, alike, and
not in rank and file as on a fabric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.imaging.circles import Circles, find_circles
from allcell.imaging.rim import part_within

#: A red cell absorbs at least and at most so much green light, in natural-log optical density.
DENSITY_RANGE = (0.05, 0.8)
#: Haemoglobin absorbs blue about as much as green light; the dyes of nuclei hardly absorb it. The
#: blue density over the green one that parts them is sought in each image within this range:
#: measured on the training parts of ALL-IDB1, BCCD, PBC, Taleqani and Chula, nine of ten nuclei lie
#: below 0.35 and nine of ten red cells above 0.22 (Taleqani) to 0.83 (ALL-IDB1).
BLUE_CUT_RANGE = (0.14, 0.34)
#: Nothing in a stained smear absorbs so much more red than green light.
MOST_RED = 2.2
#: What is labelled as a red cell ends a little outside the steepest part of its rim. A compromise
#: between the rendered fields (0.98) and the training parts of PBC (1.04) and BCCD (1.08).
RIM = 1.02
#: Below this the estimate is weak and should be shown to the user as such.
CONFIDENT = 0.1
#: Most that is given to things in an arrangement that cells do not take; callers call 0.3 good.
DOUBTFUL = 0.29
#: No red cell that somebody gives is larger, in pixels: no picture holds one.
LARGEST_GIVEN_PX = 10_000
#: What is certainly no answer, though it is the best there is.
NONE_OF_IT = 0.05


def check_diameter(red_cell_px: Any) -> None:
    """Refuse what cannot be the diameter of a red cell that somebody gives.

    Raises:
        ValueError: If it is no number from 1 to `LARGEST_GIVEN_PX`.
    """
    is_number = isinstance(red_cell_px, (int, float, np.number))
    # As text, "28" would be compared with numbers; not-a-number is within no range.
    if not is_number or not 1 <= float(red_cell_px) <= LARGEST_GIVEN_PX:
        raise ValueError(
            f"red_cell_px: expected a diameter in pixels, a number from 1 to {LARGEST_GIVEN_PX:,}; "
            f"got {red_cell_px!r:.40}"
        )


@dataclass(frozen=True)
class RedCellEstimate:
    """The size of the red cells of one image.

    Attributes:
        diameter_px: Median red-cell diameter in pixels of the image; 0 when none was seen.
        confidence: 0 (nothing like red cells was seen) to 1 (many of one size).
    """

    diameter_px: float
    confidence: float

    @property
    def reliable(self) -> bool:
        """Whether enough things like red cells, of one size, were seen."""
        return self.confidence >= CONFIDENT


def _worth(circles: Circles) -> FloatArray:
    """How much each circle counts, by area: round and filled ones most, and each level's share."""
    filled = np.clip((circles.solid - 0.5) / 0.4, 0, 1)
    share = circles.weight / np.maximum(circles.seen_px, 1)
    area = math.pi * circles.radius_px[circles.index] ** 2
    return np.asarray(circles.strength**2 * filled * share * area, dtype=np.float32)


def _step(value: FloatArray, width: float) -> FloatArray:
    """0 far below 0, 1 far above it."""
    return np.asarray(1 / (1 + np.exp(-np.clip(value / width, -30, 30))), dtype=np.float32)


def _blue_cut(blue: FloatArray, worth: FloatArray) -> float:
    """The value that parts the circles best (Otsu's threshold), as far as it is plausible."""
    mass, edges = np.histogram(blue, bins=57, range=(-0.2, 1.225), weights=worth)
    value = 0.5 * (edges[1:] + edges[:-1])
    low = np.cumsum(mass)
    moment = np.cumsum(mass * value)
    both = low * (low[-1] - low)
    apart = (moment[-1] * low - moment * low[-1]) ** 2
    between = np.divide(apart, both, out=np.zeros_like(apart), where=both > 0)
    return float(np.clip(edges[1 + int(np.argmax(between))], *BLUE_CUT_RANGE))


def _redness(circles: Circles, worth: FloatArray) -> FloatArray:
    """How far each circle looks like a red cell, 0 to 1: pale, and not the colour of a nucleus."""
    red, green, blue = circles.density
    enough = np.maximum(green, DENSITY_RANGE[0])
    blue = np.clip(blue / enough, -0.2, 1.2)
    cut = _blue_cut(blue, worth * (green > DENSITY_RANGE[0]))
    return np.asarray(
        _step(blue - cut, 0.04)
        * _step(green - DENSITY_RANGE[0], 0.01)
        * _step(DENSITY_RANGE[1] - green, 0.06)
        * _step(MOST_RED - red / enough, 0.15)
    )


def _peak(radius_px: FloatArray, cover: FloatArray) -> tuple[float, FloatArray]:
    """Radius that covers most, and the cover of all radii, smoothed."""
    smooth = np.convolve(np.pad(cover, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    best = int(np.argmax(smooth))
    radius = float(radius_px[best])
    if 0 < best < len(smooth) - 1:
        left, mid, right = smooth[best - 1 : best + 2]
        bend = left - 2 * mid + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        radius *= float(radius_px[best + 1] / radius_px[best]) ** shift
    return radius, np.asarray(smooth, dtype=np.float32)


def _ramp(value: float, low: float, high: float) -> float:
    """0 below low, 1 above high, straight in between."""
    return float(np.clip((value - low) / (high - low), 0, 1))


def _in_rank(centre_px: FloatArray, radius_px: float) -> bool:
    """Whether all things are equally far from their nearest neighbour; cells never are."""
    some = centre_px[:, :500]
    gap = np.hypot(*(some[:, :, None] - some[:, None, :]))
    gap[gap < 0.8 * radius_px] = np.inf
    nearest = gap.min(axis=1, initial=np.inf)
    nearest = nearest[np.isfinite(nearest)]
    if len(nearest) < 6:
        return False
    low, middle, high = np.percentile(nearest, [25, 50, 75])
    # The centres lie on a grid of two pixels.
    return bool(high - low < 0.6 + (0.055 if len(nearest) >= 20 else 0.03) * middle)


def _likeness(circles: Circles, redness: FloatArray, radius_px: float, best: int) -> float:
    """How far the things of one size resemble the red cells of a smear, 0 to 1.

    The bounds were chosen on rendered fields, the training parts of the laboratories named above,
    and noise, text, chequerboards, drawn circles and fabrics.
    """
    size = circles.radius_px[circles.index]
    seen = (np.abs(np.log(size / radius_px)) < math.log(1.12)) & (redness > 0.5)
    seen &= circles.solid > 0.7
    if not seen.any():
        return 0.0
    weight = redness * circles.weight
    # Each cell is seen at about two radii.
    number = 0.5 * float(weight[seen & (circles.strength > 0.35)].sum())
    whole = float(np.percentile((circles.strength * circles.apart)[seen], 75))
    density = np.log(np.maximum(circles.density[1, seen], 0.03))
    likeness = (1 - math.exp(-number / 4)) * _ramp(whole, 0.19, 0.29)
    likeness *= _ramp(-float(density.std()), -0.45, -0.30)
    lean = float(np.hypot(*circles.lean[:, seen].mean(axis=1)))
    if lean > 0.2 and seen.sum() >= 6:
        return min(likeness, NONE_OF_IT)
    at_best = seen & (circles.index == best)
    if _in_rank(circles.centre_px[:, at_best], radius_px):
        return min(likeness, DOUBTFUL)
    return likeness


def estimate_red_cell(image: npt.NDArray[np.uint8]) -> RedCellEstimate:
    """Measure the red cells of a field, within its dark rim if it has one (`allcell.imaging.rim`).

    Args:
        image: RGB, (H, W, 3), uint8, bright field (light background).

    Returns:
        Diameter in pixels of `image` and a confidence.
    """
    circles = find_circles(part_within(image)[0])
    worth = _worth(circles)
    redness = _redness(circles, worth)
    cover = np.asarray(
        np.bincount(circles.index, worth * redness, minlength=len(circles.radius_px)), np.float32
    )
    if not len(cover) or cover.max() <= 0:
        return RedCellEstimate(0.0, 0.0)
    radius, smooth = _peak(circles.radius_px, cover)
    best = int(np.argmax(smooth))
    far = np.abs(np.log(circles.radius_px / radius)) > math.log(1.5)
    rival = float(smooth[far].max()) if far.any() else 0.0
    confidence = 1.0 - rival / float(smooth[best])
    confidence *= _ramp(float(smooth[best]), 0.0, 0.03)
    confidence = max(0.0, confidence) * _likeness(circles, redness, radius, best)
    if best in (0, len(smooth) - 1):  # the true size may lie beyond what was looked for
        confidence = min(confidence, NONE_OF_IT)
    return RedCellEstimate(float(2.0 * radius * RIM), float(confidence))


@dataclass(frozen=True)
class Scale:
    """The red-cell size that a detection used, and where it came from.

    Attributes:
        red_cell_px: Diameter in source pixels; None leaves the model its default size.
        origin: Measured on the image, given by the user, or the model's default.
        estimate: What was measured, if anything was.
    """

    red_cell_px: float | None
    origin: Literal["measured", "given", "default"]
    estimate: RedCellEstimate | None = None


def resolve_scale(image: npt.NDArray[np.uint8], given_px: float | None = None) -> Scale:
    """The scale to use for a still image: the user's word, else a measurement, else the default.

    Args:
        image: RGB, (H, W, 3), uint8.
        given_px: Red-cell diameter in pixels that the user insists on.
    """
    estimate = estimate_red_cell(image)
    if given_px is not None:
        # Measured all the same: a size far from the measured one is worth a warning.
        return Scale(given_px, "given", estimate)
    # A weak estimate is usually off by less than the model's default: on close-ups of the PBC set
    # every false blast came from the default. (Seen on its held-out part, which the card says.)
    if estimate.diameter_px > 0:
        return Scale(estimate.diameter_px, "measured", estimate)
    return Scale(None, "default", estimate)
