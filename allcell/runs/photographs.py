"""Photographs from their files to drawn boxes: where the time goes, and how many a second."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from allcell.ahead import worker_count
from allcell.analysis import analyse, analyse_many, file_cautions, judged
from allcell.analysis.finding import Seen
from allcell.benchmark import resident_mb
from allcell.detector import Detector
from allcell.environment.versions import machine_name
from allcell.errors import AllcellError
from allcell.imaging.familiarity import judge
from allcell.imaging.images import decode, encode_jpeg, encode_png, pixel_count
from allcell.imaging.preprocess import stain_for
from allcell.imaging.scale import resolve_scale
from allcell.statistics import Milliseconds
from allcell.synth.field import random_spec, render

Made = TypeVar("Made")

#: Width and height of a photograph of 5 megapixels, and of one of 12.
PHOTO_PX, LARGE_PX = (2592, 1944), (4000, 3000)
#: Red cells in them, in pixels: a usual objective.
PHOTO_RED_CELL_PX, LARGE_RED_CELL_PX = 40.0, 62.0
#: Quality of their JPEGs, as of a camera.
_QUALITY = 90
#: Different photographs of a folder; the others are copies of them.
_DIFFERENT = 8


def photograph(seed: int, size_px: tuple[int, int], red_cell_px: float) -> bytes:
    """A rendered field as a JPEG.

    Args:
        seed: Of its cells.
        size_px: Its width and height.
        red_cell_px: Diameter of its red cells.
    """
    return encode_jpeg(render(random_spec(seed, *size_px, red_cell_px)).image, quality=_QUALITY)


@dataclass(frozen=True)
class PhotographProfile:
    """Where the time of one photograph goes, stage by stage.

    Attributes:
        model: Name of the model.
        runtime: Runtime, version and device.
        machine: Processor and cores.
        size_px: Width and height.
        file_bytes: Size of its JPEG.
        rounds: How often it was measured.
        tiles: Runs of the network.
        stages: In the order in which they come; the network's own are parts of `detect`.
        whole: From file to result, without drawing.
    """

    model: str
    runtime: str
    machine: str
    size_px: tuple[int, int]
    file_bytes: int
    rounds: int
    tiles: int
    stages: dict[str, Milliseconds]
    whole: Milliseconds


def profile(
    detector: Detector,
    *,
    size_px: tuple[int, int] = LARGE_PX,
    red_cell_px: float = LARGE_RED_CELL_PX,
    rounds: int = 9,
) -> PhotographProfile:
    """Time each stage of a photograph, again and again.

    Args:
        detector: The model.
        size_px: Width and height of the photograph.
        red_cell_px: Diameter of its red cells; measured all the same.
        rounds: Measured rounds; one more runs first.
    """
    spec = detector.spec
    data = photograph(3, size_px, red_cell_px)
    taken: dict[str, list[float]] = {}

    def timed(stage: str, make: Callable[[], Made]) -> Made:
        start = time.perf_counter()
        made = make()
        taken.setdefault(stage, []).append(1e3 * (time.perf_counter() - start))
        return made

    tiles = 0
    for _ in range(rounds + 1):
        image = timed("decode", lambda: decode(data))
        scale = timed("size ruler", lambda: resolve_scale(image))  # noqa: B023
        stain = timed("colour ruler", lambda: stain_for(spec, image, scale.red_cell_px))  # noqa: B023
        timed("familiarity", lambda: judge(image, scale))  # noqa: B023
        _, timing = timed(
            "detect",
            lambda: detector.detect(image, red_cell_px=scale.red_cell_px, stain=stain),  # noqa: B023
        )
        tiles = timing.tiles
        taken.setdefault("of it tiles", []).append(timing.preprocess_ms)
        taken.setdefault("of it network", []).append(timing.inference_ms)
        taken.setdefault("of it boxes", []).append(timing.postprocess_ms)
        analysis = timed("whole", lambda: analyse(detector, decode(data), "photograph"))
        result = analysis.result()
        drawn = timed("draw", lambda: result.draw(image))  # noqa: B023
        timed("write PNG", lambda: encode_png(drawn))  # noqa: B023
    stages = {stage: Milliseconds.of(times[1:]) for stage, times in taken.items()}
    whole = stages.pop("whole")
    return PhotographProfile(
        spec.name,
        detector.engine.description,
        machine_name(),
        size_px,
        len(data),
        rounds,
        tiles,
        stages,
        whole,
    )


def profile_table(profiled: PhotographProfile) -> str:
    """A profile as text, with each stage's share of the way to the result."""
    width, height = profiled.size_px
    rows = [
        f"{profiled.model}: {profiled.runtime}; {profiled.machine}",
        f"a JPEG of {width}x{height}, {profiled.file_bytes / 1e6:.1f} MB, {profiled.tiles} tiles, "
        f"{profiled.rounds} times",
    ]
    for name, stage in {**profiled.stages, "file to result": profiled.whole}.items():
        share = stage.median / profiled.whole.median
        rows.append(
            f"  {name:15} median {stage.median:7.1f} ms   p95 {stage.p95:7.1f} ms   {share:4.0%}"
        )
    return "\n".join(rows)


