"""A detector whose truth is in the picture, and what every real engine is asked to do."""

import threading
import time

import cv2
import numpy as np

from allcell.engines.base import RunInterrupted
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


def picture(width, height, *squares):
    """White squares (x, y, side) on black."""
    image = np.zeros((height, width, 3), np.uint8)
    for x, y, side in squares:
        image[y : y + side, x : x + side] = 255
    return image


def bright_spots(image):
    """A box of class 0 round every white square."""
    mask = (image.min(axis=2) > 200).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    rows = [(x, y, x + w, y + h, 0.9, 0) for x, y, w, h, n in stats[1:] if n >= 9]
    return np.array(rows, np.float32).reshape(-1, 6)


def check_giving_up(engine, same):
    """A run can be given up and the next one is whole; `same` compares two answers."""
    image = np.full((640, 640, 3), 200, np.uint8)
    whole = engine.run(image)
    outcome = []

    def run():
        try:
            outcome.append(engine.run(image))
        except RunInterrupted:
            outcome.append("given up")

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        time.sleep(0.003)
        engine.interrupt()
    assert outcome == ["given up"]
    assert same(engine.run(image), whole)
    engine.interrupt()  # nothing runs: the next one is not harmed
    assert engine.run(image).shape == whole.shape
