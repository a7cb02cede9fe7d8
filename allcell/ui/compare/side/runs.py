"""Side by side: runs each model once on a picture, and keeps which of its cells is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from allcell.boxes import iou
from allcell.classifier import FieldClassifier
from allcell.detector import Detector
from allcell.models.registry import ClassifierSpec, ModelSpec
from allcell.report.agreement import SAME_CELL_IOU, Agreement, Xyxy
from allcell.ui.field.pictures import (
    Finished,
    Judged,
    Picture,
    PictureMemory,
    Refused,
    picture_memory,
)
from allcell.ui.shell.cache import get_detector, get_field_classifier
from allcell.ui.shell.catalog import loading

_KEY = "side.desk"


class SideDesk:
    """What one session compares side by side.

    Args:
        memory: What the session knows about its pictures.

    Attributes:
        focus: Each increment moves the views to the selected cell.
    """

    def __init__(self, memory: PictureMemory) -> None:
        self.memory = memory
        self.focus = 0
        self._selected: tuple[str, Xyxy] | None = None

    def said(
        self, picture: Picture, spec: ModelSpec | ClassifierSpec
    ) -> Finished | Judged | Refused | None:
        """A model's outcome on a picture; None if it has not run yet."""
        if isinstance(spec, ClassifierSpec):
            return self.memory.judged(picture, spec.name)
        return self.memory.outcome(picture, spec.name)

    def run(self, picture: Picture, spec: ModelSpec | ClassifierSpec) -> None:
        """Run a model now and keep its outcome, even if it is an error."""
        if isinstance(spec, ClassifierSpec):
            self.memory.judge(picture, spec.name, lambda: _classifier(spec))
        else:
            self.memory.analyse(picture, spec.name, lambda: _detector(spec))

    def select(self, picture: Picture, place: Xyxy | None) -> None:
        """Choose the cell that all panes mark, by its place; None for none."""
        self._selected = None if place is None else (picture.digest, place)

    def selected(self, picture: Picture, agreement: Agreement) -> int | None:
        """Index of the chosen cell, found by its place at any threshold; None if it is gone."""
        if self._selected is None or self._selected[0] != picture.digest or not agreement.cells:
            return None
        places = np.array([cell.xyxy for cell in agreement.cells], np.float32)
        overlap = iou(np.array([self._selected[1]], np.float32), places)[0]
        best = int(overlap.argmax())
        return best if overlap[best] >= SAME_CELL_IOU else None


def _detector(spec: ModelSpec) -> Detector:
    with loading(spec):
        return get_detector(spec.name)


def _classifier(spec: ClassifierSpec) -> FieldClassifier:
    with loading(spec):
        return get_field_classifier(spec.name)


def side_desk() -> SideDesk:
    """The desk of this browser session."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = SideDesk(picture_memory())
    desk: SideDesk = st.session_state[_KEY]
    return desk


def run_all(desk: SideDesk, picture: Picture, specs: Sequence[ModelSpec | ClassifierSpec]) -> None:
    """Run what has not run on this picture yet, one model after the other, with progress."""
    waiting = [spec for spec in specs if desk.said(picture, spec) is None]
    if not waiting:
        return
    place = st.empty()
    done = len(specs) - len(waiting)
    for n, spec in enumerate(waiting, done + 1):
        place.progress((n - 1) / len(specs), f"{spec.title}: {n} of {len(specs)}")
        desk.run(picture, spec)
    place.empty()