@dataclass(frozen=True)
class FolderSpeed:
    """How many photographs of a folder are answered in a second.

    Attributes:
        model: Name of the model.
        runtime: Runtime, version and device.
        machine: Processor and cores.
        size_px: Width and height of each.
        images: How many.
        threads: How many work at once.
        ahead_per_s: Images a second as `detect` takes a folder.
        one_by_one_per_s: The same, each from its file to its boxes before the next; measured in
            turn with the former, an equal part of the folder each.
        times_faster: The former over the latter.
        resident_mb: Memory of the process after a tenth of the folder, and at the end.
    """

    model: str
    runtime: str
    machine: str
    size_px: tuple[int, int]
    images: int
    threads: int
    ahead_per_s: float
    one_by_one_per_s: float
    times_faster: float
    resident_mb: tuple[float, float]


def folder_speed(detector: Detector, *, images: int = 200, parts: int = 10) -> FolderSpeed:
    """Measure a detector on a folder of photographs of 5 megapixels.

    Args:
        detector: The model.
        images: How many; at least `parts`.
        parts: The folder is taken in so many parts, each in both ways, so that noise disturbs both.
    """

    def see(path: Path) -> Seen:
        return judged(detector.spec, decode(path), about=file_cautions(path))

    def ahead(paths: list[Path]) -> None:
        for _, answer in analyse_many(detector, paths, see, str, pixels=pixel_count):
            if isinstance(answer, AllcellError):
                raise answer

    def one_by_one(paths: list[Path]) -> None:
        for path in paths:
            analyse(detector, decode(path), str(path), about=file_cautions(path))

    def seconds(way: Callable[[list[Path]], None], paths: list[Path]) -> float:
        start = time.perf_counter()
        way(paths)
        return time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        paths = []
        some = [photograph(n, PHOTO_PX, PHOTO_RED_CELL_PX) for n in range(min(images, _DIFFERENT))]
        for n in range(images):
            paths.append(Path(folder, f"{n:05d}.jpg"))
            paths[-1].write_bytes(some[n % len(some)])
        shares = [paths[n::parts] for n in range(parts)]
        # Graphs are compiled for the sizes of the inputs, and memory is taken.
        ahead(paths[: 2 * _DIFFERENT])
        one_by_one(paths[:_DIFFERENT])
        took = {ahead: 0.0, one_by_one: 0.0}
        memory = 0.0
        for n, share in enumerate(shares):
            for way in took:
                took[way] += seconds(way, share)
            if n == 0:
                memory = resident_mb()
    return FolderSpeed(
        detector.spec.name,
        detector.engine.description,
        machine_name(),
        PHOTO_PX,
        images,
        worker_count(),
        images / took[ahead],
        images / took[one_by_one],
        took[one_by_one] / took[ahead],
        (memory, resident_mb()),
    )


def folder_text(speed: FolderSpeed) -> str:
    """The speed of a folder in words."""
    width, height = speed.size_px
    return (
        f"{speed.model}: {speed.runtime}; {speed.machine}\n"
        f"{speed.images} JPEGs of {width}x{height}: {speed.ahead_per_s:.1f} images a second with "
        f"{speed.threads} at once, {speed.one_by_one_per_s:.1f} one by one: "
        f"{speed.times_faster:.2f} times as fast; {speed.resident_mb[0]:.0f} MB after a tenth, "
        f"{speed.resident_mb[1]:.0f} MB at the end"
    )
