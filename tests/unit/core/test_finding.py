"""Many pictures through one detector: the same boxes as one by one, whatever spoils one of them."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from allcell import ahead
from allcell.analysis import finding
from allcell.analysis.finding import Seen, find, find_many
from allcell.detections import Detections
from allcell.detector import Detector, Timing
from allcell.errors import ImageError, ModelError
from allcell.imaging.preprocess import empty_input, place
from allcell.imaging.scale import Scale
from tests.engine_stubs import SPEC, bright_spots, picture

IMAGES = [picture(100, 80, *[(10 + 22 * k, 30, 16) for k in range(n)]) for n in (1, 3, 0, 2)] * 4


class Spots:
    """Boxes every pure white square; fails on a picture whose first pixel is red."""

    description = "stub"

    def run(self, image):
        if tuple(image[0, 0]) == (255, 0, 0):
            raise ModelError("It failed.", "Take another.")
        return bright_spots(image)

    def interrupt(self):
        return False


class Cores(Spots):
    """The same once for each core."""

    def __init__(self):
        self.made, self.threads = [], set()

    def streams(self, number):
        self.made.append(number)
        return [OneCore(self) for _ in range(number)]


class OneCore(Spots):
    def __init__(self, whole):
        self.whole = whole

    def run(self, image):
        self.whole.threads.add(threading.get_ident())
        time.sleep(0.002)
        return super().run(image)


class Card(Spots):
    """The same in batches; a batch with a bad picture fails whole."""

    def __init__(self):
        self.sizes = []

    def batch_size(self, fit):
        return 8

    def run_batch(self, pictures, fit, floor, iou=None):
        self.sizes.append(len(pictures))
        answers = []
        for image in pictures:
            buffer = empty_input(fit)
            place(buffer, image, fit)
            answers.append(self.run(buffer))
        return answers


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr(finding, "worker_count", lambda: 2)


def see(image):
    if image is None:
        raise ImageError("It is damaged.", "Copy it again.")
    return Seen(image, Scale(20.0, "given"))


def counts(detector, images, **settings):
    found = find_many(detector, images, see, **settings)
    return [len(a[1].candidates) if isinstance(a, tuple) else str(a) for _, a in found]


@pytest.mark.parametrize("engine", [Spots, Cores, Card])
def test_many_pictures_have_the_boxes_of_one_by_one(engine):
    alone = Detector(SPEC, Spots())
    detector = Detector(SPEC, engine())
    for image, (same, (seen, found)) in zip(IMAGES, find_many(detector, IMAGES, see), strict=True):
        expected = find(alone, see(image))
        assert image is same is seen.image
        assert np.array_equal(found.candidates.xyxy, expected.candidates.xyxy)
        assert found.scale.red_cell_px == 20


@pytest.mark.parametrize("engine", [Spots, Cores, Card])
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        pytest.param(None, "It is damaged. Copy it again.", id="cannot be read"),
        pytest.param("red", "It failed. Take another.", id="the network fails on it"),
    ],
)
def test_one_bad_picture_spoils_no_other(engine, bad, said):
    images = list(IMAGES)
    if bad == "red":
        images[5] = images[5].copy()
        images[5][:2, :2] = (255, 0, 0)
    else:
        images[5] = None
    found = counts(Detector(SPEC, engine()), images)
    assert found[5] == said
    assert found[:5] + found[6:] == [1, 3, 0, 2, 1, 0, 2, 1, 3, 0, 2, 1, 3, 0, 2]


def test_each_core_has_its_own_where_there_are_many_pictures():
    engine = Cores()
    counts(Detector(SPEC, engine), IMAGES)
    assert engine.made == [2]
    assert len(engine.threads) == 2
    assert threading.get_ident() not in engine.threads


@pytest.mark.parametrize(
    ("images", "settings"),
    [
        pytest.param(IMAGES[:5], {}, id="a few pictures are not worth it"),
        pytest.param(IMAGES, {"own_streams": False}, id="asked not to"),
    ],
)
def test_otherwise_the_network_runs_in_the_callers_thread(images, settings):
    engine = Cores()
    assert counts(Detector(SPEC, engine), images, **settings) == [1, 3, 0, 2] * (
        len(images) // 4
    ) + [1] * (len(images) % 4)
    assert engine.made == []


def test_a_card_gets_batches():
    engine = Card()
    counts(Detector(SPEC, engine), IMAGES)
    assert engine.sizes == [8, 8]


def test_a_card_gets_no_more_pixels_at_once_than_memory_is_meant_for(monkeypatch):
    monkeypatch.setattr(finding, "_CARD_PX", 3 * 8000)
    engine = Card()
    counts(Detector(SPEC, engine), IMAGES)
    assert max(engine.sizes) == 3


def test_streams_find_down_to_the_floor_of_their_detector():
    spec = replace(SPEC, confidence=0.5)
    detector = Detector(spec, Cores(), floor_confidence=0.95)
    assert set(counts(detector, IMAGES)) == {0}, "the stub's boxes have 0.9"


@pytest.mark.parametrize(
    ("threads", "cores", "workers"),
    [
        pytest.param(0, 2, 2, id="all cores"),
        pytest.param(1, 2, 1, id="as many as the settings say"),
        pytest.param(0, 64, 8, id="no more than Python keeps busy"),
    ],
)
def test_how_many_work_at_once(monkeypatch, threads, cores, workers):
    class Chosen:
        pass

    Chosen.threads = threads
    monkeypatch.setattr(ahead, "settings", Chosen)
    monkeypatch.setattr(ahead.os, "sched_getaffinity", lambda _: range(cores), raising=False)
    assert ahead.worker_count() == workers


class Corner:
    """One box in the corner and one in the middle of every picture; keeps what it was shown."""

    spec = SPEC

    def detect(self, image, **settings):
        self.shown = image
        boxes = np.array([[2, 2, 32, 32], [300, 220, 340, 260]], np.float32)
        return Detections(boxes, np.float32([0.5, 0.9]), np.array([0, 0])), Timing(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("rim", "left"), [pytest.param(0, 2, id="field"), pytest.param(40, 1, id="black border")]
)
def test_no_cell_lies_on_a_black_border_and_no_network_sees_it(rim, left):
    image = np.full((480, 640, 3), 200, np.uint8)
    image[:, :rim] = image[:rim] = 0
    detector = Corner()
    assert len(find(detector, see(image)).candidates) == left
    assert detector.shown.min() >= 114
    assert (detector.shown is image) is (rim == 0)
