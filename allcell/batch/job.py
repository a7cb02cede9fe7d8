"""What a run is asked to do, cut into parts: kept beside the results, so that it can go on."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq

from allcell import __version__
from allcell.batch.inputs import BatchInput
from allcell.batch.storage import Storage
from allcell.errors import DataError
from allcell.models.weights import model_files
from allcell.own.finding import find_model
from allcell.settings import settings

#: Pictures of a part at most, and bytes of their files: what is lost when a worker is lost, and
#: what is held in memory.
PART_INPUTS, PART_BYTES = 32, 64 * 2**20
_JOB = "batch.json"
_PLAN = "plan"
_PLAN_SCHEMA = pa.schema([("part", pa.int32()), ("input", pa.string()), ("size_bytes", pa.int64())])


@dataclass(frozen=True)
class BatchJob:
    """What decides the answers: the same for all workers, and for all runs into one folder.

    Attributes:
        model: Name of the model.
        weights_sha256: Of its weights; a worker with other ones refuses to work.
        confidence: Lowest confidence; the model's operating threshold if None.
        red_cell_px: Red-cell diameter in pixels; measured if None.
        insist: Whether numbers are given also for pictures that are not to be trusted.
        max_pixels: Largest picture.
        max_bytes: Largest file.
        floor_confidence: Lowest confidence of a candidate.
        version: Of allcell.
    """

    model: str
    weights_sha256: str
    confidence: float | None
    red_cell_px: float | None
    insist: bool
    max_pixels: int
    max_bytes: int
    floor_confidence: float
    version: str = __version__

    @classmethod
    def of(
        cls,
        model: str,
        *,
        confidence: float | None = None,
        red_cell_px: float | None = None,
        insist: bool = False,
    ) -> BatchJob:
        """With the limits of this process's settings; arguments are those of the class.

        Raises:
            ModelError: If there is no such model, or its weights are not here.
        """
        limits = settings()
        known = find_model(model)
        own = known.own
        return cls(
            model,
            model_files(known.spec.name).checkpoint.sha256 if own is None else own.card.sha256,
            confidence,
            red_cell_px,
            insist,
            limits.max_pixels,
            limits.max_upload_bytes,
            limits.floor_confidence,
        )

    @property
    def variables(self) -> dict[str, str]:
        """The settings of allcell that a worker needs, as variables of the environment."""
        return {
            "ALLCELL_MAX_PIXELS": str(self.max_pixels),
            "ALLCELL_MAX_UPLOAD_BYTES": str(self.max_bytes),
            "ALLCELL_FLOOR_CONFIDENCE": repr(self.floor_confidence),
        }


@dataclass(frozen=True)
class BatchPart:
    """Inputs that are done together.

    Attributes:
        number: From 0.
        inputs: In the order of their rows.
    """

    number: int
    inputs: tuple[BatchInput, ...]


def part_file(table: str, number: int) -> str:
    """The name of a part's file in one of the tables."""
    return f"{table}/part-{number:07}.parquet"


def number_of(name: str) -> int | None:
    """The part of a file in a table; None if it is none."""
    stem, _, suffix = name.partition(".")
    digits = stem.removeprefix("part-")
    return int(digits) if suffix == "parquet" and digits.isdigit() and digits != stem else None


def begin_job(out: Storage, job: BatchJob) -> None:
    """Keep what is asked, or check that the same was asked before.

    Args:
        out: Where the results are.
        job: What is asked now.

    Raises:
        DataError: If something else was asked when the results in that folder were begun.
        OSError: If it cannot be written.
    """
    if not out.holds(_JOB):
        if any(out.files(table) for table in ("images", _PLAN)):
            raise DataError(f"{out.address} holds files that are of no run.", "Name another --out.")
        out.write(_JOB, f"{json.dumps(asdict(job), indent=1)}\n".encode())
        return
    before = json.loads(out.read(_JOB))
    now = json.loads(json.dumps(asdict(job)))
    if wrong := [f"{k} {before.get(k)!r}, now {now[k]!r}" for k in now if before.get(k) != now[k]]:
        raise DataError(
            f"The results in {out.address} were begun with other settings: {'; '.join(wrong)}.",
            "Ask for the same again, or name another --out.",
        )


def plan_parts(
    out: Storage,
    inputs: Iterable[BatchInput],
    *,
    most: int = PART_INPUTS,
    most_bytes: int = PART_BYTES,
) -> list[BatchPart]:
    """All parts: those that were planned before, and new ones for inputs that are not in them.

    So a folder that has grown since can be given again, and only what is new is added.

    Args:
        out: Where the results are; the plan is kept there.
        inputs: What is to be analysed.
        most: Inputs of a part at most.
        most_bytes: Bytes of their files at most, unless it is one.

    Raises:
        OSError: If the plan cannot be written.
    """
    kept = [file.name for file in out.files(_PLAN) if file.name.endswith(".parquet")]
    planned = [part for name in kept for part in _read_plan(out.read(f"{_PLAN}/{name}"))]
    known = {one.address for part in planned for one in part.inputs}
    added = _cut([i for i in inputs if i.address not in known], len(planned), most, most_bytes)
    if added:
        out.write(f"{_PLAN}/plan-{len(kept):05}.parquet", _plan_file(added))
    return [*planned, *added]


def _cut(inputs: Sequence[BatchInput], first: int, most: int, most_bytes: int) -> list[BatchPart]:
    parts: list[list[BatchInput]] = []
    held = 0
    for one in inputs:
        full = not parts or len(parts[-1]) >= most or held + one.size_bytes > most_bytes
        if full or one.is_slide or parts[-1][0].is_slide:
            parts.append([])
            held = 0
        parts[-1].append(one)
        held += one.size_bytes
    return [BatchPart(number, tuple(part)) for number, part in enumerate(parts, first)]


def _plan_file(parts: Sequence[BatchPart]) -> bytes:
    rows = [(part.number, one.address, one.size_bytes) for part in parts for one in part.inputs]
    named = [dict(zip(_PLAN_SCHEMA.names, row, strict=True)) for row in rows]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(named, schema=_PLAN_SCHEMA), sink, compression="zstd")
    return sink.getvalue()


def _read_plan(content: bytes) -> list[BatchPart]:
    columns = pq.read_table(io.BytesIO(content)).to_pydict()
    rows = zip(columns["part"], columns["input"], columns["size_bytes"], strict=True)
    return [
        BatchPart(number, tuple(BatchInput(address, size) for _, address, size in of_part))
        for number, of_part in groupby(rows, key=lambda row: row[0])
    ]


def done_parts(out: Storage) -> set[int]:
    """The parts whose results are there, whole: their table of pictures is written last."""
    return {n for f in out.files("images") if (n := number_of(f.name)) is not None}


def parts_with_failures(out: Storage) -> set[int]:
    """The parts of which an input failed."""
    return {n for f in out.files("failures") if (n := number_of(f.name)) is not None}
