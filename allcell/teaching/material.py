"""The reviewed fields that a model is taught with: pictures, cells, and whose they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from allcell.data.class_names import IGNORED
from allcell.data.dataset import LabelledImage, labelled
from allcell.detections import Detections, FloatArray
from allcell.environment.files import write_whole
from allcell.errors import DataError, TeachingError
from allcell.imaging.images import RGBImage, encode_png
from allcell.models.registry import BLAST, CLASSES, HEALTHY
from allcell.review.case_review import CaseReview
from allcell.review.cells import FieldReview
from allcell.review.labels import LabelRole

LESSON_FILE, _FIELDS = "lesson.json", "fields"

#: What a label of a review is to a model; a cell of any other role counts neither way.
_CLASS_OF: dict[LabelRole, str] = {"blast": "blast", "white cell": "healthy", "smudge": "smudge"}


@dataclass(frozen=True, eq=False)
class LessonField:
    """One reviewed field.

    Attributes:
        name: What reports call it.
        case: Which case or patient it is of; empty if that is not known.
        content: Reads the picture: the bytes of a file in any format that allcell reads.
        truth: Its cells, with the class numbers of `CLASSES`.
        ignore: Boxes (K, 4) that count neither way.
    """

    name: str
    case: str
    content: Callable[[], bytes]
    truth: Detections
    ignore: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))


@dataclass(frozen=True, eq=False)
class Lesson:
    """The reviewed fields of one laboratory.

    Attributes:
        name: What the user calls the set.
        fields: Its fields.
        left_out: What was not taken, and why, in sentences without a full stop.
    """

    name: str
    fields: tuple[LessonField, ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    def of_set(
        cls, name: str, images: Sequence[LabelledImage], cases: Mapping[str, str] | None = None
    ) -> Lesson:
        """Of a labelled set.

        Args:
            name: Its name.
            images: See `allcell.data.labelled_sets.read_labelled`.
            cases: Case or patient of a picture, by the file's name or by what results call it;
                None if they are not known.

        Raises:
            DataError: If cases are known, but not that of a picture.
        """
        known = cases or {}

        def case_of(item: LabelledImage) -> str:
            if not known:
                return ""
            for key in (item.path.name, item.called, item.path.stem):
                if key in known:
                    return known[key]
            raise DataError(
                f"The list of cases does not say whose {item.path.name} is.",
                "Add a line for each picture, or leave out --cases.",
            )

        return cls(
            name,
            tuple(
                LessonField(
                    item.called, case_of(item), item.path.read_bytes, item.truth, item.ignore
                )
                for item in images
            ),
        )

    @classmethod
    def of_reviews(
        cls,
        name: str,
        reviews: Mapping[str, CaseReview],
        picture: Callable[[str], RGBImage],
    ) -> Lesson:
        """Of reviewed cases: the fields that count and in which every cell has been reviewed.

        Args:
            name: What the user calls them together.
            reviews: By what tells one case from another.
            picture: Gives the picture of a field by the hash of its pixels.
        """
        fields, left_out = [], []
        known: set[str] = set()
        for case, review in reviews.items():
            for one in review.fields:
                if one.sha256 in known or not one.counted:
                    continue
                if one.unreviewed:
                    count = len(one.unreviewed)
                    cells = "a cell is" if count == 1 else f"{count} cells are"
                    left_out.append(f"{one.title} is not used: {cells} not reviewed yet")
                    continue
                known.add(one.sha256)
                fields.append(_reviewed(case, review, one, picture))
        return cls(name, tuple(fields), tuple(left_out))

    def write(self, folder: Path) -> None:
        """Write pictures and cells into a folder, from which `read_lesson` reads them.

        Args:
            folder: There is none of that name, or an empty one.

        Raises:
            OSError: If the disk is full, for example.
        """
        pictures = folder / _FIELDS
        pictures.mkdir(mode=0o700, parents=True, exist_ok=True)
        listed = []
        for number, one in enumerate(self.fields, 1):
            file = f"field-{number:04}"
            write_whole(pictures / file, one.content())
            cells = zip(one.truth.xyxy.tolist(), one.truth.class_id.tolist(), strict=True)
            listed.append(
                {
                    "file": file,
                    "name": one.name,
                    "case": one.case,
                    "cells": [[CLASSES[kind], *box] for box, kind in cells]
                    + [[IGNORED, *box] for box in one.ignore.tolist()],
                }
            )
        content = json.dumps({"name": self.name, "fields": listed})
        write_whole(folder / LESSON_FILE, content.encode())


def _reviewed(
    case: str, review: CaseReview, one: FieldReview, picture: Callable[[str], RGBImage]
) -> LessonField:
    known: list[tuple[int, Sequence[float]]] = []
    ignored: list[Sequence[float]] = []
    for cell in one.cells:
        if not cell.counts:
            continue
        name = _CLASS_OF.get(review.labels.named(cell.label).role)
        if name is None:
            ignored.append(cell.xyxy)
        else:
            known.append((CLASSES.index(name), cell.xyxy))
    boxes = np.array([box for _, box in known], np.float32).reshape(-1, 4)
    return LessonField(
        one.title,
        case,
        lambda: encode_png(picture(one.sha256)),
        Detections.truth(boxes, [kind for kind, _ in known]),
        np.array(ignored, np.float32).reshape(-1, 4),
    )


@dataclass(frozen=True, eq=False)
class KeptLesson:
    """A lesson in its folder.

    Attributes:
        name: What the user calls it.
        images: Its fields.
        cases: Case of each field; empty where it is not known.
    """

    name: str
    images: tuple[LabelledImage, ...]
    cases: tuple[str, ...]


def read_lesson(folder: Path) -> KeptLesson:
    """Read what `Lesson.write` wrote.

    Raises:
        TeachingError: If it is gone or damaged.
    """
    try:
        content: dict[str, Any] = json.loads((folder / LESSON_FILE).read_text(encoding="utf-8"))
        images = [
            labelled(
                folder / _FIELDS / one["file"],
                [(kind, box) for kind, *box in one["cells"]],
                name=one["name"],
            )
            for one in content["fields"]
        ]
        return KeptLesson(
            content["name"], tuple(images), tuple(one["case"] for one in content["fields"])
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TeachingError(
            "The fields of this teaching are gone or damaged.", "Begin a new one."
        ) from error


#: Fields with fewer cells are not taken: a review of them teaches too little.
LEAST_CELLS = 3


def take_fields(images: Sequence[LabelledImage], count: int, seed: int) -> list[LabelledImage]:
    """Some fields of a set, drawn at random, half of them with each class if there are as many.

    Args:
        images: All fields; those with fewer than three cells are not taken.
        count: How many.
        seed: Of the draw.

    Raises:
        TeachingError: If there are not as many.
    """
    rich = [item for item in images if len(item.truth) >= LEAST_CELLS]
    if len(rich) < count:
        raise TeachingError(
            f"The set has {len(rich)} fields with at least {LEAST_CELLS} cells, not {count}.",
            f"Take at most {len(rich)}: --take {len(rich)}.",
        )
    drawn = [rich[n] for n in np.random.default_rng(seed).permutation(len(rich))]
    taken: list[LabelledImage] = []
    for class_id in (BLAST, HEALTHY):
        having = [item for item in drawn if np.any(item.truth.class_id == class_id)]
        taken += [item for item in having[: -(-count // 2)] if item not in taken]
    taken += [item for item in drawn if item not in taken]
    chosen = set(map(id, taken[:count]))
    return [item for item in images if id(item) in chosen]
