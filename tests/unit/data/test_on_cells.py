"""Labels that lie on no cells, and cells that are labelled twice."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from allcell.data.checked import check_pictures
from allcell.data.dataset import labelled
from allcell.data.on_cells import OnCells, why_off
from allcell.detections import Detections
from allcell.errors import TeachingError
from allcell.imaging.images import encode_png
from allcell.synth import FieldSpec, render
from allcell.teaching.enough import check_enough

SIZE = np.array([640, 480, 640, 480])


def grey(image):
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def pink(image):
    """Much eosin and little contrast."""
    red, green, blue = (image[..., c].astype(float) for c in range(3))
    return np.stack([red, 120 + green * 0.35, 30 + blue * 0.8], 2).clip(0, 255).astype(np.uint8)


def in_an_eyepiece(image):
    inside = cv2.circle(np.zeros(image.shape[:2], np.uint8), (320, 240), 300, 1, -1)
    return image * inside[..., None]


def halved(boxes):
    return boxes / 2


def unturned(boxes):
    x1, y1, x2, y2 = (boxes / SIZE).T
    return np.stack([y1, 1 - x2, y2, 1 - x1], 1) * SIZE


@pytest.fixture(scope="module")
def fields():
    specs = [
        FieldSpec(640, 480, red_cell_px=28, seed=n, blasts=5, neutrophils=2, lymphocytes=2)
        for n in range(6)
    ]
    return [render(spec) for spec in specs]


def items(folder, fields, stain=None, move=None, **saved):
    made = []
    for n, field in enumerate(fields):
        image = stain(field.image) if stain else field.image
        path = folder / f"{n}.jpg"
        Image.fromarray(image).save(path, quality=95, **saved)
        boxes = move(field.truth.xyxy) if move else field.truth.xyxy
        item = labelled(path, [])
        made.append(replace(item, truth=Detections.truth(boxes, field.truth.class_id)))
    return made


@pytest.mark.parametrize(
    ("stain", "move", "off"),
    [
        pytest.param(None, None, False, id="as they are"),
        pytest.param(grey, None, False, id="grey"),
        pytest.param(pink, None, False, id="pink"),
        pytest.param(in_an_eyepiece, None, False, id="with a black surround"),
        pytest.param(None, halved, True, id="at half the scale"),
        pytest.param(None, unturned, True, id="of the unturned picture"),
        pytest.param(grey, halved, True, id="at half the scale, grey"),
    ],
)
def test_labels_that_lie_on_no_cells_are_told(stain, move, off, fields, tmp_path):
    images = items(tmp_path, fields, stain, move)
    said = [remark for remark in check_pictures(images) if "something dark" in remark]
    assert bool(said) == off
    if not off:
        check_enough(images, [""] * len(images))
        return
    with pytest.raises(TeachingError, match="something dark"):
        check_pictures(images, to_teach=True)
    with pytest.raises(TeachingError, match=r"^Only \d+ of \d+ labels lie") as caught:
        check_enough(images, [""] * len(images))
    assert "another scale" in caught.value.remedy
    assert "EXIF" not in caught.value.remedy


def test_pictures_that_their_camera_turns_are_named(fields, tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    images = items(tmp_path, fields[:2], exif=exif) + items(tmp_path / "..", fields[:1])
    assert "In 2 of the 3 files a note of the camera (EXIF orientation)" in why_off(images)


def test_a_few_pale_cells_and_a_picture_of_one_cell_are_no_fault(fields, tmp_path):
    image = fields[0].image
    item = items(tmp_path, fields[:1])[0]
    few = replace(item, truth=Detections.truth([(0, 0, 9, 9)] * 9, [0] * 9))
    assert not OnCells.of(image, few).off
    whole = replace(item, truth=Detections.truth([(0, 0, 640, 480)] * 12, [0] * 12))
    assert OnCells.of(image, whole) == OnCells()


#: Boxes of 100 x 100 whose shift along a row gives this overlap.
@pytest.mark.parametrize(
    ("shift", "other", "cells"),
    [
        pytest.param(3, "blast", 1, id="by two annotators"),
        pytest.param(20, "blast", 1, id="by two who hardly agree"),
        pytest.param(31, "blast", 2, id="the closest neighbours of real sets"),
        pytest.param(3, "healthy", 2, id="of two classes"),
    ],
)
def test_two_labels_of_one_cell_are_one(shift, other, cells, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(np.full((200, 200, 3), 200, np.uint8)))
    first, second = [10, 10, 110, 110], [10 + shift, 10, 110 + shift, 110]
    item = labelled(path, [("blast", first), (other, second), ("blast", first)])
    assert len(item.truth) == cells
    assert item.truth.xyxy[0].tolist() == first
    assert item.merged == 2 - cells
    assert len(check_pictures([item])) == item.merged
