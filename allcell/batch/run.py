"""A run: what is left to do, done by an engine, followed part by part."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from allcell.batch.answers import WorkerSetup
from allcell.batch.inputs import BatchInput
from allcell.batch.job import (
    PART_INPUTS,
    BatchPart,
    begin_job,
    done_parts,
    part_file,
    parts_with_failures,
    plan_parts,
)
from allcell.batch.on_ray import has_ray, on_ray
from allcell.batch.pool import in_processes
from allcell.batch.storage import Storage
from allcell.batch.work import PartDone, failures_of

#: What runs the workers.
BatchEngineName = Literal["ray", "processes"]


@dataclass
class BatchProgress:
    """How far a run is.

    Attributes:
        parts: How many parts there are.
        inputs: How many inputs.
        parts_before: Parts that were done when the run began.
        inputs_before: Inputs of these.
        failed_before: Those of them that came to nothing.
        parts_done: Parts that this run has done.
        images: Pictures that it has answered.
        withheld: Those without numbers.
        cells: Cells in them.
        failed: Inputs that came to nothing.
        seconds: Since it began.
    """

    parts: int
    inputs: int
    parts_before: int
    inputs_before: int
    failed_before: int
    parts_done: int = 0
    images: int = 0
    withheld: int = 0
    cells: int = 0
    failed: int = 0
    seconds: float = 0.0

    @property
    def is_done(self) -> bool:
        """Whether all parts are done."""
        return self.parts_before + self.parts_done == self.parts

    @property
    def inputs_done(self) -> int:
        """Inputs that this run is through with."""
        return self.images + self.failed

    @property
    def per_second(self) -> float:
        """Inputs a second of this run."""
        return self.inputs_done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at that rate; None before the first part is done."""
        left = self.inputs - self.inputs_before - self.inputs_done
        return left / self.per_second if self.per_second else None

    def add(self, done: PartDone, seconds: float) -> None:
        """Count a part that has just been done."""
        self.parts_done += 1
        self.images += done.images
        self.withheld += done.withheld
        self.cells += done.cells
        self.failed += done.failed
        self.seconds = seconds


def engine_here(address: str | None) -> BatchEngineName:
    """Ray if a cluster is named or Ray is installed, otherwise processes of this machine."""
    return "ray" if address is not None or has_ray() else "processes"


def run_batch(
    setup: WorkerSetup,
    inputs: Sequence[BatchInput],
    *,
    workers: int,
    engine: BatchEngineName,
    address: str | None = None,
    cards: float = 0,
    again: bool = False,
    part_size: int = PART_INPUTS,
    on_progress: Callable[[BatchProgress], None] = lambda _: None,
) -> BatchProgress:
    """Do what is left of a run.

    Args:
        setup: What the workers need to know.
        inputs: What is to be analysed; what is planned already is not planned again.
        workers: How many; with the address of a cluster 0 for as many as it has room for.
        engine: What runs them.
        address: See `allcell.batch.on_ray.on_ray`.
        cards: Likewise.
        again: Whether parts of which an input failed are done anew.
        part_size: Inputs of a part at most, of those that are not planned yet.
        on_progress: Called at the beginning and after each part.

    Returns:
        How far it came: to the end.

    Raises:
        AllcellError: If the run does not fit to the results that are there, or workers cannot work.
        OSError: If results cannot be written.
    """
    out = Storage(setup.out)
    begin_job(out, setup.job)
    parts = plan_parts(out, inputs, most=part_size)
    done = done_parts(out)
    if again:
        for number in sorted(done & parts_with_failures(out)):
            out.delete(part_file("images", number))
            done.discard(number)
    failed = sum(len(failures_of(out, n)) for n in parts_with_failures(out) & done)
    left = [part for part in parts if part.number not in done]
    progress = BatchProgress(
        len(parts),
        sum(len(part.inputs) for part in parts),
        len(parts) - len(left),
        sum(len(part.inputs) for part in parts if part.number in done),
        failed,
    )
    on_progress(progress)
    if left:
        started = time.monotonic()
        with closing(_engine(setup, left, workers, engine, address, cards)) as answers:
            for answer in answers:
                progress.add(answer, time.monotonic() - started)
                on_progress(progress)
    return progress


def _engine(
    setup: WorkerSetup,
    parts: Sequence[BatchPart],
    workers: int,
    engine: BatchEngineName,
    address: str | None,
    cards: float,
) -> Generator[PartDone, None, None]:
    if engine == "ray":
        return on_ray(setup, parts, workers, address=address, cards=cards)
    return in_processes(setup, parts, workers)
