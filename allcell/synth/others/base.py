"""What all drawings of no smear share: paper, colours."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

#: RGB, float32 (H, W, 3), 0 to 255.
Drawing = npt.NDArray[np.float32]


def colour(rng: np.random.Generator, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    """Any colour, RGB."""
    red, green, blue = rng.integers(low, high, 3)
    return int(red), int(green), int(blue)


def paper(
    rng: np.random.Generator, width: int, height: int, shade: tuple[int, int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """An even sheet (H, W, 3): white, beige, grey, black or any colour."""
    if shade is None:
        choices = [(255, 255, 255), (245, 235, 215), (230, 225, 230), (0, 0, 0), (128, 128, 128)]
        shade = choices[int(rng.integers(5))] if rng.random() < 0.6 else colour(rng)
    return np.full((height, width, 3), shade, np.uint8)


def clouds(rng: np.random.Generator, width: int, height: int, slope: float) -> Drawing:
    """Noise (H, W), mean 0 and deviation 1, whose amplitude falls with frequency to the slope."""
    size = 256
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    amplitude = 1 / np.maximum(np.hypot(fx, fy), 1 / size) ** slope
    phase = rng.uniform(0, 2 * np.pi, amplitude.shape)
    field = np.fft.irfft2(amplitude * np.exp(1j * phase), s=(size, size))
    field = ((field - field.mean()) / field.std()).astype(np.float32)
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
