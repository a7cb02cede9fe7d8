"""The labelled sets whose scores are published, and the files that hold them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from allcell.data.dataset import LabelledImage
from allcell.data.laboratories import LABORATORIES
from allcell.data.yolo_sets import read_yolo

#: Folder and split of a labelled set.
Part = tuple[str, str]

#: Folder and split of the set on which thresholds are chosen, and of the one for the paper's table.
VALIDATION: Part = ("allidb1", "val")
TEST: Part = ("allidb1", "test")
#: The part of each laboratory that is never trained on and never used to choose anything.
TEST_PARTS = tuple((laboratory.name, laboratory.test) for laboratory in LABORATORIES.values())
#: Every published set.
SETS = (VALIDATION, TEST, *(part for part in TEST_PARTS if part != TEST))

#: Sets whose predictions are stored box by box, for the curves and the comparison.
KEPT = (VALIDATION, TEST)


def images_of(
    data_dir: Path, part: Part, say: Callable[[str], None], *, required: bool = False
) -> list[LabelledImage]:
    """The images of a published set; none, which is said, if its folder is missing.

    Args:
        data_dir: Folder with the data sets as `python -m allcell data` makes them.
        part: One of `SETS`.
        say: Called with a line of text.
        required: Whether it may not be missing.

    Raises:
        DataError: If it is malformed, or required and missing.
    """
    data, split = part
    if not required and not (data_dir / data).is_dir():
        say(f"{data} is not in {data_dir}: its numbers are left as they are")
        return []
    return read_yolo(data_dir / data, split)


def write(path: Path, text: str) -> None:
    """Write a JSON file that ends in a newline, as editors expect."""
    path.write_text(text + "\n", encoding="utf-8")
