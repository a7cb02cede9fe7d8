"""Pages, screens and charts."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from allcell.synth.others.base import Drawing, colour, paper

_WORDS = (
    *("blood", "smear", "cell", "the", "of", "report", "patient", "count", "12.4", "mean", "and"),
    *("with", "WBC", "normal", "value", "range", "4.0", "10^9", "RBC", "morphology", "see", "note"),
    *("method", "table", "figure", "result", "data", "file", "open", "return", "if", "self"),
)
_FONTS = (
    *(cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX),
    *(cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX),
)


def _write(
    rng: np.random.Generator,
    sheet: npt.NDArray[np.uint8],
    ink: tuple[int, int, int],
    box: tuple[int, int, int, int],
    size: float,
) -> None:
    """Lines of words inside (left, top, right, bottom); `size` is OpenCV's font scale."""
    left, top, right, bottom = box
    font = int(_FONTS[int(rng.integers(len(_FONTS)))])
    weight = max(1, round(size * 1.4))
    y = top + int(26 * size)
    while y < bottom:
        x = left + int(rng.choice([0, 0, 30 * size]))
        while x < right - 40 * size and rng.random() > 0.04:
            word = _WORDS[int(rng.integers(len(_WORDS)))]
            cv2.putText(sheet, word, (x, y), font, size, ink, weight, cv2.LINE_AA)
            x += int(size * (18 * len(word) + 14))
        y += int(34 * size)


def text(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """A page of words, dark on light or light on dark."""
    light = rng.random() < 0.75
    sheet = paper(rng, width, height, colour(rng, 225) if light else colour(rng, 0, 60))
    ink = colour(rng, 0, 110) if light else colour(rng, 150)
    margin = int(0.06 * width)
    size = float(np.exp(rng.uniform(np.log(0.35), np.log(1.6))))
    _write(rng, sheet, ink, (margin, margin, width - margin, height - margin // 2), size)
    return sheet.astype(np.float32)


def photographed_page(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """A printed page, grey or yellowed, under a lamp that stands on one side."""
    sheet = paper(rng, width, height, (255, 255, 255))
    size = float(np.exp(rng.uniform(np.log(0.35), np.log(1.8))))
    ink = int(rng.integers(0, 120))
    _write(rng, sheet, (ink, ink, ink), (4, 4, width, height), size)
    tilt = rng.uniform(-0.45, 0.45, 2)
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :, None]
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None, None]
    lamp = float(rng.uniform(0.5, 0.95)) * (1 + tilt[0] * x + tilt[1] * y + 0.3 * x * y)
    tint = np.array([1.0, 1.0 - rng.uniform(0, 0.06), 1.0 - rng.uniform(0, 0.15)], np.float32)
    if rng.random() < 0.5:
        tint = np.ones(3, np.float32)
    soft = cv2.GaussianBlur(sheet.astype(np.float32), (0, 0), float(rng.uniform(0.4, 1.2)))
    return np.asarray(soft * lamp * tint, np.float32)


def screen(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Windows with bars, buttons, pictures and words."""
    sheet = paper(rng, width, height, colour(rng, 215))
    cv2.rectangle(sheet, (0, 0), (width, height // 12), colour(rng), -1)
    cv2.rectangle(sheet, (0, height // 12), (width // 5, height), colour(rng, 180), -1)
    for _ in range(int(rng.integers(3, 14))):
        x, y = int(rng.integers(width // 5, width)), int(rng.integers(height // 12, height))
        w, h = int(rng.integers(20, width // 2)), int(rng.integers(12, height // 3))
        cv2.rectangle(sheet, (x, y), (x + w, y + h), colour(rng, 100), -1)
        cv2.rectangle(sheet, (x, y), (x + w, y + h), colour(rng, 0, 140), 1)
        if rng.random() < 0.4:
            cv2.circle(sheet, (x, y), int(rng.integers(6, 30)), colour(rng), -1, cv2.LINE_AA)
        else:
            _write(rng, sheet, colour(rng, 0, 90), (x + 4, y + 2, x + w, y + h), 0.45)
    return sheet.astype(np.float32)


def _axes(rng: np.random.Generator, width: int, height: int) -> npt.NDArray[np.uint8]:
    sheet = paper(rng, width, height, colour(rng, 235))
    if rng.random() < 0.5:
        for part in np.linspace(0.1, 0.9, 6):
            cv2.line(
                sheet, (width // 10, int(part * height)), (width, int(part * height)), (210,) * 3
            )
    cv2.line(sheet, (width // 10, 0), (width // 10, int(0.9 * height)), (0, 0, 0), 1)
    cv2.line(sheet, (width // 10, int(0.9 * height)), (width, int(0.9 * height)), (0, 0, 0), 1)
    _write(rng, sheet, (0, 0, 0), (width // 10, int(0.91 * height), width, height - 4), 0.4)
    return sheet


def bars(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """A bar chart."""
    sheet = _axes(rng, width, height)
    count = int(rng.integers(3, 24))
    shade = colour(rng, 0, 200)
    for n in range(count):
        left = int(width * (0.12 + 0.86 * n / count))
        right = int(width * (0.12 + 0.86 * (n + 0.7) / count))
        top = int(height * rng.uniform(0.1, 0.85))
        cv2.rectangle(sheet, (left, top), (right, int(0.9 * height)), shade, -1)
    return sheet.astype(np.float32)


def lines(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """A line chart."""
    sheet = _axes(rng, width, height)
    x = np.linspace(0.1 * width, width, 80)
    for _ in range(int(rng.integers(1, 6))):
        y = height * (0.5 + np.cumsum(rng.normal(0, 0.03, 80)))
        points = np.stack([x, y], axis=1).astype(np.int32)
        cv2.polylines(sheet, [points], False, colour(rng, 0, 200), int(rng.integers(1, 4)), 16)
    return sheet.astype(np.float32)


def scatter(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """A scatter plot."""
    sheet = _axes(rng, width, height)
    radius = int(rng.integers(2, max(4, min(width, height) // 30)))
    for _ in range(int(rng.integers(1, 4))):
        shade = colour(rng, 0, 220)
        middle = rng.uniform(0.3, 0.7, 2)
        for x, y in rng.normal(middle, 0.15, (int(rng.integers(15, 200)), 2)):
            centre = (int(x * width), int(y * height))
            cv2.circle(sheet, centre, radius, shade, -1, cv2.LINE_AA)
    return sheet.astype(np.float32)
