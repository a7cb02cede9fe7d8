"""allcell.imaging.draw: what is drawn where, in which colour and line, and how fast."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allcell.detections import Detections
from allcell.imaging.draw import (
    CLASS_COLOURS,
    CLASS_COLOURS_HEX,
    CLASS_LINES,
    Style,
    draw,
    draw_into,
)

Image = npt.NDArray[np.uint8]
CLASSES = ("blast", "healthy", "smudge")
GROUND = (180, 90, 140)


def field(height: int = 300, width: int = 400, colour: tuple[int, int, int] = GROUND) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def found(*boxes: tuple[float, ...], classes: tuple[int, ...] = (0,)) -> Detections:
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    class_id = np.resize(np.array(classes), len(boxes))
    return Detections(xyxy, np.full(len(boxes), 0.93, np.float32), class_id)


def count(image: Image, colour: tuple[int, int, int]) -> int:
    return int((image == colour).all(axis=2).sum())


def changed(image: Image, ground: tuple[int, int, int] = GROUND) -> npt.NDArray[np.bool_]:
    return np.asarray((image != ground).any(axis=2))


@pytest.mark.parametrize("class_id", range(3), ids=CLASSES)
def test_a_box_has_its_class_colour_on_its_border_only(class_id: int) -> None:
    box = found((100, 80, 220, 200), classes=(class_id,))
    image = draw(field(), box, CLASSES, labels=False, notice=False)
    colour = CLASS_COLOURS[CLASSES[class_id]]
    assert count(image, colour) > 100
    assert not changed(image[90:190, 110:210]).any()
    outside = changed(image)
    outside[75:206, 95:226] = False
    assert not outside.any()
    for name in CLASSES:
        assert name == CLASSES[class_id] or count(image, CLASS_COLOURS[name]) == 0


def coloured_share_of_border(class_id: int) -> tuple[float, int]:
    """The coloured part of a box's left side, and in how many pieces it is."""
    box = found((100, 80, 220, 240), classes=(class_id,))
    image = draw(field(), box, CLASSES, labels=False, notice=False)
    side = (image[80:241, 100] == CLASS_COLOURS[CLASSES[class_id]]).all(axis=1)
    return float(side.mean()), int(np.count_nonzero(np.diff(side.astype(int)) == 1))


def test_line_styles_differ_without_any_colour() -> None:
    blast, healthy, smudge = (coloured_share_of_border(i) for i in range(3))
    assert CLASS_LINES == {"blast": "solid", "healthy": "dashed", "smudge": "dotted"}
    assert blast == (1.0, 0)
    assert 0.3 < healthy[0] < 0.8
    assert 0.1 < smudge[0] < 0.5
    assert smudge[1] > healthy[1] >= 3


@pytest.mark.parametrize("class_id", range(3), ids=CLASSES)
@pytest.mark.parametrize("same_as_line", [True, False], ids=["ground like the line", "dark ground"])
def test_a_line_is_visible_on_any_ground(class_id: int, same_as_line: bool) -> None:
    colour = CLASS_COLOURS[CLASSES[class_id]]
    ground = colour if same_as_line else (20, 20, 20)
    box = found((100, 80, 220, 200), classes=(class_id,))
    image = draw(field(colour=ground), box, CLASSES, labels=False, notice=False)
    assert changed(image, ground).sum() > 100


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    c = np.array(colour) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("name", CLASSES)
def test_dark_text_is_legible_on_every_class_colour(name: str) -> None:
    contrast = (luminance(CLASS_COLOURS[name]) + 0.05) / (luminance((20, 20, 20)) + 0.05)
    assert contrast >= 4.5  # WCAG 2.2, 1.4.3


def test_hex_colours_are_the_same_colours() -> None:
    assert CLASS_COLOURS_HEX["blast"] == "#ffd60a"
    for name, text in CLASS_COLOURS_HEX.items():
        assert tuple(bytes.fromhex(text[1:])) == CLASS_COLOURS[name]


# --- labels --------------------------------------------------------------------------------------


