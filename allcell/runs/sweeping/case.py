"""From what a sweep found to the fields of a case: cut out of the slide, with their place on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

import numpy as np

from allcell.analysis import picture_cautions
from allcell.boxes import iou
from allcell.detections import Detections, FloatArray
from allcell.detector import Detector, Timing
from allcell.environment.provenance import Provenance
from allcell.formats.pixels import RGBImage
from allcell.imaging.scale import Scale
from allcell.records.kept import Actor, CaseChangedError, KeptCase
from allcell.records.store import CaseStore
from allcell.result import Result
from allcell.review.case_review import CaseReview, Edit
from allcell.review.cells import CellChange, FieldChange, FieldReview
from allcell.review.places import SlidePlace
from allcell.review.suggestions import field_of, picture_hash
from allcell.scanning.grid import Region
from allcell.scanning.regions import Rulers, read_window
from allcell.scanning.seen import SeenCells
from allcell.slides.slide import Slide

#: Cells that a case takes of a sweep: so many can be gone through, and their pictures take some
#: 200 MB. All others are in the sweep's own files.
MOST_CELLS = 1000
#: Around the cells of a field, in red cells, and how wide it is at least: so much is needed to see
#: what is normal on this slide.
_AROUND_RED_CELLS, _LEAST_RED_CELLS = 4.0, 24.0
#: Fields that are saved at once: their pictures are in memory until then.
_AT_ONCE = 24
#: Somebody may save the case at the same time.
_TRIES = 3


@dataclass(frozen=True, eq=False)
class Cutter:
    """Makes fields of what a sweep found.

    Attributes:
        slide: The slide.
        key: Which slide (see `SlidePlace.slide`).
        seen: What was found.
        rulers: Colour of its red cells.
        detector: The model that found it.
        confidence: Lowest confidence of a cell.
        at: When it was found, in UTC.
    """

    slide: Slide
    key: str
    seen: SeenCells
    rulers: Rulers
    detector: Detector
    confidence: float
    at: datetime

    def fields(self, taken: CaseReview) -> Iterator[tuple[FieldReview, RGBImage]]:
        """A field for each region with cells that the case does not have yet, in their order.

        Args:
            taken: The case.
        """
        regions = self.seen.regions
        there, known = _regions_in(taken, self.key, self.seen), set(taken.by_sha256)
        boxes, cells = _boxes_in(taken, self.key), sum(len(one.cells) for one in taken.fields)
        number = len(taken.fields)
        for answer in self.seen.answers():
            region = answer.region
            found = self.seen.of_region(region)
            if len(boxes):
                # What a neighbour's field has got is not put into this one as well.
                found = found[iou(found.xyxy, boxes).max(axis=1) <= regions.spec.iou]
            if not len(found) or (region.column, region.row) in there:
                continue
            if cells >= MOST_CELLS:
                return
            number += 1
            field, picture = self._field(region, found, known, f"Field {number}")
            known.add(field.sha256)
            cells += len(found)
            yield field, picture

    def _field(
        self, region: Region, found: Detections, known: set[str], title: str
    ) -> tuple[FieldReview, RGBImage]:
        regions, spec = self.seen.regions, self.detector.spec
        down = regions.downsample
        left, top, *_ = regions.window(region)
        window = read_window(self.slide, regions, region, self.rulers).image
        corner = np.array([left, top] * 2, np.float32)
        boxes = found.xyxy / np.float32(down) - corner
        core = np.array([region.x, region.y, region.x + region.width, region.y + region.height])
        x1, y1, x2, y2 = cut_out(
            boxes,
            np.asarray(core / down - corner, np.float32),
            (window.shape[1], window.shape[0]),
            regions.red_cell_in_level_px,
            known,
            window,
        )
        picture = np.ascontiguousarray(window[y1:y2, x1:x2])
        inside = Detections(
            boxes - np.array([x1, y1] * 2, np.float32), found.confidence, found.class_id
        )
        scale = Scale(regions.red_cell_in_level_px, "measured")
        result = Result(
            title,
            picture.shape[1],
            picture.shape[0],
            spec.name,
            inside,
            spec.classes,
            Timing(0, 0, 0, 0),
            scale,
            made=Provenance(
                self.confidence, regions.spec.iou, self.detector.weights_sha256, self.at
            ),
            # Of all that was read, not of the piece: it tells more.
            warnings=picture_cautions(window, scale, laboratory=spec.laboratory),
        )
        mpp = self.slide.mpp
        field = field_of(
            result,
            picture_hash(picture),
            title,
            runtime=self.detector.engine.description,
            um_per_px=None if mpp is None else mpp * down,
        )
        place = SlidePlace(self.key, (left + x1) * down, (top + y1) * down, down)
        return replace(field, place=place), picture


def cut_out(
    boxes: FloatArray,
    core: FloatArray,
    size: tuple[int, int],
    red_cell_px: float,
    known: set[str],
    window: RGBImage,
) -> tuple[int, int, int, int]:
    """What of a window becomes a field: its cells and what is around them, as far as it is theirs.

    Args:
        boxes: The cells (N, 4), at least one, in pixels of the window.
        core: Left, top, right and bottom of the region's core in the window.
        size: Width and height of the window.
        red_cell_px: Diameter of a red cell in its pixels.
        known: Hashes of pictures that the case has: another one is cut out.
        window: The window.

    Returns:
        Left, top, right and bottom in pixels of the window.
    """
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    around = np.maximum(
        _AROUND_RED_CELLS * red_cell_px, 0.5 * (_LEAST_RED_CELLS * red_cell_px - (high - low))
    )
    # Cells beyond the core are in a neighbour's field; those that reach across stay whole.
    start = np.minimum(np.maximum(low - around, core[:2]), low)
    end = np.maximum(np.minimum(high + around, core[2:]), high)
    x1, y1 = np.maximum(np.floor(start), 0).astype(int).tolist()
    x2, y2 = np.minimum(np.ceil(end), size).astype(int).tolist()
    # Rendered slides repeat themselves to the pixel, and a picture is in a case once.
    while picture_hash(window[y1:y2, x1:x2]) in known and (x2 - x1 > 8):
        x2 -= 1
    return x1, y1, x2, y2


def _regions_in(taken: CaseReview, key: str, seen: SeenCells) -> set[tuple[int, int]]:
    """Columns and rows of the regions whose field is, or was, in a case."""
    fields = [change.after or change.before for edit in taken.log for change in edit.fields]
    places = set()
    for one in [*fields, *taken.fields]:
        if one is not None and one.place is not None and one.place.slide == key:
            x1, y1, x2, y2 = one.place.on_slide((0, 0, one.width_px, one.height_px))
            held = seen.regions.of_view((x1 + x2) / 2, (y1 + y2) / 2, 1e-3, 1e-3)
            places |= {(region.column, region.row) for region in held[:1]}
    return places


def _boxes_in(taken: CaseReview, key: str) -> FloatArray:
    """Boxes (N, 4) of the cells of a case in pixels of the slide's finest level."""
    boxes = [
        one.place.on_slide(cell.xyxy)
        for one in taken.fields
        if one.place is not None and one.place.slide == key
        for cell in one.cells
    ]
    return np.array(boxes, np.float32).reshape(-1, 4)


