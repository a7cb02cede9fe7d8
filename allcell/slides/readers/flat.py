"""Flat pictures that are too large to decode into memory: JPEG and PNG, by their headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from allcell.errors import SlideError
from allcell.formats.jpeg import jpeg_header
from allcell.formats.remedies import SAVE_PLAIN
from allcell.slides.files import COPY_AGAIN, SlideFile
from allcell.slides.readers.tiff_levels import check_pixels

#: Pixels of a picture that is decoded into memory: 120 MB. Larger ones get a copy on the disk.
IN_MEMORY_PX = 40_000_000
#: What lies before the first pixels: previews, colour profiles, notes of editors.
_HEAD_BYTES = 16 * 2**20
_END_BYTES = 2**20
#: A progressive JPEG can only be decoded as a whole, in 3 bytes of memory a pixel.
_MOST_PROGRESSIVE_PX = 150_000_000
_PROGRESSIVE = 0xC2
_PNG = b"\x89PNG\r\n\x1a\n"
#: Samples a pixel of PNG's kinds of colour: grey, RGB, RGB with alpha.
_PNG_SAMPLES = {0: 1, 2: 3, 6: 4}


@dataclass(frozen=True)
class Flat:
    """What a large flat picture says of itself.

    Attributes:
        kind: JPEG or PNG.
        width_px: Width.
        height_px: Height.
        samples: 1 grey, 3 RGB, 4 RGB and alpha.
    """

    kind: Literal["JPEG", "PNG"]
    width_px: int
    height_px: int
    samples: int


def look_at(file: SlideFile) -> Flat | None:
    """The header of a JPEG or PNG; None for other files.

    Raises:
        SlideError: If it is damaged, incomplete, too large, or of a kind that cannot be decoded
            within bounded memory.
    """
    head = file.read_at(0, min(_HEAD_BYTES, file.size_bytes))
    try:
        if head.startswith(b"\xff\xd8\xff"):
            found = _jpeg(head, file)
        elif head.startswith(_PNG):
            found = _png(head, file)
        else:
            return None
    except (ValueError, IndexError) as error:
        raise SlideError(f"{file.label} is damaged: its header cannot be read.", COPY_AGAIN) from (
            error
        )
    check_pixels(found.width_px, found.height_px, file.label)
    return found


def _jpeg(head: bytes, file: SlideFile) -> Flat:
    header = jpeg_header(head)
    flat = Flat("JPEG", header.width_px, header.height_px, 1 if header.colours == "grey" else 3)
    pixels = flat.width_px * flat.height_px
    if pixels <= IN_MEMORY_PX:
        return flat
    if not header.is_usual or header.colours == "CMYK":
        raise SlideError(f"{file.label} is a JPEG of a rare kind.", SAVE_PLAIN)
    if header.frame == _PROGRESSIVE and pixels > _MOST_PROGRESSIVE_PX:
        raise SlideError(
            f"{file.label} is a progressive JPEG of {pixels / 1e6:,.0f} million pixels, which "
            "would have to be decoded in memory.",
            "Save it as a baseline JPEG or as a tiled TIFF.",
        )
    end = min(_END_BYTES, file.size_bytes)
    if b"\xff\xd9" not in file.read_at(file.size_bytes - end, end):
        raise SlideError(f"{file.label} ends early: the end of the picture is missing.", COPY_AGAIN)
    return flat


def _png(head: bytes, file: SlideFile) -> Flat:
    width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    bits, colour = head[24], head[25]
    if width * height > IN_MEMORY_PX:
        if bits != 8 or colour not in _PNG_SAMPLES:
            raise SlideError(f"{file.label} is a PNG that is not in 8-bit RGB or grey.", SAVE_PLAIN)
        end = min(_END_BYTES, file.size_bytes)
        if b"IEND" not in file.read_at(file.size_bytes - end, end):
            raise SlideError(
                f"{file.label} ends early: the end of the picture is missing.", COPY_AGAIN
            )
    return Flat("PNG", width, height, _PNG_SAMPLES.get(colour, 3))
