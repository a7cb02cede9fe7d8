"""What the Compare page compares: answers on the kept test fields, or on a set of the user's own.

Tables, curves and pairs take both alike from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from allcell.data.dataset import LabelledImage
from allcell.report.metrics_files import read_comparison
from allcell.runs.evaluation import DetectorJob, OwnRun
from allcell.settings import settings
from allcell.ui.compare.kept_answers import KeptAnswers, kept_answers
from allcell.ui.compare.user_session import own_run
from allcell.ui.shell.wording import plain

KEPT, OWN = "kept", "own"
_MEASURED_ON = "compare.measured_on"
_LONGEST_NAME = 40


@dataclass(frozen=True, eq=False)
class Answers:
    """What models said of the images of one labelled set.

    Attributes:
        fields: What the images are called in a sentence.
        models: The models and their answers.
        comparison: The JSON of `evaluation.compare.Comparison`; None if nothing is compared.
        own: The run behind a set of the user's own; None for the kept test fields.
    """

    fields: str
    models: Sequence[KeptAnswers]
    comparison: dict[str, Any] | None
    own: OwnRun | None = None

    @property
    def images(self) -> Sequence[LabelledImage]:
        """The images, where they are at hand."""
        return self.own.images if self.own else ()


def measured_on() -> None:
    """The control for the set; shown once there is a choice."""
    run = _own()
    if run is None:
        return
    titles = {KEPT: "ALL-IDB1 test fields (kept)", OWN: set_title(run)}
    st.segmented_control(
        "Measured on",
        list(titles),
        default=KEPT,
        required=True,
        format_func=titles.__getitem__,
        key=_MEASURED_ON,
        persist_state="session",
        wrap=True,
        help="What tables, curves and differences are of. Speed does not depend on it.",
    )


def measure_on_own() -> None:
    """Let the page show the user's own set as soon as a model is evaluated on it."""
    st.session_state[_MEASURED_ON] = OWN


def own_is_shown() -> bool:
    """Whether the page shows the user's own set."""
    return _own() is not None and st.session_state.get(_MEASURED_ON) == OWN


def answers() -> Answers:
    """The answers on the set that is chosen."""
    run = _own()
    if run is None or not own_is_shown():
        return Answers("the 17 ALL-IDB1 test fields", kept_answers(), _kept_comparison())
    results = dict(run.results)
    models = [
        KeptAnswers(job.spec, scored.predictions, scored.evidence)
        for n, scored in sorted(results.items())
        if isinstance(job := run.jobs[n], DetectorJob)
    ]
    comparison = asdict(run.comparison) if run.comparison else None
    count = f"{len(run.names)} image{'s' * (len(run.names) != 1)}"
    return Answers(f"the {count} of {set_title(run)}", models, comparison, run)


def set_title(run: OwnRun) -> str:
    """What a person reads for the set of a run, fit for Markdown."""
    name = run.own_set.name
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 12]}...{name[-9:]}"
    return f"{plain(name)} ({plain(run.own_set.split)})"


def _own() -> OwnRun | None:
    run = own_run()
    return run if run is not None and run.results else None


def _kept_comparison() -> dict[str, Any] | None:
    return read_comparison(settings().weights_dir)
