"""What moves with the frame and not with the slide: uneven light, sensor noise, compression."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from allcell.errors import ImageError
from allcell.synth.spec import Camera


def expose(image: npt.NDArray[np.uint8], camera: Camera, seed: int) -> npt.NDArray[np.uint8]:
    """Take a photograph of a view.

    Args:
        image: RGB uint8 (H, W, 3), as `Slide.view` gives it.
        camera: Its gradient, vignette, noise and JPEG quality are used here.
        seed: Seed of the noise; use another one for each frame.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        ImageError: If the image cannot be compressed.
    """
    height, width = image.shape[:2]
    photo = image.astype(np.float32)
    if camera.gradient > 0 or camera.vignette > 0:
        x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        turn = math.radians(camera.gradient_deg)
        c, s = math.cos(turn), math.sin(turn)
        along = (x * c + y * s) / (abs(c) + abs(s))
        lamp = 1 - np.float32(camera.gradient) * (0.5 + 0.5 * along)
        lamp = lamp * (1 - np.float32(camera.vignette) * ((x * x + y * y) / 2) ** 1.5)
        photo *= lamp[..., None]
    if camera.noise > 0:
        rng = np.random.default_rng([seed, 17])
        grain = rng.standard_normal((height, width, 3), dtype=np.float32)
        photo += grain * np.float32(camera.noise)
    frame = np.rint(np.clip(photo, 0, 255)).astype(np.uint8)
    if camera.jpeg_quality == 0:
        return frame
    done, coded = cv2.imencode(
        ".jpg",
        cv2.cvtColor(frame, cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, int(camera.jpeg_quality)],
    )
    if not done:
        raise ImageError("The synthetic field could not be compressed as a JPEG.")
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)
