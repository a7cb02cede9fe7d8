"""The Detect page with a model that judges whole fields: an answer for each picture, no boxes."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from allcell.errors import AllcellError
from allcell.models.registry import ClassifierSpec
from allcell.report.names import spreadsheet_text
from allcell.settings import RESEARCH_USE
from allcell.ui.field.bench import Bench, Source
from allcell.ui.field.table import pickable
from allcell.ui.field.viewer import FieldView, show_field
from allcell.ui.shell.cache import get_field_classifier
from allcell.ui.shell.catalog import loading
from allcell.ui.shell.controls import choose_names, kept_names
from allcell.ui.shell.lru import Lru
from allcell.ui.shell.wording import plain, seconds

_ANSWERS = "detect.field_answers"
_MOST_ANSWERS = 1000


@dataclass(frozen=True)
class Answer:
    """What was said of one picture.

    Attributes:
        suggested: The class, or empty if the picture gave no result.
        probability: Of a cancerous field, 0 to 1.
        total_ms: From pixels to answer.
        error: Why there is no result, and what to do about it.
    """

    suggested: str = ""
    probability: float = 0.0
    total_ms: float = 0.0
    error: str = ""


def whole_fields(desk: Bench, spec: ClassifierSpec) -> None:
    """Judge what is new and show the chosen picture with its answer.

    Args:
        desk: The pictures of the session, at least one.
        spec: The model.
    """
    try:
        with loading(spec):
            classifier = get_field_classifier(spec.name)
    except AllcellError as error:
        st.error(f"**{error.message}**  \n{error.remedy}")
        return
    known: Lru[tuple[str, str], Answer] = st.session_state.setdefault(_ANSWERS, Lru(_MOST_ANSWERS))
    sources = list(desk.sources.values())
    waiting = [s for s in sources if known.get((s.digest, spec.name)) is None]
    if waiting:
        place = st.empty()
        for n, source in enumerate(waiting, len(sources) - len(waiting)):
            place.progress(
                n / len(sources), f"File {n + 1} of {len(sources)}: {plain(source.name)}"
            )
            try:
                field, timing = classifier.classify(desk.image(source))
                answer = Answer(field.suggested, field.probability, timing.total_ms)
            except AllcellError as error:
                answer = Answer(error=f"{error.message} {error.remedy}")
            known.put((source.digest, spec.name), answer)
        place.empty()
    answers = [known.get((s.digest, spec.name)) or Answer(error="Not judged.") for s in sources]
    if len(sources) > 1:
        _table(desk, sources, answers)
    shown = desk.sources[desk.shown or sources[0].id]
    left, right = st.columns([2, 1], gap="large")
    with right:
        with st.container(key="allcell-answer"):
            _answer(spec, answers[sources.index(shown)], classifier.engine.description)
        choose_names()
        st.download_button(
            "Answers (CSV)",
            _csv(spec, sources, answers, named=kept_names()),
            "allcell-fields.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="detect.download.fields",
        )
    with left:
        _picture(desk, shown)


def _answer(spec: ClassifierSpec, answer: Answer, runtime: str) -> None:
    if answer.error:
        st.error(plain(answer.error))
        return
    with st.container(gap="xsmall"):
        st.subheader(f"Suggested class of the whole field: {answer.suggested}", anchor=False)
        st.metric("Probability of cancerous", f"{answer.probability:.2f}")
        st.caption(
            f"Not calibrated; from {spec.threshold:.2f} on, cancerous is suggested. A suggested "
            "class, not a diagnosis."
        )
        st.info(
            f"{spec.title} judges the picture as a whole: it finds no cells and counts none. "
            "Choose another model for boxes and counts."
        )
        st.caption(f"Judged in {seconds(answer.total_ms)} on this computer.", help=plain(runtime))


def _picture(desk: Bench, source: Source) -> None:
    try:
        image = desk.image(source)
        jpeg = desk.picture(source)
    except AllcellError:
        return  # the answer says so already
    show_field(
        FieldView(
            name=source.digest,
            jpeg=jpeg,
            width_px=image.shape[1],
            height_px=image.shape[0],
            boxes=(),
            classes=(),
            labels=False,
            synthetic=source.synthetic,
            selected=None,
            focus=desk.focus,
        ),
        lambda box_id: None,
    )


def _table(desk: Bench, sources: list[Source], answers: list[Answer]) -> None:
    ids = [source.id for source in sources]
    key = f"detect.fields.{hashlib.sha256(repr(ids).encode()).hexdigest()[:12]}"

    rows = [
        {
            "No.": n,
            "Image": source.name,
            "Suggested class of the field": answer.suggested,
            "Probability of cancerous": None if answer.error else answer.probability,
            "Note": answer.error or ("synthetic" if source.synthetic else ""),
        }
        for n, (source, answer) in enumerate(zip(sources, answers, strict=True), 1)
    ]
    pickable(
        pd.DataFrame(rows),
        key,
        ids.index(desk.shown) if desk.shown in ids else 0,
        lambda row: None if row is None else desk.show(ids[row]),
        required=True,
        height=min(38 + 35 * len(rows), 330),
        column_config={
            "No.": st.column_config.NumberColumn(width="small"),
            "Probability of cancerous": st.column_config.NumberColumn(format="%.2f"),
            "Note": st.column_config.TextColumn(width="large"),
        },
        placeholder="",
        alt="One row an image: the suggested class of the field, or the error",
    )


def _csv(spec: ClassifierSpec, sources: list[Source], answers: list[Answer], *, named: bool) -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("image", "model", "suggested_field_class", "probability", "error", RESEARCH_USE))
    for n, (source, answer) in enumerate(zip(sources, answers, strict=True), 1):
        name = spreadsheet_text(source.name) if named else f"image-{n:03d}"
        score = "" if answer.error else f"{answer.probability:.4f}"
        # Messages quote the file's name.
        error = spreadsheet_text(answer.error) if named else "no result" * bool(answer.error)
        rows.writerow((name, spec.name, answer.suggested, score, error, ""))
    return out.getvalue()
