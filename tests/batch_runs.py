"""What tests of `allcell batch` share: smears to work on, and the rows of a run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq

from allcell.batch.answers import WorkerSetup
from allcell.batch.job import BatchJob
from allcell.batch.tables import PASSING, SCHEMAS
from allcell.imaging.images import encode_png
from allcell.synth import random_spec, render

WITHOUT_RAY = "no Ray here: pip install -c constraints.txt 'ray[data]'"
HAS_RAY = find_spec("ray") is not None


@lru_cache(maxsize=8)
def smear(seed: int = 1, width: int = 640, height: int = 480) -> bytes:
    """A rendered field as a PNG file."""
    return encode_png(render(random_spec(seed, width, height, 30)).image)


def smears(folder: Path, number: int) -> Path:
    """A folder with so many pictures of three fields, and one that is damaged."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(number):
        (folder / f"field-{n:03}.png").write_bytes(smear(1 + n % 3))
    (folder / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return folder


def setup_for(out: Path | str, **asked: object) -> WorkerSetup:
    """A run with the live model into a folder."""
    return WorkerSetup(BatchJob.of("live", **asked), str(out), "cpu", "onnx")


def rows(out: Path, table: str) -> list[dict]:
    """All rows of a table, sorted, without what differs from run to run."""
    found = []
    for file in sorted((out / table).glob("part-*.parquet")):
        read = pq.read_table(file)
        assert read.schema.equals(SCHEMAS[table], check_metadata=True)
        found += read.to_pylist()
    kept = [{k: v for k, v in row.items() if k not in PASSING} for row in found]
    return sorted(kept, key=lambda row: (row["image"], row.get("cell", 0)))


def all_rows(out: Path) -> dict[str, list[dict]]:
    """The rows of all tables."""
    return {table: rows(out, table) for table in SCHEMAS}


def workers_of(out: Path) -> list[int]:
    """The processes that have begun a part of which nothing is there yet."""
    found = []
    for file in (out / "begun").glob("part-*/*.json"):
        with contextlib.suppress(OSError, ValueError):  # done meanwhile
            found.append(json.loads(file.read_text())["pid"])
    return found


class Killer:
    """Kills a worker that has a part in hand, once; given as `on_progress`.

    Args:
        out: Where the run writes.
        after: How many parts are to be done first.
    """

    def __init__(self, out: Path, after: int = 2) -> None:
        self.out, self.after = out, after
        self.killed: list[int] = []

    def __call__(self, progress) -> None:
        if self.killed or progress.parts_done < self.after:
            return
        for pid in workers_of(self.out)[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed.append(pid)


def fresh(folder: Path) -> Path:
    """A folder that does not exist."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder
