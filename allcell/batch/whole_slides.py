"""A slide in a run: searched region by region by one worker, and answered as one picture."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from allcell.batch.inputs import BatchInput, path_of
from allcell.batch.job import BatchJob
from allcell.batch.storage import Storage
from allcell.cautions import Caution
from allcell.detector import Detector, Timing
from allcell.environment.provenance import Provenance
from allcell.errors import AllcellError, SlideError
from allcell.imaging.scale import Scale
from allcell.result import Result
from allcell.scanning.doubt import slide_cautions
from allcell.scanning.regions import RegionAnswer, Regions
from allcell.scanning.seen import SeenCells
from allcell.scanning.sweep import Failed, nothing_in, plan_sweep, sweep, unfit_for
from allcell.slides.fitness import map_fitness
from allcell.slides.opening import open_slide
from allcell.slides.rulers import SlideRulers
from allcell.slides.slide import Slide


@dataclass(frozen=True, eq=False)
class SlideFound:
    """What was found on a slide.

    Attributes:
        result: Its cells, in pixels of its finest level, each once.
        said: How much of it was searched, in words.
        failed: Why regions of it could not be read; None if all could.
    """

    result: Result
    said: str
    failed: AllcellError | None


def search_slide(detector: Detector, job: BatchJob, one: BatchInput) -> SlideFound:
    """Search the parts of a slide that are fit for counting.

    Args:
        detector: The model.
        job: What is asked.
        one: The slide.

    Raises:
        AllcellError: If it cannot be read or measured, or the network fails.
    """
    with _opened(one) as slide:
        rulers = SlideRulers()
        rulers.measure(slide)
        red_cell_px = job.red_cell_px or rulers.red_cell_px
        if not red_cell_px:
            raise SlideError(
                f"No red cells could be measured on {slide.name}, so nobody knows the size of its "
                "cells.",
                "Give their diameter: --red-cell-px.",
            )
        regions = Regions.of(slide, red_cell_px, detector.spec)
        fitness = map_fitness(slide, rulers)
        plan = plan_sweep(
            regions, lambda r: fitness.of_box(r.x, r.y, r.width, r.height), "monolayer"
        )
        cautions = slide_cautions(slide, regions, rulers, plan.searched, detector.spec.laboratory)
        seen, failed = SeenCells(regions), list[Failed]()
        for region in plan.empty:
            seen.add(nothing_in(region))
        answers = sweep(
            detector,
            slide,
            regions,
            rulers,
            plan.searched,
            unfit=unfit_for("monolayer", rulers),
            confidence=job.confidence,
            own_streams=False,
        )
        with closing(answers):
            for answer in answers:
                if isinstance(answer, RegionAnswer):
                    seen.add(answer)
                else:
                    failed.append(answer)
        scale = Scale(red_cell_px, "given" if job.red_cell_px else "measured")
        result = _result(detector, job, one, slide, seen, scale, cautions)
    said = (
        f"Of {len(regions)} parts of the slide {len(plan.searched) - len(failed)} were searched, "
        f"{len(plan.empty)} are empty, {len(plan.left_out)} are not fit for counting."
    )
    return SlideFound(result, said, _failure(failed))


def _result(
    detector: Detector,
    job: BatchJob,
    one: BatchInput,
    slide: Slide,
    seen: SeenCells,
    scale: Scale,
    cautions: tuple[Caution, ...],
) -> Result:
    spec = detector.spec
    cells = seen.cells()
    return Result(
        one.address,
        *slide.size_px,
        spec.name,
        cells[(-cells.confidence).argsort(kind="stable")],
        spec.classes,
        Timing(0.0, 0.0, 0.0, 0.0),  # no table has it
        scale,
        made=Provenance(
            spec.confidence if job.confidence is None else job.confidence,
            spec.iou,
            detector.weights_sha256,
        ),
        warnings=cautions,
        insisted=job.insist,
    )


def _failure(failed: list[Failed]) -> AllcellError | None:
    if not failed:
        return None
    first = failed[0].error
    number = f"{len(failed)} parts of the slide" if len(failed) > 1 else "A part of the slide"
    return SlideError(f"{number} could not be read: {first.message}", first.remedy)


@contextmanager
def _opened(one: BatchInput) -> Iterator[Slide]:
    """The slide; one of an object store is copied to this machine while it is searched."""
    storage = Storage(one.address)
    with tempfile.TemporaryDirectory(prefix="allcell-slide-") as folder:
        path = path_of(one.address)
        if not storage.is_local:
            path = Path(folder, PurePosixPath(one.address.partition("?")[0]).name)
            storage.copy_to(path)
        slide = open_slide(path)
        try:
            yield slide
        finally:
            slide.close()
