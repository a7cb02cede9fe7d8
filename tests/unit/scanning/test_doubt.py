"""What is said against a picture is said against it as a slide, too."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from allcell.detector import Detector
from allcell.imaging.images import encode_png
from allcell.models.registry import get_spec
from allcell.scanning.doubt import flat_file_cautions, slide_cautions
from allcell.scanning.grid import Regions
from allcell.scanning.looking import Looking
from allcell.scanning.views import ScreenView
from allcell.slides.arrays import ArraySlide
from allcell.slides.opening import open_slide
from allcell.slides.rulers import SlideRulers
from allcell.synth import FieldSpec, render
from allcell.ui.slides.opened import kinds_of
from allcell.ui.slides.words import answer_of
from allcell.ui.tiles.shown import AskedView
from tests.unit.scanning.slides import FixedRulers

pytestmark = pytest.mark.slow

SPEC = get_spec("live")
RED_CELL_PX = 28.0
FIELD = render(FieldSpec(1800, 1400, red_cell_px=28, seed=11, blasts=12, neutrophils=9)).image


def discs() -> npt.NDArray[np.uint8]:
    """Purple circles on beige."""
    image = np.full(FIELD.shape, (235, 225, 200), np.uint8)
    for n in range(60):
        cv2.circle(image, (90 + n % 10 * 170, 110 + n // 10 * 220), 40, (120, 60, 150), -1)
    return image


BLURRED = np.asarray(cv2.GaussianBlur(FIELD, (0, 0), 9), np.uint8)
PICTURES = [
    pytest.param(FIELD, None, id="a smear"),
    pytest.param(FIELD[..., ::-1], "exchanged", id="BGR"),
    pytest.param(BLURRED, "blurred", id="blurred"),
    pytest.param(discs(), "does not look like a blood smear", id="purple circles"),
]


@pytest.mark.parametrize(("image", "said"), PICTURES)
def test_a_slide_is_doubted_as_a_picture_is(image: npt.NDArray[np.uint8], said: str | None) -> None:
    slide = ArraySlide([np.ascontiguousarray(image)], "slide")
    regions = Regions.of(slide, RED_CELL_PX, replace(SPEC, max_input_px=480))
    found = slide_cautions(slide, regions, FixedRulers(RED_CELL_PX), regions.all())
    held = [str(one) for one in found if one.withholds]
    assert (not held) if said is None else any(said in words for words in held)


@pytest.mark.parametrize(("image", "said"), PICTURES)
def test_a_view_of_it_has_no_numbers(image: npt.NDArray[np.uint8], said: str | None) -> None:
    """Its boxes are shown as not counted, and the reason is said."""
    slide = ArraySlide([np.ascontiguousarray(image)], "slide")
    detector = Detector.open("live", device="cpu", runtime="onnx")
    looking = Looking(slide, detector, Fixed())
    asked = AskedView(1, 0, 0, 1800, 1400, 1.0, -1, 0.3)
    looking.set_view(ScreenView(1, 0, 0, 1800, 1400, 1.0))
    answer: dict[str, object] | None = None
    while answer is None or not answer["done"]:
        answer = answer_of(looking, asked, kinds_of(detector)) or answer
    looking.close()
    if said is None:
        assert answer["counts"]
    elif said == "blurred":
        # Each region is unfit by itself.
        assert all(not row[-1] < len(SPEC.classes) for row in answer["cells"])  # type: ignore[union-attr, attr-defined]
    else:
        (only,) = answer["counts"]  # type: ignore[misc]
        assert (only["title"], only["cells"], only["share"]) == ("No numbers", [], "")
        assert said in only["words"][0]


class Fixed(SlideRulers):
    """Known at once."""

    @property
    def red_cell_px(self) -> float:
        return RED_CELL_PX

    def measure(self, *_: object, **__: object) -> None:
        """Nothing is to be measured."""


def test_the_file_of_a_flat_picture_is_heard(tmp_path: Path) -> None:
    """Pixels that are not square by its own word."""
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(FIELD))
    content = path.read_bytes()
    stretch = bytes.fromhex("00000009704859730000170a00002e1401")
    chunk = stretch + int.to_bytes(zlib.crc32(stretch[4:]), 4)
    path.write_bytes(content[:33] + chunk + content[33:])
    slide = open_slide(path)
    try:
        assert [one.kind for one in flat_file_cautions(slide, path)] == ["not_square"]
    finally:
        slide.close()
