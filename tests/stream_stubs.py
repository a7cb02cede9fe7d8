"""Engines and pictures for the tests of the live stream."""

import threading
from dataclasses import replace

import cv2
import numpy as np

from allcell.detector import Detector
from allcell.engines.base import RunInterrupted
from allcell.models.registry import ModelSpec
from allcell.stream.live_settings import LiveSettings
from allcell.stream.model_worker import ModelWorker

SPEC = ModelSpec(
    name="stub",
    title="Stub",
    summary="",
    output="end_to_end",
    red_cell_px=20,
    stride_px=8,
    default_long_side_px=320,
    confidence=0.5,
)


class Spots:
    """Finds white squares; the larger a square, the surer (side / 100)."""

    description = "stub"

    def __init__(self, delay_s=0.0):
        self.delay_s = delay_s
        self.runs = 0
        self.fail_on = ()
        self.open = threading.Event()
        self.open.set()
        self.given_up = threading.Event()
        self.times_given_up = 0

    def interrupt(self):
        self.given_up.set()
        return True

    def run(self, image):
        self.runs += 1
        if self.runs in self.fail_on:
            raise RuntimeError("no more memory")
        self.given_up.clear()
        self.open.wait(10)
        if self.given_up.wait(self.delay_s):
            self.times_given_up += 1
            raise RunInterrupted
        mask = (image.min(axis=2) > 230).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        rows = [(x, y, x + w, y + h, min(w / 100, 1), 0) for x, y, w, h, n in stats[1:] if n >= 64]
        return np.array(rows, np.float32).reshape(-1, 6)


def worker(engine=None, **spec):
    return ModelWorker(Detector(replace(SPEC, **spec), engine or Spots()))


def given_scale(model=None, **chosen):
    """Settings under which the stub sees the frame as it is."""
    return LiveSettings(model or worker(), **{"red_cell_px": 20.0, **chosen})


def ground(width, height, seed=0):
    """Grey texture, dark enough not to be a spot."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(40, 160, (-(-height // 16), -(-width // 16), 1), np.uint8)
    return np.repeat(np.repeat(np.repeat(blocks, 16, 0), 16, 1)[:height, :width], 3, axis=2)


def picture(*squares, width=320, height=240, seed=0):
    """A frame with white squares (x, y, side)."""
    image = ground(width, height, seed)
    for x, y, side in squares:
        image[y : y + side, x : x + side] = 255
    return image


def coloured(frame):
    """Which pixels of a drawn frame belong to boxes or labels: all else is grey."""
    return frame.max(axis=2).astype(int) - frame.min(axis=2) > 40


def box_drawn(frame):
    """Left, top, right, bottom of everything coloured; None where nothing is drawn."""
    ys, xs = np.nonzero(coloured(frame))
    return None if len(xs) == 0 else (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
