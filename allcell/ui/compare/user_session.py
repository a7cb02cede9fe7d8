"""What one browser session keeps of its own labelled set: the run, its scores, its images."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from allcell.data.dataset import LabelledImage
from allcell.evaluation.judged_fields import JudgedFields
from allcell.evaluation.scored import Scored
from allcell.runs.evaluation import DetectorJob, EvaluationRun, FieldJob, UserSet
from allcell.runs.measured import ScoreKey
from allcell.ui.field.lru import Lru
from allcell.ui.field.pictures import Picture, picture_memory
from allcell.ui.shell.session_watch import session_is_open

#: Scores kept: enough for a set or two with all models, at a few megabytes each.
MAX_SCORES = 24
_RUN, _SCORES = "allcell.user_run", "allcell.user_scores"
#: Pictures of the set that were unpacked for a page, by the set's hash and their number.
_PICTURES = "allcell.user_pictures"
_MAX_PICTURES = 8
_OWNER = "set"


def user_run() -> EvaluationRun | None:
    """The last evaluation of this browser session, running or done; None if there was none."""
    run = st.session_state.get(_RUN)
    return run if isinstance(run, EvaluationRun) else None


def start_run(user_set: UserSet, jobs: Sequence[DetectorJob | FieldJob]) -> None:
    """Evaluate models on a set in the background, replacing the last run.

    Call it in the script's own thread: it looks up which browser tab to watch.
    """
    scores: Lru[ScoreKey, Scored | JudgedFields] = st.session_state.setdefault(
        _SCORES, Lru(MAX_SCORES)
    )
    old = user_run()
    if old is not None:
        old.stop()
        for key, scored in old.scores().items():
            scores.put(key, scored)
    let_go()
    run = EvaluationRun(user_set, jobs, known=scores.copy(), is_open=session_is_open())
    st.session_state[_RUN] = run
    run.start()


def let_go() -> None:
    """Free the pictures of the last run before another set or another run replaces them."""
    st.session_state.pop(_PICTURES, None)
    picture_memory().let_go(_OWNER)
    if (run := user_run()) is not None:
        run.let_go()


def images_of_set() -> Sequence[LabelledImage]:
    """The images of the user's set; empty until an evaluation has read its labels."""
    run = user_run()
    return run.images if run else ()


def picture_of_set(number: int) -> Picture:
    """One image of the user's set for any page to show, with its labelled cells.

    Args:
        number: Its index in `images_of_set`.

    Raises:
        LookupError: If no set has been evaluated in this session.
    """
    run = user_run()
    if run is None:
        raise LookupError("There is no set.")
    pictures: Lru[tuple[str, int], Picture] = st.session_state.setdefault(
        _PICTURES, Lru(_MAX_PICTURES)
    )
    item = run.images[number]
    # Unpacked and hashed once, not at each move of a slider.
    picture = pictures.get_or(
        (run.data_sha256, number),
        lambda: Picture.of(item.path.name, item.path.read_bytes(), "set", item.truth),
    )
    picture_memory().hold(_OWNER, picture)
    return picture
