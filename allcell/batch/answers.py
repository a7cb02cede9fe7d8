"""Inputs to rows: what a worker asks of the one way from a picture to its answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from allcell.analysis import analyse_many, file_cautions, judged
from allcell.analysis.finding import ImageDetector, Seen
from allcell.batch.inputs import BatchInput, path_of
from allcell.batch.job import BatchJob
from allcell.batch.storage import Storage, is_address
from allcell.batch.tables import Row, cell_rows, failure_row, image_row
from allcell.detector import Detector
from allcell.engines.opening import Runtime
from allcell.errors import AllcellError, DataError
from allcell.imaging import images
from allcell.imaging.limits import Limits
from allcell.imaging.scale import resolve_scale
from allcell.own.opening import open_model
from allcell.settings import settings

#: The files of a part, in the order of its inputs: their content, or why it could not be read; None
#: for those that the worker is to read, as they would not fit into memory together.
Contents = Sequence[bytes | AllcellError | None]


#: An input and its file; see `Contents`.
Item = tuple[BatchInput, bytes | AllcellError | None]
#: The row of a picture and those of its cells, or the row of its failure.
Answer = tuple[Row | None, list[Row], Row | None]


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker needs to know; goes to other processes and machines.

    Attributes:
        job: What is asked.
        out: Where the results go.
        device: See `allcell.detector.Detector.open`.
        runtime: Likewise.
        threads: Threads of a worker.
    """

    job: BatchJob
    out: str
    device: str = "auto"
    runtime: Runtime = "auto"
    threads: int = 1


def use_threads(number: int, variables: Mapping[str, str]) -> None:
    """Let this process work with so many threads, and with these settings of allcell."""
    import cv2

    os.environ.update({**variables, "ALLCELL_THREADS": str(number)})
    settings.cache_clear()
    cv2.setNumThreads(number)


def open_detector(setup: WorkerSetup) -> Detector:
    """Open the model of a run.

    Raises:
        ModelError: If it cannot be opened.
        DeviceError: If the device is not available.
    """
    return open_model(
        setup.job.model, device=setup.device, runtime=setup.runtime, threads=setup.threads
    )


def content_of(one: BatchInput) -> bytes | AllcellError:
    """An input's file, or why it cannot be read."""
    try:
        if one.size_bytes:
            Limits.from_settings().check_bytes(one.size_bytes, one.address)
        if not is_address(one.address) and (path := path_of(one.address)) != Path(one.address):
            return path.read_bytes()  # Arrow knows no such names
        return Storage(one.address).read()
    except OSError as error:
        return DataError(f"{one.address} cannot be read: {error.strerror}.", "Check the file.")
    except AllcellError as error:
        return error


def answers(
    detector: ImageDetector,
    job: BatchJob,
    items: Sequence[Item],
    part: int,
) -> Iterator[Answer]:
    """The rows of pictures, each answered or with its failure, in order.

    Args:
        detector: The model.
        job: What is asked.
        items: The inputs, and their files; see `Contents`.
        part: The part that they belong to.
    """
    if any(one.is_slide for one, _ in items):  # it has a part of its own
        yield from (_slide_answer(detector, job, one, part) for one, _ in items)
        return

    def see(item: Item) -> Seen:
        content = content_of(item[0]) if item[1] is None else item[1]
        if isinstance(content, AllcellError):
            raise content
        image = images.decode(content, name=item[0].address)
        scale = resolve_scale(image, job.red_cell_px)
        return judged(detector.spec, image, scale=scale, about=file_cautions(content))

    found = analyse_many(
        detector,
        items,
        see,
        lambda item: item[0].address,
        confidence=job.confidence,
        pixels=lambda item: images.pixel_count(item[1]) if isinstance(item[1], bytes) else 0.0,
        # Opened again for each part, streams would take longer than they save.
        own_streams=False,
    )
    runtime = detector.engine.description if isinstance(detector, Detector) else ""
    for (one, _), answer in found:
        if isinstance(answer, AllcellError):
            yield None, [], failure_row(one.address, answer, part)
        else:
            result = answer[1].result(confidence=job.confidence, insisted=job.insist)
            yield image_row(result, runtime, part), cell_rows(result, part), None


def _slide_answer(detector: ImageDetector, job: BatchJob, one: BatchInput, part: int) -> Answer:
    # Imported here: OpenSlide is for those who have slides.
    from allcell.batch.whole_slides import search_slide

    if not isinstance(detector, Detector):
        raise TypeError(f"expected a Detector, got {type(detector).__name__}")
    try:
        found = search_slide(detector, job, one)
    except AllcellError as error:
        return None, [], failure_row(one.address, error, part)
    row = image_row(found.result, detector.engine.description, part)
    row["warnings"] = " ".join([*filter(None, [row["warnings"]]), found.said])
    failure = failure_row(one.address, found.failed, part) if found.failed else None
    return row, cell_rows(found.result, part), failure
