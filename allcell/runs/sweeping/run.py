"""The steps of a sweep, of which each goes on where it was when the process was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from allcell.background.progress import Progress, StopWork
from allcell.detector import Detector
from allcell.environment.provenance import now
from allcell.errors import SweepError
from allcell.own.opening import open_model
from allcell.records.kept import KeptCase
from allcell.records.store import case_store
from allcell.runs.sweeping.case import MOST_CELLS, Cutter, put_into_case
from allcell.runs.sweeping.found import Grid
from allcell.runs.sweeping.work import ANSWERS_FILE, SweepRequest, SweepState, slide_key
from allcell.scanning.doubt import flat_file_cautions, slide_cautions
from allcell.scanning.grid import Region, Regions
from allcell.scanning.regions import RegionAnswer
from allcell.scanning.results import AnswerFile, read_answers
from allcell.scanning.seen import SeenCells
from allcell.scanning.sweep import (
    Failed,
    SweepPlan,
    nothing_in,
    plan_sweep,
    sweep,
    unfit_for,
    until_target,
)
from allcell.settings import settings
from allcell.slides.fitness import BLURRED, FIT, map_fitness
from allcell.slides.opening import open_slide
from allcell.slides.rulers import SlideRulers
from allcell.slides.slide import Slide


@dataclass(frozen=True, eq=False)
class Sweeping:
    """A sweep with all that it needs.

    Attributes:
        request: What is asked for.
        slide: The slide.
        detector: The model.
        rulers: Size and colour of its red cells.
        seen: What was found so far.
        plan: What it looks at.
        fitness: What a region is.
    """

    request: SweepRequest
    slide: Slide
    detector: Detector
    rulers: SlideRulers
    seen: SeenCells
    plan: SweepPlan
    fitness: Callable[[Region], str]


def run(folder: Path, progress: Progress[SweepState]) -> None:
    """Search the slide, and put the fields with cells into the case.

    Args:
        folder: Of the sweep.
        progress: Told how far it is; raises where it is to stop.

    Raises:
        AllcellError: If something does not fit.
        OSError: If the disk is full, for example.
        StopWork: If it was asked to stop.
    """
    request = SweepRequest.read(folder)
    path = Path(request.slide)
    progress.begin("Opens the slide")
    if slide_key(path) != request.key:
        raise SweepError(
            "The file of this slide is another than the one that was swept.",
            "Put the old one back, or delete this sweep and begin a new one.",
        )
    slide = open_slide(path)
    try:
        one = _prepared(folder, request, slide, progress)
        _judge(one, path, progress)
        try:
            ended = _search(folder, one, progress)
        except StopWork:
            _keep(one, progress)
            raise
        _keep(one, progress)
        if not ended:
            _note(progress, _too_few(one))
        done = replace(progress.state, status="done", stage="", progress=1.0, left_s=None)
        progress.say(done, now=True)
    finally:
        slide.close()


def _prepared(
    folder: Path, request: SweepRequest, slide: Slide, progress: Progress[SweepState]
) -> Sweeping:
    progress.begin("Measures the red cells")
    rulers = SlideRulers()
    rulers.measure(slide)
    kept = Grid.read(folder)
    red_cell_px = kept.red_cell_px if kept else request.red_cell_px or rulers.red_cell_px
    if not red_cell_px:
        raise SweepError(
            "No red cells could be measured on this slide, so nobody knows the size of its cells.",
            "Give the diameter of a red cell in pixels.",
        )
    progress.begin("Opens the model")
    who = request.actor if request.logged_in else None
    detector = open_model(request.model, who=who, device=request.device or settings().device)
    regions = Regions.of(slide, red_cell_px, detector.spec)
    progress.begin("Looks for the monolayer")
    if kept:
        kept.check(regions, detector.weights_sha256)
        names = kept.fitness
    else:
        found = map_fitness(slide, rulers, lambda _: progress.check())
        names = tuple(found.of_box(one.x, one.y, one.width, one.height) for one in regions.all())
        weights = detector.weights_sha256
        Grid(red_cell_px, regions.columns, regions.rows, weights, names).write(folder)
    by_region = dict(zip(regions.all(), names, strict=True))
    plan = plan_sweep(regions, by_region.__getitem__, request.where, request.target)
    seen = SeenCells(regions)
    for answer in read_answers(folder / ANSWERS_FILE, regions):
        seen.add(answer)
    return Sweeping(request, slide, detector, rulers, seen, plan, by_region.__getitem__)


def _judge(one: Sweeping, path: Path, progress: Progress[SweepState]) -> None:
    """Say what speaks against the slide.

    Raises:
        SweepError: If its numbers would not be believed in a picture either.
    """
    progress.begin("Looks whether it is a smear")
    laboratory = one.detector.spec.laboratory
    regions, among = one.seen.regions, one.plan.searched
    among = tuple(region for region in among if one.fitness(region) == FIT) or among
    found = slide_cautions(one.slide, regions, one.rulers, among, laboratory)
    held = [caution for caution in found if caution.withholds]
    if held and not one.request.insist:
        raise SweepError(f"This slide gets no numbers. {held[0].message}", held[0].remedy)
    for caution in (*found, *flat_file_cautions(one.slide, path)):
        _note(progress, str(caution))


def _search(folder: Path, one: Sweeping, progress: Progress[SweepState]) -> bool:
    """Whether it ended because it found what it was to find, or because there was no more."""
    seen, plan, target = one.seen, one.plan, one.request.target
    file = AnswerFile(folder / ANSWERS_FILE)
    try:
        for region in plan.empty:
            if not seen.has(region):
                seen.add(nothing_in(region))
                file.add(nothing_in(region))
        todo = [region for region in plan.searched if not seen.has(region)]
        progress.begin("Looks for cells", 1.0)
        progress.expect(1.0)
        failed = 0
        for answer in _answers(one, todo, target):
            if isinstance(answer, Failed):
                failed += 1
            else:
                file.add(answer)
            _tell(one, progress, failed)
    finally:
        file.close()
    if failed:
        _note(progress, f"{failed} regions of the slide could not be read and are in no number.")
    unfit = [a for a in seen.answers() if a.fitness == BLURRED]
    if unfit and one.request.where == "monolayer":
        _note(progress, f"{len(unfit)} regions are blurred, and their cells are in no number.")
    return target is None or progress.state.white_cells >= target


def _answers(
    one: Sweeping, todo: list[Region], target: int | None
) -> Iterator[RegionAnswer | Failed]:
    found = sweep(
        one.detector,
        one.slide,
        one.seen.regions,
        one.rulers,
        todo,
        unfit=unfit_for(one.request.where, one.rulers),
        confidence=one.request.confidence,
    )
    with closing(found):
        yield from until_target(found, one.seen, target)


def _tell(one: Sweeping, progress: Progress[SweepState], failed: int) -> None:
    searched = sum(one.seen.has(region) for region in one.plan.searched) + failed
    counts = one.seen.counts_of(one.seen.cells())
    white, target = counts.white_cells or 0, one.request.target
    progress.state = replace(
        progress.state,
        regions=searched,
        of=len(one.plan.searched),
        white_cells=white,
        blasts=counts.blasts or 0,
    )
    shares = [searched / max(1, len(one.plan.searched))]
    if target is not None:
        shares.append(white / target)
    progress.step(round(1000 * min(1.0, max(shares))), 1000)


def _keep(one: Sweeping, progress: Progress[SweepState]) -> None:
    """Put the fields into the case, also when it was asked to stop."""
    if not one.request.label:
        return
    state = replace(progress.state, status="working", stage="Puts the fields into the case")
    progress.say(state, now=True)

    def saved(kept: KeptCase) -> None:
        progress.say(replace(progress.state, case_id=kept.id), now=True)

    spec = one.detector.spec
    confidence = spec.confidence if one.request.confidence is None else one.request.confidence
    cutter = Cutter(
        one.slide, one.request.key, one.seen, one.rulers, one.detector, confidence, now()
    )
    put_into_case(
        case_store(), progress.state.case_id, one.request.label, one.request.actor, cutter, saved
    )
    if len(one.seen.cells()) > MOST_CELLS:
        _note(
            progress,
            f"The case holds the first {MOST_CELLS:,} cells, by region; all of them are in the "
            "files of the sweep.",
        )


def _note(progress: Progress[SweepState], words: str) -> None:
    others = tuple(one for one in progress.state.notes if one != words)
    progress.say(replace(progress.state, notes=(*others, words)), now=True)


def _too_few(one: Sweeping) -> str:
    found, target = one.seen.counts_of(one.seen.cells()).white_cells or 0, one.request.target
    return (
        f"The part of the slide that is fit for counting holds {found} white cells, not {target}. "
        "Sweep everything, or another slide."
    )
