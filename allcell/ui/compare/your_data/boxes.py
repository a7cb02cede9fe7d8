"""Compare: one field of the user's own set with the boxes of a model at the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from allcell.draw import FALSE_ALARM, FOUND, MISSED
from allcell.errors import AllcellError
from allcell.evaluation.outcomes import Outcomes, outcomes
from allcell.models.registry import CLASSES
from allcell.ui.compare.answers import Answers
from allcell.ui.compare.kept_answers import KeptAnswers
from allcell.ui.compare.user_session import PICTURES
from allcell.ui.field.crops import display_jpeg
from allcell.ui.field.viewer import Box, FieldView, show_field
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.lru import Lru
from allcell.ui.shell.wording import plain

#: Fields kept as the browser gets them.
_MAX_PICTURES = 8
_MODEL, _FIELD = "compare.boxes.model", "compare.boxes.field"


@dataclass(frozen=True)
class _Picture:
    """A field as the browser gets it."""

    jpeg: bytes
    width_px: int
    height_px: int


def field_at_threshold(
    answers: Answers, class_id: int, chosen: Sequence[tuple[KeptAnswers, float]]
) -> None:
    """Choose a field and a model, and see what is found, missed and falsely called.

    Args:
        answers: On a set of the user's own.
        class_id: The class that is looked at.
        chosen: Models and their thresholds, 0 to 1.
    """
    run = answers.own
    if run is None:
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
    try:
        picture = _picture(answers, index)
    except AllcellError as error:
        st.error(f"**{plain(error.message)}**  \n{plain(error.remedy)}")
        return
    seen = outcomes(kept.evidence.seen[index], class_id, threshold)
    show_field(
        FieldView(
            # The same picture is sent to the browser only once.
            name=f"own-{run.data_sha256[:24]}-{index}",
            jpeg=picture.jpeg,
            width_px=picture.width_px,
            height_px=picture.height_px,
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
        f"{name}, {kept.spec.title} at {threshold:.2f}, IoU 0.5. The number is the confidence; at "
        "a missed cell that of the surest box on it which the threshold hides, 0 if there is "
        "none. Cells that count neither way are not drawn. A cell that is called another class is "
        "missed here and a false alarm there."
    )


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
    """Number of the field, from 0; by name or with the arrows. The first one has such a cell."""
    n = len(answers.images)
    if st.session_state.get(_FIELD) not in range(n):
        holds = (i for i, item in enumerate(answers.images) if class_id in item.truth.class_id)
        st.session_state[_FIELD] = next(holds, 0)
    # The control keeps what its titles are made of, beyond this run of the page: names alone.
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


def _picture(answers: Answers, index: int) -> _Picture:
    kept: Lru[tuple[str, int], _Picture] = st.session_state.setdefault(PICTURES, Lru(_MAX_PICTURES))
    key = (answers.own.data_sha256 if answers.own else "", index)

    def make() -> _Picture:
        image = answers.images[index].pixels()
        return _Picture(display_jpeg(image), image.shape[1], image.shape[0])

    return kept.get_or(key, make)


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
