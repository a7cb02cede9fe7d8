"""Slides as scanners and other programs write them, small, and broken ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import tifffile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, generate_uid

from allcell.synth.scan.tiff_file import TILE_PX, StoredTiles, write_pyramid

Image = npt.NDArray[np.uint8]

APERIO = "Aperio Image Library v12.0.15\r\n{0}x{1} (256x256) JPEG/RGB Q=88|AppMag = 40|MPP = 0.2500"
_SLIDE_CLASS = "1.2.840.10008.5.1.4.1.1.77.1.6"


def picture(width: int = 1500, height: int = 1100, seed: int = 0) -> Image:
    """Something coloured and smooth, no part of which is like another."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (height // 50 + 1, width // 50 + 1, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def smaller(image: Image, times: int) -> Image:
    """Every so many-th pixel, the edges that are left over cut off."""
    height, width = image.shape[0] // times, image.shape[1] // times
    return np.ascontiguousarray(image[::times, ::times][:height, :width])


def write_tiff(
    path: Path, image: Image, times: Sequence[int] = (2, 4), *, ome: bool = False, **options: Any
) -> Path:
    """A pyramidal TIFF by tifffile: levels as pages, or below the first page for OME-TIFF."""
    options = {"tile": (256, 256), "compression": "jpeg", "photometric": "rgb"} | options
    about = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"} if ome else None
    with tifffile.TiffWriter(path, bigtiff=True, ome=ome) as file:
        below = len(times) if ome else None
        file.write(image, subifds=below, metadata=about, **options)
        for factor in times:
            file.write(smaller(image, factor), subfiletype=1, metadata=None, **options)
    return path


def write_aperio(path: Path, image: Image) -> Path:
    """As Aperio's scanners write it: a thumbnail after the slide, label and macro at the end."""
    height, width = image.shape[:2]
    tiled = {"tile": (256, 256), "compression": "jpeg", "photometric": "rgb", "metadata": None}
    strips = {"compression": "lzw", "photometric": "rgb", "metadata": None}
    red, blue = np.zeros((300, 280, 3), np.uint8), np.zeros((200, 560, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    text = APERIO.format(width, height)
    with tifffile.TiffWriter(path) as file:
        file.write(image, description=text, **tiled)
        file.write(smaller(image, 8), description=text, **strips)
        file.write(smaller(image, 4), description=text, **tiled)
        file.write(
            red, description="Aperio Image Library\r\nlabel 280x300", subfiletype=1, **strips
        )
        file.write(
            blue, description="Aperio Image Library\r\nmacro 560x200", subfiletype=9, **strips
        )
    return path


def write_shared(
    path: Path,
    sizes: Sequence[tuple[int, int]],
    *,
    tile: Image | None = None,
    mpp: float = 0.25,
    description: str = "",
) -> Path:
    """A pyramid all of whose tiles are one: as large as it says, and small as a file."""
    if tile is None:
        tile = picture(TILE_PX, TILE_PX)
    jpeg = bytes(imagecodecs.jpeg8_encode(tile, level=90, subsampling="444"))
    levels = [
        StoredTiles(width, height, [0] * (-(-width // TILE_PX) * -(-height // TILE_PX)))
        for width, height in sizes
    ]
    write_pyramid(path, [jpeg], levels, mpp, description)
    return path


def write_dicom(folder: Path, image: Image, times: Sequence[int] = (1, 4)) -> Path:
    """A slide in DICOM, one file a level; returns that of the finest."""
    folder.mkdir(exist_ok=True)
    shared = {
        "SeriesInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "PyramidUID": generate_uid(),
    }
    for number, factor in enumerate(times, start=1):
        _write_dicom_level(folder / f"{number}.dcm", smaller(image, factor), factor, number, shared)
    return folder / "1.dcm"


def _write_dicom_level(
    path: Path, image: Image, factor: int, number: int, shared: dict[str, str]
) -> None:
    height, width = image.shape[:2]
    rows, columns = -(-height // TILE_PX), -(-width // TILE_PX)
    padded = np.full((rows * TILE_PX, columns * TILE_PX, 3), 255, np.uint8)
    padded[:height, :width] = image
    frames = [
        bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(tile), level=95))
        for row in np.split(padded, rows)
        for tile in np.split(row, columns, axis=1)
    ]
    mm = 0.00025 * factor
    kind = ("ORIGINAL", "NONE") if factor == 1 else ("DERIVED", "RESAMPLED")
    about = shared | {
        "SOPClassUID": _SLIDE_CLASS,
        "SOPInstanceUID": generate_uid(),
        "Modality": "SM",
        "ImageType": [kind[0], "PRIMARY", "VOLUME", kind[1]],
        "InstanceNumber": number,
        "Rows": TILE_PX,
        "Columns": TILE_PX,
        "TotalPixelMatrixRows": height,
        "TotalPixelMatrixColumns": width,
        "NumberOfFrames": len(frames),
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "YBR_FULL_422",
        "PlanarConfiguration": 0,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "DimensionOrganizationType": "TILED_FULL",
        "TotalPixelMatrixFocalPlanes": 1,
        "NumberOfOpticalPaths": 1,
        "ImageOrientationSlide": [0, -1, 0, -1, 0, 0],
        "ImagedVolumeWidth": width * mm,
        "ImagedVolumeHeight": height * mm,
        "ImagedVolumeDepth": 0.001,
        "SpecimenLabelInImage": "NO",
        "BurnedInAnnotation": "NO",
        "VolumetricProperties": "VOLUME",
    }
    origin, light, measures, groups = Dataset(), Dataset(), Dataset(), Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = 0
    light.OpticalPathIdentifier = "1"
    measures.PixelSpacing, measures.SliceThickness = [mm, mm], 0.001
    groups.PixelMeasuresSequence = [measures]
    file = Dataset()
    for name, value in about.items():
        setattr(file, name, value)
    file.TotalPixelMatrixOriginSequence = [origin]
    file.OpticalPathSequence = [light]
    file.SharedFunctionalGroupsSequence = [groups]
    file.file_meta = FileMetaDataset()
    file.file_meta.MediaStorageSOPClassUID = _SLIDE_CLASS
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    file.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    file.PixelData = encapsulate(frames)
    file["PixelData"].is_undefined_length = True
    pydicom.dcmwrite(path, file, enforce_file_format=True)


def flat_jpeg(width: int, height: int) -> bytes:
    """A grey JPEG of any size, multiples of 16: every four of its blocks are the same 24 bits."""
    block = np.full((8, 8), 128, np.uint8)
    head = bytes(imagecodecs.jpeg8_encode(block, level=90))
    frame = head.index(b"\xff\xc0") + 5
    head = head[:frame] + height.to_bytes(2) + width.to_bytes(2) + head[frame + 4 :]
    scan = head.index(b"\xff\xda")
    start = scan + 2 + int.from_bytes(head[scan + 2 : scan + 4])
    # Difference 0 (00), end of block (1010), in the usual tables of Huffman codes.
    return head[:start] + b"\x28\xa2\x8a" * (width * height // 256) + b"\xff\xd9"


def with_tag(path: Path, page: int, code: int, value: int) -> Path:
    """The same file with another number in a tag of a page."""
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[page].tags[code].overwrite(value)
    return path
