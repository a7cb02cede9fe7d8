"""HEIC, as phones take pictures -> RGB uint8, through libheif."""

from __future__ import annotations

import numpy as np
from pi_heif.heif import open_heif

from allcell.formats.pixels import RGBImage, to_rgb, to_srgb
from allcell.formats.raster import SizeCheck


def read_heic(data: bytes, check_size: SizeCheck) -> RGBImage:
    """The main picture of a HEIC file, upright: libheif turns it, and what EXIF says is for others.

    Args:
        data: The whole file.
        check_size: Called with the size from the header before decoding.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: What `check_size` raises.
        Exception: Whatever pi_heif raises on damaged data; the caller translates it.
    """
    pictures = open_heif(data, convert_hdr_to_8bit=True)
    main = pictures[pictures.primary_index]
    check_size(*main.size)
    pixels = to_rgb(np.asarray(main), premultiplied=main.premultiplied_alpha)
    return to_srgb(pixels, main.info.get("icc_profile"))
