"""What a file says of itself that speaks against an answer on the picture in it."""

from __future__ import annotations

from pathlib import Path

from allcell.cautions import Caution
from allcell.formats.raster import CUT_OFF
from allcell.formats.remedies import COPY_AGAIN
from allcell.imaging.images import note, pixel_stretch


def file_cautions(source: bytes | Path) -> tuple[Caution, ...]:
    """What has to be said of a file that was read.

    Which page was taken, that its end is missing, that its pixels are not square.

    Args:
        source: Its bytes or path.

    Raises:
        ImageError: If it cannot be read.
    """
    found = []
    said, longer = note(source), pixel_stretch(source)
    if said == CUT_OFF:
        found.append(Caution("cut_off", said, COPY_AGAIN))
    elif said:
        remedy = "If you mean another one, save that as a picture of its own."
        found.append(Caution("one_of_several", said, remedy))
    if longer > 1:
        found.append(
            Caution(
                "not_square",
                "By the file's own word its pixels are not square: one side is "
                f"{longer:.2f} times the other. Cells look flattened here, so the numbers are not "
                "to be trusted.",
                "Save the picture with square pixels, or correct its resolution if that is wrong.",
            )
        )
    return tuple(found)
