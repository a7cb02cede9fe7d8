"""The detector with stub engines: scale, tiles, order, errors, threads; and on a crowded field."""

import threading
import time

import numpy as np
import pytest

from allcell.detector import MAX_IOU, Detector, choose
from allcell.engines.base import RunInterrupted
from allcell.errors import ModelError
from allcell.synth import FieldSpec, render
from tests.engine_stubs import SPEC, bright_spots, picture


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
        found = bright_spots(image)
        self.busy -= 1
        return found


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


class Many(BrightSpots):
    """A hundred boxes in each tile, of confidence 0.01 to 1."""

    def run(self, image):
        score = np.linspace(0.01, 1, 100)
        x = np.arange(100) * 1.2
        return np.stack([x, x * 0, x + 1, x * 0 + 1, score, x * 0], 1).astype(np.float32)


def test_the_floor_and_the_order():
    image = picture(128, 128)
    found, _ = Detector(SPEC, Many(), floor_confidence=0.5).detect(image)
    assert len(found) == 51
    assert found.confidence.tolist() == sorted(found.confidence.tolist(), reverse=True)
    assert len(Detector(SPEC, Many()).detect(image, confidence=0.9)[0]) == 11


@pytest.mark.parametrize(
    ("limit", "lowest", "full"),
    [
        pytest.param(100, 0.01, 0, id="just not reached"),
        pytest.param(99, 0.02, 1, id="the least confident box is left out"),
        pytest.param(10, 0.91, 1, id="most are left out"),
    ],
)
def test_a_tile_with_too_many_candidates_is_told(monkeypatch, limit, lowest, full):
    monkeypatch.setattr("allcell.engines.picture.MAX_TILE_CANDIDATES", limit)
    detector = Detector(SPEC, Many())
    found, timing = detector.detect(picture(128, 128), confidence=0.0)
    assert (len(found), timing.full_tiles) == (limit, full)
    assert found.confidence.min() == pytest.approx(lowest)
    _, timing = detector.detect(picture(400, 400), red_cell_px=20, confidence=0.0)
    assert (timing.tiles, timing.full_tiles) == (4, 4 * full)


def test_every_cell_of_a_crowded_field_is_counted():
    small = render(
        FieldSpec(
            width_px=160,
            height_px=120,
            red_cell_px=8,
            blasts=30,
            lymphocytes=8,
            red_coverage=0,
            platelets=0,
        )
    )
    cells = 9 * len(small.truth)
    image = np.ascontiguousarray(np.tile(small.image, (3, 3, 1)))
    detector = Detector.open("live", device="cpu")
    candidates, timing = detector.detect(image, red_cell_px=small.red_cell_px, iou=MAX_IOU)
    assert cells > 330
    assert len(choose(detector.spec, candidates)) == pytest.approx(cells, rel=0.06)
    assert timing.full_tiles == 0


class Held(BrightSpots):
    """Waits at each run for a sign; knows who ran, by the sizes of their inputs."""

    def __init__(self, gives_up=True):
        super().__init__()
        self.gives_up = gives_up
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.interrupts = 0

    def interrupt(self):
        self.interrupts += 1
        if self.gives_up:
            self.go_on.release()
        return True

    def run(self, image):
        before = self.interrupts
        self.begun.release()
        assert self.go_on.acquire(timeout=10)
        if self.gives_up and self.interrupts > before:
            raise RunInterrupted
        return super().run(image)


class Call:
    """A detection in a thread of its own."""

    def __init__(self, detector, image, **how):
        self.found, self.error = None, None
        self._work = lambda: detector.detect(image, **how)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self.found, self.timing = self._work()
        except Exception as error:
            self.error = error

    def wait(self):
        self.thread.join(10)
        assert not self.thread.is_alive()


LARGE = picture(900, 700, (30, 30, 30), (800, 600, 30))
SMALL = picture(100, 60, (20, 20, 15))
#: Tiles of the large picture.
TILES = 20


