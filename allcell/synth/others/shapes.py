"""Discs, rings, boxes and polygons on paper."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from allcell.synth.others.base import Drawing, colour, paper

Canvas = npt.NDArray[np.uint8]


def _smooth(rng: np.random.Generator) -> int:
    return int(rng.choice([cv2.LINE_8, cv2.LINE_AA]))


def _scattered(
    rng: np.random.Generator,
    sheet: Canvas,
    shades: list[tuple[int, int, int]],
    radius: float,
    cover: float,
    spread: float = 0.1,
    thickness: int = -1,
) -> None:
    height, width = sheet.shape[:2]
    count = int(np.clip(cover * width * height / (np.pi * radius**2), 3, 700))
    line = _smooth(rng)
    for _ in range(count):
        size = max(2, round(radius * float(np.exp(rng.normal(0, spread)))))
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (size, max(2, round(size * float(rng.uniform(1 - spread, 1)))))
        shade = shades[int(rng.integers(len(shades)))]
        cv2.ellipse(sheet, centre, axes, float(rng.uniform(0, 180)), 0, 360, shade, thickness, line)


def _radius(rng: np.random.Generator, width: int, height: int) -> float:
    return float(np.exp(rng.uniform(np.log(5), np.log(max(8, min(width, height) / 5)))))


def _of_one_size(
    rng: np.random.Generator,
    sheet: Canvas,
    shades: list[tuple[int, int, int]],
    spreads: tuple[float, ...],
    cover: tuple[float, float],
) -> Drawing:
    """Discs all over a sheet: how unlike in size and how many is drawn from what is given."""
    height, width = sheet.shape[:2]
    spread = float(rng.choice(spreads))
    _scattered(rng, sheet, shades, _radius(rng, width, height), float(rng.uniform(*cover)), spread)
    return sheet.astype(np.float32)


def discs(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Discs of one size, in one to three colours."""
    sheet = paper(rng, width, height)
    shades = [colour(rng) for _ in range(int(rng.integers(1, 4)))]
    return _of_one_size(rng, sheet, shades, spreads=(0, 0.1, 0.4), cover=(0.05, 0.6))


def purple_discs(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Violet discs on beige, pink or white, as somebody would draw a smear to try the app."""
    sheet = paper(rng, width, height, _beige(rng))
    shades = [_violet(rng) for _ in range(int(rng.integers(1, 3)))]
    return _of_one_size(rng, sheet, shades, spreads=(0, 0.1, 0.25), cover=(0.03, 0.4))


def two_kinds(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """A child's smear: pink discs, some with a pale middle, and a few violet ones, all even."""
    sheet = paper(rng, width, height, _beige(rng))
    radius = _radius(rng, width, height)
    pink = (int(rng.integers(190, 250)), int(rng.integers(110, 190)), int(rng.integers(120, 200)))
    _scattered(rng, sheet, [pink], radius, float(rng.uniform(0.1, 0.5)), 0.05)
    if rng.random() < 0.4:
        _scattered(rng, sheet, [pink], radius, 0.2, 0.05, thickness=max(1, round(radius / 3)))
    _scattered(rng, sheet, [_violet(rng)], radius * float(rng.uniform(1, 1.8)), 0.05, 0.1)
    return sheet.astype(np.float32)


def rings(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Rings, concentric or scattered."""
    sheet = paper(rng, width, height)
    radius = _radius(rng, width, height)
    line = max(1, round(radius * float(rng.uniform(0.05, 0.4))))
    if rng.random() < 0.3:
        for size in range(line, max(width, height), max(3, 3 * line)):
            cv2.circle(sheet, (width // 2, height // 2), size, colour(rng), line, _smooth(rng))
    else:
        shades = [colour(rng) for _ in range(2)]
        _scattered(rng, sheet, shades, radius, float(rng.uniform(0.1, 0.5)), 0.1, line)
    return sheet.astype(np.float32)


def boxes(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Rectangles: a chessboard, or some anywhere."""
    sheet = paper(rng, width, height)
    if rng.random() < 0.3:
        side = int(rng.integers(6, max(8, min(width, height) // 4)))
        y, x = np.mgrid[:height, :width] // side
        sheet[(x + y) % 2 == 0] = colour(rng)
    else:
        for _ in range(int(rng.integers(3, 80))):
            x, y = int(rng.integers(width)), int(rng.integers(height))
            w, h = (int(side) for side in rng.integers(4, max(6, min(width, height) // 3), 2))
            full = -1 if rng.random() < 0.7 else int(rng.integers(1, 6))
            cv2.rectangle(sheet, (x, y), (x + w, y + h), colour(rng), full)
    return sheet.astype(np.float32)


def polygons(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Triangles, stars and the like."""
    sheet = paper(rng, width, height)
    for _ in range(int(rng.integers(3, 60))):
        corners = int(rng.integers(3, 9))
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        far = rng.uniform(0.3, 1, corners) * _radius(rng, width, height) * 1.5
        centre = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        points = centre + np.stack([np.cos(angle) * far, np.sin(angle) * far], axis=1)
        cv2.fillPoly(sheet, [points.astype(np.int32)], colour(rng), _smooth(rng))
    return sheet.astype(np.float32)


def bubbles(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Balls with a highlight, as pills, beans, coins and drops have it."""
    sheet = paper(rng, width, height).astype(np.float32)
    radius = max(6.0, _radius(rng, width, height))
    shade = np.array(colour(rng, 40, 256), np.float32)
    for _ in range(int(np.clip(0.4 * width * height / (np.pi * radius**2), 3, 250))):
        size = radius * float(np.exp(rng.normal(0, 0.15)))
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        left, right = max(0, int(x - size)), min(width, int(x + size) + 1)
        top, bottom = max(0, int(y - size)), min(height, int(y + size) + 1)
        if left >= right or top >= bottom:
            continue
        gy, gx = np.mgrid[top:bottom, left:right].astype(np.float32)
        far = np.hypot(gx - x, gy - y) / size
        glint = np.clip(1 - np.hypot(gx - x + 0.4 * size, gy - y + 0.4 * size) / size, 0, 1)
        body = shade * (0.5 + 0.5 * np.sqrt(np.clip(1 - far**2, 0, 1)))[..., None]
        body = body + (255 - body) * (glint**2)[..., None]
        inside = (far < 1)[..., None]
        view = sheet[top:bottom, left:right]
        sheet[top:bottom, left:right] = np.where(inside, body, view)
    return sheet


def _beige(rng: np.random.Generator) -> tuple[int, int, int]:
    warm = int(rng.integers(0, 45))
    top = int(rng.integers(215, 256))
    return top, top - warm // 3, top - warm


def _violet(rng: np.random.Generator) -> tuple[int, int, int]:
    return int(rng.integers(60, 150)), int(rng.integers(10, 90)), int(rng.integers(100, 200))
