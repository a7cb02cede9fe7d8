"""The child process of `allcell.slides.pyramids`: decodes a large picture onto the disk.

Pixels go into mapped files, which the system writes out when memory is short. Prints how far it is,
a number from 0 to 1 a line, and at last a JSON object: what went wrong, or nothing.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt

from allcell.errors import SlideError
from allcell.slides.arrays import halved
from allcell.slides.copies import finish, level_file, sizes_of
from allcell.slides.files import COPY_AGAIN, SlideFile
from allcell.slides.readers.flat import Flat
from allcell.slides.readers.stored import open_stored
from allcell.slides.slide import Slide

#: Rows that are in hand at once, an even number; pixels of a band that is read.
_ROWS, _BAND_PX = 512, 16_000_000
#: Memory of this process, mapped files aside, on Linux: a progressive JPEG takes 3 bytes a pixel.
_MOST_BYTES = 1_500_000_000
#: How much of the work is done once the finest level is there.
_DECODED = 0.7


def main() -> None:
    """Arguments: the picture, its name, an empty folder."""
    path, name, folder = sys.argv[1:]
    _limit_memory()
    said = {}
    try:
        copy(SlideFile(Path(path), name), Path(folder))
    except SlideError as error:
        said = {"message": error.message, "remedy": error.remedy}
    except MemoryError:
        said = {
            "message": f"'{name}' asks for more than {_MOST_BYTES / 1e9:.1f} GB of memory.",
            "remedy": "Save it as a tiled TIFF, such as with QuPath.",
        }
    except OSError as error:
        said = {
            "message": f"The copy of '{name}' cannot be written: {error.strerror}.",
            "remedy": "Make room on the server's disk.",
        }
    print(json.dumps(said), flush=True)


def copy(file: SlideFile, folder: Path) -> None:
    """Write the copy of a picture.

    Args:
        file: The picture.
        folder: What `allcell.slides.copies.make_room` has made.

    Raises:
        SlideError: If the picture cannot be read.
        OSError: If the copy cannot be written.
    """
    source = open_stored(file)
    if isinstance(source, Flat):
        sizes = sizes_of(source.width_px, source.height_px)
        finest = _mapped(level_file(folder, 0), (*sizes[0][::-1], 3))
        _decode(source, file, folder, finest)
        mpp = None
    else:
        sizes = sizes_of(*source.size_px)
        finest = _mapped(level_file(folder, 0), (*sizes[0][::-1], 3))
        _read(source, finest)
        mpp = source.mpp
    _report(_DECODED)
    for level, (width, height) in enumerate(sizes[1:], start=1):
        coarse = _mapped(level_file(folder, level), (height, width, 3))
        for top in range(0, height, _ROWS):
            rows = finest[2 * top : 2 * min(top + _ROWS, height)]
            coarse[top : top + _ROWS] = halved(rows)
            if level == 1:
                _report(_DECODED + (1 - _DECODED) * top / height)
        finest = coarse
    file.check_unchanged()
    finish(folder, *sizes[0], mpp)


def _mapped(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    with path.open("wb") as new:
        # On a disk that fills up, writing to a map ends the process: room is taken beforehand.
        if sys.platform == "linux":
            os.posix_fallocate(new.fileno(), 0, math.prod(shape))
        else:
            new.truncate(math.prod(shape))
    return np.memmap(path, np.uint8, "r+", shape=shape)


def _decode(flat: Flat, file: SlideFile, folder: Path, finest: npt.NDArray[np.uint8]) -> None:
    """Decode a JPEG or PNG at once, in the order in which it is stored."""
    decode = imagecodecs.jpeg8_decode if flat.kind == "JPEG" else imagecodecs.png_decode
    other = folder / "decoded"
    shape = finest.shape[:2] if flat.samples == 1 else (*finest.shape[:2], flat.samples)
    target = finest if flat.samples == 3 else _mapped(other, shape)
    try:
        with mmap.mmap(file.stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            decode(data, out=target)
    except Exception as error:  # whatever imagecodecs raises on damaged data
        if isinstance(error, MemoryError):
            raise
        raise SlideError(f"{file.label} is damaged: it cannot be decoded.", COPY_AGAIN) from error
    if target is finest:
        return
    for top in range(0, shape[0], _ROWS):
        rows = np.asarray(target[top : top + _ROWS])
        finest[top : top + _ROWS] = rows[..., :3] if flat.samples == 4 else rows[..., None]
    del target
    other.unlink()


def _read(slide: Slide, finest: npt.NDArray[np.uint8]) -> None:
    height, width = finest.shape[:2]
    rows = max(1, _BAND_PX // width)
    for top in range(0, height, rows):
        finest[top : top + rows] = slide.read(0, top, width, min(rows, height - top))
        _report(_DECODED * top / height)


def _report(part: float) -> None:
    print(f"{part:.3f}", flush=True)


def _limit_memory() -> None:
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, hard))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()