def add_fields(
    review: CaseReview, fields: Iterable[FieldReview], by: str, at: datetime
) -> CaseReview:
    """A case with more fields, in one edit."""
    changes, cells = [], []
    for one in fields:
        changes.append(FieldChange(None, replace(one, cells=())))
        cells += [CellChange(one.sha256, None, cell) for cell in one.cells]
    return review.apply(Edit("add field", by, at, tuple(cells), tuple(changes)))


def put_into_case(
    store: CaseStore,
    case_id: str,
    label: str,
    actor: Actor,
    cutter: Cutter,
    on_case: Callable[[KeptCase], None] = lambda kept: None,
) -> None:
    """Put what a sweep found into a case, some fields at a time; what is there stays as it is.

    Args:
        store: The records.
        case_id: The case; empty to begin one as soon as there is a field.
        label: What a new one is called.
        actor: Who asked for the sweep.
        cutter: Makes the fields.
        on_case: Called with the case each time it has been saved.

    Raises:
        CaseChangedError: If somebody saves the case again and again.
        RecordError: If it was deleted, they may not change it, or nothing can be saved.
        SlideError: If the slide cannot be read.
    """
    kept = store.open(case_id, actor) if case_id else None
    tries = _TRIES
    while True:
        before = kept.review if kept else CaseReview()
        made = list(islice(cutter.fields(before), _AT_ONCE))
        if not made:
            return
        pictures = {field.sha256: picture for field, picture in made}
        review = add_fields(before, [field for field, _ in made], actor.name, store.clock())
        try:
            if kept is None:
                kept = store.keep(label, review, pictures, actor)
            else:
                kept = store.save(kept, review, actor, pictures)
        except CaseChangedError:
            tries -= 1
            if kept is None or not tries:
                raise
            kept = store.open(kept.id, actor)
        on_case(kept)
