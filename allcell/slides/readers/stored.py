"""What is in a slide's file, opened by the reader that its first bytes ask for."""

from __future__ import annotations

from allcell.errors import AllcellError, SlideError
from allcell.formats.table import SUPPORTED
from allcell.imaging import images
from allcell.slides.arrays import ArraySlide, with_halves
from allcell.slides.files import SlideFile
from allcell.slides.readers.flat import IN_MEMORY_PX, Flat, look_at
from allcell.slides.readers.tiff import TiffSlide, is_for_openslide
from allcell.slides.slide import Slide

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: First bytes of the files that only OpenSlide reads: where, what.
_OPENSLIDE = (
    (0, b"ZISRAWFILE"),
    (0, b"SQLite format 3"),
    (0, b"[Virtual Microscope Specimen]"),
    (0, b"[Uncompressed Virtual Microscope Specimen]"),
)
#: Class of slides in DICOM (VL Whole Slide Microscopy Image).
_DICOM_SLIDE = b"1.2.840.10008.5.1.4.1.1.77.1.6"
_HEAD_BYTES = 4096


def open_stored(file: SlideFile) -> Slide | Flat:
    """Open a slide's file as it is.

    Args:
        file: The file; the slide closes it, and a failure does not.

    Returns:
        The slide; the header of a picture that is too large to decode into memory.

    Raises:
        SlideError: If it is none, or cannot be read.
    """
    head = file.read_at(0, min(_HEAD_BYTES, file.size_bytes))
    if head.startswith(_TIFF):
        return _by_openslide(file) if is_for_openslide(file) else TiffSlide(file)
    if _is_openslides(head, file):
        return _by_openslide(file)
    flat = look_at(file)
    if flat is not None and flat.width_px * flat.height_px > IN_MEMORY_PX:
        return flat
    return _in_memory(file)


def _is_openslides(head: bytes, file: SlideFile) -> bool:
    if any(head[at : at + len(first)] == first for at, first in _OPENSLIDE):
        return True
    if head[128:132] == b"DICM" and _DICOM_SLIDE in head:
        return True
    # The file of a MIRAX slide is a preview in JPEG; the slide is in a folder beside it.
    beside = file.path.with_suffix("")
    return beside != file.path and (beside / "Slidedat.ini").is_file()


def _by_openslide(file: SlideFile) -> Slide:
    # Only these files need OpenSlide.
    from allcell.slides.readers.by_openslide import OpenSlideSlide, check_installed
    from allcell.slides.readers.trial import try_apart

    check_installed()
    try_apart(file)
    return OpenSlideSlide(file)


def _in_memory(file: SlideFile) -> Slide:
    try:
        size = images.size_px(file.path, name=file.name)
        if size[0] * size[1] > IN_MEMORY_PX:
            raise SlideError(
                f"{file.label} has {size[0]:,} x {size[1]:,} pixels in a format that is decoded as "
                "a whole.",
                "Save it as a tiled TIFF, such as with QuPath.",
            )
        picture = images.decode(file.path, name=file.name)
    except SlideError:
        raise
    except AllcellError as error:
        raise SlideError(
            error.message, error.remedy or f"Choose a slide, or a {SUPPORTED} file."
        ) from error
    file.check_unchanged()
    file.close()
    return ArraySlide(with_halves(picture), file.name)
