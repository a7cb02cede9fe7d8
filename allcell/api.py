"""The package's three main functions: `read_image`, `open_detector`, `detect`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from allcell.analysis import analyse_many, file_cautions, judged
from allcell.analysis.finding import Seen
from allcell.detector import Detector
from allcell.engines.opening import Precision, Runtime
from allcell.errors import AllcellError, ImageError
from allcell.imaging import images
from allcell.imaging.folders import find_pictures
from allcell.imaging.images import RGBImage
from allcell.imaging.scale import check_diameter, resolve_scale
from allcell.own import finding, opening
from allcell.result import Result
from allcell.settings import settings

#: One image: a path, the bytes of a file, or pixels (RGB uint8 (H, W, 3)).
ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | npt.NDArray[np.uint8]
_BUFFERS = (bytes, bytearray, memoryview)
#: The last model that `detect` opened by name, kept for the next call.
_OPENED: dict[tuple[str, str, Runtime], Detector] = {}
_LOCK = threading.Lock()


def read_image(source: ImageSource) -> RGBImage:
    """Read an image in any format that allcell knows.

    Orientation is applied, metadata is dropped, grey becomes RGB and 16 bits become 8.

    Args:
        source: A path, or the bytes of a file. Pixels are checked and returned as they are.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        ImageError: If it cannot be read or exceeds the limits in the settings, or an array has
            another shape or type.
    """
    if isinstance(source, np.ndarray):
        if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8 or not source.size:
            raise ImageError(
                f"Expected pixels as RGB uint8 (H, W, 3), got {source.dtype} {source.shape}.",
                "Convert the array; OpenCV's BGR becomes RGB by image[..., ::-1].",
            )
        return source
    return images.decode(_file(source))


def _file(source: Any) -> bytes | Path:
    """The bytes or the path of an image."""
    if isinstance(source, _BUFFERS):
        return bytes(source)
    if not isinstance(source, (str, os.PathLike)) or not os.fspath(source):
        raise ImageError(
            f"Expected an image as a path, the bytes of a file or an array, got {source!r:.80}.",
            "Give the path of a picture, or its pixels as RGB uint8 (H, W, 3).",
        )
    return _path(source)


def _path(source: Any) -> Path:
    return Path(os.path.expanduser(source))  # Path's own has an error for an unknown `~user`


def open_detector(
    model: str | None = None,
    *,
    device: str | None = None,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
) -> Detector:
    """Load a model once, to pass to `detect` again and again.

    Args:
        model: Name of a model (`allcell models` lists them); the settings' default if None.
        device: auto, cpu, cuda, intel-gpu or intel-npu; the settings' if None.
        runtime: auto, onnx, openvino or torch; auto is the settings', or what was measured to be
            fastest on this CPU.
        precision: auto, the fastest that sees what the 32-bit graph sees; full; bf16; int8 for the
            8-bit graph where a model has one; or live, the fastest of all.
        threads: CPU threads, 0 = all cores; the settings' if None.

    Returns:
        A detector that threads may share: their runs of the network take turns.

    Raises:
        ModelError: If there is no such model, or its weights cannot be used here.
        DeviceError: If the device is not available.
    """
    return opening.open_model(
        model or settings().default_model,
        device=device or settings().device,
        runtime=runtime,
        precision=precision,
        threads=threads,
    )


@overload
def detect(  # type: ignore[overload-overlap]  # a str is a sequence of str, too
    source: ImageSource,
    *,
    model: str | Detector | None = ...,
    device: str | None = ...,
    runtime: Runtime = ...,
    red_cell_px: float | None = ...,
    confidence: float | None = ...,
    iou: float | None = ...,
    classes: Collection[str] | None = ...,
    insist: bool = ...,
    on_error: Callable[[str, AllcellError], None] | None = ...,
) -> Result: ...


@overload
def detect(
    source: Sequence[ImageSource],
    *,
    model: str | Detector | None = ...,
    device: str | None = ...,
    runtime: Runtime = ...,
    red_cell_px: float | None = ...,
    confidence: float | None = ...,
    iou: float | None = ...,
    classes: Collection[str] | None = ...,
    insist: bool = ...,
    on_error: Callable[[str, AllcellError], None] | None = ...,
) -> list[Result]: ...


def detect(
    source: ImageSource | Sequence[ImageSource],
    *,
    model: str | Detector | None = None,
    device: str | None = None,
    runtime: Runtime = "auto",
    red_cell_px: float | None = None,
    confidence: float | None = None,
    iou: float | None = None,
    classes: Collection[str] | None = None,
    insist: bool = False,
    on_error: Callable[[str, AllcellError], None] | None = None,
) -> Result | list[Result]:
    """Find, name and count the white cells of one image, of several, or of a folder of them.

    >>> import allcell
    >>> result = allcell.detect("smear.png")
    >>> result.counts.blasts, result.counts.white_cells
    (5, 8)

    Args:
        source: One image (a path, the bytes of a file, or pixels), or a list of them. A folder's
            path stands for all images in it and its subfolders; a type checker, which cannot tell
            it from a file's, expects a single `Result`.
        model: Name of a model, or one kept by `open_detector`; the settings' default if None.
        device: As of `open_detector`; only if `model` is not an open detector.
        runtime: As of `open_detector`; only if `model` is not an open detector.
        red_cell_px: Diameter of the red cells in pixels of the image; measured if None.
        confidence: Lowest confidence (0 to 1); the model's operating threshold if None.
        iou: Overlap (0 to 1) above which two boxes are one cell; the model's if None.
        classes: Names of the classes to keep; all if None.
        insist: Whether to give numbers also for a picture that is not to be trusted, which
            `Result.reservation` and every export then say. Else its counts are None.
        on_error: For lists and folders: called with the name of each image that fails and its
            error; the others are still processed. By default the first error is raised.

    Returns:
        A result for one image; for a list or folder, a list of those that succeeded, in order.

    Raises:
        ImageError: If an image cannot be read, or a folder has none.
        ModelError: If the model cannot be used, or fails.
        DeviceError: If the device is not available.
        ValueError: If a number is out of range, a class is unknown, or a device or runtime is given
            with a detector that is already open.
    """
    _check(red_cell_px, confidence, iou)
    detector = _detector(model, device, runtime)
    if unknown := sorted(set(classes or ()) - set(detector.spec.classes)):
        raise ValueError(
            f"classes: expected some of {', '.join(detector.spec.classes)}; "
            f"got {', '.join(unknown)}"
        )

    def see(one: tuple[ImageSource, str]) -> Seen:
        item = one[0]
        image = read_image(item)
        return judged(
            detector.spec,
            image,
            scale=resolve_scale(image, red_cell_px),
            about=() if isinstance(item, np.ndarray) else file_cautions(_file(item)),
        )

    several = _several(source, on_error)
    single: Any = [(source, _name(source, 1))]
    named: Iterable[tuple[ImageSource, str]] = single if several is None else several
    results = []
    answers = analyse_many(
        detector,
        named,
        see,
        lambda one: one[1],
        # Passed on because it may be below the detector's floor.
        confidence=confidence,
        pixels=lambda one: _pixels(one[0]),
    )
    with closing(answers):
        for (item, name), answer in answers:
            if isinstance(answer, AllcellError):
                if on_error is None or several is None:
                    raise answer
                on_error(name, answer)
                continue
            result = answer[1].result(
                confidence=confidence, iou=iou, classes=classes, insisted=insist
            )
            # The source, not the decoded image: a folder's images would not fit into memory.
            results.append(result.with_pixels(partial(read_image, item)))
    return results[0] if several is None else results


def _pixels(source: ImageSource) -> int:
    """How many pixels an image has, 0 if it cannot be read."""
    if isinstance(source, np.ndarray):
        return source.size // 3
    try:
        return images.pixel_count(_file(source))
    except ImageError:
        return 0


def _check(red_cell_px: Any, confidence: Any, iou: Any) -> None:
    if red_cell_px is not None:
        check_diameter(red_cell_px)
    for name, value in (("confidence", confidence), ("iou", iou)):
        if value is not None and (isinstance(value, str) or not 0 <= value <= 1):
            raise ValueError(f"{name}: expected 0 to 1, got {value!r}")


def _detector(model: str | Detector | None, device: str | None, runtime: Runtime) -> Detector:
    if isinstance(model, Detector):
        if device is not None or runtime != "auto":
            raise ValueError("expected no device or runtime with a detector that is already open")
        return model
    # By its id: of a user's name, another model may be there since.
    name = finding.find_model(model or settings().default_model).spec.name
    key = (name, device or settings().device, runtime)
    with _LOCK:
        if key not in _OPENED:
            _OPENED.clear()
            _OPENED[key] = open_detector(key[0], device=key[1], runtime=runtime)
        return _OPENED[key]


def _several(
    source: Any, on_error: Callable[[str, AllcellError], None] | None
) -> Iterator[tuple[ImageSource, str]] | None:
    """The images of a list or folder with their names; None for a single image."""
    if isinstance(source, (str, os.PathLike)):
        folder = _path(source)
        # Path.is_dir has an error for a path that no file can have.
        if not os.fspath(source) or not os.path.isdir(folder):
            return None
        found = find_pictures([folder])
        for path, error in found.failed:
            if on_error is None:
                raise error
            on_error(str(path), error)
        if not found.files:
            raise ImageError(
                f"The folder {os.fspath(source)} holds no image that allcell reads.",
                f"It looks for {', '.join(images.SUFFIXES)}, in subfolders too. "
                f"{' '.join(found.passed_over())}".rstrip(),
            )
        return ((path, str(path)) for path in found.files)
    if isinstance(source, (*_BUFFERS, np.ndarray)) or not isinstance(source, Iterable):
        return None
    if hasattr(source, "read"):  # an open file is iterable, too, line by line
        return None
    return ((item, _name(item, n)) for n, item in enumerate(source, 1))


def _name(item: Any, number: int) -> str:
    """An image's name: its path as given, or its number."""
    return os.fspath(item) if isinstance(item, (str, os.PathLike)) else f"image-{number:03d}"
