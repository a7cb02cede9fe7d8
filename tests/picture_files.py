"""Picture files of every kind, written for tests: one small field in all of them."""

from __future__ import annotations

import base64
import io

import cv2
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

Array = npt.NDArray[np.generic]


def smear(height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    """A pink field with a purple cell; no two corners alike, no symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    field = np.stack([250 - x // 2, 170 + y // 2, 200 + (x + y) // 4], axis=-1)
    field[(x - 20) ** 2 + (y - 16) ** 2 < 100] = (90, 40, 140)
    return field.astype(np.uint8)


RGB = smear()
GREY = RGB[..., 0]
GREY_RGB = np.repeat(GREY[..., None], 3, axis=2)
DEEP = RGB.astype(np.uint16) * 257  # 8 bits stretched over 16: comes back exactly
DEEP_GREY = GREY.astype(np.uint16) * 257
OPACITY = np.where(np.arange(64) < 32, 255, 51).astype(np.uint8) * np.ones((48, 1), np.uint8)
RGBA = np.dstack([RGB, OPACITY])
ON_WHITE = np.rint(RGB * (OPACITY[..., None] / 255) + (255 - OPACITY[..., None])).astype(np.uint8)


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pil(pixels: Array, kind: str, mode: str | None = None, **options: object) -> bytes:
    image = Image.fromarray(pixels)
    return save(image.convert(mode) if mode else image, kind, **options)


def tiff(pixels: Array, **options: object) -> bytes:
    buffer = io.BytesIO()
    options = {"photometric": "rgb" if 3 in pixels.shape else "minisblack"} | options
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def lzw_16(pixels: Array) -> bytes:
    options = [cv2.IMWRITE_TIFF_COMPRESSION, 5]
    return cv2.imencode(".tiff", np.ascontiguousarray(pixels[..., ::-1]), options)[1].tobytes()


def png_16(pixels: Array) -> bytes:
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    return cv2.imencode(".png", np.ascontiguousarray(pixels))[1].tobytes()


def dicom(
    pixels: Array | bytes,
    photometric: str = "RGB",
    syntax: str = ExplicitVRLittleEndian,
    **elements: object,
) -> bytes:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.4"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3"
    ds.PatientName = "Doe^Jane"
    ds.Rows, ds.Columns = RGB.shape[:2]
    ds.PhotometricInterpretation = photometric
    ds.SamplesPerPixel = 1 if photometric.startswith(("MONO", "PAL")) else 3
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    deep = isinstance(pixels, np.ndarray) and pixels.dtype.itemsize == 2
    ds.BitsAllocated = ds.BitsStored = 16 if deep else 8
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, 0
    for name, value in elements.items():
        setattr(ds, name, value)
    if isinstance(pixels, np.ndarray):
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OW"
    else:
        ds.PixelData = encapsulate([pixels])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    if syntax == RLELossless:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(RLELossless, generate_instance_uid=False)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


#: `RGB` as a phone's file (libheif with x265, quality 90), and the same on its
#: side, which the file says by a rotation and by EXIF. Nothing that we depend on writes HEIC.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAA"
    "AAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAzEAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAAB"
    "AABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADw"
    "NgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAA"
    "AAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcA"
    "AAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWB"
    "AgMFhAAAAzltZGF0AAADLSgBrwY48YEhKbwGpTEG/ft9bywZlURZvTipjINuCx7HbATxbNfRLh7iXGuDniadR+J1BN"
    "ePCTZtyFfx90ljKXR0k2xj3FLV7N/slb9IPyMzw57wVm6cdk1hKS5kOIEz7rrsFy/ob2WTOD88Pqn6ub6icUf79iBg"
    "QxwWIO/EO/hA7D76zqOIJxM2Q9zp7o7gDJ0xkSfqHxWIFZd4qsq/vGAupjxpgLuj/fz//y86yFgiC9OD63mH5s1Nzb"
    "Xic4xJ3a+MI6v4U1x2yvM51nu//k6sj2U7BFsv/pDJVx1g8DMk1GBCjaftqq7oXzHov0nhGsF1cMel3VPDldu8R37S"
    "CVjUaGwRj2D7+9xTwBAYJzHkC1tFIKiEbnSHcwdwVO4u1tyak7qO3uQ5qQG+TNPMbaRlpntMiGfVtQjuPfNcsCOoeL"
    "o6KGIcazHiVH9qSSK8+omZL6Gjs76beaLghrhIcwo7Ep86nsa43cfXgWuwBJSt/D/CvkLuymS8uSCFfY9GppdOmTFH"
    "G8w0p8exjxBnpJdufpNjok94DgHCLtAkyNf4jgbEjMf3uDf0YlptVvKv8ZmxBXvsGk5oSvwYxZYpcU2pU30yn3oKov"
    "9CJuV4qoDJMfQgN1v6cjGGU3r3cINDJZd2Q5kJodVCIjUOr742bhCCPKseOnX90iKSqXl/wVBlAd0tK9ww0KOs9PEN"
    "Z+mpTKFeH+9T+jXtTfnGoYRYOuO15D3zaY1iVTU6edvBdsO+U5roKiIIldG7301C+oOXoEZr5At2FAfpLQTRmqDpqW"
    "bip0sT/mWKqaAJ1+0B/1x4GMqD//786JUUaUYrWOKjfscQA83hs87WkWKWFI27e/bpjDIIL1oS6dixeCCgXEaV9f2V"
    "KU33CTtjo0scOfq3U91qXu+Hp9cjvrb87XsF+Y68X0Wqen8A8cue670tpQPUGA8AmCdMIRMmwxbFV2apl5B2FiY3pS"
    "AzXEV76MjaWZk10KxD+CrwgmxTtTK8DBBN4+v43h+GPLUtH4WIQcPSi+iCz8/oR3HweKDxD1j/s6384t4Lm2dAbTyi"
    "XkHqH00EQjHaCNqWpjvwQgIjgA=="
)
HEIC_TURNED = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAA"
    "AAAAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAzEAAgAAAAAFHQABAAAAAAAAACQAAAA4aWluZgAA"
    "AAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcn"
    "AAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroC"
    "QGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm"
    "5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AA"
    "AAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAA"
    "AOY2RzYwACAAEAAQAAA11tZGF0AAADLSgBrwY48YEhKbwGpTEG/ft9bywZlURZvTipjINuCx7HbATxbNfRLh7iXGuD"
    "niadR+J1BNePCTZtyFfx90ljKXR0k2xj3FLV7N/slb9IPyMzw57wVm6cdk1hKS5kOIEz7rrsFy/ob2WTOD88Pqn6ub"
    "6icUf79iBgQxwWIO/EO/hA7D76zqOIJxM2Q9zp7o7gDJ0xkSfqHxWIFZd4qsq/vGAupjxpgLuj/fz//y86yFgiC9OD"
    "63mH5s1NzbXic4xJ3a+MI6v4U1x2yvM51nu//k6sj2U7BFsv/pDJVx1g8DMk1GBCjaftqq7oXzHov0nhGsF1cMel3V"
    "PDldu8R37SCVjUaGwRj2D7+9xTwBAYJzHkC1tFIKiEbnSHcwdwVO4u1tyak7qO3uQ5qQG+TNPMbaRlpntMiGfVtQju"
    "PfNcsCOoeLo6KGIcazHiVH9qSSK8+omZL6Gjs76beaLghrhIcwo7Ep86nsa43cfXgWuwBJSt/D/CvkLuymS8uSCFfY"
    "9GppdOmTFHG8w0p8exjxBnpJdufpNjok94DgHCLtAkyNf4jgbEjMf3uDf0YlptVvKv8ZmxBXvsGk5oSvwYxZYpcU2p"
    "U30yn3oKov9CJuV4qoDJMfQgN1v6cjGGU3r3cINDJZd2Q5kJodVCIjUOr742bhCCPKseOnX90iKSqXl/wVBlAd0tK9"
    "ww0KOs9PENZ+mpTKFeH+9T+jXtTfnGoYRYOuO15D3zaY1iVTU6edvBdsO+U5roKiIIldG7301C+oOXoEZr5At2FAfp"
    "LQTRmqDpqWbip0sT/mWKqaAJ1+0B/1x4GMqD//786JUUaUYrWOKjfscQA83hs87WkWKWFI27e/bpjDIIL1oS6dixeC"
    "CgXEaV9f2VKU33CTtjo0scOfq3U91qXu+Hp9cjvrb87XsF+Y68X0Wqen8A8cue670tpQPUGA8AmCdMIRMmwxbFV2ap"
    "l5B2FiY3pSAzXEV76MjaWZk10KxD+CrwgmxTtTK8DBBN4+v43h+GPLUtH4WIQcPSi+iCz8/oR3HweKDxD1j/s6384t"
    "4Lm2dAbTyiXkHqH00EQjHaCNqWpjvwQgIjgAAAAAZFeGlmAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA=="
)
