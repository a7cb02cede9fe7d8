"""The red-cell ruler on fields whose red cells are known."""

import os
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from allcell.imaging.scale import estimate_red_cell, resolve_scale
from allcell.synth import random_spec, render
from allcell.ui.shell.wording import GOOD_CONFIDENCE

#: Width, height and red cells of the fields, in pixels; each is rendered from two seeds.
FIELDS = [
    (200, 200, 10),
    (200, 200, 28),
    (224, 224, 20),
    (240, 180, 14),
    (240, 180, 34),
    (320, 240, 12),
    (320, 240, 48),
    (480, 360, 20),
    (480, 360, 68),
    (640, 480, 17),
    (640, 480, 40),
    (640, 480, 95),
    (900, 700, 80),
    (900, 700, 130),
    (1280, 960, 160),
    (1280, 960, 200),
]


def field(seed, width, height, red_cell_px):
    # Nothing is rendered at more than 140 px.
    enlarged = max(1.0, red_cell_px / 140)
    size = round(width / enlarged), round(height / enlarged)
    image = render(random_spec(seed, *size, red_cell_px / enlarged)).image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)


def mirrored(image, width, height):
    """The image and its mirror images, side by side until they fill the size."""
    tile = np.concatenate([image, image[:, ::-1]], axis=1)
    tile = np.concatenate([tile, tile[::-1]])
    times = -(-height // tile.shape[0]), -(-width // tile.shape[1]), 1
    return np.ascontiguousarray(np.tile(tile, times)[:height, :width])


@pytest.mark.slow
def test_rendered_fields_are_measured_rightly_or_said_to_be_uncertain():
    measured = [
        (width, height, px, seed, estimate_red_cell(field(seed, width, height, px)))
        for width, height, px in FIELDS
        for seed in (1, 2)
    ]
    wrong = [m for m in measured if abs(m[4].diameter_px / m[2] - 1) > 0.15]
    misleading = [m for m in wrong if m[4].reliable]
    assert len(misleading) <= 0.02 * len(measured), misleading
    assert not [
        m
        for m in wrong
        if m[4].confidence >= GOOD_CONFIDENCE and not 1 / 1.3 < m[4].diameter_px / m[2] < 1.3
    ]
    # A ruler that never commits itself would pass the above.
    assert len(wrong) <= 0.06 * len(measured), wrong
    assert np.mean([m[4].confidence >= GOOD_CONFIDENCE for m in measured]) > 0.8


@pytest.mark.parametrize(
    ("width", "height", "red_cell_px"),
    [
        pytest.param(4000, 3000, 20, id="small cells in a camera's photograph"),
        pytest.param(4000, 3000, 80, id="usual cells in a camera's photograph"),
        pytest.param(12000, 800, 10, id="the longest side with the smallest cells"),
        pytest.param(12000, 800, 56, id="the longest side"),
    ],
)
@pytest.mark.slow
def test_large_fields(width, height, red_cell_px):
    side = 24 * red_cell_px
    image = mirrored(field(5, side, side, red_cell_px), width, height)
    estimate = estimate_red_cell(image)
    assert estimate.diameter_px == pytest.approx(red_cell_px, rel=0.15)
    assert estimate.confidence >= GOOD_CONFIDENCE


@pytest.mark.parametrize("factor", [0.5, 0.6, 0.7, 0.84, 1.2, 1.4, 1.7, 2.0])
@pytest.mark.slow
def test_the_estimate_follows_the_magnification(factor):
    """No size falls between two levels of the pyramid."""
    image = field(8, 800, 600, 40)
    scaled = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    ratio = estimate_red_cell(scaled).diameter_px / estimate_red_cell(image).diameter_px
    assert ratio == pytest.approx(factor, rel=0.05)


def text_page():
    page = np.full((900, 1200, 3), 250, np.uint8)
    for line in range(40, 900, 44):
        words = "one hundred good food looped across 0080 boxes, o so cool" * 2
        cv2.putText(page, words, (20, line), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (30, 30, 30), 2)
    return page


def purple_circles():
    page = np.full((900, 1200, 3), (235, 220, 190), np.uint8)
    for x, y in np.random.default_rng(4).integers(0, (1200, 900), (60, 2)).tolist():
        cv2.circle(page, (x, y), 40, (120, 40, 140), -1, cv2.LINE_AA)
    return page


def pattern(kind):
    """Threads and squares in brown on beige."""
    y, x = np.mgrid[:900, :1200]
    wave = {
        "stripes": np.sin(2 * np.pi * (x + y) / 100),
        "weave": np.sin(2 * np.pi * x / 50) * np.sin(2 * np.pi * y / 50),
        "dots": np.sin(2 * np.pi * x / 50) + np.sin(2 * np.pi * y / 50),
        "squares": np.where((x // 25 + y // 25) % 2, 1.0, -1.0),
    }[kind]
    base, swing = np.array([200, 160, 150]), np.array([35, 45, 45])
    return np.clip(base + wave[..., None] * swing, 0, 255).astype(np.uint8)


def noise(blur_px):
    grain = np.random.default_rng(6).standard_normal((900, 1200, 3))
    if blur_px:
        grain = cv2.GaussianBlur(grain, (0, 0), blur_px)
    return np.clip(190 + 30 * grain / grain.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(text_page, id="letters are round, but black"),
        pytest.param(purple_circles, id="circles of one size have the colour of nuclei"),
        pytest.param(lambda: pattern("stripes"), id="threads have no ends"),
        pytest.param(lambda: pattern("weave"), id="the blobs of a weave stand in rank"),
        pytest.param(lambda: pattern("dots"), id="printed dots stand in rank"),
        pytest.param(lambda: pattern("squares"), id="squares are not round"),
        pytest.param(lambda: noise(0), id="fine noise"),
        pytest.param(lambda: noise(4), id="coarse noise"),
    ],
)
def test_what_is_no_smear_is_not_measured_well(image):
    assert estimate_red_cell(image()).confidence < GOOD_CONFIDENCE


def test_nuclei_are_not_taken_for_red_cells():
    """Red cells are the fewest and palest of the round things here."""
    spec = random_spec(3, 640, 480, 24)
    crowded = replace(spec, blasts=60, red_coverage=0.04, platelets=0.0, smudges=0)
    estimate = estimate_red_cell(render(crowded).image)
    assert not estimate.reliable or estimate.diameter_px == pytest.approx(24, rel=0.15)


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


@pytest.mark.slow
def test_a_twelve_megapixel_field_takes_little_time():
    image = np.kron(render(random_spec(2, 1000, 750, 26)).image, np.ones((4, 4, 1), np.uint8))
    times = []
    for _ in range(5):
        start = time.process_time()
        estimate_red_cell(image)
        times.append(time.process_time() - start)
    # The bound on an idle machine is 40 ms; CI machines are slower and shared.
    assert min(times) < 0.12


@pytest.mark.skipif(
    not os.environ.get("ALLCELL_OPEN_DATA"), reason="ALLCELL_OPEN_DATA names no folder with bccd/"
)
def test_bccd_fields_within_15_percent():
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
