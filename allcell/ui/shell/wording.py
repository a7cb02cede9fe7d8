"""Numbers in words, the same wherever they are shown. Pure functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from allcell.imaging.scale import Scale

if TYPE_CHECKING:
    from allcell.statistics import Proportion

#: Usual numbers of cells in a differential count.
TARGETS = (100, 200, 400)
#: From here up the red cells are measured well; below, the estimate is used but may be off.
GOOD_CONFIDENCE = 0.3
#: A red-cell size set by the user that differs from the measured one by this factor is questioned.
FAR_OFF = 1.5

#: Keeps a number and its unit on one line.
_NBSP = "\u00a0"


def plain(text: str) -> str:
    """Text from outside, such as a file name, with Markdown's special characters escaped."""
    return re.sub(r"([\\`*_\[\]<>#|~$:&])", r"\\\1", text)


def percent(fraction: float) -> str:
    """A fraction, 0 to 1, as 12.5 %."""
    return f"{100 * fraction:.1f}{_NBSP}%"


def share_text(share: Proportion) -> str:
    """K of n = x %."""
    if share.fraction is None:
        return "0 of 0"
    return f"{share.k} of {share.n} = {percent(share.fraction)}"


def interval_text(share: Proportion) -> str:
    """The exact interval: 1.6 to 11.3 %."""
    return f"{100 * share.low:.1f} to {100 * share.high:.1f}{_NBSP}%"


def seconds(time_ms: float) -> str:
    """A time with as many digits as matter: 0.03 s, 1.2 s, 48 s."""
    time_s = time_ms / 1e3
    return f"{time_s:.{2 if time_s < 1 else 1 if time_s < 10 else 0}f}{_NBSP}s"


def to_go_text(cells: int) -> str:
    """How far a number of cells is from the usual sizes of a differential count."""
    counted = f"{cells} {'cell' if cells == 1 else 'cells'} counted"
    short = [(target - cells, target) for target in TARGETS if cells < target]
    if not short:
        return f"{counted}."
    first, *others = [f"{gap} short of {target}" for gap, target in short]
    return f"{counted}, {first}{' (' + ', '.join(others) + ')' if others else ''}."


def _doubt(scale: Scale) -> str:
    """A warning where the user's red-cell size is far from a good measurement."""
    estimate, given = scale.estimate, scale.red_cell_px
    if estimate is None or given is None or not estimate.reliable:
        return ""
    factor = given / estimate.diameter_px
    if 1 / FAR_OFF < factor < FAR_OFF:
        return ""
    return (
        f" **Measured: {estimate.diameter_px:.0f}{_NBSP}px.** At a wrong size the model misses "
        "cells and invents others."
    )


def scale_text(scale: Scale) -> str:
    """Where the red-cell size of a detection came from."""
    if scale.origin == "given":
        return f"Red cells set by you: {scale.red_cell_px:.0f}{_NBSP}px.{_doubt(scale)}"
    if scale.origin == "measured" and scale.red_cell_px and scale.estimate:
        good = scale.estimate.confidence >= GOOD_CONFIDENCE
        return (
            f"Red cells measured: {scale.red_cell_px:.0f}{_NBSP}px "
            f"(confidence {'good' if good else 'weak'})."
        )
    return (
        "The red cells could not be measured; the model's default size is used. If you know their "
        "diameter, set it: cells seen at the wrong size are missed."
    )
