"""Several images at once, with a stub for a card that takes them in batches."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from allcell.boxes import unscaled
from allcell.detector import Detector
from allcell.engines.base import RunInterrupted
from allcell.imaging.preprocess import empty_input, place
from allcell.imaging.stain import StainRuler
from allcell.models.registry import ModelSpec
from tests.engine_stubs import SPEC, bright_spots, picture


class BrightSpots:
    """Boxes every pure white square of its input."""

    description = "stub"

    def run(self, image):
        return bright_spots(image)

    def interrupt(self):
        return False


class Card(BrightSpots):
    """The same in batches."""

    def __init__(self, size=3):
        self.size = size
        self.batches = []
        self.before_run = lambda: None

    def batch_size(self, fit):
        return self.size

    def run_batch(self, pictures, fit, floor, iou=None):
        self.before_run()
        self.batches.append((len(pictures), fit))
        answers = []
        for image in pictures:
            assert image.shape[:2] == (fit.source_height_px, fit.source_width_px)
            buffer = empty_input(fit)
            place(buffer, image, fit)
            answers.append(self.run(buffer))
        return answers


IMAGES = [
    picture(100, 80, (10, 10, 20)),
    picture(100, 80, (50, 40, 20)),
    picture(60, 60, (20, 20, 20)),
    picture(100, 80),
    picture(700, 300, (30, 30, 20), (600, 200, 20)),  # in tiles
    picture(100, 80, (70, 20, 20), (10, 10, 20)),
    picture(100, 80, (40, 20, 20)),
]
SCALES = [20.0] * len(IMAGES)


def test_each_image_gets_its_own_boxes_in_order():
    card = Card()
    one_by_one = Detector(SPEC, BrightSpots())
    found = Detector(SPEC, card).detect_many(IMAGES, red_cell_px=SCALES)
    for image, (boxes, timing) in zip(IMAGES, found, strict=True):
        expected, alone = one_by_one.detect(image, red_cell_px=20)
        assert np.array_equal(boxes.xyxy, expected.xyxy)
        assert timing.tiles == alone.tiles
    sizes = [n for n, _ in card.batches]
    assert max(sizes) == 3
    assert len(sizes) < sum(t.tiles for _, t in found)


class Crowd(Card):
    """Answers with candidates drawn from the first pixel; some lie beyond the edges."""

    def run_batch(self, pictures, fit, floor, iou=None):
        return [self.candidates(int(image[0, 0, 0])) for image in pictures]

    def candidates(self, seed):
        random = np.random.default_rng(seed)
        raw = random.uniform(0, 1, (4 + len(SPEC.classes), 40 * seed)).astype(np.float32)
        raw[:2] *= 110
        raw[2:4] = 10 + 30 * raw[2:4]
        return np.pad(raw, ((0, 0), (0, 400 - raw.shape[1])))


def test_boxes_of_a_batch_are_those_of_each_of_its_pictures():
    spec = replace(SPEC, output="anchor_free")
    detector = Detector(spec, Crowd(size=8))
    images = [np.full((80, 100, 3), seed, np.uint8) for seed in (3, 0, 9, 1, 10)]
    together = detector.detect_many(images, confidence=0.5)
    assert len(together[1][0]) == 0 < len(together[0][0])
    for image, (found, _) in zip(images, together, strict=True):
        alone, _ = detector.detect(image, confidence=0.5)
        assert np.array_equal(found.xyxy, alone.xyxy)
        assert np.array_equal(found.confidence, alone.confidence)
        assert np.array_equal(found.class_id, alone.class_id)


def test_only_images_of_one_size_and_scale_share_a_batch():
    card = Card(size=100)
    Detector(SPEC, card).detect_many(IMAGES[:3], red_cell_px=[20.0, 10.0, 20.0])
    assert [n for n, _ in card.batches] == [1, 1, 1]
    assert len({fit for _, fit in card.batches}) == 3


def test_tiles_of_one_image_are_a_batch():
    card = Card(size=100)
    _, timing = Detector(SPEC, card).detect(IMAGES[4], red_cell_px=20)
    assert timing.tiles > 1
    assert [n for n, _ in card.batches] == [timing.tiles]


def test_an_engine_without_batches_gets_one_at_a_time():
    found = Detector(SPEC, BrightSpots()).detect_many(IMAGES, red_cell_px=SCALES)
    assert [len(boxes) for boxes, _ in found] == [1, 1, 1, 0, 2, 2, 1]


def test_the_stain_is_normalised_before_the_card_sees_it():
    card = Card()
    spec = ModelSpec(
        name="stub", title="", summary="", output="end_to_end", red_cell_px=20, normalise_stain=True
    )
    ruler = StainRuler((200.0, 200.0, 200.0), (0.1, 0.2, 0.2), 0.3)
    Detector(spec, card).detect_many(IMAGES[:2], red_cell_px=SCALES[:2], stain=[ruler, None])
    (one, as_it_is), (other, scaled) = card.batches
    assert (one, other) == (1, 1)
    assert as_it_is == unscaled(as_it_is.input_width_px, as_it_is.input_height_px)
    assert (scaled.source_width_px, scaled.source_height_px) == (100, 80)


def test_no_images_are_no_results():
    assert Detector(SPEC, Card()).detect_many([]) == []


@pytest.mark.parametrize(
    ("images", "scales", "message"),
    [
        pytest.param([np.zeros((9, 9), np.uint8)], [20.0], "RGB uint8", id="grey"),
        pytest.param(IMAGES[:2], [20.0], "shorter", id="a scale is missing"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(images, scales, message):
    card = Card()
    with pytest.raises(ValueError, match=message):
        Detector(SPEC, card).detect_many(images, red_cell_px=scales)
    assert card.batches == []


def test_an_interrupt_ends_it_between_two_batches():
    card = Card(size=1)
    detector = Detector(SPEC, card)
    card.before_run = lambda: detector.interrupt(threading.get_ident())
    with pytest.raises(RunInterrupted):
        detector.detect_many(IMAGES, red_cell_px=SCALES)
    assert len(card.batches) == 1


def test_the_warm_up_meets_a_size_twice_as_a_graph_is_made_then():
    card = Card()
    Detector(SPEC, card).warm_up(100, 80, 20)
    assert len(card.batches) == 2