def large_and_small(engine):
    """A large picture at its first tile, and a small one that waits for its turn."""
    detector = Detector(SPEC, engine)
    large = Call(detector, LARGE, red_cell_px=20)
    assert engine.begun.acquire(timeout=10)
    small = Call(detector, SMALL, red_cell_px=20)
    deadline = time.monotonic() + 10
    while len(detector._turns._waiting) < 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    return detector, large, small


def test_a_small_picture_waits_for_one_run_of_a_large_one():
    engine = Held()
    _, large, small = large_and_small(engine)
    engine.go_on.release()  # the large one's first tile
    assert engine.begun.acquire(timeout=10)
    engine.go_on.release()  # and now the small one
    small.wait()
    assert len(engine.sizes) == 2
    assert engine.sizes[0] != engine.sizes[1]
    for _ in range(TILES):
        engine.go_on.release()
    large.wait()
    assert large.timing.tiles == TILES
    # The two shared nothing but the network.
    assert sorted(large.found.xyxy[:, 0].round().tolist()) == [30, 800]
    assert small.found.xyxy == pytest.approx(np.array([[20, 20, 35, 35]]), abs=1.5)
    assert engine.most_busy == 1


def test_turns_go_round_among_all():
    engine = BrightSpots()
    detector = Detector(SPEC, engine)
    other = picture(900, 640, (30, 30, 30))
    calls = [Call(detector, image, red_cell_px=20) for image in (LARGE, other, LARGE, other)]
    for call in calls:
        call.wait()
    assert [len(call.found) for call in calls] == [2, 1, 2, 1]
    assert not detector._turns._tasks


@pytest.mark.parametrize("gives_up", [True, False], ids=["within a run", "an engine that cannot"])
def test_an_interrupt_ends_the_detection_that_runs_and_no_other(gives_up):
    engine = Held(gives_up)
    detector, large, small = large_and_small(engine)
    assert detector.interrupt(large.thread.ident)
    if not gives_up:
        engine.go_on.release()
    large.wait()
    assert isinstance(large.error, RunInterrupted)
    assert engine.begun.acquire(timeout=10)
    engine.go_on.release()
    small.wait()
    assert len(small.found) == 1
    assert len(engine.sizes) == (1 if gives_up else 2)


def test_an_interrupt_between_two_tiles_ends_a_large_picture_and_no_other():
    engine = Held()
    detector, large, small = large_and_small(engine)
    engine.go_on.release()
    assert engine.begun.acquire(timeout=10)  # the small one runs, the large one waits
    assert detector.interrupt(large.thread.ident)
    assert engine.interrupts == 0, "it is the small one's run"
    large.wait()
    engine.go_on.release()
    small.wait()
    assert isinstance(large.error, RunInterrupted)
    assert len(small.found) == 1
    assert len(engine.sizes) == 2


def test_an_interrupt_ends_one_that_waits_for_its_first_turn():
    engine = Held()
    detector, large, small = large_and_small(engine)
    assert detector.interrupt(small.thread.ident)
    small.wait()
    for _ in range(TILES):
        engine.go_on.release()
    large.wait()
    assert isinstance(small.error, RunInterrupted)
    assert len(large.found) == 2


def test_an_interrupt_of_nobody_in_particular_ends_all():
    engine = Held()
    detector, large, small = large_and_small(engine)
    assert detector.interrupt()
    large.wait()
    small.wait()
    assert isinstance(large.error, RunInterrupted)
    assert isinstance(small.error, RunInterrupted)


def test_an_interrupt_finds_nobody_and_harms_nobody_later():
    engine = BrightSpots()
    detector = Detector(SPEC, engine)
    detector.detect(SMALL)
    assert not detector.interrupt()
    assert not detector.interrupt(threading.get_ident())
    assert len(detector.detect(SMALL, red_cell_px=20)[0]) == 1
