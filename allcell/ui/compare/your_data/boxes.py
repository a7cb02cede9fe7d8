"""Compare: one field of the user's own set with the boxes of a model at the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from allcell.errors import AllcellError
from allcell.evaluation.outcomes import Outcomes, outcomes
from allcell.imaging.draw import FALSE_ALARM, FOUND, MISSED
from allcell.models.registry import CLASSES
from allcell.ui.compare.answers import Answers, KeptAnswers
from allcell.ui.compare.user_session import picture_of_set
from allcell.ui.compare.your_data.false_alarms import gallery_of_false_alarms
from allcell.ui.field.pictures import picture_memory
from allcell.ui.field.viewer import Box, FieldView, show_field
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.problems import show_problem

_MODEL, _FIELD = "compare.boxes.model", "compare.boxes.field"


def field_at_threshold(
    answers: Answers, class_id: int, chosen: Sequence[tuple[KeptAnswers, float]]
) -> None:
    """Choose a field and a model, and see which cells are found, missed or false alarms.

    Args:
        answers: On a set of the user's own.
        class_id: The class that is looked at.
        chosen: Models and their thresholds, 0 to 1.
    """
    if answers.run is None:
        return
    name = title_of(CLASSES[class_id])
    st.subheader("One field at this threshold", anchor=False)
    if not answers.images:
        st.caption(
            "The pictures of this set are no longer in memory, as another one was chosen. Open it "
            "and evaluate again to see them."
        )
        return
    left, right = st.columns([1, 2], gap="medium", vertical_alignment="bottom")
    with left:
        kept, threshold = _choose_model({k.spec.name: (k, t) for k, t in chosen})
    with right:
        index = _choose_field(answers, class_id)
    if kept.evidence.n_images != len(answers.images):
        return
    memory, picture = picture_memory(), picture_of_set(index)
    try:
        jpeg, (height_px, width_px) = memory.jpeg(picture), memory.image(picture).shape[:2]
    except AllcellError as error:
        show_problem(error)
        return
    seen = outcomes(kept.evidence.seen[index], class_id, threshold)
    show_field(
        FieldView(
            name=picture.digest,
            jpeg=jpeg,
            width_px=width_px,
            height_px=height_px,
            boxes=_boxes(seen),
            classes=(FOUND, FALSE_ALARM, MISSED),
            labels=True,
            synthetic=False,
            selected=None,
            focus=0,
        ),
        lambda box_id: None,
    )
    st.caption(
        f"{name}, {kept.spec.title} at {threshold:.2f}, IoU 0.5. The number is the confidence; on "
        "a missed cell, that of the most confident box that the threshold hides, 0 if there is "
        "none. Cells that count neither way are not drawn. A cell that is called another class is "
        "missed here and a false alarm there."
    )
    gallery_of_false_alarms(answers, class_id, kept, threshold)


def _choose_model(chosen: Mapping[str, tuple[KeptAnswers, float]]) -> tuple[KeptAnswers, float]:
    titles = {name: kept.spec.title for name, (kept, _) in chosen.items()}
    name = st.selectbox(
        "Boxes of",
        list(chosen),
        format_func=titles.__getitem__,
        key=_MODEL,
        persist_state="session",
    )
    return chosen[name]


def _choose_field(answers: Answers, class_id: int) -> int:
    """Index of the field, chosen by name or with the arrows; at first one with such a cell."""
    n = len(answers.images)
    if st.session_state.get(_FIELD) not in range(n):
        holds = (i for i, item in enumerate(answers.images) if class_id in item.truth.class_id)
        st.session_state[_FIELD] = next(holds, 0)
    # Streamlit keeps a reference to what formats the titles beyond this run: names only.
    names = [item.path.name for item in answers.images]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _step("Previous field", "arrow_back", -1, n)
        index = st.selectbox(
            "Field",
            range(n),
            format_func=lambda i: f"{i + 1} of {n}: {names[i]}",
            key=_FIELD,
            persist_state="session",
        )
        _step("Next field", "arrow_forward", 1, n)
    return int(index)


def _step(words: str, icon: str, by: int, n: int) -> None:
    def step() -> None:
        st.session_state[_FIELD] = (st.session_state.get(_FIELD, 0) + by) % n

    st.button(
        "",
        icon=f":material/{icon}:",
        key=f"compare.boxes.{icon}",
        help=words,
        on_click=step,
        disabled=n < 2,
    )


def _boxes(seen: Outcomes) -> list[Box]:
    rows = [
        (FOUND, seen.found.xyxy, seen.found.confidence),
        (FALSE_ALARM, seen.false_alarms.xyxy, seen.false_alarms.confidence),
        (MISSED, seen.missed, seen.missed_confidence),
    ]
    flat = [
        (kind, n, xyxy, score)
        for kind, boxes, scores in rows
        for n, (xyxy, score) in enumerate(zip(boxes.tolist(), scores.tolist(), strict=True))
    ]
    return [
        Box(f"{kind}-{n}", number, kind, score, *xyxy)
        for number, (kind, n, xyxy, score) in enumerate(flat, 1)
    ]
