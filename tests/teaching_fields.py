"""Reviewed fields for the tests of teaching: rendered, and drawn where only boxes matter."""

import numpy as np

from allcell.data.dataset import LabelledImage
from allcell.detections import Detections
from allcell.imaging.images import encode_png
from allcell.teaching.material import Lesson, LessonField
from tests.user_sets import fields

NO_BOXES = np.zeros((0, 4), np.float32)


def drawn(folder, *kinds, seed=0, side=64, name=None):
    """A field of noise with a box for each class number, side by side."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3)).astype(np.uint8)
    for n in range(len(kinds)):
        pixels[10:18, 10 * n : 10 * n + 8] //= 3  # as dark as what is stained
    name = name or f"field-{seed}"
    path = folder / f"{name}.png"
    path.write_bytes(encode_png(pixels))
    boxes = [(10 * n, 10, 10 * n + 8, 18) for n in range(len(kinds))]
    return LabelledImage(path, Detections.truth(np.reshape(boxes, (-1, 4)), list(kinds)), NO_BOXES)


def rendered_lesson(count, name="a laboratory"):
    """Rendered fields, each with blasts and healthy cells."""
    return Lesson(
        name,
        tuple(
            LessonField(f"Field {n}", "", lambda png=png: png, field.truth)
            for n, (png, field) in enumerate(fields(count), 1)
        ),
    )