def label_area(image: Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the largest filled patch of a colour: the label."""
    mask = (image == colour).all(axis=2)
    rows = np.flatnonzero(mask.sum(axis=1) > 15)
    columns = np.flatnonzero(mask[rows].any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def difference_from_unlabelled(box: Detections, **options: object) -> npt.NDArray[np.bool_]:
    style = options.pop("style", Style())
    bare = draw(field(), box, CLASSES, style=style, labels=False, notice=False)
    labelled = draw(field(), box, CLASSES, style=style, labels=True, notice=False)
    return np.asarray((bare != labelled).any(axis=2))


@pytest.mark.parametrize(
    ("box", "where"),
    [
        ((100, 100, 200, 200), "above"),
        ((100, 2, 200, 100), "below"),
        ((100, -5, 200, 305), "inside"),
        ((360, 100, 460, 200), "above"),
        ((-60, 100, 30, 200), "above"),
    ],
    ids=["in the middle", "at the top", "from top to bottom", "over the right", "over the left"],
)
def test_a_label_lies_at_its_box_and_whole_inside_the_image(
    box: tuple[float, ...], where: str
) -> None:
    touched = difference_from_unlabelled(found(box), style=Style(names="long", text_px=10))
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    top, bottom = rows[0], rows[-1]
    assert columns[-1] - columns[0] > 45  # as wide as 'blast 0.93': nothing was cut off
    if where == "above":
        assert bottom <= box[1] + 1
    elif where == "below":
        assert top >= box[3] - 1
    else:
        assert top >= 0
        assert bottom < 40


def test_a_small_box_gets_the_short_name() -> None:
    wide = difference_from_unlabelled(found((100, 100, 300, 250)))
    narrow = difference_from_unlabelled(found((100, 100, 130, 130)))
    forced = difference_from_unlabelled(found((100, 100, 130, 130)), style=Style(names="long"))
    assert narrow.sum() < 0.8 * wide.sum()
    assert forced.sum() > narrow.sum()


def test_all_labels_of_a_picture_have_one_wording() -> None:
    wide, narrow = (100, 100, 300, 250), (20, 20, 50, 50)
    alone = difference_from_unlabelled(found(wide))
    beside = difference_from_unlabelled(found(wide, narrow))
    assert beside[60:100, 100:].sum() < 0.8 * alone[60:100, 100:].sum(), "short on both"


def test_confidence_can_be_left_out() -> None:
    box = found((100, 100, 300, 250))
    with_number = difference_from_unlabelled(box)
    without = difference_from_unlabelled(box, style=Style(confidence=False))
    assert without.sum() < 0.8 * with_number.sum()


def test_the_surer_box_lies_on_top() -> None:
    same = np.array([[100, 100, 200, 200]] * 2, np.float32)
    for confidence, top in (((0.9, 0.2), "blast"), ((0.2, 0.9), "healthy")):
        both = Detections(same, np.array(confidence, np.float32), np.array([0, 1]))
        image = draw(field(), both, CLASSES, notice=False)
        colour = CLASS_COLOURS[top]
        left, upper, right, lower = label_area(image[:100], colour)
        assert (right - left) * (lower - upper) > 200


def test_sizes_follow_the_image() -> None:
    small = draw(field(600, 800), found((100, 100, 500, 500)), CLASSES, notice=False)
    large = draw(field(2400, 3200), found((400, 400, 2000, 2000)), CLASSES, notice=False)
    ratio = changed(large).sum() / changed(small).sum()
    assert 8 < ratio < 20  # everything four times as large covers 16 times the area


@pytest.mark.parametrize("class_id", range(3), ids=CLASSES)
def test_the_middle_of_the_line_lies_on_every_corner(class_id: int) -> None:
    box = found((100, 80, 221, 203), classes=(class_id,))
    image = draw(field(), box, CLASSES, style=Style(line_px=3), labels=False, notice=False)
    for x, y in ((100, 80), (221, 80), (100, 203), (221, 203)):
        assert tuple(image[y, x]) == CLASS_COLOURS[CLASSES[class_id]]
    # Three pixels of colour with an edge of one at both sides.
    across = changed(image)[140]
    assert np.flatnonzero(across).tolist() == [98, 99, 100, 101, 102, 219, 220, 221, 222, 223]


@pytest.mark.parametrize("class_id", range(3), ids=CLASSES)
def test_a_line_at_the_rim_of_the_image_is_whole(class_id: int) -> None:
    box = found((-20, 0, 400, 330), classes=(class_id,))
    image = draw(field(), box, CLASSES, style=Style(line_px=3), labels=False, notice=False)
    colour = CLASS_COLOURS[CLASSES[class_id]]
    for side in (image[:5], image[-5:], image[:, :5], image[:, -5:]):
        assert changed(side).all()
        assert count(side, colour) >= 3 * 3 * 2
    assert not changed(image[5:-5, 5:-5]).any()


def test_small_boxes_get_thin_lines() -> None:
    image = draw(field(3000, 3000), found((100, 100, 120, 120)), CLASSES, labels=False)
    assert not changed(image[104:117, 104:117]).any()


# --- promises ------------------------------------------------------------------------------------


def test_the_input_stays_as_it_is() -> None:
    image = field()
    image.flags.writeable = False
    draw(image, found((10, 10, 90, 90)), CLASSES)
    assert not changed(image).any()


def test_draw_into_changes_the_image_itself() -> None:
    image = field()
    box = found((10, 10, 90, 90))
    draw_into(image, box, CLASSES)
    assert np.array_equal(image, draw(field(), box, CLASSES, notice=False))


def test_nothing_found_changes_nothing() -> None:
    assert not changed(draw(field(), Detections.empty(), CLASSES, notice=False)).any()


@pytest.mark.parametrize(
    "box",
    [
        (-50, -50, -10, -10),
        (500, 10, 600, 50),
        (1e30, 1e30, 2e30, 2e30),
        (-3e38, 10, -1e38, 50),
    ],
    ids=["left of it", "right of it", "far away", "far left"],
)
def test_boxes_outside_the_image_are_not_drawn(box: tuple[float, ...]) -> None:
    assert not changed(draw(field(), found(box), CLASSES, notice=False)).any()


@pytest.mark.parametrize(
    "box",
    [(-1e30, -1e30, 1e30, 1e30), (100, 100, 100, 100), (200, 200, 100, 100), (399, 299, 400, 300)],
    ids=["larger than everything", "a point", "corners swapped", "the last pixel"],
)
@pytest.mark.parametrize("class_id", range(3), ids=CLASSES)
def test_odd_boxes_are_drawn_somehow(box: tuple[float, ...], class_id: int) -> None:
    image = draw(field(), found(box, classes=(class_id,)), CLASSES, labels=False, notice=False)
    assert changed(image).any()


@given(
    corners=st.lists(
        st.tuples(*[st.floats(-500, 900, width=32)] * 4, st.integers(0, 2)), max_size=6
    ),
    height=st.integers(1, 90),
    width=st.integers(1, 90),
)
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_any_boxes_fit_any_image(
    corners: list[tuple[float, float, float, float, int]], height: int, width: int
) -> None:
    xyxy = np.array([c[:4] for c in corners], np.float32).reshape(-1, 4)
    boxes = Detections(
        xyxy, np.full(len(xyxy), 0.5, np.float32), np.array([c[4] for c in corners], np.int64)
    )
    image = draw(field(height, width), boxes, CLASSES, synthetic=True)
    assert image.shape[0] > height
    assert image.shape[1:] == (width, 3)


def test_a_class_without_a_colour_is_drawn_in_white() -> None:
    image = draw(field(), found((10, 60, 90, 130)), ("platelet",), notice=False)
    assert count(image, (240, 240, 240)) > 100


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((50, 50), np.uint8),
        np.zeros((50, 50, 4), np.uint8),
        np.zeros((50, 50, 3), np.float32),
        np.zeros((0, 50, 3), np.uint8),
    ],
    ids=["grey", "rgba", "float", "empty"],
)
def test_other_images_are_refused(image: Image) -> None:
    with pytest.raises(ValueError, match="expected"):
        draw(image, Detections.empty(), CLASSES)


def test_draw_into_refuses_what_opencv_would_copy_silently() -> None:
    with pytest.raises(ValueError, match="contiguous"):
        draw_into(field()[:, ::2], found((1, 1, 20, 20)), CLASSES)
    locked = field()
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        draw_into(locked, found((1, 1, 20, 20)), CLASSES)


@pytest.mark.parametrize("class_id", [-1, 3])
def test_a_class_without_a_name_is_refused(class_id: int) -> None:
    with pytest.raises(ValueError, match="only 3 names"):
        draw(field(), found((1, 1, 20, 20), classes=(class_id,)), CLASSES)


# --- the notice ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 64, 224, 640, 1712, 2592])
def test_the_notice_lies_below_the_picture(width: int) -> None:
    image = draw(field(200, width), Detections.empty(), CLASSES)
    assert not changed(image[:200]).any()
    strip = image[200:]
    assert 8 <= len(strip) <= 150
    dark = strip.mean(axis=2) < 160
    assert dark.sum() > 60  # there is text
    assert not dark[:, -1].any()  # and it is not cut off at the right
    assert not dark[-1].any()
    assert not dark[0].any()


def test_the_notice_grows_with_the_width_but_stays_small() -> None:
    heights = [
        len(draw(field(200, w), Detections.empty(), CLASSES)) - 200 for w in (640, 1280, 2592)
    ]
    assert heights == sorted(heights)
    assert heights[-1] > heights[0]
    assert heights[-1] < 100


def test_synthetic_pictures_say_so() -> None:
    plain = draw(field(200, 900), Detections.empty(), CLASSES)[200:]
    marked = draw(field(200, 900), Detections.empty(), CLASSES, synthetic=True)[200:]
    only = draw(field(200, 900), Detections.empty(), CLASSES, notice=False, synthetic=True)[200:]
    ink = [int((strip.mean(axis=2) < 160).sum()) for strip in (only, plain, marked)]
    assert 0 < ink[0] < ink[1] < ink[2]


# --- speed ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_twenty_boxes_on_a_video_frame_take_two_milliseconds() -> None:
    rng = np.random.default_rng(5)
    corner = rng.uniform([0, 0], [1180, 620], (20, 2))
    frame = field(720, 1280)
    best_s = float("inf")
    for _ in range(60):
        # Boxes and confidences move from frame to frame, so caches help no more than in real use.
        corner += rng.normal(0, 2, corner.shape)
        xyxy = np.hstack([corner, corner + rng.uniform(50, 110, (20, 1))]).astype(np.float32)
        boxes = Detections(xyxy, rng.uniform(0.3, 1, 20).astype(np.float32), np.arange(20) % 3)
        start = time.perf_counter()
        draw(frame, boxes, CLASSES, notice=False)
        best_s = min(best_s, time.perf_counter() - start)
    # The best of many: what the code costs, not what else the machine is doing.
    assert best_s < 0.002
