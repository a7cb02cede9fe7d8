"""The result for one picture: boxes, counts with intervals, scale, warnings; to show or save."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from allcell.cautions import WITHHELD, Cautioned
from allcell.counts import Counts
from allcell.detections import Detections
from allcell.detector import Timing
from allcell.environment.files import write_whole
from allcell.environment.provenance import PROVENANCE_COLUMNS, Provenance, record_of, values_of
from allcell.errors import ImageError
from allcell.imaging.images import RGBImage, encode_png
from allcell.imaging.scale import Scale
from allcell.models.registry import BLAST, CLASSES
from allcell.settings import RESEARCH_USE
from allcell.text import names
from allcell.text.noticed import csv_file, noticed_csv

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE_DECIMALS = 4
PIXEL_DECIMALS = 2
#: What an image without a name is called, by its place in a list.
_NUMBERED = re.compile(r"image-\d+")
#: Columns of the table with one row per box; `cell` counts those of an image from 1, best first, as
#: pictures and pages do, and `reservation` is empty unless numbers are not to be trusted.
BOX_COLUMNS = (
    *("image", "model", "cell", "suggested_class", "confidence"),
    *("x1_px", "y1_px", "x2_px", "y2_px", "reservation", *PROVENANCE_COLUMNS),
)


@dataclass(frozen=True, eq=False)
class Result(Cautioned):
    """The detections of one image and how they came about.

    Whether its numbers may be shown is decided in `Cautioned`. While they are withheld, the counts
    are None, and every table, file and picture has the boxes without their classes.

    Attributes:
        name: What the user calls the image: a file name, or a path on the command line.
        width_px: Width of the source image.
        height_px: Height of the source image.
        model: Name of the model.
        detections: Boxes in pixels of the source image, confidence 0 to 1, best first, withheld or
            not; what is shown and exported is `shown_boxes`.
        classes: Class names, in the order of `detections.class_id`.
        timing: Milliseconds of each stage.
        scale: The red-cell size that was used, and where it came from.
        pixels: Loads the image again, RGB uint8 (H, W, 3), for `draw` and `save`; None if the
            caller keeps the image.
        made: How it came about; None if that is not known.

    Raises:
        ValueError: If a size is not positive or a class index has no name.
    """

    name: str
    width_px: int
    height_px: int
    model: str
    detections: Detections = field(repr=False)
    classes: tuple[str, ...]
    timing: Timing
    scale: Scale = field(default_factory=lambda: Scale(None, "default"))
    pixels: Callable[[], RGBImage] | None = field(default=None, repr=False)
    made: Provenance | None = None

    def __post_init__(self) -> None:
        if min(self.width_px, self.height_px) <= 0:
            raise ValueError(f"expected a positive size, got {self.width_px}x{self.height_px}")
        ids = self.detections.class_id
        if len(ids) and (ids.min() < 0 or ids.max() >= len(self.classes)):
            raise ValueError(
                f"class_id: expected 0 to {len(self.classes) - 1}, got {ids.min()} to {ids.max()}"
            )

    def named(self, class_name: str) -> Detections:
        """The detections of the class with that name; none if the model does not know it."""
        ids = [i for i, name in enumerate(self.classes) if name == class_name]
        return self.detections[np.isin(self.detections.class_id, ids)]

    @cached_property
    def counts(self) -> Counts:
        """Cells of each class in the table; other classes of an untrusted model are left out."""
        return Counts(
            {
                name: None if self.withheld else len(self.named(name))
                for name in self.classes
                if name in CLASSES
            }
        )

    @property
    def highest_blast_confidence(self) -> float | None:
        """Confidence (0 to 1) of the most confident blast; None if there is none, or withheld."""
        confidence = self.named(CLASSES[BLAST]).confidence
        return float(confidence.max()) if len(confidence) and not self.withheld else None

    @property
    def shown_classes(self) -> tuple[str, ...]:
        """Class names of `shown_boxes`: `WITHHELD` alone while the numbers are withheld."""
        return (WITHHELD,) if self.withheld else self.classes

    @cached_property
    def shown_boxes(self) -> Detections:
        """The detections as they are shown and exported, with the classes of `shown_classes`."""
        found = self.detections
        if not self.withheld:
            return found
        return Detections(found.xyxy, found.confidence, np.zeros_like(found.class_id))

    @property
    def red_cell_px(self) -> float | None:
        """Red-cell diameter that was used, in pixels of the image; None for the model's default."""
        return self.scale.red_cell_px

    def with_pixels(self, pixels: Callable[[], RGBImage]) -> Result:
        """The same result, able to load its image (see `Result.pixels`)."""
        return replace(self, pixels=pixels)

    def rows(self) -> Iterator[tuple[str, float, float, float, float, float]]:
        """Class, confidence and box (x1, y1, x2, y2 in pixels) of each shown box, best first."""
        found = self.shown_boxes
        for xyxy, confidence, class_id in zip(
            found.xyxy.astype(float), found.confidence.astype(float), found.class_id, strict=True
        ):
            x1, y1, x2, y2 = xyxy.tolist()
            yield self.shown_classes[class_id], float(confidence), x1, y1, x2, y2

    def to_pandas(self) -> pd.DataFrame:
        """One row per cell, in pixels of the image; the columns are `BOX_COLUMNS`."""
        import pandas as pd

        last = (self.reservation, *values_of(self.made))
        rows = [(self.name, self.model, n, *row, *last) for n, row in enumerate(self.rows(), 1)]
        return pd.DataFrame(rows, columns=list(BOX_COLUMNS))

    def to_json(self) -> str:
        """One JSON object on one line, as `allcell detect --json` prints it.

        The name stays as it was given, folders included, so that a script finds its file again.
        """
        return json.dumps(
            {
                **{"image": self.name, "width": self.width_px, "height": self.height_px},
                "model": self.model,
                "detections": [
                    {
                        "cell": n,
                        "class": kind,
                        "confidence": round(confidence, CONFIDENCE_DECIMALS),
                        "xyxy": [round(side, PIXEL_DECIMALS) for side in xyxy],
                    }
                    for n, (kind, confidence, *xyxy) in enumerate(self.rows(), 1)
                ],
                "provenance": record_of(self.made),
                "notice": RESEARCH_USE,
                "warnings": [str(caution) for caution in self.warnings],
                "withheld": self.withheld,
                "reservation": self.reservation,
                "timing_ms": {
                    stage: round(getattr(self.timing, f"{stage}_ms"), 3)
                    for stage in ("preprocess", "inference", "postprocess", "total")
                },
            }
        )

    def draw(
        self,
        image: RGBImage | None = None,
        *,
        labels: bool = True,
        notice: bool = True,
        synthetic: bool = False,
    ) -> RGBImage:
        """A copy of the image with its boxes and, below it, a strip with the research-use notice.

        Labels begin with the cell's number. While the numbers are withheld, the boxes are grey and
        have no label. That, or that the user insisted, stands in the strip, then added in any case.

        Args:
            image: Its pixels, RGB uint8 (H, W, 3); loaded again by `pixels` if None.
            labels: Whether boxes are labelled with class and confidence.
            notice: Whether to add that strip.
            synthetic: See `imaging.draw.draw`.

        Returns:
            RGB uint8 (H + strip, W, 3).

        Raises:
            ImageError: If no image is given and none can be read, or it has another size.
            ValueError: If the image is not RGB uint8.
        """
        from allcell.imaging.draw import draw

        if image is None:
            if self.pixels is None:
                raise ImageError("This result cannot load its image.", "Pass the image to draw().")
            image = self.pixels()
        if image.shape[:2] != (self.height_px, self.width_px):
            raise ImageError(
                f"The boxes are of an image of {self.width_px}x{self.height_px} px, this one has "
                f"{image.shape[1]}x{image.shape[0]}.",
                "Give draw() the image that was analysed, or analyse this one.",
            )
        return draw(
            image,
            self.shown_boxes,
            self.shown_classes,
            labels=labels and not self.withheld,
            notice=notice,
            synthetic=synthetic,
            remark=self.reservation,
            numbered=True,
            made=f"{self.model}: {self.made.sentence}" if self.made else "",
        )

    def save(self, folder: str | Path, image: RGBImage | None = None) -> list[Path]:
        """Write the annotated image (PNG), the cells (CSV) and the result (JSON) to a folder.

        The files are named after the image; they hold none of its metadata. Those of the same image
        (by name, folders included) are replaced; any others stay, and this one's get a number.

        Args:
            folder: Created if it does not exist.
            image: See `draw`.

        Returns:
            The three files.

        Raises:
            ImageError: See `draw`.
            OSError: If a file cannot be written.
        """
        contents = {
            "-annotated.png": encode_png(self.draw(image)),
            ".csv": csv_file(boxes_csv([self])),
            ".json": f"{self.to_json()}\n".encode(),
        }
        target = Path(folder).expanduser()
        target.mkdir(parents=True, exist_ok=True)
        [stem] = names.file_stems([names.safe_name(Path(self.name).name)])
        for number in count(1):
            tried = stem if number == 1 else f"{stem}-{number}"
            files = [target / f"{tried}{ending}" for ending in contents]
            if not any(file.exists() for file in files) or self._wrote(files[-1]):
                break
        for file, content in zip(files, contents.values(), strict=True):
            write_whole(file, content)
        return files

    def _wrote(self, kept: Path) -> bool:
        """Whether a JSON file is of this image; one without a name is never the same."""
        if _NUMBERED.fullmatch(self.name):
            return False
        try:
            return bool(json.loads(kept.read_text(encoding="utf-8"))["image"] == self.name)
        except (OSError, ValueError, LookupError, TypeError):
            return False


def boxes_csv(results: Sequence[Result]) -> str:
    """One row per box, in pixels of the source image; one that says 0 for an image without boxes.

    Args:
        results: One or many; the first column tells them apart.
    """
    called = names.telling_names(result.name for result in results)
    return noticed_csv(BOX_COLUMNS, chain.from_iterable(map(box_rows, results, called)))


def box_rows(result: Result, name: str) -> Iterator[list[str]]:
    """The rows of `boxes_csv` for one image, called by that name, without the notice's column."""
    text, last = names.spreadsheet_text, values_of(result.made)
    image, model, reservation = map(text, (name, result.model, result.reservation))
    for number, (kind, confidence, *xyxy) in enumerate(result.rows(), 1):
        yield [
            *(image, model, str(number), text(kind)),
            f"{confidence:.{CONFIDENCE_DECIMALS}f}",
            *(f"{side:.{PIXEL_DECIMALS}f}" for side in xyxy),
            *(reservation, *last),
        ]
    if not len(result.shown_boxes):
        found = ("", WITHHELD) if result.withheld else ("0", "")
        yield [image, model, *found, *[""] * 5, reservation, *last]
