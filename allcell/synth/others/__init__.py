"""Pictures that are no smears: what the gate of stills is fitted to and tested with."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from allcell.synth.others import documents, shapes, textures
from allcell.synth.others.base import Drawing

#: What there is: a name, and what draws it.
KINDS: dict[str, Callable[[np.random.Generator, int, int], Drawing]] = {
    "discs": shapes.discs,
    "purple discs": shapes.purple_discs,
    "two kinds of discs": shapes.two_kinds,
    "rings": shapes.rings,
    "boxes": shapes.boxes,
    "polygons": shapes.polygons,
    "bubbles": shapes.bubbles,
    "uniform": textures.uniform,
    "gradient": textures.gradient,
    "noise": textures.noise,
    "clouds": textures.cloudy,
    "fabric": textures.fabric,
    "knit": textures.knit,
    "stone": textures.stone,
    "tissue": textures.tissue,
    "landscape": textures.landscape,
    "text": documents.text,
    "photographed page": documents.photographed_page,
    "screen": documents.screen,
    "bars": documents.bars,
    "lines": documents.lines,
    "scatter": documents.scatter,
}


def render_other(
    kind: str, seed: int, width_px: int | None = None, height_px: int | None = None
) -> npt.NDArray[np.uint8]:
    """Draw a picture that is no smear.

    Args:
        kind: One of `KINDS`.
        seed: Decides everything.
        width_px: Its width; drawn from 200 to 1,400 if None.
        height_px: Its height; drawn likewise if None.

    Returns:
        RGB uint8 (H, W, 3), half of them as a camera or a screenshot would have kept it: blurred,
        noisy, dimmed, compressed.
    """
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    width = width_px or int(np.exp(rng.uniform(np.log(200), np.log(1400))))
    height = height_px or int(np.clip(width * rng.uniform(0.6, 1.2), 200, 1400))
    drawn = np.asarray(KINDS[kind](rng, width, height), np.float32)
    return worn(drawn, rng)


def worn(picture: Drawing, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A drawing (H, W, 3), 0 to 255, as uint8; half of them with a camera's faults."""
    if rng.random() < 0.5:
        if rng.random() < 0.6:
            picture = np.asarray(
                cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 2.5))), np.float32
            )
        if rng.random() < 0.4:
            gain = rng.uniform(0.5, 1.05) * (1 - rng.uniform(0, 0.2, 3))
            picture = picture * gain.astype(np.float32)
        if rng.random() < 0.6:
            noise = rng.normal(0, rng.uniform(0.5, 8), picture.shape).astype(np.float32)
            picture = picture + noise
    out = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        quality = int(rng.integers(40, 96))
        _, data = cv2.imencode(".jpg", out[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1].copy()
    return out
