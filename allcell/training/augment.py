"""Stain, light and lens: how the same cell looks in another laboratory.

Colour is varied in optical density (Beer-Lambert), where a stronger stain is a multiplication, then
the slide background, the lamp and the camera are varied on top. All functions take and return RGB
uint8 (H, W, 3).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

#: Rows: azure (nuclei), eosin (red cells) and a residual; columns: optical density of red, green,
#: blue. Rows normalised; typical of Giemsa (Tellez et al., Med Image Anal 2019, vary the same way).
_STAINS = np.array([[0.72, 0.64, 0.26], [0.17, 0.78, 0.60], [0.55, -0.38, 0.74]], np.float32)
_STAINS /= np.linalg.norm(_STAINS, axis=1, keepdims=True)
_UNSTAINS = np.linalg.inv(_STAINS).astype(np.float32)


@dataclass(frozen=True)
class Augmentation:
    """How strongly tiles vary; each value is a standard deviation or a probability.

    Attributes:
        stain: Strength of each stain (log scale).
        background: Brightness of each colour channel of the empty slide (log scale).
        gamma: Camera curve (log scale).
        hue: Rotation of the hue, in fractions of the circle.
        saturation: Colourfulness (log scale).
        uneven: Probability of a brightness gradient across the tile.
        grey: Probability of a nearly colourless tile.
        blur: Probability of a soft focus.
        coarse: Probability of a coarse sensor, down to a third of the pixels on each side: how many
            pixels a laboratory gives a cell must not tell the class.
        noise: Probability of sensor noise.
        jpeg: Probability of compression artefacts.
    """

    stain: float = 0.22
    background: float = 0.08
    gamma: float = 0.15
    hue: float = 0.018
    saturation: float = 0.22
    uneven: float = 0.3
    grey: float = 0.04
    blur: float = 0.25
    coarse: float = 0.0
    noise: float = 0.3
    jpeg: float = 0.25

    def scaled(self, factor: float) -> Augmentation:
        """All of it, times `factor`."""
        return Augmentation(**{name: value * factor for name, value in asdict(self).items()})


def background_colour(image: Image) -> npt.NDArray[np.float32]:
    """Colour (3,) of the empty slide: the bright mode of the picture, as float32 0 to 255."""
    small = image[:: max(1, image.shape[0] // 72), :: max(1, image.shape[1] // 72)]
    pixels = small.reshape(-1, 3).astype(np.float32)
    luminance = pixels @ np.ones(3, np.float32)
    bright = pixels[luminance >= np.percentile(luminance, 75)]
    return np.asarray(np.median(bright, axis=0), dtype=np.float32)


def restain(
    image: Image,
    rng: np.random.Generator,
    how: Augmentation,
    light: npt.NDArray[np.float32] | None = None,
) -> Image:
    """Vary stain strengths, slide background and camera curve.

    Args:
        image: RGB uint8 (H, W, 3).
        rng: Decides how much.
        how: Decides how much at most.
        light: Colour (3,) of the empty slide, where the image does not show it; measured if None.
    """
    light = np.maximum(background_colour(image) if light is None else light, 40.0)
    density = -np.log(np.maximum(image.astype(np.float32), 1.0) / light)
    mix = _UNSTAINS @ np.diag(np.exp(rng.normal(0, how.stain, 3)).astype(np.float32)) @ _STAINS
    density = density.reshape(-1, 3) @ mix.astype(np.float32)
    common = np.exp(rng.normal(0, 1.5 * how.background))
    new_light = np.clip(light * common * np.exp(rng.normal(0, how.background, 3)), 60, 255)
    gamma = float(np.exp(rng.normal(0, how.gamma)))
    out = new_light.astype(np.float32) * np.exp(-gamma * density)
    return np.asarray(np.clip(out, 0, 255), dtype=np.uint8).reshape(image.shape)


def recolour(image: Image, rng: np.random.Generator, how: Augmentation) -> Image:
    """Vary hue and saturation."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    turn = int(rng.normal(0, how.hue) * 256)
    factor = 0.15 if rng.random() < how.grey else float(np.exp(rng.normal(0, how.saturation)))
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + turn) % 256
    hsv[..., 1] = np.clip(hsv[..., 1].astype(np.float32) * factor, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), dtype=np.uint8)


def photograph(image: Image, rng: np.random.Generator, how: Augmentation) -> Image:
    """Vary evenness of the light, focus, noise and compression."""
    height, width = image.shape[:2]
    out: npt.NDArray[Any] = image
    if rng.random() < how.uneven:
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.35)
        x = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.cos(angle)
        y = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.sin(angle)
        shade = (1.0 + strength * (x[None, :] + y[:, None])).astype(np.float32)
        out = np.clip(out * shade[..., None], 0, 255).astype(np.uint8)
    if rng.random() < how.blur:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.3)))
    elif rng.random() < how.blur:
        soft = cv2.GaussianBlur(out, (0, 0), 1.0)
        amount = float(rng.uniform(0.2, 0.9))
        out = cv2.addWeighted(out, 1 + amount, soft, -amount, 0)
    if how.coarse and rng.random() < how.coarse:
        share = float(rng.uniform(0.33, 0.9))
        size = (max(4, round(width * share)), max(4, round(height * share)))
        few = cv2.resize(out, size, interpolation=cv2.INTER_AREA)
        smooth = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
        out = cv2.resize(few, (width, height), interpolation=smooth)
    if rng.random() < how.noise:
        grain = rng.normal(0, rng.uniform(1, 6), (height, width, 1)) + rng.normal(
            0, rng.uniform(0.5, 3), (height, width, 3)
        )
        out = np.clip(out + grain, 0, 255).astype(np.uint8)
    if rng.random() < how.jpeg:
        quality = int(rng.integers(45, 90))
        _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(out, dtype=np.uint8)


def vary(image: Image, rng: np.random.Generator, how: Augmentation) -> Image:
    """All of these, in physical order: stain, colour, camera."""
    return photograph(recolour(restain(image, rng, how), rng, how), rng, how)


def paint_over_arrows(image: Image) -> Image:
    """Inpaint the orange arrows that were drawn on some fields of ALL-IDB1.

    Only patients' fields carry them, so a model could learn the arrow instead of the cell. Training
    copies only: a test field is never touched.
    """
    factor = 640 / max(image.shape[:2])
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    orange = cv2.inRange(hsv, np.array([4, 60, 200]), np.array([22, 255, 255]))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(orange)
    mask = np.zeros_like(orange)
    for i in range(1, count):
        if stats[i, cv2.CC_STAT_AREA] >= 60:
            mask[labels == i] = 255
    if not mask.any():
        return image
    mask = cv2.dilate(mask, np.ones((9, 9), np.uint8))
    clean = cv2.inpaint(small, mask, 5, cv2.INPAINT_TELEA)
    size = (image.shape[1], image.shape[0])
    big = cv2.resize(clean, size, interpolation=cv2.INTER_LINEAR)
    where = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0
    return np.asarray(np.where(where[..., None], big, image), dtype=np.uint8)
