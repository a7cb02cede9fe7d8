"""Surfaces: even, noisy, woven, knitted, stony, tissue, and landscapes."""

from __future__ import annotations

import cv2
import numpy as np

from allcell.synth.others.base import Drawing, clouds, colour


def _between(first: tuple[int, int, int], second: tuple[int, int, int], share: Drawing) -> Drawing:
    a, b = np.array(first, np.float32), np.array(second, np.float32)
    return np.asarray(a + (b - a) * np.clip(share, 0, 1)[..., None], np.float32)


def uniform(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Nothing but one colour: black, white or any."""
    shade = [(0, 0, 0), (255, 255, 255), colour(rng)][int(rng.integers(3))]
    return np.full((height, width, 3), shade, np.float32)


def gradient(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """From one colour to another, straight or round."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        share = (x * np.cos(angle) + y * np.sin(angle)).astype(np.float32)
    else:
        share = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)).astype(np.float32)
    share = (share - share.min()) / max(1.0, float(np.ptp(share)))
    return _between(colour(rng), colour(rng), share)


def noise(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Grains of one or more pixels, grey or coloured."""
    grain = int(rng.integers(1, 12))
    shape = (height // grain + 1, width // grain + 1, 3 if rng.random() < 0.6 else 1)
    grains = rng.normal(rng.uniform(60, 200), rng.uniform(5, 80), shape)
    grains = np.broadcast_to(grains, (*shape[:2], 3)).astype(np.float32)
    how = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.clip(
        cv2.resize(np.ascontiguousarray(grains), (width, height), interpolation=how), 0, 255
    )


def cloudy(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Two colours mixed by clouds."""
    share = 0.5 + 0.35 * clouds(rng, width, height, float(rng.uniform(0.8, 2.2)))
    return _between(colour(rng), colour(rng), share)


def fabric(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Stripes, checks and woven threads."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turn = float(rng.choice([0.0, 0.0, rng.uniform(0, np.pi)]))
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    pitch = float(np.exp(rng.uniform(np.log(4), np.log(40))))
    warp, weft = np.sin(2 * np.pi * x / pitch), np.sin(2 * np.pi * y / pitch)
    how = int(rng.integers(4))
    if how == 0:
        share = 0.5 + 0.5 * (np.sign(warp) if rng.random() < 0.5 else warp)
    elif how == 1:
        share = 0.5 + 0.25 * (np.sign(warp) + np.sign(weft))
    elif how == 2:
        over = np.sign(np.sin(np.pi * x / pitch) * np.sin(np.pi * y / pitch))
        share = 0.5 + 0.4 * np.where(over > 0, np.abs(weft), -np.abs(warp))
    else:
        share = 0.5 + 0.25 * (warp + weft)
    sheet = _between(colour(rng), colour(rng), share.astype(np.float32))
    return sheet + rng.normal(0, rng.uniform(0, 12), sheet.shape).astype(np.float32)


def knit(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Meshes of a pullover."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pitch = float(np.exp(rng.uniform(np.log(8), np.log(50))))
    lean = np.abs((x / pitch) % 1 - 0.5)
    share = 0.5 + 0.5 * np.sin(2 * np.pi * (y / pitch * 1.3 + lean * 1.6))
    share = share * (0.4 + 1.2 * lean) + 0.1 * clouds(rng, width, height, 1.0)
    return _between(colour(rng, 0, 120), colour(rng, 80, 256), share.astype(np.float32))


def stone(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Marble, wood or terrazzo."""
    x = np.arange(width, dtype=np.float32)[None].repeat(height, 0)
    field = clouds(rng, width, height, 1.6)
    pitch = float(rng.uniform(15, 150))
    if rng.random() < 0.5:
        share = 0.5 + 0.5 * np.sin(2 * np.pi * x / pitch + rng.uniform(1, 6) * field)
    else:
        share = (clouds(rng, width, height, 1.2) > rng.uniform(-0.5, 1)).astype(np.float32)
        share = share * 0.7 + 0.1 * clouds(rng, width, height, 0.6)
    return _between(colour(rng), colour(rng), np.asarray(share, np.float32))


def tissue(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """A section stained with haematoxylin and eosin: pink fibres, crowded violet nuclei, gaps."""
    light = np.array([rng.uniform(225, 252), rng.uniform(220, 248), rng.uniform(225, 250)])
    eosin = np.array([0.08, rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.4)])
    blue = np.array([rng.uniform(0.5, 0.8), rng.uniform(0.7, 1.0), rng.uniform(0.2, 0.45)])
    unit = float(np.exp(rng.uniform(np.log(5), np.log(36))))
    fibres = clouds(rng, width, height, 1.3)
    pink = np.clip(0.6 + 0.3 * fibres + 0.15 * clouds(rng, width, height, 0.7), 0.05, None)
    gaps = clouds(rng, width, height, 2.0) > rng.uniform(0.8, 2.5)
    pink[gaps] = 0.03
    density = pink[..., None] * eosin * rng.uniform(0.6, 1.6)
    nuclei = np.zeros((height, width), np.float32)
    crowd = float(rng.uniform(0.05, 0.5))
    for _ in range(int(np.clip(crowd * width * height / (np.pi * unit**2), 5, 900))):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        if gaps[y, x]:
            continue
        axes = (
            max(2, round(unit * rng.uniform(0.5, 1.2))),
            max(2, round(unit * rng.uniform(0.3, 0.9))),
        )
        cv2.ellipse(
            nuclei,
            (x, y),
            axes,
            float(rng.uniform(0, 180)),
            0,
            360,
            float(rng.uniform(0.4, 1.2)),
            -1,
        )
    nuclei = np.asarray(cv2.GaussianBlur(nuclei, (0, 0), max(0.5, 0.08 * unit)), np.float32)
    nuclei *= 1 + 0.2 * clouds(rng, width, height, 0.7)
    density = density + nuclei[..., None] * blue
    return np.asarray(light * np.exp(-density), np.float32)


def landscape(rng: np.random.Generator, width: int, height: int) -> Drawing:
    """Sky, hills and a rough foreground."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None].repeat(width, 1)
    sheet = _between(colour(rng, 60), colour(rng, 120), y)
    sheet += 12 * clouds(rng, width, height, 1.8)[..., None]
    for depth in np.sort(rng.uniform(0.25, 0.9, 3)):
        ridge = depth + 0.06 * clouds(rng, width, 8, 1.5)[4]
        ground = y > ridge[None]
        shade = np.array(colour(rng, 10, 190), np.float32)
        rough = 18 * clouds(rng, width, height, float(rng.uniform(0.5, 1.3)))[..., None]
        sheet = np.where(ground[..., None], shade + rough, sheet)
    return np.asarray(sheet, np.float32)
