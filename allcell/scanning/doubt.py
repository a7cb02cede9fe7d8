"""What speaks against the numbers of a slide as a whole: no smear, blurred, colours exchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from allcell.analysis import file_cautions, picture_cautions
from allcell.cautions import Caution
from allcell.errors import AllcellError, SlideError
from allcell.formats.table import SUFFIXES
from allcell.models.laboratory import OwnLaboratory
from allcell.scanning.grid import Region, Regions
from allcell.scanning.regions import Rulers, read_window
from allcell.scanning.sweep import spread
from allcell.slides.arrays import ArraySlide
from allcell.slides.slide import Slide

#: Regions that are looked at, spread over the slide: half a second.
_SAMPLES = 9


def slide_cautions(
    slide: Slide,
    regions: Regions,
    rulers: Rulers,
    among: Sequence[Region],
    laboratory: OwnLaboratory | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Caution, ...]:
    """What holds for more than half of some regions, as for a picture (`picture_cautions`).

    Args:
        slide: The slide.
        regions: Its regions.
        rulers: What colour its red cells have.
        among: Regions to choose from, fit for counting as far as is known.
        laboratory: See `picture_cautions`.
        stop: Asked before each region whether to give up.

    Returns:
        Those that withhold numbers first; empty if nothing was to be read, or it gave up.
    """
    said: list[dict[str, Caution]] = []
    for region in spread(among)[:_SAMPLES]:
        if stop():
            return ()
        try:
            seen = read_window(slide, regions, region, rulers)
        except SlideError:
            continue
        found = picture_cautions(seen.image, seen.scale, laboratory=laboratory)
        said.append({one.kind: one for one in found})
    often = Counter(kind for one in said for kind in one)
    first = {kind: one for known in reversed(said) for kind, one in known.items()}
    held = [first[kind] for kind, number in often.most_common() if 2 * number > len(said)]
    return tuple(sorted(held, key=lambda one: not one.withholds))


def flat_file_cautions(slide: Slide, path: Path) -> tuple[Caution, ...]:
    """What the file of a picture without smaller copies says against it, as `detect` would."""
    # Of an array smaller copies are made in memory.
    is_flat = len(slide.levels) == 1 or isinstance(slide, ArraySlide)
    if not is_flat or path.suffix.lower() not in SUFFIXES:
        return ()
    try:
        return file_cautions(path)
    except (AllcellError, OSError):  # what can be swept need not be small enough to be read whole
        return ()
