"""The tally: each cell once, whatever the stage does, and nothing from a bad picture."""

import numpy as np
import pytest

from allcell.detections import Detections
from allcell.stream.motion import thumbnail
from allcell.stream.slide_canvas import cells_in, slide_spec
from allcell.stream.sources import SlideView
from allcell.stream.tally import Tally
from allcell.synth.slide import SyntheticSlide

CLASSES = ("blast", "healthy", "smudge")
WIDTH, HEIGHT, LENGTH = 320, 240, 1600


@pytest.fixture(scope="module")
def strip():
    """A long piece of slide, its cells, and views of it with their true boxes."""
    spec = slide_spec(WIDTH, HEIGHT, seed=2)
    slide = SyntheticSlide(spec)
    image = slide.view(0, 0, LENGTH, HEIGHT).image
    cells = cells_in(slide, SlideView(0, 0, LENGTH, HEIGHT, 1.0, 0.0))
    return image, [c for c in cells if c.radius_px + 4 < c.y_px < HEIGHT - c.radius_px - 4]


def frame_at(strip, x, *, jitter=0.0, rng=None):
    image, cells = strip
    rows = np.array([(c.x_px - x, c.y_px, c.radius_px, c.class_id) for c in cells])
    rows = rows[(rows[:, 0] > -5) & (rows[:, 0] < WIDTH + 5)]
    centre, radius = rows[:, :2], rows[:, 2:3]
    if jitter:
        centre = centre + rng.normal(0, jitter, centre.shape)
    boxes = np.concatenate([centre - radius, centre + radius], axis=1)
    boxes = np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    return np.ascontiguousarray(image[:, x : x + WIDTH]), Detections.truth(boxes, rows[:, 3])


def feed(tally, strip, lefts, *, paused="", start=0, **how):
    for n, x in enumerate(lefts, start):
        frame, boxes = frame_at(strip, x, **how)
        ids = tally.update(boxes, frame, thumbnail(frame), n / 10, paused)
    return ids


def truly_seen(strip, lefts):
    """Cells of each class that were whole in at least three frames."""
    counts = [0, 0, 0]
    for c in strip[1]:
        edge = c.radius_px + 3
        counts[c.class_id] += sum(edge < c.x_px - x < WIDTH - edge for x in lefts) >= 3
    return counts


def counted(tally):
    return [tally.state().counts.by_class.get(name, 0) for name in CLASSES]


FORTH = list(range(0, 1200, 20))


@pytest.mark.parametrize(
    "lefts",
    [
        pytest.param([130] * 30, id="still"),
        pytest.param(list(range(0, 200)), id="slow"),
        pytest.param(list(range(0, 1200, 60)), id="fast: three cells' widths a frame"),
        pytest.param(FORTH + FORTH[::-1], id="back and forth: remembered out of view"),
    ],
)
def test_each_cell_counts_once(strip, lefts):
    tally = Tally(CLASSES)
    feed(tally, strip, lefts, jitter=0.7, rng=np.random.default_rng(0))
    assert counted(tally) == truly_seen(strip, lefts)
    assert tally.state().fields == 1


def test_an_identity_stays_with_its_cell(strip):
    tally = Tally(CLASSES)
    identities = {}
    for n, x in enumerate(range(0, 1000, 25)):
        frame, boxes = frame_at(strip, x)
        ids = tally.update(boxes, frame, thumbnail(frame), n / 10)
        for number, box in zip(ids, boxes.xyxy, strict=True):
            if number:
                place = (box[0] + box[2]) / 2 + x
                assert identities.setdefault(number, place) == pytest.approx(place, abs=2)
    assert len(identities) > 10


def test_a_cell_seen_too_briefly_does_not_count(strip):
    tally = Tally(CLASSES)
    feed(tally, strip, [100, 100])
    assert counted(tally) == [0, 0, 0]
    feed(tally, strip, [100], start=2)
    assert sum(counted(tally)) > 0


def test_cells_cut_by_the_edge_do_not_count():
    tally = Tally(CLASSES)
    frame = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    cut = Detections.truth([(0, 50, 30, 80), (300, 50, 320, 80), (60, 210, 90, 240)], [0, 0, 0])
    for n in range(10):
        assert (tally.update(cut, frame, thumbnail(frame), n / 10) == 0).all()
    assert counted(tally) == [0, 0, 0]


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        pytest.param([(0, 0.9)] * 3 + [(1, 0.5)] * 4, [1, 0, 0], id="surer votes weigh more"),
        pytest.param([(0, 0.6)] * 2 + [(1, 0.6)] * 5, [0, 1, 0], id="majority"),
        pytest.param([(2, 0.6)] * 3, [0, 0, 1], id="smudges apart"),
    ],
)
def test_the_class_is_voted_on(views, expected):
    tally = Tally(CLASSES)
    frame = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    for n, (class_id, confidence) in enumerate(views):
        box = Detections(
            np.array([[100, 100, 140, 140]], np.float32),
            np.array([confidence], np.float32),
            np.array([class_id]),
        )
        tally.update(box, frame, thumbnail(frame), n / 10)
    assert counted(tally) == expected
    state = tally.state()
    assert (state.share.k, state.share.n) == (expected[0], expected[0] + expected[1])


def test_a_pause_counts_nothing_and_keeps_identities(strip):
    tally = Tally(CLASSES)
    before = feed(tally, strip, range(0, 100, 20))
    numbers = counted(tally)
    feed(tally, strip, range(100, 200, 20), paused="blurred", start=5)
    assert counted(tally) == numbers
    assert tally.state().paused == "blurred"
    after = feed(tally, strip, range(200, 60, -20), start=10)
    assert tally.state().paused == ""
    assert set(before) <= set(after) | {0}


def test_a_new_field_starts_new_cells(strip):
    tally = Tally(CLASSES)
    feed(tally, strip, [0] * 5)
    first = counted(tally)
    feed(tally, strip, [1000] * 5, start=5)
    assert tally.state().fields == 2
    assert counted(tally) == [
        a + b for a, b in zip(first, truly_seen(strip, [1000] * 5), strict=True)
    ]


def test_reset_forgets_everything(strip):
    tally = Tally(CLASSES)
    feed(tally, strip, [0] * 5)
    tally.reset()
    assert counted(tally) == [0, 0, 0]
    assert tally.state().share.fraction is None


def test_memory_of_cells_out_of_view_is_bounded(strip):
    tally = Tally(CLASSES)
    feed(tally, strip, range(0, 1200, 20))
    before = counted(tally)
    frame, _ = frame_at(strip, 1180)
    tally.update(Detections.empty(), frame, thumbnail(frame), 1000.0)
    assert len(tally._ids) == 0
    assert counted(tally) == before
