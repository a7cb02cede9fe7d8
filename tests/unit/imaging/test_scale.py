"""The red-cell ruler on fields whose red cells are known."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from allcell.imaging.scale import estimate_red_cell, resolve_scale
from allcell.synth import random_spec, render


@pytest.mark.parametrize("red_cell_px", [18, 30, 50, 80, 120])
@pytest.mark.slow
def test_synthetic_fields_of_every_magnification(red_cell_px):
    errors = []
    for seed in range(4):
        field = render(random_spec(seed, 1280, 960, red_cell_px))
        errors.append(estimate_red_cell(field.image).diameter_px / field.red_cell_px - 1)
    assert np.median(np.abs(errors)) < 0.12, errors


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.full((400, 500, 3), 220, np.uint8), id="empty slide"),
        pytest.param(np.full((20, 20, 3), 220, np.uint8), id="tiny"),
        pytest.param(
            np.repeat(np.linspace(0, 255, 500).astype(np.uint8)[None, :, None], 400, 0).repeat(
                3, 2
            ),
            id="gradient",
        ),
    ],
)
def test_where_there_is_nothing_round_it_says_so(image):
    scale = resolve_scale(image)
    assert scale.origin == "default"
    assert scale.red_cell_px is None
    assert scale.estimate is not None
    assert not scale.estimate.reliable


def test_the_users_word_counts():
    image = render(random_spec(1, 640, 480, 30)).image
    assert resolve_scale(image, 55.0).red_cell_px == 55.0
    assert resolve_scale(image, 55.0).origin == "given"
    assert resolve_scale(image).origin == "measured"


def test_a_twelve_megapixel_field_takes_little_time():
    image = np.kron(render(random_spec(2, 1000, 750, 26)).image, np.ones((4, 4, 1), np.uint8))
    times = []
    for _ in range(5):
        start = time.process_time()
        estimate_red_cell(image)
        times.append(time.process_time() - start)
    # The bound on an idle machine is 30 ms (README); CI machines are slower and shared.
    assert min(times) < 0.12


@pytest.mark.skipif(
    not os.environ.get("ALLCELL_OPEN_DATA"), reason="ALLCELL_OPEN_DATA names no folder with bccd/"
)
def test_bccd_fields_within_15_percent():
    import cv2

    good = total = 0
    folder = Path(os.environ["ALLCELL_OPEN_DATA"]) / "bccd"
    for path in sorted((folder / "images").glob("*.jpg")):
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        height, width = image.shape[:2]
        labels = np.loadtxt(folder / "labels" / f"{path.stem}.txt", ndmin=2)
        red = labels[labels[:, 0] == 1]
        low, high = red[:, 1:3] - red[:, 3:] / 2, red[:, 1:3] + red[:, 3:] / 2
        whole = red[(low > 0.005).all(axis=1) & (high < 0.995).all(axis=1)]
        if len(whole) < 3:
            continue
        diameter = np.median((whole[:, 3] * width + whole[:, 4] * height) / 2)
        total += 1
        good += abs(estimate_red_cell(image).diameter_px / diameter - 1) <= 0.15
    assert total > 300
    assert good / total >= 0.90
