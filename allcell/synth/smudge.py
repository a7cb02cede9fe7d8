"""Smudge cells: what a fragile cell leaves when the smear is drawn."""

from __future__ import annotations

import math

import cv2
import numpy as np

from allcell.synth.palette import AZURE, CHROMATIN, ROSE
from allcell.synth.patch import Painted, Patch, Press, bell, soft_min
from allcell.synth.scatter import F32


def _threads(patch: Patch, radius: float, count: int) -> F32:
    """Coverage of fine curved strands that trail from a burst nucleus on one side."""
    rng = patch.rng
    drawn = np.zeros((patch.size_px, patch.size_px), dtype=np.uint8)
    main = rng.uniform(0, 2 * math.pi)
    zero = np.array([-float(patch.x_um[0, 0]), -float(patch.y_um[0, 0])])
    width = max(1, round(0.22 * patch.px_per_um))
    t = np.linspace(0, 1, 8)[:, None]
    for _ in range(count):
        angle, curl = main + rng.normal(0, 0.7), rng.normal(0, 0.7)
        outward = np.array([math.cos(angle), math.sin(angle)])
        along = np.array([math.cos(angle + curl), math.sin(angle + curl)])
        start = outward * radius * rng.uniform(0.45, 0.8)
        path = start + t * outward * rng.uniform(1, 3) + t**2 * along * rng.uniform(0.3, 2.2)
        points = np.rint((path + zero) * patch.px_per_um * 16).astype(np.int32)
        cv2.polylines(drawn, [points], False, 255, width, cv2.LINE_AA, 4)
    return np.asarray(drawn * np.float32(0.45 / 255), dtype=np.float32)


def paint_smudge(patch: Patch, radius: float, press: Press) -> Painted:
    """Smudge: a burst cell, pale purple, ragged, its chromatin a felt of strands."""
    rng = patch.rng
    turn, basket, torn = rng.uniform(0, math.pi), rng.random() < 0.4, rng.uniform(0.25, 1)
    body = patch.blob(
        0,
        0,
        radius * 0.9,
        stretch=rng.uniform(1.0, 1.5),
        turn=turn,
        wobble=rng.uniform(0.08, 0.15),
        highest=9,
    )
    drawn_out = patch.noise(0.8, along_um=rng.uniform(2.5, 6), turn=turn)
    ragged = body + torn * (0.35 * patch.noise(1.7) + 0.18 * patch.noise(0.8) + 0.30 * drawn_out)
    outline = press(np.asarray(soft_min(ragged, body + 1.2, 0.8), dtype=np.float32))
    # Zero crossings of noise make a web, which reads as felted strands.
    web = 0.5 - np.abs(patch.noise(1.1))
    density = (
        0.72
        + 0.11 * web
        + 0.11 * torn * drawn_out
        + 0.13 * patch.noise(2.6)
        + 0.05 * patch.noise(0.5)
        + (0.12 * bell(outline - 0.3, 0.5) if basket else 0.0)
    )
    if basket:
        density *= 0.75
        for _ in range(int(rng.integers(3, 9))):
            dx, dy = patch.shift(radius * math.sqrt(rng.uniform(0.05, 0.75)))
            bubble = patch.blob(dx, dy, rng.uniform(0.6, 2.2), stretch=rng.uniform(1, 1.8))
            density = density * (1 - 0.7 * patch.edge(bubble, 0.5)) + 0.15 * bell(bubble, 0.25)
    else:
        density *= 0.55 + 0.45 * np.clip(body / (0.45 * radius), 0, 1)
    density = np.clip(density, 0.08, 1.3)
    ink = patch.ink()
    ink[CHROMATIN] = rng.uniform(0.3, 0.75) * density
    ink[ROSE] = rng.uniform(0.2, 1.0) * density
    ink[AZURE] = rng.uniform(0.1, 0.4) * density
    cover = patch.edge(outline, rng.uniform(0.4, 1.4))
    if rng.random() < 0.6:
        threads = _press_cover(patch, press, _threads(patch, radius, int(rng.integers(4, 16))))
        cover = np.maximum(cover, threads)
    return cover, ink


def _press_cover(patch: Patch, press: Press, cover: F32) -> F32:
    """Coverage cut off where other cells press."""
    far = np.full(cover.shape, 99.0, dtype=np.float32)
    return np.minimum(cover, patch.edge(press(far)))
