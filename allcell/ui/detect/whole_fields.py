"""The Detect page with a model that judges whole fields: an answer for each picture, no boxes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from allcell.environment.provenance import PROVENANCE_COLUMNS, values_of
from allcell.errors import AllcellError
from allcell.models.registry import ClassifierSpec
from allcell.settings import RESEARCH_USE
from allcell.text.names import spreadsheet_text
from allcell.text.noticed import csv_file
from allcell.ui.detect.actions import actions
from allcell.ui.detect.slot import AnswerSlot
from allcell.ui.field.bench import Bench
from allcell.ui.field.insistence import show_standing
from allcell.ui.field.pictures import Judged, Picture, Refused
from allcell.ui.field.table import pick_picture, rounded
from allcell.ui.field.viewer import FieldView, show_field
from allcell.ui.shell.cache import get_field_classifier
from allcell.ui.shell.catalog import ready
from allcell.ui.shell.controls import choose_names, kept_names
from allcell.ui.shell.problems import show_cautions, show_problem
from allcell.ui.shell.wording import plain, seconds

#: A model's answer on a picture; None if it has not run yet.
Said = Judged | Refused | None
_PROBABILITY = "Probability of cancerous"


def whole_fields(desk: Bench, spec: ClassifierSpec) -> None:
    """Judge what is new and show the chosen picture with its answer.

    Args:
        desk: The pictures of the session, at least one.
        spec: The model.
    """
    memory, pictures = desk.memory, list(desk.pictures.values())
    waiting = [p for p in pictures if memory.judged(p, spec.name) is None]
    slot = AnswerSlot(works=bool(waiting))
    with slot.progress:
        if (classifier := ready(spec, get_field_classifier)) is None:
            return
    if waiting:
        place = slot.progress.empty()
        for n, picture in enumerate(waiting, len(pictures) - len(waiting)):
            place.progress(
                n / len(pictures), f"File {n + 1} of {len(pictures)}: {plain(picture.name)}"
            )
            memory.judge(picture, spec.name, lambda: classifier)
        place.empty()
    with slot.container():
        _answers(desk, spec, pictures, classifier.engine.description)


def _answers(desk: Bench, spec: ClassifierSpec, pictures: list[Picture], runtime: str) -> None:
    answers = [_said(desk, p, spec) for p in pictures]
    if len(pictures) > 1:
        _table(desk, pictures, answers)
    shown = desk.pictures[desk.shown or pictures[0].id]
    said = answers[pictures.index(shown)]

    def insist(wanted: bool) -> None:
        if isinstance(said, Judged):
            desk.memory.insistence.put(shown.digest, said.field, wanted)

    left, right = st.columns([2, 1], gap="large")
    with right:
        with st.container(key="allcell-answer"):
            _answer(spec, said, runtime, insist)
        choose_names()
        st.download_button(
            "Answers (CSV)",
            csv_file(_csv(spec, pictures, answers, named=kept_names())),
            "allcell-fields.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="detect.download.fields",
        )
    with left:
        _picture(desk, shown)
        actions(desk, shown)


def _said(desk: Bench, picture: Picture, spec: ClassifierSpec) -> Said:
    """A model's answer as far as it is to be trusted, or the user insists."""
    said = desk.memory.judged(picture, spec.name)
    if not isinstance(said, Judged):
        return said
    return replace(said, field=desk.memory.insistence.applied(picture.digest, said.field))


def _answer(spec: ClassifierSpec, said: Said, runtime: str, insist: Callable[[bool], None]) -> None:
    if isinstance(said, Refused):
        show_problem(said)
    if not isinstance(said, Judged):
        return
    field = said.field
    show_standing(field, insist, "detect.field")
    with st.container(gap="xsmall"):
        if field.answer is not None:
            suggested, probability = field.answer
            mark = " (not to be trusted)" if field.overruled else ""
            st.subheader(f"Suggested class of the whole field: {suggested}{mark}", anchor=False)
            # In front: at the end a narrow column would cut it off.
            label = "Not to be trusted: probability of cancerous" if mark else _PROBABILITY
            st.metric(label, f"{probability:.2f}")
            st.caption(
                f"Not calibrated; cancerous is suggested at {spec.threshold:.2f} and above. A "
                "suggested class, not a diagnosis."
            )
        show_cautions(field.notes)
        st.info(
            f"{spec.title} judges the picture as a whole: it finds no cells and counts none. "
            "Choose another model for boxes and counts."
        )
        st.caption(f"Judged in {seconds(said.total_ms)} on this computer.", help=plain(runtime))


def _picture(desk: Bench, picture: Picture) -> None:
    try:
        image = desk.memory.image(picture)
        jpeg = desk.memory.jpeg(picture)
    except AllcellError:
        return  # the error is shown in place of the answer
    show_field(
        FieldView(
            name=picture.digest,
            jpeg=jpeg,
            width_px=image.shape[1],
            height_px=image.shape[0],
            boxes=(),
            classes=(),
            labels=False,
            synthetic=picture.synthetic,
            selected=None,
            focus=desk.focus,
        ),
        lambda box_id: None,
    )


def _table(desk: Bench, pictures: list[Picture], answers: list[Said]) -> None:
    rows = [
        {
            "No.": n,
            "Image": picture.name,
            "Suggested class of the field": suggested,
            _PROBABILITY: rounded(probability, 2),
            "Note": _error(said) or _note(picture, said),
        }
        for n, (picture, said) in enumerate(zip(pictures, answers, strict=True), 1)
        for suggested, probability in [_shown(said)]
    ]
    pick_picture(
        desk,
        rows,
        "fields",
        columns={_PROBABILITY: st.column_config.NumberColumn(format="%.2f")},
        alt="One row per image: the suggested class of the field, or the error",
    )


def _csv(spec: ClassifierSpec, pictures: list[Picture], answers: list[Said], *, named: bool) -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    columns = ("image", "model", "suggested_field_class", "probability", "reservation")
    rows.writerow((*columns, *PROVENANCE_COLUMNS, "error", RESEARCH_USE))
    for n, (picture, said) in enumerate(zip(pictures, answers, strict=True), 1):
        name = spreadsheet_text(picture.name) if named else f"image-{n:03d}"
        suggested, probability = _shown(said)
        score = "" if probability is None else f"{probability:.4f}"
        reservation = said.field.reservation if isinstance(said, Judged) else ""
        made = values_of(said.made if isinstance(said, Judged) else None)
        # Messages quote the file's name, which may hold a patient's.
        error = spreadsheet_text(_error(said)) if named else "no result" * bool(_error(said))
        rows.writerow((name, spec.name, suggested, score, reservation, *made, error, ""))
    return out.getvalue()


def _shown(said: Said) -> tuple[str, float | None]:
    """The suggested class and its probability; blank if there is none, or it is withheld."""
    answer = said.field.answer if isinstance(said, Judged) else None
    return answer or ("", None)


def _note(picture: Picture, said: Said) -> str:
    note = "synthetic" if picture.synthetic else ""
    if not isinstance(said, Judged):
        return note
    return " ".join([note, said.field.standing, *map(str, said.field.cautions)]).strip()


def _error(said: Said) -> str:
    return f"{said.message} {said.remedy}".strip() if isinstance(said, Refused) else ""
