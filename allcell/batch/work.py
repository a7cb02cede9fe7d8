"""One part from its files to its tables: what a worker does, whatever engine runs it."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from allcell.batch.answers import (
    Answer,
    Contents,
    WorkerSetup,
    answers,
    content_of,
    open_detector,
)
from allcell.batch.careful import Careful
from allcell.batch.inputs import BatchInput
from allcell.batch.job import PART_BYTES, BatchPart, part_file
from allcell.batch.storage import Storage
from allcell.batch.tables import Row, parquet, read_rows
from allcell.detector import Detector
from allcell.errors import AllcellError, ModelError

log = logging.getLogger(__name__)

#: Files of a part that are read at once: what takes time is a distant storage's answer.
_READERS = 8
#: After so many beginnings of a part without an end, its inputs are tried one by one.
_TRIES = 2


@dataclass(frozen=True)
class PartDone:
    """A part whose results are there.

    Attributes:
        number: Which one.
        images: Pictures that were answered.
        withheld: Those without numbers.
        cells: Cells in them.
        failed: Inputs that came to nothing.
        seconds: What it took.
        worker: Machine and process that did it.
        was_done: Whether it had been done before, and nothing had to be done.
    """

    number: int
    images: int = 0
    withheld: int = 0
    cells: int = 0
    failed: int = 0
    seconds: float = 0.0
    worker: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    was_done: bool = False


def failures_of(out: Storage, number: int) -> list[Row]:
    """The failures of a part that is done."""
    name = part_file("failures", number)
    return read_rows("failures", out.read(name)) if out.holds(name) else []


def read_part(part: BatchPart) -> list[bytes | AllcellError | None]:
    """Read the files of a part, several at once; see `Contents`."""
    held = 0
    wanted: list[BatchInput | None] = []
    for one in part.inputs:
        # Of a file whose size is not known, nothing can be said beforehand.
        held += one.size_bytes or PART_BYTES // 4
        wanted.append(one if held <= 2 * PART_BYTES and not one.is_slide else None)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="allcell-batch") as pool:
        return list(pool.map(lambda one: None if one is None else content_of(one), wanted))


class PartWorker:
    """Does parts, with a model that is opened once.

    Args:
        setup: What it needs to know.
        detector: The model; opened if None.

    Raises:
        ModelError: If the model cannot be opened, or its weights are not those of the job.
        DeviceError: If the device is not available.
    """

    def __init__(self, setup: WorkerSetup, detector: Detector | None = None) -> None:
        self._setup = setup
        self._out = Storage(setup.out)
        job = setup.job
        self._detector = detector or open_detector(setup)
        if self._detector.weights_sha256 != job.weights_sha256:
            raise ModelError(
                f"The weights of {job.model} on {socket.gethostname()} are not those that the run "
                "was begun with.",
                "Install the same allcell and the same models on all machines.",
            )

    def do(self, part: BatchPart, contents: Contents | None = None) -> PartDone:
        """Do a part, unless it has been done.

        Args:
            part: The part.
            contents: Its files, where they were read before; see `Contents`.

        Raises:
            OSError: If the results cannot be written.
        """
        started = time.monotonic()
        if self._out.holds(part_file("images", part.number)):
            return self._as_done(part.number)
        begun = f"begun/part-{part.number:07}"
        tries = [file.name for file in self._out.files(begun)]
        me = {"host": socket.gethostname(), "pid": os.getpid()}
        mine = f"{uuid.uuid4().hex}.json"
        self._out.write(f"{begun}/{mine}", json.dumps(me).encode())
        rows: dict[str, list[Row]] = {"images": [], "cells": [], "failures": []}
        for image, cells, failure in self._answers(part, contents, len(tries) >= _TRIES):
            rows["images"] += [image] if image else []
            rows["cells"] += cells
            rows["failures"] += [failure] if failure else []
        # The table of pictures is last: with it, the part is done.
        for table in ("failures", "cells", "images"):
            name = part_file(table, part.number)
            if rows[table] or table == "images":
                self._out.write(name, parquet(table, rows[table]))
            else:
                self._out.delete(name)
        for name in (*tries, mine):
            self._out.delete(f"{begun}/{name}")
        return PartDone(
            part.number,
            len(rows["images"]),
            sum(row["withheld"] for row in rows["images"]),
            len(rows["cells"]),
            len(rows["failures"]),
            time.monotonic() - started,
        )

    def _as_done(self, number: int) -> PartDone:
        """A part that was done before this worker could be told so."""
        rows = read_rows("images", self._out.read(part_file("images", number)))
        return PartDone(
            number,
            len(rows),
            sum(row["withheld"] for row in rows),
            sum(row["cells"] for row in rows),
            len(failures_of(self._out, number)),
            was_done=True,
        )

    def _answers(
        self, part: BatchPart, contents: Contents | None, has_ended_workers: bool
    ) -> list[Answer]:
        if not has_ended_workers:
            read = read_part(part) if contents is None else contents
            items = list(zip(part.inputs, read, strict=True))
            try:
                return list(answers(self._detector, self._setup.job, items, part.number))
            except Exception:
                # Not one of our own errors: an input found a fault in a library, or in us. It is
                # to spoil no other.
                log.warning("part %d is done input by input", part.number, exc_info=True)
        with Careful(self._setup, part.number) as careful:
            return [careful.answer(one) for one in part.inputs]
