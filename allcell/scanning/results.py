"""Answers on regions in a file that a kill leaves readable: a line each, written as they come."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from allcell.detections import Detections
from allcell.scanning.grid import Regions
from allcell.scanning.regions import RegionAnswer

#: Interval at which what was written is put on the disk: so much is done again after a power cut.
_SYNC_EVERY_S = 2.0
_PIXEL_DECIMALS, _CONFIDENCE_DECIMALS = 2, 5


class AnswerFile:
    """The answers of a sweep. For one process; others may read.

    Args:
        path: Its file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        _cut_torn_line(path)
        self._file = path.open("ab")
        self._synced_s = time.monotonic()

    def add(self, answer: RegionAnswer) -> None:
        """Write an answer.

        Raises:
            OSError: If it cannot be written.
        """
        self._file.write(json.dumps(_line_of(answer), separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        if time.monotonic() - self._synced_s > _SYNC_EVERY_S:
            os.fsync(self._file.fileno())
            self._synced_s = time.monotonic()

    def close(self) -> None:
        """Put all of it on the disk."""
        os.fsync(self._file.fileno())
        self._file.close()


def read_answers(path: Path, regions: Regions) -> Iterator[RegionAnswer]:
    """The answers in a file, in the order they were written.

    Args:
        path: The file; without one there are no answers.
        regions: The regions of the slide.
    """
    for content in _lines(path):
        column, row = content["at"]
        yield RegionAnswer(
            regions.at(column, row),
            _detections(content["cells"]),
            _detections(content["beside"]),
            content["fitness"],
        )


def _line_of(answer: RegionAnswer) -> dict[str, Any]:
    return {
        "at": [answer.region.column, answer.region.row],
        "fitness": answer.fitness,
        "cells": _rows(answer.cells),
        "beside": _rows(answer.beside),
    }


def _rows(found: Detections) -> list[list[float]]:
    return [
        [
            int(kind),
            round(float(confidence), _CONFIDENCE_DECIMALS),
            *(round(float(side), _PIXEL_DECIMALS) for side in box),
        ]
        for box, confidence, kind in zip(found.xyxy, found.confidence, found.class_id, strict=True)
    ]


def _detections(rows: list[list[float]]) -> Detections:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(
        table[:, 2:].astype(np.float32), table[:, 1].astype(np.float32), table[:, 0].astype(int)
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    # What stands behind the last line end was being written when the process was killed.
    whole, _, _ = content.rpartition(b"\n")
    for line in filter(None, whole.split(b"\n")):
        yield json.loads(line)


def _cut_torn_line(path: Path) -> None:
    """Take off what a killed process left of a line: the next one must not be joined to it."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
