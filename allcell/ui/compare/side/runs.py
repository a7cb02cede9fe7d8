"""Side by side: running the models over one picture, each once; what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from allcell.analysis import Analysis, analyse
from allcell.boxes import iou
from allcell.classifier import FieldClass
from allcell.errors import AllcellError
from allcell.images import RGBImage, decode
from allcell.models.registry import ClassifierSpec, ModelSpec
from allcell.report.agreement import SAME_CELL_IOU, Agreement, Xyxy
from allcell.scale import Scale, resolve_scale
from allcell.ui.compare.side.pictures import Picture
from allcell.ui.field.bench import MAX_IMAGE_BYTES, Refused
from allcell.ui.field.crops import display_jpeg
from allcell.ui.shell.cache import get_detector, get_field_classifier
from allcell.ui.shell.catalog import loading
from allcell.ui.shell.lru import Lru

_KEY = "side.desk"
#: Results kept in a session: an analysis is a few kilobytes.
MOST_RESULTS = 200
#: Decoded pictures kept; others are decoded again when they are shown.
MOST_IMAGES = 3


class SideDesk:
    """What one session has found out about the pictures it put side by side.

    Attributes:
        red_cells: Red-cell diameter in pixels that the user set, by digest of the picture.
        focus: Goes up when the views are to move to the selected cell.
    """

    def __init__(self) -> None:
        self.red_cells: dict[str, float] = {}
        self.focus = 0
        self._selected: tuple[str, Xyxy] | None = None
        self._found: Lru[tuple[str, str, float | None], Analysis | Refused] = Lru(MOST_RESULTS)
        self._fields: Lru[tuple[str, str], FieldClass | Refused] = Lru(MOST_RESULTS)
        self._scales: Lru[tuple[str, float | None], Scale] = Lru(MOST_RESULTS)
        self._images: Lru[str, RGBImage] = Lru(MOST_IMAGES, MAX_IMAGE_BYTES, lambda i: i.nbytes)
        self._jpegs: Lru[str, bytes] = Lru(MOST_IMAGES, MAX_IMAGE_BYTES, len)

    def image(self, picture: Picture) -> RGBImage:
        """Its pixels.

        Raises:
            ImageError: If it cannot be read, or is outside the limits.
        """
        return self._images.get_or(picture.digest, lambda: decode(picture.data, name=picture.name))

    def jpeg(self, picture: Picture) -> bytes:
        """The picture for the browser.

        Raises:
            ImageError: If it cannot be read.
        """
        return self._jpegs.get_or(picture.digest, lambda: display_jpeg(self.image(picture)))

    def scale(self, picture: Picture) -> Scale:
        """How large its red cells are, for all models alike.

        Raises:
            ImageError: If it cannot be read.
        """
        given = self.red_cells.get(picture.digest)
        return self._scales.get_or(
            (picture.digest, given), lambda: resolve_scale(self.image(picture), given)
        )

    def found(self, picture: Picture, model: str) -> Analysis | Refused | None:
        """What is known of a picture and a detector; None if it has not run yet."""
        return self._found.get(self._key(picture, model))

    def field(self, picture: Picture, model: str) -> FieldClass | Refused | None:
        """Likewise of a whole-field classifier."""
        return self._fields.get((picture.digest, model))

    def run(self, picture: Picture, spec: ModelSpec | ClassifierSpec) -> None:
        """Run a model now and keep what came of it, be it an error."""
        if isinstance(spec, ClassifierSpec):
            self._fields.put((picture.digest, spec.name), self._judge(picture, spec))
        else:
            self._found.put(self._key(picture, spec.name), self._analyse(picture, spec))

    def forget_errors(self, picture: Picture, models: Sequence[str]) -> None:
        """Let models that failed on a picture be tried again."""
        for name in models:
            if isinstance(self.found(picture, name), Refused):
                self._found.drop(self._key(picture, name))
            if isinstance(self.field(picture, name), Refused):
                self._fields.drop((picture.digest, name))

    def select(self, picture: Picture, place: Xyxy | None) -> None:
        """Choose the cell that all panes mark, by its place; None for none."""
        self._selected = None if place is None else (picture.digest, place)

    def selected(self, picture: Picture, agreement: Agreement) -> int | None:
        """Which cell is chosen: the one nearest to where it was at another threshold."""
        if self._selected is None or self._selected[0] != picture.digest or not agreement.cells:
            return None
        places = np.array([cell.xyxy for cell in agreement.cells], np.float32)
        overlap = iou(np.array([self._selected[1]], np.float32), places)[0]
        best = int(overlap.argmax())
        return best if overlap[best] >= SAME_CELL_IOU else None

    def _key(self, picture: Picture, model: str) -> tuple[str, str, float | None]:
        return picture.digest, model, self.red_cells.get(picture.digest)

    def _analyse(self, picture: Picture, spec: ModelSpec) -> Analysis | Refused:
        try:
            with loading(spec):
                detector = get_detector(spec.name)
            red_cell_px = self.scale(picture).red_cell_px
            return analyse(detector, self.image(picture), picture.name, red_cell_px=red_cell_px)
        except AllcellError as error:
            return Refused(picture.name, error.message, error.remedy)

    def _judge(self, picture: Picture, spec: ClassifierSpec) -> FieldClass | Refused:
        try:
            with loading(spec):
                classifier = get_field_classifier(spec.name)
            return classifier.classify(self.image(picture))[0]
        except AllcellError as error:
            return Refused(picture.name, error.message, error.remedy)


def side_desk() -> SideDesk:
    """The one of this browser session."""
    desk: SideDesk = st.session_state.setdefault(_KEY, SideDesk())
    return desk


def run_all(desk: SideDesk, picture: Picture, specs: Sequence[ModelSpec | ClassifierSpec]) -> None:
    """Run what has not run on this picture yet, one model after the other, with progress."""
    waiting = [
        spec
        for spec in specs
        if (desk.field if isinstance(spec, ClassifierSpec) else desk.found)(picture, spec.name)
        is None
    ]
    if not waiting:
        return
    place = st.empty()
    done = len(specs) - len(waiting)
    for n, spec in enumerate(waiting, done + 1):
        place.progress((n - 1) / len(specs), f"{spec.title}: {n} of {len(specs)}")
        desk.run(picture, spec)
    place.empty()
