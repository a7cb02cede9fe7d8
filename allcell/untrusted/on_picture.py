"""Whether the finished boxes of an untrusted network lie on the picture that it was given."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.errors import ModelError

#: Confidence of boxes that are sure enough to lie on a cell, and the share of them that may not lie
#: beside the picture.
_SURE, _OFF_PICTURE = 0.25, 0.2


def check_on_picture(
    output: FloatArray, input_px: tuple[int, int], padding: npt.NDArray[np.bool_]
) -> None:
    """Refuse finished boxes of which many lie where the picture is not.

    Boxes with x and y exchanged, as TensorFlow writes them, do where a picture is not square.

    Args:
        output: (rows, 6), boxes in pixels.
        input_px: Width and height of the input.
        padding: Which of its pixels (height, width) are padding.

    Raises:
        ModelError: If at least `_OFF_PICTURE` of them do.
    """
    width, height = input_px
    sure = output[output[:, 4] >= _SURE]
    centres = (sure[:, :2] + sure[:, 2:4]) / 2
    x, y = centres[:, 0], centres[:, 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    at = padding[y.clip(0, height - 1).astype(np.int64), x.clip(0, width - 1).astype(np.int64)]
    off = int((~inside | at).sum())
    if off >= 2 and off >= _OFF_PICTURE * len(sure):
        raise ModelError(
            f"{off} of {len(sure)} boxes lie beside the picture, as if x and y were exchanged.",
            "Export it with rows of x1 y1 x2 y2 score class, in pixels of the input.",
        )
