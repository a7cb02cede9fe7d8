"""Compare: the false alarms of a model over the user's own set, as a gallery."""

from __future__ import annotations

import streamlit as st

from allcell.errors import AllcellError
from allcell.evaluation.false_alarms import EDGE_PX, FalseAlarm, false_alarms
from allcell.models.registry import CLASSES
from allcell.ui.compare.answers import Answers, KeptAnswers
from allcell.ui.compare.user_session import picture_of_set
from allcell.ui.field.crops import crop
from allcell.ui.field.gallery import THUMBNAIL_PX
from allcell.ui.field.pictures import picture_memory
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain

#: The surest are shown: more would take long to cut out, and nobody looks at them all.
MOST = 24
_SIDE_PX = 160


def gallery_of_false_alarms(
    answers: Answers, class_id: int, kept: KeptAnswers, threshold: float
) -> None:
    """The surest false alarms of a class, cut out of their pictures; opened on request.

    Args:
        answers: On a set of the user's own, whose pictures are in memory.
        class_id: The class.
        kept: The model and its answers.
        threshold: Lowest confidence, 0 to 1.
    """
    sizes = [(image.width_px, image.height_px) for image in kept.predictions.images]
    alarms = false_alarms(kept.evidence, class_id, threshold, sizes)
    name = title_of(CLASSES[class_id]).lower()
    if not alarms:
        st.caption(f"{kept.spec.title} has no false alarm of {name} in this set.")
        return
    at_edge = sum(alarm.at_edge for alarm in alarms)
    if at_edge:
        st.info(
            f"{at_edge} of {len(alarms)} false alarms of {name} touch the edge of their picture. "
            "If cells that the edge cuts are not labelled in your set, each of them counts as a "
            "false alarm when a model finds it: label them, or read these numbers with that in "
            "mind.",
            icon=":material/crop_free:",
        )
    title = f"All {len(alarms)} false alarms" if len(alarms) > 1 else "The false alarm"
    opened = st.expander(
        f"{title} of {kept.spec.title}", key="compare.false_alarms", on_change="rerun"
    )
    # Cut out only when asked for: each picture has to be read.
    if not opened.open:
        return
    with opened:
        _crops(answers, alarms[:MOST])
        rest = f" The {MOST} surest are shown." if len(alarms) > MOST else ""
        st.caption(
            f"At {threshold:.2f}, the surest first; the number is the confidence.{rest} at the "
            f"edge: within {EDGE_PX:g} px of the edge of the picture. A right box on a cell that "
            "has no label is among them."
        )


def _crops(answers: Answers, alarms: list[FalseAlarm]) -> None:
    memory, names = picture_memory(), answers.names
    cells = st.grid(min_column_width=THUMBNAIL_PX)
    # Field by field, so that none is read twice; shown in the order of their confidence.
    cut = {}
    for n, alarm in sorted(enumerate(alarms), key=lambda pair: pair[1].image):
        try:
            cut[n] = crop(memory.image(picture_of_set(alarm.image)), *alarm.xyxy, _SIDE_PX)
        except AllcellError as error:
            show_problem(error)
            return
    for n, alarm in enumerate(alarms):
        edge = ", at the edge" if alarm.at_edge else ""
        with cells.cell(), st.container(gap="xxsmall"):
            st.image(cut[n], width="stretch", output_format="JPEG", alt=f"False alarm {n + 1}")
            st.caption(f"{alarm.confidence:.2f}{edge}, {plain(names[alarm.image])}")
