"""A race: the ways to run a model on this CPU, compared and timed on golden fields."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from allcell.boxes import suppress
from allcell.detections import Detections
from allcell.engines.base import Engine
from allcell.engines.choosing.agreement import LIVE, STILLS, difference
from allcell.engines.choosing.choices import Contender, Mark, RuntimeChoice
from allcell.engines.decode import decode
from allcell.environment.versions import installed_versions, machine_name
from allcell.errors import AllcellError
from allcell.models.registry import ModelSpec

#: After this long no other contender is opened, and measuring ends with the round in progress.
OPEN_UNTIL_S, MEASURE_UNTIL_S = 1.0, 1.7
#: Measured runs of each contender, one of each in turn.
_ROUNDS = (3, 12)
#: A challenger must need this much less time than what is used today: less could be noise.
_MARGIN = 0.95
#: Races in which a contender may have ended the process before it is left out.
_MOST_ENDS = 2
#: Of the golden fields: what a live frame becomes, and where the models' red cells are about 20 px.
_FIELD_PX = (640, 352)
_SEEDS = (3, 11)

#: What the others are compared with.
REFERENCE = Contender(runtime="onnx", precision="full")

_GOLDEN: list[npt.NDArray[np.uint8]] = []


class NotedEngine(Engine, Protocol):
    """An engine that says a little more of itself.

    Attributes:
        note: Added to its description.
    """

    note: str


Open = Callable[[Contender], NotedEngine]


@dataclass(eq=False)
class _Runner:
    """A contender that is open.

    Attributes:
        who: What it is.
        engine: Its network.
        best_s: Its fastest run.
    """

    who: Contender
    engine: NotedEngine
    best_s: float = field(default=float("inf"))

    def boxes(self, spec: ModelSpec) -> list[Detections]:
        """What it finds in the golden fields, down to a low confidence."""
        found = []
        for picture in golden_fields():
            raw = self.engine.run(picture)
            floor = spec.confidence - LIVE.score
            cells = decode(raw, spec.output, len(spec.classes), max(0.02, floor), every_class=True)
            found.append(suppress(cells, spec.iou, across_classes=False))
        return found

    def time(self, clock: Callable[[], float]) -> None:
        """Run once more."""
        start = clock()
        self.engine.run(golden_fields()[0])
        self.best_s = min(self.best_s, clock() - start)


def race(
    spec: ModelSpec,
    those: Sequence[Contender],
    open_one: Open,
    *,
    stream: bool,
    mark: Mark,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[RuntimeChoice, NotedEngine]:
    """Measure the contenders on a golden field, and open the fastest.

    One whose boxes differ from those of the 32-bit graph by more than the tolerance is left out
    (`allcell.engines.choosing.agreement`), and so is one that cannot be opened.

    Args:
        spec: The model.
        those: From `contenders`; the first is today's way.
        open_one: Opens one of them.
        stream: See `contenders`.
        mark: Told what is tried.
        clock: In seconds.

    Returns:
        The choice and its engine.

    Raises:
        ModelError: If today's way or the 32-bit graph cannot be opened.
    """
    start = clock()
    golden_fields()
    left_out: dict[str, str] = {}
    runners: list[_Runner] = []
    reference: list[Detections] = []
    # The reference comes before what is compared with it.
    for who in sorted(those, key=lambda one: one not in (those[0], REFERENCE)):
        ours = who in (those[0], REFERENCE)
        if not ours and (reason := _pointless(who, runners, mark)):
            left_out[who.title] = reason
            continue
        if not ours and clock() - start > OPEN_UNTIL_S:
            left_out[who.title] = "time was up"
            continue
        mark.trying("" if ours else who.title)
        try:
            runner = _Runner(who, open_one(who))
            found = runner.boxes(spec)
        except AllcellError as error:
            if ours:
                raise
            left_out[who.title] = str(error)
            continue
        if who == REFERENCE:
            reference = found
        elif who != those[0] and (reason := _differs(spec, reference, found, stream=stream)):
            left_out[who.title] = reason
            continue
        runners.append(runner)
    for rounds in range(_ROUNDS[1]):
        if rounds >= _ROUNDS[0] and clock() - start > MEASURE_UNTIL_S:
            break
        for runner in runners:
            runner.time(clock)
    best = min(runners, key=lambda one: one.best_s)
    first = next(one for one in runners if one.who == those[0])
    if best.best_s > _MARGIN * first.best_s:
        best = first
    choice = RuntimeChoice(
        model=spec.name,
        purpose="live" if stream else "stills",
        chosen=best.who,
        milliseconds={one.who.title: round(1e3 * one.best_s, 2) for one in runners},
        left_out=left_out,
        out_of_time="time was up" in left_out.values(),
        seconds=round(clock() - start, 2),
        machine=machine_name(),
        versions=installed_versions(),
    )
    return choice, best.engine


def _pointless(who: Contender, runners: Sequence[_Runner], mark: Mark) -> str:
    if mark.ended_in.count(who.title) >= _MOST_ENDS:
        return "the program ended while it was tried"
    halved = Contender(runtime=who.runtime, precision="bf16")
    if who.precision == "full" and any(one.who == halved for one in runners):
        return "bf16, half the work, sees the same"
    return ""


def _differs(
    spec: ModelSpec,
    reference: Sequence[Detections],
    found: Sequence[Detections],
    *,
    stream: bool,
) -> str:
    tolerance = LIVE if stream else STILLS
    for known, seen in zip(reference, found, strict=True):
        if reason := difference(known, seen, spec.confidence, tolerance):
            return f"its boxes differ: {reason}"
    return ""


def golden_fields() -> list[npt.NDArray[np.uint8]]:
    """Rendered fields that contenders are compared on, RGB uint8 (352, 640, 3)."""
    if not _GOLDEN:
        from allcell.synth.field import render
        from allcell.synth.spec import FieldSpec

        for seed in _SEEDS:
            cells = FieldSpec(
                *_FIELD_PX, red_cell_px=20, seed=seed, blasts=5, neutrophils=3, smudges=1
            )
            _GOLDEN.append(np.ascontiguousarray(render(cells).image))
    return _GOLDEN
