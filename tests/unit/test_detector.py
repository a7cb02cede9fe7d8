"""The detector with stub engines: scale, tiles, order, errors, threads."""

import threading
import time

import numpy as np
import pytest

from allcell.detector import Detector
from allcell.errors import ModelError
from allcell.models.registry import ModelSpec

SPEC = ModelSpec(
    name="stub",
    title="Stub",
    summary="",
    output="end_to_end",
    red_cell_px=20,
    max_input_px=256,
    default_long_side_px=128,
)


class BrightSpots:
    """Boxes every pure white square of its input: a detector whose truth is in the picture."""

    description = "stub"

    def __init__(self):
        self.sizes = []
        self.busy = 0
        self.most_busy = 0

    def run(self, image):
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        self.sizes.append(image.shape[:2])
        import cv2

        mask = (image.min(axis=2) > 200).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        rows = [(x, y, x + w, y + h, 0.9, 0) for x, y, w, h, n in stats[1:] if n >= 9]
        self.busy -= 1
        return np.array(rows, np.float32).reshape(-1, 6)


def picture(width, height, *squares):
    image = np.zeros((height, width, 3), np.uint8)
    for x, y, side in squares:
        image[y : y + side, x : x + side] = 255
    return image


def found_in(detector, image, **how):
    detections, _ = detector.detect(image, **how)
    return detections.xyxy[np.lexsort(detections.xyxy[:, :2].T[::-1])]


def test_boxes_come_back_in_source_pixels():
    detector = Detector(SPEC, BrightSpots())
    image = picture(800, 600, (200, 100, 80), (600, 400, 40))
    xyxy = found_in(detector, image, red_cell_px=80)
    assert xyxy == pytest.approx(np.array([[200, 100, 280, 180], [600, 400, 640, 440]]), abs=5)


def test_without_a_scale_the_long_side_is_the_default():
    engine = BrightSpots()
    Detector(SPEC, engine).detect(picture(800, 600))
    assert engine.sizes == [(96, 128)]


@pytest.mark.parametrize(
    ("red_cell_px", "runs"),
    [
        pytest.param(80, 1, id="small enough in one go"),
        pytest.param(20, 20, id="five by four tiles of 256 with 80 shared"),
    ],
)
def test_a_large_field_is_tiled(red_cell_px, runs):
    engine = BrightSpots()
    _, timing = Detector(SPEC, engine).detect(picture(900, 700), red_cell_px=red_cell_px)
    assert len(engine.sizes) == timing.tiles == runs
    assert max(max(size) for size in engine.sizes) <= 256


def test_cells_on_tile_borders_are_found_once_and_whole():
    rng = np.random.default_rng(3)
    # On a jittered grid, so that squares never touch.
    squares = [
        (70 * c + int(rng.integers(0, 20)), 70 * r + int(rng.integers(0, 20)), 30)
        for c in range(12)
        for r in range(9)
    ]
    detector = Detector(SPEC, BrightSpots())
    xyxy = found_in(detector, picture(880, 660, *squares), red_cell_px=20)
    expected = np.array(sorted((x, y, x + s, y + s) for x, y, s in squares), np.float32)
    assert xyxy == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.zeros((50, 50), np.uint8), id="grey"),
        pytest.param(np.zeros((50, 50, 4), np.uint8), id="with alpha"),
        pytest.param(np.zeros((50, 50, 3), np.float32), id="floats"),
    ],
)
def test_refuses_other_pictures(image):
    with pytest.raises(ValueError, match="expected RGB uint8"):
        Detector(SPEC, BrightSpots()).detect(image)


@pytest.mark.parametrize(
    ("width", "height", "red_cell_px"),
    [
        pytest.param(22000, 32, None, id="a strip at the default size"),
        pytest.param(1000, 32, 800.0, id="a strip with huge red cells"),
        pytest.param(32, 4000, 500.0, id="upright"),
    ],
)
def test_extreme_shapes_are_survived(width, height, red_cell_px):
    found, _ = Detector(SPEC, BrightSpots()).detect(picture(width, height), red_cell_px=red_cell_px)
    assert len(found) == 0


def test_an_engine_that_fails_does_not_keep_the_lock():
    class Broken(BrightSpots):
        def run(self, image):
            if not self.sizes:
                self.sizes.append(image.shape)
                raise ModelError("The network failed.")
            return super().run(image)

    detector = Detector(SPEC, Broken())
    image = picture(200, 200, (50, 50, 40))
    with pytest.raises(ModelError):
        detector.detect(image)
    assert len(detector.detect(image)[0]) == 1


def test_threads_queue_for_a_slow_engine_and_get_their_own_results():
    class Slow(BrightSpots):
        def run(self, image):
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            time.sleep(0.02)
            self.busy -= 1
            return super().run(image)

    engine = Slow()
    detector = Detector(SPEC, engine)
    counts = {}

    def work(n):
        squares = [(30 * k + 5, 20, 15) for k in range(n)]
        counts[n] = [len(detector.detect(picture(256, 64, *squares))[0]) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.most_busy == 1
    assert counts == {n: [n, n, n] for n in range(1, 6)}


def test_timing_adds_up():
    _, timing = Detector(SPEC, BrightSpots()).detect(picture(400, 300))
    parts = timing.preprocess_ms + timing.inference_ms + timing.postprocess_ms
    assert parts == pytest.approx(timing.total_ms)
    assert min(timing.preprocess_ms, timing.inference_ms, timing.postprocess_ms) > 0


def test_floor_and_limit():
    class Many(BrightSpots):
        def run(self, image):
            score = np.linspace(0.01, 1, 100)
            x = np.arange(100) * 1.2
            return np.stack([x, x * 0, x + 1, x * 0 + 1, score, x * 0], 1).astype(np.float32)

    image = picture(128, 128)
    detector = Detector(SPEC, Many(), floor_confidence=0.5, max_detections=10)
    found, _ = detector.detect(image)
    assert len(found) == 10
    assert found.confidence.tolist() == sorted(found.confidence.tolist(), reverse=True)
    assert len(Detector(SPEC, Many()).detect(image, confidence=0.9)[0]) == 11
