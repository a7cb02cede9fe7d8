"""Compare: evaluate the models on the user's own labelled set, in the background."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from allcell.classifier import FieldClassifier
from allcell.detector import Detector
from allcell.models.registry import ModelSpec
from allcell.own.opening import open_model
from allcell.runs.evaluation import DetectorJob, EvaluationRun, FieldJob, UserSet
from allcell.settings import settings
from allcell.ui.compare.answers import measure_on_user_set, set_title
from allcell.ui.compare.user_session import start_run, user_run
from allcell.ui.compare.your_data.choose_set import choose_set
from allcell.ui.shell.cache import get_detector
from allcell.ui.shell.catalog import Listing, catalog
from allcell.ui.shell.problems import NO_MODEL, show_problem
from allcell.ui.shell.progress import follow
from allcell.ui.shell.wording import plain

_MODELS = "compare.user_jobs"
#: Milliseconds per image outside the network, and per million parameters, on two cores: from these
#: the remaining time is estimated.
_FIXED_MS, _MS_A_MILLION = 80.0, 6.0
_UNKNOWN_MILLIONS = 10.0


def your_data() -> None:
    """Choose a set, what its classes stand for, and models; run with progress and a stop button."""
    run = user_run()
    busy = run is not None and run.running
    st.markdown(
        "Scores the models on a labelled set of yours. Table, curves, boxes and differences "
        "then show your set; the choice *Measured on* appears above the tabs."
    )
    user_set = choose_set(busy=busy)
    usable = {e.spec.name: e for e in catalog() if e.usable}
    finders = [name for name, e in usable.items() if isinstance(e.spec, ModelSpec)]
    if not finders:
        show_problem(NO_MODEL)
        return
    default = settings().default_model
    st.pills(
        "Models",
        list(usable),
        selection_mode="multi",
        default=[default] if default in finders else finders[:1],
        format_func=lambda name: usable[name].spec.title,
        key=_MODELS,
        persist_state="session",
        disabled=busy,
    )
    if not (finds := bool(set(finders) & set(st.session_state[_MODELS]))):
        st.caption("Choose a model that finds cells: a whole-field one is compared with it.")
    with st.container(horizontal=True):
        st.button(
            "Evaluate",
            type="primary",
            icon=":material/play_arrow:",
            disabled=busy or user_set is None or not finds,
            on_click=_start,
            args=(user_set, usable),
            key="compare.user_start",
        )
        if run is not None and busy:
            st.button("Stop", icon=":material/stop:", on_click=run.stop, key="compare.user_stop")
    if run is not None:
        # The state that the controls were drawn for: if the run has ended since, this redraws them.
        if busy:
            follow(run, lambda: _now(run))
        _outcome(run)
    if run is not None and not busy and run.images:
        # Imported here: records and training take a while that the other tabs need not wait for.
        from allcell.ui.teaching.section import teach_from_set

        teach_from_set(run.user_set.name, run.images)


def _start(user_set: UserSet | None, usable: dict[str, Listing]) -> None:
    # A click may come before the page has caught up with another.
    names = [name for name in st.session_state[_MODELS] if name in usable]
    if user_set is None or not names:
        return
    start_run(user_set, [_job(usable[name]) for name in names])
    measure_on_user_set()


def _job(entry: Listing) -> DetectorJob | FieldJob:
    spec, device = entry.spec, settings().device
    millions = entry.files.parameters / 1e6 if entry.files else _UNKNOWN_MILLIONS
    weight = _FIXED_MS + _MS_A_MILLION * millions
    if isinstance(spec, ModelSpec):
        return DetectorJob(spec, entry.sha256, device, _opener(entry), weight)
    name = spec.name
    return FieldJob(
        spec,
        entry.sha256,
        device,
        lambda: FieldClassifier.open(name, device=device),
        # Most of its many parameters are in a dense layer, which takes little time.
        _FIXED_MS,
    )


def _opener(entry: Listing) -> Callable[[], Detector]:
    name, device = entry.spec.name, settings().device
    if entry.user_model is None:
        # Opened for this run only, so that no model of another page is evicted.
        return lambda: open_model(name, device=device)
    # Only the script's thread can look up a model of the session, not the run's.
    detector = get_detector(name)
    return lambda: detector


def _now(run: EvaluationRun) -> tuple[float, str]:
    if not run.names:
        return _reading(run)
    position = min(run.position, len(run.jobs) - 1)
    left = "" if run.left_s is None or run.stopped else f", about {_time(run.left_s)} left"
    return (
        run.total_share,
        f"{run.jobs[position].spec.title}: {position + 1} of {len(run.jobs)} models, "
        f"{len(run.names)} images{left}",
    )


def _reading(run: EvaluationRun) -> tuple[float, str]:
    """Progress, 0 to 1, first through the labels and then the pictures, and its text."""
    (done, of), what = run.read, "labels"
    if done == of > 0:
        (done, of), what = run.checked, "pictures"
    count = f"{done} of {of}, " if of else ""
    return (done / of if of else 0.0), f"Reading {what}: {count}{set_title(run)}"


def _time(left_s: float) -> str:
    return f"{max(1, round(left_s))} s" if left_s < 90 else f"{round(left_s / 60)} min"


def _outcome(run: EvaluationRun) -> None:
    if run.error:
        show_problem(run.error)
    for position, words in sorted(dict(run.failures).items()):
        show_problem(words, of=run.jobs[position].spec.title)
    if run.stopped and not run.running:
        st.caption(f"Stopped after {run.done - len(run.failures)} of {len(run.jobs)} models.")
    for remark in run.remarks:
        st.warning(f"{plain(remark)}.", icon=":material/info:")
    finished = run.finished
    if not finished.results:
        return
    for scored in finished.results.values():
        if scored.result.unmet:
            st.warning(scored.result.unmet, icon=":material/warning:")
    done = sorted({**finished.results, **finished.fields})
    titles = ", ".join(run.jobs[n].spec.title for n in done)
    st.success(
        f"Measured on {set_title(run)}, {len(run.names)} images: {titles}. "
        "The other tabs show it while *Measured on* above names your set.",
        icon=":material/check_circle:",
    )
