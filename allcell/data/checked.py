"""A labelled set is looked through before any model runs: its pictures, and its labels on them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing

import numpy as np

from allcell.ahead import in_order, worker_count
from allcell.data.dataset import UNPACKING, LabelledImage, OnImage
from allcell.data.on_cells import OnCells, refuse_to_teach, why_off
from allcell.errors import AllcellError, DataError, ImageError

#: Pixels of pictures that are decoded ahead.
_AHEAD_PX = 64e6


def check_pictures(
    images: Sequence[LabelledImage], on_image: OnImage | None = None, *, to_teach: bool = False
) -> list[str]:
    """Decode each image once, so that what is wrong with it is found before any model runs.

    Args:
        images: Of a set.
        on_image: Called with the number of images decoded and their total; may raise to stop.
        to_teach: Whether a model is to learn from them.

    Returns:
        What a reader of scores must know of the labels: that some are there twice, or lie on no
        cells. Sentences without the last full stop.

    Raises:
        ImageError: If some cannot be read; it says how many, and why the first cannot.
        DataError: If a picture is there twice, with other labels.
        TeachingError: If a model is to learn from labels that lie on no cells.
    """
    broken: list[ImageError] = []
    found = OnCells()
    known: dict[bytes, LabelledImage] = {}
    decoded = in_order(
        images,
        lambda item: OnCells.of(item.pixels(), item),
        workers=min(worker_count(), len(images)),
        cost=LabelledImage.pixel_count,
        most=_AHEAD_PX,
    )
    with closing(decoded):
        for done, (item, outcome) in enumerate(decoded, 1):
            with UNPACKING:
                content = item.path.read_bytes()
            twin = known.setdefault(hashlib.sha256(content).digest(), item)
            if not _same_labels(twin, item):
                raise DataError(
                    f"{twin.path.name} and {item.path.name} are the same picture with other "
                    "labels.",
                    "Keep the one whose labels are right.",
                )
            if isinstance(outcome, ImageError):
                broken.append(outcome)
            elif isinstance(outcome, AllcellError):
                raise outcome
            else:
                found += outcome
            if on_image:
                on_image(done, len(images))
    if broken:
        count = f"{len(broken)} of {len(images)} images cannot be read. " * (len(broken) > 1)
        raise ImageError(f"{count}{broken[0].message}", broken[0].remedy)
    if to_teach:
        refuse_to_teach(found, images)
    remarks = [_merged(images)]
    if found.off:
        remarks.append(f"{found.off}. {why_off(images)}".removesuffix("."))
    return [remark for remark in remarks if remark]


def _merged(images: Sequence[LabelledImage]) -> str:
    """A sentence on cells that were labelled twice; empty if there is none."""
    merged = sum(item.merged for item in images)
    if not merged:
        return ""
    labels = merged + sum(len(item.truth) for item in images)
    coincide = "coincides" if merged == 1 else "coincide"
    return (
        f"{merged} of {labels} labels nearly {coincide} with another of the same class, as if two "
        "people had labelled the cell: each such cell counts once"
    )


def _same_labels(one: LabelledImage, other: LabelledImage) -> bool:
    def rows(item: LabelledImage) -> list[list[float]]:
        ignored = np.hstack([item.ignore, np.full((len(item.ignore), 1), -1)])
        known = np.hstack([item.truth.xyxy, item.truth.class_id[:, None]])
        return sorted(np.round(np.vstack([known, ignored]).astype(np.float64), 1).tolist())

    return one is other or rows(one) == rows(other)
