"""What the Compare page compares: answers on the kept test fields, or on a set of the user's own.

Tables, curves and pairs get either from here in the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from allcell.data.dataset import LabelledImage
from allcell.evaluation.evidence import Evidence
from allcell.evaluation.predictions import Predictions
from allcell.models.registry import MODELS, ModelSpec
from allcell.models.weights import read_manifest
from allcell.report.metrics_files import read_comparison
from allcell.runs.evaluation import DetectorJob, EvaluationRun
from allcell.settings import settings
from allcell.ui.compare.user_session import user_run
from allcell.ui.shell.wording import plain

KEPT, USERS = "kept", "users"
_MEASURED_ON = "compare.measured_on"
_LONGEST_NAME = 40
#: Number of test fields, on which the kept answers and the kept comparison are based.
KEPT_FIELDS = 17


@dataclass(frozen=True, eq=False)
class KeptAnswers:
    """One model on one set.

    Attributes:
        spec: The model.
        predictions: Its answers, with the ground truth.
        evidence: The same, matched to each other.
    """

    spec: ModelSpec
    predictions: Predictions
    evidence: Evidence


@dataclass(frozen=True, eq=False)
class Answers:
    """The models' answers on the images of one labelled set.

    Attributes:
        fields: What the images are called in a sentence.
        models: The models and their answers.
        comparison: The JSON of `evaluation.compare.Comparison`; None if nothing is compared.
        run: The evaluation behind a set of the user's own; None for the kept test fields.
        n_images: How many images there are.
    """

    fields: str
    models: Sequence[KeptAnswers]
    comparison: dict[str, Any] | None
    run: EvaluationRun | None = None
    n_images: int = KEPT_FIELDS

    @property
    def images(self) -> Sequence[LabelledImage]:
        """The images of the user's own set, while they are in memory; else empty."""
        return self.run.images if self.run else ()

    @property
    def names(self) -> Sequence[str]:
        """What each image is called: of the user's own set, the file's name."""
        if self.run is not None:
            return self.run.names
        return [image.name for image in self.models[0].predictions.images] if self.models else []


def measured_on() -> None:
    """The control for the set; shown once there is a choice."""
    run = _users_run()
    if run is None:
        return
    titles = {KEPT: "ALL-IDB1 test fields (kept)", USERS: set_title(run)}
    st.segmented_control(
        "Measured on",
        list(titles),
        default=KEPT,
        required=True,
        format_func=titles.__getitem__,
        key=_MEASURED_ON,
        persist_state="session",
        wrap=True,
        help="The images behind tables, curves and differences. Speed does not depend on them.",
    )


def measure_on_user_set() -> None:
    """Let the page show the user's own set as soon as a model is evaluated on it."""
    st.session_state[_MEASURED_ON] = USERS


def user_set_is_shown() -> bool:
    """Whether the page shows the user's own set."""
    return _users_run() is not None and st.session_state.get(_MEASURED_ON) == USERS


def answers() -> Answers:
    """The answers on the set that is chosen."""
    run = _users_run()
    if run is None or not user_set_is_shown():
        return Answers(
            f"the {KEPT_FIELDS} ALL-IDB1 test fields", _kept_answers(), _kept_comparison()
        )
    finished = run.finished
    models = [
        KeptAnswers(job.spec, scored.predictions, scored.evidence)
        for n, scored in sorted(finished.results.items())
        if isinstance(job := run.jobs[n], DetectorJob)
    ]
    comparison = asdict(finished.comparison) if finished.comparison else None
    count = f"{len(run.names)} image{'s' * (len(run.names) != 1)}"
    return Answers(f"the {count} of {set_title(run)}", models, comparison, run, len(run.names))


def set_title(run: EvaluationRun) -> str:
    """Display title of the set of a run, escaped for Markdown."""
    name = run.user_set.name
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 12]}...{name[-9:]}"
    return f"{plain(name)} ({plain(run.user_set.split)})"


def _users_run() -> EvaluationRun | None:
    run = user_run()
    return run if run is not None and run.results else None


def _kept_comparison() -> dict[str, Any] | None:
    return read_comparison(settings().weights_dir)


@st.cache_resource(show_spinner=False, max_entries=32)
def _read(path: str, modified_ns: int, size: int) -> tuple[Predictions, Evidence]:
    """Read and match once; moving the threshold then only counts."""
    with open(path, encoding="utf-8") as file:
        predictions = Predictions.from_json(file.read())
    return predictions, Evidence.of(predictions)


def _kept_answers() -> list[KeptAnswers]:
    """Answers of the models for which they are stored and belong to the weights in use."""
    weights = settings().weights_dir
    manifest = read_manifest(weights)
    found = []
    for spec in MODELS:
        path = weights / "metrics" / "predictions" / f"{spec.name}_allidb1_test.json"
        if spec.name not in manifest or not path.is_file():
            continue
        stat = path.stat()
        predictions, evidence = _read(str(path), stat.st_mtime_ns, stat.st_size)
        if predictions.setting.model_sha256 == manifest[spec.name].checkpoint.sha256:
            found.append(KeptAnswers(spec, predictions, evidence))
    return found
