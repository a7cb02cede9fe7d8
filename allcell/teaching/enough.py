"""Whether reviewed fields are enough to teach a laboratory, what is wrong with them, what helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
import numpy.typing as npt

from allcell.boxes import iou
from allcell.data.dataset import SAME_CELL, LabelledImage
from allcell.data.on_cells import OnCells, refuse_to_teach
from allcell.detections import Detections
from allcell.errors import TeachingError
from allcell.imaging.images import RGBImage
from allcell.models.classes import CELL_CLASSES
from allcell.models.registry import BLAST, CLASSES, HEALTHY
from allcell.text.words import in_words

#: Fields of which none looks like another. With fewer, no result could be told from chance: of five
#: fields that all get better, a sign test has p = .06.
LEAST_FIELDS = 6
#: Cells and fields of a class below which more of it would help most.
_FEW_CELLS, _FEW_FIELDS = 15, 3
#: Likewise if there are so many times more cells of the other class.
_RARE = 3
#: From here on more fields help little (see `docs/teaching.md`).
_MANY_FIELDS = 20
#: Two pictures whose thumbnails correlate more than this show the same place.
_ALIKE, _THUMBNAIL_PX = 0.95, 48
_PLURAL = {cell.name: cell.plural for cell in CELL_CLASSES}
_SINGULAR = {cell.name: cell.title[0].lower() + cell.title[1:] for cell in CELL_CLASSES}

Thumbnail = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Enough:
    """What there is to teach with.

    Attributes:
        fields: Number of fields.
        cells: Number of cells of each class, by name.
        groups: For each field, the number of the first field that shows the same place.
        notes: What has to be kept in mind, in sentences.
        helps: What would help most, the best first, in sentences.
    """

    fields: int
    cells: dict[str, int]
    groups: tuple[int, ...]
    notes: tuple[str, ...]
    helps: tuple[str, ...]


def check_enough(
    images: Sequence[LabelledImage],
    cases: Sequence[str],
    on_field: Callable[[int, int], None] | None = None,
) -> Enough:
    """Look at the fields before any time is spent on them.

    Args:
        images: The fields.
        cases: The case of each; empty where it is not known.
        on_field: Called with the number of pictures read and of all; may raise to stop.

    Raises:
        TeachingError: If nothing can be learned from them: too few, a class is missing, labels
            contradict each other or lie on no cells, or all of them show the same place.
        ImageError: If a picture cannot be read.
    """
    _refuse_few(len(images))
    for item in images:
        _refuse_contradictions(item)
    thumbnails, found = [], OnCells()
    for done, item in enumerate(images, 1):
        image = item.pixels()
        thumbnails.append(thumbnail(image))
        found += OnCells.of(image, item)
        if on_field:
            on_field(done, len(images))
    refuse_to_teach(found, images)
    groups = alike(thumbnails)
    _refuse_same_places(images, groups)
    return _told([item.truth for item in images], cases, groups)


def look_at_labels(truths: Sequence[Detections], cases: Sequence[str]) -> Enough:
    """The same from the labels alone, which takes no time: of copies it says nothing.

    Args:
        truths: The cells of each field.
        cases: The case of each; empty where it is not known.

    Raises:
        TeachingError: If there are too few fields, or a class is missing.
    """
    _refuse_few(len(truths))
    return _told(truths, cases, range(len(truths)))


def count_cells(truths: Sequence[Detections]) -> dict[str, int]:
    """Number of cells of each class, by name.

    Args:
        truths: The cells of each field.
    """
    return {
        name: int(sum(np.sum(truth.class_id == c) for truth in truths))
        for c, name in enumerate(CLASSES)
    }


def _told(truths: Sequence[Detections], cases: Sequence[str], groups: Sequence[int]) -> Enough:
    has = {c: [bool(np.any(t.class_id == c)) for t in truths] for c in (BLAST, HEALTHY)}
    for class_id, there in has.items():
        if not any(there):
            raise TeachingError(
                f"None of the {len(truths)} fields has {_one(class_id)}: a model that is taught "
                f"with them would forget what {_PLURAL[CLASSES[class_id]]} are.",
                f"Add fields with {_PLURAL[CLASSES[class_id]]}, of the same laboratory.",
            )
    cells = count_cells(truths)
    notes, helps = _advice(len(truths), cases, groups, cells, has)
    return Enough(len(truths), cells, tuple(groups), tuple(notes), tuple(helps))


def thumbnail(image: RGBImage) -> Thumbnail:
    """A small grey picture of mean 0 and length 1, flattened; to tell places apart."""
    side = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    small = cv2.resize(image, side, interpolation=cv2.INTER_AREA).astype(np.float32).mean(axis=2)
    # Light that falls off to one side is the same in all fields of a microscope.
    even = small - cv2.GaussianBlur(small, (0, 0), _THUMBNAIL_PX / 6)
    flat = (even - even.mean()).ravel()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), np.float32)


def alike(thumbnails: Sequence[Thumbnail]) -> tuple[int, ...]:
    """For each picture, the number of the first one that shows the same place.

    Args:
        thumbnails: See `thumbnail`.
    """
    table = np.stack(thumbnails)
    same = table @ table.T > _ALIKE
    first = list(range(len(thumbnails)))
    for n in range(len(thumbnails)):
        earlier = np.flatnonzero(same[n, :n])
        if len(earlier):
            first[n] = first[int(earlier[0])]
    return tuple(first)


def _refuse_few(fields: int) -> None:
    if fields < LEAST_FIELDS:
        raise TeachingError(
            f"There {_are(fields, 'reviewed field')}; at least {LEAST_FIELDS} are needed, to "
            "learn from most of them and to see on the others whether it helped.",
            f"Review {_count(LEAST_FIELDS - fields, 'more field')}, of other places of the "
            "smear or of other patients.",
        )


def _refuse_contradictions(item: LabelledImage) -> None:
    kinds, boxes = item.truth.class_id, item.truth.xyxy
    overlap = np.triu(iou(boxes, boxes), 1)
    for a, b in np.argwhere(overlap > SAME_CELL):
        if kinds[a] != kinds[b]:
            names = sorted((CLASSES[kinds[a]], CLASSES[kinds[b]]))
            x, y = boxes[a, :2].round().astype(int).tolist()
            raise TeachingError(
                f"In {item.called} one cell, at {x}, {y} pixels, is labelled {names[0]} and "
                f"{names[1]}.",
                "Decide what it is, and remove the other box.",
            )


def _refuse_same_places(images: Sequence[LabelledImage], groups: Sequence[int]) -> None:
    for a, b in combinations(range(len(images)), 2):
        if groups[a] == groups[b] and _disagree(images[a].truth, images[b].truth):
            raise TeachingError(
                f"{images[a].called} and {images[b].called} show the same place, with other "
                "labels.",
                "Keep the one whose labels are right.",
            )
    places = len(set(groups))
    if places < LEAST_FIELDS:
        raise TeachingError(
            f"The {len(images)} fields show only {_count(places, 'place')}: the others are copies "
            "of these, from which nothing more can be learned.",
            f"Add fields until {LEAST_FIELDS} differ, of other places of the smear or of other "
            "patients.",
        )


def _disagree(one: Detections, other: Detections) -> bool:
    if not len(one) or not len(other):
        return False
    same = np.argwhere(iou(one.xyxy, other.xyxy) > SAME_CELL)
    return any(one.class_id[a] != other.class_id[b] for a, b in same)


def _advice(
    fields_in_all: int,
    cases: Sequence[str],
    groups: Sequence[int],
    cells: dict[str, int],
    has: dict[int, list[bool]],
) -> tuple[list[str], list[str]]:
    notes, helps = [], []
    copies = fields_in_all - len(set(groups))
    if copies:
        notes.append(
            f"{_count(copies, 'field')} of {fields_in_all} show a place that another shows."
        )
    for class_id, there in has.items():
        name, fields = CLASSES[class_id], sum(there)
        if fields == 1:
            notes.append(
                f"All {cells[name]} {_PLURAL[name]} are in one field, so how well they are found "
                "cannot be measured."
            )
        other = cells[CLASSES[HEALTHY if class_id == BLAST else BLAST]]
        if cells[name] < _FEW_CELLS or fields < _FEW_FIELDS or _RARE * cells[name] < other:
            there_are = "there is" if cells[name] == 1 else "there are"
            helps.append(
                f"More fields with {_PLURAL[name]}, of which {there_are} {cells[name]}, in "
                f"{_count(fields, 'field')}."
            )
    known = {case for case in cases if case}
    if len(known) == 1:
        helps.append("Fields of another patient: all of these are of one case.")
    if len(set(groups)) < _MANY_FIELDS:
        more = _MANY_FIELDS - len(set(groups))
        helps.append(f"{_count(more, 'more field')}, of any kind.")
    return notes, helps


def _one(class_id: int) -> str:
    return f"a {_SINGULAR[CLASSES[class_id]]}"


def _cells(number: int, name: str) -> str:
    return f"{number} {_PLURAL[name] if number != 1 else _SINGULAR[name]}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _are(number: int, what: str) -> str:
    return f"{'is' if number == 1 else 'are'} {_count(number, what) if number else f'no {what}s'}"


def described(enough: Enough) -> str:
    """What there is, in a sentence."""
    cells = [_cells(count, name) for name, count in enough.cells.items() if count]
    return f"{_count(enough.fields, 'field')} with {in_words(cells, 'and')}."
