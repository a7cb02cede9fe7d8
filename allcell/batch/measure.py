"""How fast many pictures go: one worker and several, Ray and processes, against a plain loop."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from allcell.batch.answers import WorkerSetup, use_threads
from allcell.batch.inputs import inputs_at
from allcell.batch.job import BatchJob
from allcell.batch.run import run_batch
from allcell.engines.opening import Runtime
from allcell.environment.versions import machine_name
from allcell.imaging.images import encode_jpeg
from allcell.synth.field import random_spec, render

#: Width, height and red cells of the photographs, in pixels: 5 megapixels, a usual objective.
FIELD_PX, FIELD_RED_CELL_PX = (2592, 1944), 40.0
#: Different photographs; the others are copies.
_DIFFERENT = 8
_QUALITY = 90

#: What does the work: a loop over the files, without parts and tables, or an engine.
BatchWay = Literal["loop", "processes", "ray"]


@dataclass(frozen=True)
class BatchTime:
    """What a way of doing the pictures took.

    Attributes:
        way: What did the work.
        workers: How many, each with a thread.
        cores: On how many cores all of it ran.
        seconds: From the beginning to the last result, the opening of the model and the start of
            the workers included.
        first_s: Until the first result: of a part, or of a picture in a loop.
        result_bytes: Size of the tables.
    """

    way: BatchWay
    workers: int
    cores: int
    seconds: float
    first_s: float
    result_bytes: int = 0


def batch_speed(
    model: str,
    fields: int,
    *,
    runtime: Runtime = "auto",
    with_ray: bool = True,
    on_step: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Time all ways, one after the other, each in a process of its own.

    Args:
        model: Name of the model.
        fields: Photographs of 5 megapixels, rendered.
        runtime: See `allcell.detector.Detector.open`.
        with_ray: Whether Ray is among them.
        on_step: Called before each with what comes.

    Returns:
        The record that is kept: `ways` (see `BatchTime`), and with what they were measured.

    Raises:
        AllcellError: If one of them fails.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    most = len(cores) or os.cpu_count() or 1
    engines: Sequence[BatchWay] = ("ray", "processes") if with_ray else ("processes",)
    # Workers and cores. An engine's own processes may have a core that its worker leaves.
    counts = sorted({(1, 1), (1, most), (most, most)})
    ways: list[tuple[BatchWay, int, int]] = [("loop", 1, 1)]
    ways += [(engine, *count) for engine in engines for count in counts]
    with tempfile.TemporaryDirectory(prefix="allcell-batch-") as folder:
        source = Path(folder, "fields")
        on_step(f"{fields} photographs are rendered")
        file_bytes = _render(source, fields)
        times = []
        for n, (way, workers, used) in enumerate(ways):
            on_step(f"{way}, {workers} on {used} of {most} cores")
            out = Path(folder, f"out-{n}")
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as own:
                task = own.submit(
                    _timed, way, workers, cores[:used], model, runtime, str(source), str(out)
                )
                times.append(task.result())
    return {
        "model": model,
        "machine": machine_name(),
        "fields": fields,
        "field_px": list(FIELD_PX),
        "field_bytes": file_bytes // fields,
        "ways": [asdict(one) for one in times],
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _render(folder: Path, fields: int) -> int:
    """Write the photographs; how many bytes they are."""
    folder.mkdir()
    different = [
        encode_jpeg(render(random_spec(seed, *FIELD_PX, FIELD_RED_CELL_PX)).image, quality=_QUALITY)
        for seed in range(min(_DIFFERENT, fields))
    ]
    for n in range(fields):
        (folder / f"field-{n:06}.jpg").write_bytes(different[n % len(different)])
    return sum(len(different[n % len(different)]) for n in range(fields))


def _timed(
    way: BatchWay,
    workers: int,
    cores: Sequence[int],
    model: str,
    runtime: Runtime,
    source: str,
    out: str,
) -> BatchTime:
    """One way, in this process and what it starts, on these cores."""
    if cores:
        os.sched_setaffinity(0, set(cores))
    use_threads(1, {})
    started = time.monotonic()
    inputs = inputs_at(source).inputs
    first: list[float] = []

    def note(*_: object) -> None:
        first.append(time.monotonic() - started)

    if way == "loop":
        _loop(model, runtime, [Path(one.address) for one in inputs], note)
    else:
        setup = WorkerSetup(BatchJob.of(model), out, "cpu", runtime, 1)

        def progress(now: Any) -> None:
            if now.parts_done:
                note()

        run_batch(setup, inputs, workers=workers, engine=way, on_progress=progress)
    seconds = time.monotonic() - started
    written = sum(f.stat().st_size for f in Path(out).rglob("*.parquet")) if way != "loop" else 0
    return BatchTime(way, workers, max(1, len(cores)), seconds, first[0], written)


def _loop(model: str, runtime: Runtime, files: Sequence[Path], note: Callable[[], None]) -> None:
    from allcell.analysis import analyse, file_cautions
    from allcell.imaging.images import decode
    from allcell.own.opening import open_model

    detector = open_model(model, device="cpu", runtime=runtime, threads=1)
    for file in files:
        found = analyse(detector, decode(file), str(file), about=file_cautions(file))
        found.result()
        note()
