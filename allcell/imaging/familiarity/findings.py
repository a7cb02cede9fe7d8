"""What speaks against a still picture before any network has seen it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from allcell.imaging.familiarity.reference import Reference, laboratory_traits, reference
from allcell.imaging.familiarity.traits import Traits, measure, measure_colours
from allcell.imaging.quality import DARK
from allcell.imaging.rim import find_rim, part_within
from allcell.imaging.scale import Scale
from allcell.imaging.stain import is_grey

FindingKind = Literal[
    "not_a_smear",
    "blurred",
    "exposure",
    "compressed",
    "grey",
    "unlike",
    "scale_implausible",
    "cut_out",
]


@dataclass(frozen=True)
class Finding:
    """One thing that speaks against a picture.

    Attributes:
        kind: What it is about.
        severe: Whether no number of cells in the picture can be trusted.
        message: What was seen, in a sentence.
        remedy: What to do about it, in a sentence.
    """

    kind: FindingKind
    severe: bool
    message: str
    remedy: str


#: Log odds that a picture has to reach to count as a smear, if it is like a known laboratory's, and
#: how many more for each usual distance that it lies farther away. Chosen with the penalty of the
#: fit on training pictures, four-fold, no photograph in two folds: 1 % of what is no smear passes.
_SMEAR_FROM, _FARTHER = -0.5, 3.0
#: Sharpness of a copy with red cells of 20 px, below which a picture is soft, and too soft.
_SOFT, BLURRED = 0.009, 0.0035
#: Grey level of the background (90th percentile): rather dark.
_DIM = 85
#: Share of burnt pixels that is a lot, and of which little is left.
_BRIGHT, _BURNT = 0.75, 0.9
#: Difference at the borders of JPEG's blocks (see `traits.blocks`): visible, and all that is left
#: where cells are no larger than a few blocks.
_BLOCKY, _ALL_BLOCKS = 2.7, 4.5
_LARGE_RED_CELL_PX = 60.0
#: Distance from the nearest laboratory in usual ones: unlike, and far off.
_UNLIKE, _FAR_OFF = 1.0, 4.0
#: How many times closer a picture is with red and blue exchanged, where somebody exchanged them,
#: and how close it is then. Of 14 training pictures each of five laboratories: 1.8 times and more
#: if so, 0.6 and less if not; no farther than 1.12.
_CLOSER, _FAMILIAR = 1.3, 1.25
#: Red cells that can be: diameter in pixels, and how many of them fit into the short side.
_LEAST_RED_CELL_PX = 6.0
_FEWEST_ASIDE = 1.5
#: A picture whose longer side is fewer red cells long is one cell, cut out of its field. Training
#: pictures: 4.4 and more in PBC, whose fields hold one white cell, 5.6 and more in BCCD; cells cut
#: out with a margin of a tenth to a half of their size 2 to 4.2.
_FEWEST_ALONG = 4.3
#: A given size this many times the measured one, or the other way round, does not fit.
_MISFIT = 1.6


def judge(
    image: npt.NDArray[np.uint8], scale: Scale, *, known: Reference | None = None
) -> tuple[Finding, ...]:
    """What speaks against a picture; nothing for a good smear of a known laboratory.

    A dark rim (`allcell.imaging.rim`) is no part of the field and is left out.

    Args:
        image: RGB uint8 (H, W, 3).
        scale: How large its red cells are.
        known: What to judge by; what allcell comes with if None.

    Returns:
        The findings, the gravest first.
    """
    known = known or reference()
    seen = scale.estimate
    # What somebody typed in may be wrong, and the picture is to be judged by itself.
    red_cell_px = seen.diameter_px if seen is not None and seen.reliable else scale.red_cell_px
    field, part = part_within(image)
    traits = measure(field, red_cell_px)
    distance = float(known.strangeness(traits.values[None])[0])
    size, no_smear = _implausible(image, scale), _no_smear(traits, distance, known)
    packed = _compressed(traits, red_cell_px)
    if packed is not None and no_smear is not None:
        # What it shows cannot be told from what is left of it.
        packed, no_smear = replace(packed, severe=True), None
    found = [_blurred(traits), _exposure(traits), packed, size]
    if size is not None and size.severe:
        # Shapes were looked for at a size that cannot be, so they tell nothing.
        found += [_grey(field)]
    elif no_smear is not None:
        # Of something that is no smear, stain and laboratory need not be spoken of.
        found = [no_smear, *found]
    else:
        # Without colour it is unlike all laboratories, which needs no second sentence.
        found += [_grey(field) or _swapped(field, distance, known) or _unlike(distance)]
        found += [_cut_out(image, scale)]
    listed = [finding for finding in found if finding is not None]
    if part is None and find_rim(image) is not None:
        # It says more of the border than of the field, which is too small a part to be found.
        crop = "Crop the black border first."
        listed = [replace(f, remedy=f"{crop} {f.remedy}") if f.severe else f for f in listed]
    return tuple(sorted(listed, key=lambda finding: not finding.severe))


def _no_smear(traits: Traits, distance: float, known: Reference) -> Finding | None:
    farther = max(0.0, distance - 1)
    score = float(known.smear_scores(traits.values[None])[0])
    if score >= _SMEAR_FROM + _FARTHER * farther or _is_own(traits, score, known):
        return None
    return Finding(
        "not_a_smear",
        True,
        "This does not look like a blood smear under the microscope.",
        "Use a bright-field picture of a stained blood smear, in which single red cells are seen.",
    )


def _is_own(traits: Traits, score: float, known: Reference) -> bool:
    """Whether a picture is like those that the model was taught with, however odd these look."""
    if known.own is None or score < known.own_score:
        return False
    return float(known.own.distances(laboratory_traits(traits.values[None]))[0]) <= _UNLIKE


def _blurred(traits: Traits) -> Finding | None:
    sharpness = math.exp(traits["sharpness"])
    if sharpness >= _SOFT:
        return None
    if sharpness >= BLURRED:
        return Finding(
            "blurred",
            False,
            "The picture is soft: fine detail of the nuclei is missing.",
            "Refocus and take it again if you can; suggested classes are less certain.",
        )
    return Finding(
        "blurred",
        True,
        "The picture is blurred: nuclei and red cells have no sharp edges.",
        "Refocus and take the picture again.",
    )


def _exposure(traits: Traits) -> Finding | None:
    background, burnt = traits["background"], traits["saturated"]
    if background < DARK:
        return Finding(
            "exposure",
            True,
            "The picture is too dark to tell cells apart.",
            "Turn up the lamp or the exposure and take the picture again.",
        )
    if background < _DIM:
        return Finding(
            "exposure",
            False,
            "The picture is rather dark.",
            "Turn up the lamp or the exposure; pale cells may be missed.",
        )
    if burnt > _BRIGHT:
        return Finding(
            "exposure",
            burnt > _BURNT,
            f"The picture is overexposed: {burnt:.0%} of it is plain white.",
            "Turn down the lamp or the exposure and take the picture again.",
        )
    return None


def _compressed(traits: Traits, red_cell_px: float | None) -> Finding | None:
    seams = math.exp(traits["blocks"])
    if seams < _BLOCKY:
        return None
    return Finding(
        "compressed",
        seams >= _ALL_BLOCKS and (red_cell_px or 0.0) < _LARGE_RED_CELL_PX,
        "The picture is strongly compressed (JPEG), so that detail of the cells is lost.",
        "Use the original file, or save it as PNG, TIFF or JPEG of high quality.",
    )


def _implausible(image: npt.NDArray[np.uint8], scale: Scale) -> Finding | None:
    size = scale.red_cell_px
    if size is None:
        return None
    short = min(image.shape[:2])
    remedy = "Check the red-cell diameter against the picture and set it."
    if size < _LEAST_RED_CELL_PX:
        return Finding(
            "scale_implausible",
            True,
            f"Red cells of {size:.0f} px are too small to tell cells apart.",
            "Use a higher magnification or a larger copy of the picture, or set the right "
            "red-cell diameter.",
        )
    if short < _FEWEST_ASIDE * size:
        return Finding(
            "scale_implausible",
            True,
            f"Red cells of {size:.0f} px cannot be right in a picture of "
            f"{image.shape[1]}x{image.shape[0]} px.",
            remedy,
        )
    seen = scale.estimate
    if scale.origin == "given" and seen is not None and seen.reliable and seen.diameter_px > 0:
        ratio = size / seen.diameter_px
        if not 1 / _MISFIT < ratio < _MISFIT:
            return Finding(
                "scale_implausible",
                False,
                f"The red-cell diameter is set to {size:.0f} px, but in this picture red cells "
                f"measure about {seen.diameter_px:.0f} px.",
                remedy,
            )
    return None


def _cut_out(image: npt.NDArray[np.uint8], scale: Scale) -> Finding | None:
    if scale.red_cell_px is None or scale.origin == "default":
        return None
    along = max(image.shape[:2]) / scale.red_cell_px
    if not _FEWEST_ASIDE <= along < _FEWEST_ALONG:
        return None
    return Finding(
        "cut_out",
        False,
        f"The picture is about {along:.1f} red cells wide: a cell cut out of its field.",
        "Use whole fields for a count: among cells that somebody cut out, a share of blasts says "
        "nothing about the smear.",
    )


def _swapped(image: npt.NDArray[np.uint8], distance: float, known: Reference) -> Finding | None:
    if distance <= _UNLIKE:
        return None
    other = measure_colours(image[..., ::-1])
    exchanged = float(known.strangeness(other.values[None])[0])
    if exchanged > _FAMILIAR or distance < _CLOSER * exchanged:
        return None
    return Finding(
        "unlike",
        True,
        "Red and blue seem to be exchanged, as in pixels that OpenCV has read (BGR).",
        "Give the file itself, or exchange them: image[..., ::-1].",
    )


def _unlike(distance: float) -> Finding | None:
    if distance <= _UNLIKE:
        return None
    if distance <= _FAR_OFF:
        return Finding(
            "unlike",
            False,
            "Stain, light or camera are unlike those of the laboratories that the models were "
            "trained on, so expect more missed and more wrongly suggested cells.",
            "Check the cells one by one before you use the numbers.",
        )
    return Finding(
        "unlike",
        True,
        "Stain, light or camera are far from those of all laboratories that the models were "
        "trained on; what they suggest here is not to be trusted.",
        "Use a picture with the usual stain (Giemsa, Wright) and a white lamp, or count by eye.",
    )


def _grey(image: npt.NDArray[np.uint8]) -> Finding | None:
    if not is_grey(image):
        return None
    return Finding(
        "grey",
        False,
        "The picture has no colour, and the models were trained on stained smears in colour.",
        "Use the colour picture if there is one.",
    )
