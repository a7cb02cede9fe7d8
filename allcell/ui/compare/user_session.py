"""What one browser session keeps of its own labelled set: the run, its scores, its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from allcell.data.dataset import LabelledImage
from allcell.detections import Detections
from allcell.evaluation.bundle import Scored
from allcell.evaluation.judged_fields import JudgedFields
from allcell.runs.evaluation import DetectorJob, FieldJob, OwnRun, OwnSet, ScoreKey
from allcell.ui.shell.lru import Lru
from allcell.ui.shell.session_watch import session_is_open

#: Scores that are kept: a set or two with all models. One is some megabytes.
MAX_SCORES = 24
_RUN, _SCORES = "allcell.own_run", "allcell.own_scores"
#: Where pages keep what is unpacked from the set: it goes with the set.
PICTURES, SHOWN = "allcell.own_pictures", "side.field_shown"


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """One image of the user's set, for any page to show.

    Attributes:
        item: As the readers give it.
    """

    item: LabelledImage

    @property
    def name(self) -> str:
        """File name, as the user knows it."""
        return self.item.path.name

    @property
    def content(self) -> bytes:
        """The bytes of its file, still compressed; unpacked from the ZIP at each call."""
        return self.item.path.read_bytes()

    @property
    def truth(self) -> Detections:
        """Its labelled cells, in pixels of the image."""
        return self.item.truth


def own_run() -> OwnRun | None:
    """The last evaluation of this browser session, running or done; None if there was none."""
    run = st.session_state.get(_RUN)
    return run if isinstance(run, OwnRun) else None


def start_run(own_set: OwnSet, jobs: Sequence[DetectorJob | FieldJob]) -> None:
    """Evaluate models on a set in the background, in place of the last run.

    Call it in the thread of the script: it asks which browser tab is to be watched.
    """
    scores: Lru[ScoreKey, Scored | JudgedFields] = st.session_state.setdefault(
        _SCORES, Lru(MAX_SCORES)
    )
    old = own_run()
    if old is not None:
        old.stop()
        for key, scored in old.scores().items():
            scores.put(key, scored)
    let_go()
    run = OwnRun(own_set, jobs, known=scores.copy(), is_open=session_is_open())
    st.session_state[_RUN] = run
    run.start()


def let_go() -> None:
    """Drop the pictures of the last run, for another set or another run takes their place."""
    for kept in (PICTURES, SHOWN):
        st.session_state.pop(kept, None)
    run = own_run()
    # One that runs needs them; it is stopped before another begins.
    if run is not None and (run.stopped or not run.running):
        run.let_go()


def loaded_images() -> list[LoadedImage]:
    """The images of the user's set, once an evaluation has read its labels; else none."""
    run = own_run()
    return [LoadedImage(item) for item in run.images] if run else []
