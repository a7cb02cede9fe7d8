"""The dyes that lie on a region of a slide, and the light that comes through them."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from allcell.synth.cells import Stamp
from allcell.synth.palette import AZURE, BASOPHIL, HAEMOGLOBIN, ROSE
from allcell.synth.scatter import F32, F64, Bounds, Points, uniform
from allcell.synth.small_cells import Bank
from allcell.synth.spec import Camera

#: Full light in the 16-bit integers that the lens works on; the rest is headroom for sharpening.
_FULL_LIGHT = 60000.0


class Canvas:
    """Accumulated dyes over a region of the slide.

    Attributes:
        white: Shape (3, H, W): natural-log optical density of white cells.
        hidden: Shape (H, W): how far white cells push away what lies under them, 0 to 1.
        red: Shape (H, W): haemoglobin.
        blue: Shape (H, W): basophil dye in young red cells.
        azure: Shape (H, W): platelets.
    """

    def __init__(self, x_px: int, y_px: int, width: int, height: int, px_per_um: float) -> None:
        """An empty region whose first pixel is (x_px, y_px) of the slide."""
        self._x, self._y = x_px, y_px
        self._scale = px_per_um
        self.white: F32 = np.zeros((3, height, width), np.float32)
        self.hidden: F32 = np.zeros((height, width), np.float32)
        self.red: F32 = np.zeros((height, width), np.float32)
        self.blue: F32 = np.zeros((height, width), np.float32)
        self.azure: F32 = np.zeros((height, width), np.float32)

    def grown_px(self, margin_um: float) -> tuple[float, float, float, float]:
        """Left, top, width, height of the region with a margin, in pixels."""
        grow = margin_um * self._scale
        height, width = self.red.shape
        return self._x - grow, self._y - grow, width + 2 * grow, height + 2 * grow

    def bounds_um(self, margin_um: float) -> Bounds:
        """The region with a margin, in micrometres."""
        x, y, width, height = self.grown_px(margin_um)
        s = self._scale
        return x / s, y / s, (x + width) / s, (y + height) / s

    def raster_um(self) -> tuple[F64, F64]:
        """Pixel centres along x and along y in micrometres."""
        height, width = self.red.shape
        x = (np.arange(self._x, self._x + width) + 0.5) / self._scale
        y = (np.arange(self._y, self._y + height) + 0.5) / self._scale
        return x, y

    def lay_white(self, made: Stamp) -> None:
        """Lay a white cell; it pushes away what lies under it."""
        window = self._window(made.left_px, made.top_px, made.cover.shape[0])
        if window is not None:
            (rows, columns), part = window
            self.white[:, rows, columns] += made.density[:, part[0], part[1]]
            under = self.hidden[rows, columns]
            np.maximum(under, made.cover[part] * np.float32(made.opacity), out=under)

    def lay_bank(
        self, layer: F32, bank: Bank, points: Points, weakest: float, strongest: float
    ) -> None:
        """Lay a stamp of a bank at each point, of a random shape and strength."""
        size = bank.stamps.shape[1]
        left = np.floor(points.x_um * self._scale - size / 2).astype(np.int64)
        top = np.floor(points.y_um * self._scale - size / 2).astype(np.int64)
        shape = (uniform(points.word, 8) * len(bank)).astype(np.int64)
        weights = (weakest + (strongest - weakest) * uniform(points.word, 9)).astype(np.float32)
        for x, y, n, weight in zip(left.tolist(), top.tolist(), shape, weights, strict=True):
            window = self._window(x, y, size)
            if window is not None:
                layer[window[0]] += bank.stamps[n][window[1]] * weight

    def _window(
        self, left: int, top: int, size: int
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
        """Where a square stamp falls on the canvas, and which part of it."""
        height, width = self.red.shape
        x, y = left - self._x, top - self._y
        x1, y1 = max(x, 0), max(y, 0)
        x2, y2 = min(x + size, width), min(y + size, height)
        if x1 >= x2 or y1 >= y2:
            return None
        return np.s_[y1:y2, x1:x2], np.s_[y1 - y : y2 - y, x1 - x : x2 - x]

    def density(self, pigments: F32, haze: F32) -> F32:
        """Natural-log optical density (3, H, W) of all layers; the canvas cannot be used again.

        Args:
            pigments: Decadic optical density (PIGMENTS, 3) at concentration 1.
            haze: Concentration (H, W) of dye between the cells.
        """
        free = 1 - self.hidden
        amounts = [(HAEMOGLOBIN, _stacked(self.red)), (AZURE, self.azure), (ROSE, haze)]
        if self.blue.any():
            amounts.append((BASOPHIL, self.blue))
        natural = pigments * np.float32(np.log(10))
        for pigment, amount in amounts:
            visible = amount * free
            for channel in range(3):
                self.white[channel] += visible * natural[pigment, channel]
        return self.white


def _stacked(red: F32) -> F32:
    """Overlapping red cells dry thinner than two single ones: their densities add only in part."""
    return np.asarray(red - 0.62 * np.clip(red - 0.95, 0, None), dtype=np.float32)


def develop(density: F32, camera: Camera, focus_px: float, halo_px: float) -> npt.NDArray[np.uint8]:
    """Light through the dyes: the lens blurs, the camera sharpens and tints.

    Args:
        density: Natural-log optical density (3, H, W).
        camera: Its sharpening, gain and cast are used here.
        focus_px: Sigma of the blur, in pixels.
        halo_px: Sigma of the sharpening, in pixels.

    Returns:
        RGB uint8 (H, W, 3).
    """
    planes = []
    for channel in range(3):
        # 16-bit integers: filtered by OpenCV, a pixel is the same bit for bit anywhere in a frame.
        light = np.exp(-density[channel])
        light *= _FULL_LIGHT
        seen = np.rint(light, out=light).astype(np.uint16)
        if focus_px > 0.05:
            seen = cv2.GaussianBlur(seen, (0, 0), focus_px)
        sensed = seen.astype(np.float32)
        if camera.sharpening > 0:
            halo = sensed - cv2.GaussianBlur(seen, (0, 0), halo_px)
            halo *= np.float32(camera.sharpening)
            sensed += halo
        sensed *= np.float32(255.0 * camera.gain * camera.cast[channel] / _FULL_LIGHT)
        np.rint(sensed, out=sensed)
        planes.append(np.clip(sensed, 0, 255, out=sensed).astype(np.uint8))
    return np.asarray(cv2.merge(planes), dtype=np.uint8)
