"""Running the model over the pictures on the bench, and the list of what came out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace

import streamlit as st

from allcell.detector import Detector
from allcell.models.classes import CELL_CLASSES
from allcell.models.registry import MODELS, WHITE_CELLS
from allcell.report.disagreement import models_disagree
from allcell.result import Result
from allcell.statistics import Proportion
from allcell.ui.field.ahead import analyse_ahead
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Finished, Picture, Refused
from allcell.ui.field.table import pick_picture, rounded
from allcell.ui.sessions.own_models import own_models
from allcell.ui.shell.controls import ViewChoice
from allcell.ui.shell.user_models import user_models
from allcell.ui.shell.wording import interval_text, plain, share_text

#: Errors spelled out below the table; the others are in their rows.
MOST_MESSAGES = 5
_OTHER_CELLS = tuple(cell for cell in CELL_CLASSES if cell.name not in WHITE_CELLS)


def works(desk: Bench, model: str) -> bool:
    """Whether `process` will run the model now."""
    waiting = _waiting(desk, model)
    return any(picture.id == desk.shown for picture in waiting) if desk.stopped else bool(waiting)


def _waiting(desk: Bench, model: str) -> list[Picture]:
    return [p for p in desk.pictures.values() if desk.outcome(p, model) is None]


def process(desk: Bench, detector: Detector) -> None:
    """Analyse what has not been analysed with this model yet, in order."""
    model = detector.spec.name
    everything = list(desk.pictures.values())
    waiting = _waiting(desk, model)
    shown = next((picture for picture in waiting if picture.id == desk.shown), None)
    if shown is not None and (len(waiting) == 1 or desk.stopped):
        with st.spinner("Looking for cells"):
            desk.memory.analyse(shown, model, lambda: detector)
        waiting.remove(shown)
    if not waiting:
        return
    done = len(everything) - len(waiting)
    if desk.stopped:
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.warning(f"Stopped: {done} of {len(everything)} images are done.")
        right.button("Continue", on_click=_set_stopped, args=(desk, False), width="stretch")
        return
    place = st.empty()
    with place.container():
        left, right = st.columns([4, 1], vertical_alignment="center")
        right.button("Stop", on_click=_set_stopped, args=(desk, True), width="stretch")
        bar = left.progress(0.0)
    with closing(analyse_ahead(desk.memory, waiting, detector)) as answered:
        for n, picture in enumerate(waiting, done + 1):
            bar.progress(
                (n - 1) / len(everything), f"File {n} of {len(everything)}: {plain(picture.name)}"
            )
            next(answered)
    place.empty()


def _set_stopped(desk: Bench, stopped: bool) -> None:
    desk.stopped = stopped


def results(desk: Bench, model: str, view: ViewChoice) -> dict[str, Result]:
    """The results so far, by picture id; every class is counted, whichever are shown."""
    found = {}
    for picture_id, picture in desk.pictures.items():
        outcome = desk.outcome(picture, model)
        if isinstance(outcome, Finished):
            found[picture_id] = result_of(desk, picture, outcome, view)
    return found


def result_of(
    desk: Bench,
    picture: Picture,
    finished: Finished,
    view: ViewChoice,
    *,
    classes: Collection[str] | None = None,
) -> Result:
    """What is shown and exported of a picture, as far as it is to be trusted or the user insists.

    Args:
        desk: The pictures of the session.
        picture: One of them.
        finished: What was found in it.
        view: The thresholds.
        classes: Names of the classes to keep; all if None.
    """
    result = finished.analysis.result(confidence=view.confidence, iou=view.iou, classes=classes)
    others = models_disagree(_by_title(desk, picture))
    if others is not None:
        result = replace(result, warnings=(*result.warnings, others))
    return desk.memory.insistence.applied(picture.digest, result)


def _by_title(desk: Bench, picture: Picture) -> dict[str, Result]:
    """What each model that has run on a picture finds at its own threshold."""
    # By name alone: the catalog looks for every model's files, which every picture would pay for.
    specs = [
        *MODELS,
        *(model.spec for model in own_models()),
        *(model.spec for model in user_models().values()),
    ]
    done = (desk.outcome(picture, spec.name) for spec in specs)
    analyses = [outcome.analysis for outcome in done if isinstance(outcome, Finished)]
    if len(analyses) < 2:
        return {}
    return {analysis.spec.title: analysis.result() for analysis in analyses}


def summary(desk: Bench, model: str, found: dict[str, Result]) -> None:
    """One row per image, failed ones included; picking a row shows that image."""
    pictures = list(desk.pictures.values())
    rows = [
        _row(n, picture, found.get(picture.id), desk.outcome(picture, model))
        for n, picture in enumerate(pictures, 1)
    ]
    pick_picture(
        desk,
        rows,
        "summary",
        columns={
            **{
                title: st.column_config.NumberColumn(format="%d")
                for title in ("Blasts", "White cells", *(cell.heading for cell in _OTHER_CELLS))
            },
            "Blast %": st.column_config.NumberColumn(format="%.1f"),
            "Highest blast confidence": st.column_config.NumberColumn(format="%.2f"),
        },
        alt="One row per image: counts, or the error",
    )
    _failed([o for s in pictures if isinstance(o := desk.outcome(s, model), Refused)])
    if together := together_text(list(found.values())):
        st.caption(together)


def _row(
    n: int, picture: Picture, result: Result | None, outcome: Finished | Refused | None
) -> dict[str, object]:
    note = "synthetic" if picture.synthetic else ""
    row: dict[str, object] = {
        "No.": n,
        "Image": picture.name,
        "Blasts": None,
        "White cells": None,
        "Blast %": None,
        "Exact 95 % interval": "",
        **{cell.heading: None for cell in _OTHER_CELLS},
        "Highest blast confidence": None,
        "Note": "not processed yet" if outcome is None else note,
    }
    if isinstance(outcome, Refused):
        row["Note"] = f"{outcome.message} {outcome.remedy}"
    if result is None:
        return row
    row["Note"] = " ".join([note, result.standing, *map(str, result.cautions)]).strip()
    counts = result.counts
    share = counts.blast_share
    row |= {
        "Blasts": counts.by_class.get("blast"),
        "White cells": counts.white_cells,
        "Blast %": rounded(None if share.fraction is None else 100 * share.fraction, 1),
        "Exact 95 % interval": interval_text(share) if share.n else "",
        **{cell.heading: counts.by_class.get(cell.name) for cell in _OTHER_CELLS},
        "Highest blast confidence": rounded(result.highest_blast_confidence, 2),
    }
    return row


def _failed(refused: Sequence[Refused]) -> None:
    if not refused:
        return
    lines = [f"{plain(each.message)} {plain(each.remedy)}" for each in refused[:MOST_MESSAGES]]
    if len(refused) > MOST_MESSAGES:
        lines.append(f"{len(refused) - MOST_MESSAGES} more are in the table.")
    st.error("  \n".join(lines))


def together_text(found: Sequence[Result]) -> str:
    """The blast fraction of many images together, and how many are left out; may be empty.

    Args:
        found: The results; withheld ones are left out of the sum.
    """
    if len(found) < 2:
        return ""
    counted = [result for result in found if not result.withheld]
    shares = [result.counts.blast_share for result in counted]
    share = Proportion.of(sum(s.k for s in shares), sum(s.n for s in shares))
    lines = []
    if len(counted) > 1 and share.fraction is not None:
        which = "All " if len(counted) == len(found) else ""
        lines.append(
            f"{which}{len(counted)} images together: {share_text(share)} of the detected white "
            f"cells are suggested blasts, exact 95 % interval {interval_text(share)}. This means "
            "something only if the fields are of one smear and do not overlap: a cell seen twice "
            "is counted twice."
        )
        if overruled := sum(result.overruled for result in counted):
            lines.append(f"{overruled} of them not to be trusted, and counted as you asked for it.")
    if left_out := len(found) - len(counted):
        lines.append(f"{left_out} of {len(found)} images left out: not to be trusted.")
    return "  \n".join(lines)
