"""Compare: how fast the models are on this machine, measured while the user watches."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from allcell.detector import Detector
from allcell.models.registry import ModelSpec
from allcell.own.opening import open_model
from allcell.report.paper import PAPER_FPS
from allcell.report.table1 import paper_times, table_1
from allcell.runs.speed import SpeedJob, SpeedRun
from allcell.settings import RESEARCH_USE, settings
from allcell.text.words import AS_YOLOV5_COUNTS, BOTH_APS, SCORE_TITLES
from allcell.ui.compare import charts as compare_charts
from allcell.ui.shell.cache import get_detector
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.controls import choose_one
from allcell.ui.shell.problems import NO_MODEL, show_problem
from allcell.ui.shell.progress import follow
from allcell.ui.shell.session_watch import session_is_open
from allcell.ui.shell.table_downloads import table_downloads
from allcell.ui.shell.user_models import is_user_model

_RUN = "compare.speed_run"
_MODELS, _SIZES, _LENGTH = (f"compare.speed.{name}" for name in ("models", "sizes", "length"))
_OWN_SIZE = 0
_SIZES_PX = (_OWN_SIZE, 320, 480, 640, 960, 1280)
_LENGTHS = {"Quick (30 frames)": 30, "Usual (100 frames)": 100, "Thorough (300 frames)": 300}


def speed_here() -> None:
    """Choose models, measure with progress and a stop button, and see the table and the chart."""
    run: SpeedRun | None = st.session_state.get(_RUN)
    usable = _usable()
    st.markdown(
        "Measures every stage, from a 1280x720 camera frame to boxes, one image at a time, on the "
        "machine that runs this app. Close other programs for steady numbers."
    )
    if not usable:
        show_problem(NO_MODEL)
        return
    busy = run is not None and run.running
    _choose(usable, run, busy=busy)
    if run is not None:
        # The state that the controls were drawn for: if the run has ended since, this redraws them.
        if busy:
            follow(run, lambda: _now(run))
        _results(run)


def _usable() -> dict[str, ModelSpec]:
    """The detectors that can run here, by name."""
    return {e.spec.name: e.spec for e in catalog() if e.usable and isinstance(e.spec, ModelSpec)}


def _choose(usable: dict[str, ModelSpec], run: SpeedRun | None, *, busy: bool) -> None:
    st.pills(
        "Models",
        list(usable),
        selection_mode="multi",
        default=list(usable),
        format_func=lambda name: usable[name].title,
        key=_MODELS,
        persist_state="session",
        disabled=busy,
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.pills(
            "Input size (long side of what the network sees)",
            _SIZES_PX,
            selection_mode="multi",
            default=[_OWN_SIZE],
            format_func=lambda px: f"{px} px" if px else "the model's own",
            key=_SIZES,
            persist_state="session",
            disabled=busy,
        )
        fixed = [
            f"{usable[name].title} takes {_size(usable[name].fixed_input_px)} px only"
            for name in st.session_state[_MODELS]
            if name in usable and usable[name].fixed_input_px
        ]
        if fixed and set(st.session_state[_SIZES]) != {_OWN_SIZE}:
            st.caption(f"{'; '.join(fixed)}, whatever is chosen here.")
    with right:
        st.segmented_control(
            "Length",
            list(_LENGTHS),
            default="Usual (100 frames)",
            required=True,
            key=_LENGTH,
            persist_state="session",
            disabled=busy,
        )
    with st.container(horizontal=True):
        st.button(
            "Measure here and now",
            type="primary",
            icon=":material/speed:",
            disabled=busy or not _jobs(),
            on_click=_start,
            key="compare.speed.start",
        )
        if run is not None and busy:
            st.button("Stop", icon=":material/stop:", on_click=run.stop, key="compare.speed.stop")


def _jobs() -> list[SpeedJob]:
    """The jobs chosen now: a click may come before the page has caught up with another."""
    usable, sizes = _usable(), st.session_state[_SIZES]
    jobs = []
    for name in st.session_state[_MODELS]:
        if (spec := usable.get(name)) is None:
            continue
        # A model with a fixed input size is measured once.
        wanted = sizes if spec.fixed_input_px is None else [_OWN_SIZE] * bool(sizes)
        jobs += [SpeedJob(name, px or None, spec.title) for px in wanted]
    return jobs


def _start() -> None:
    jobs, frames = _jobs(), _LENGTHS[st.session_state[_LENGTH]]
    if not jobs:
        return
    old: SpeedRun | None = st.session_state.get(_RUN)
    if old is not None:
        old.stop()
    # The session's models are looked up here: the run's own thread belongs to no session.
    added = {job.model: get_detector(job.model) for job in jobs if is_user_model(job.model)}
    device = settings().device

    def open_detector(name: str) -> Detector:
        # Opened for this run only, so that no model of another page is evicted.
        return added[name] if name in added else open_model(name, device=device)

    run = SpeedRun(jobs, open_detector, frames=frames, is_open=session_is_open())
    st.session_state[_RUN] = run
    run.start()


def _now(run: SpeedRun) -> tuple[float, str]:
    position = min(run.position, len(run.jobs) - 1)
    return run.total_share, f"{run.jobs[position].title}: {position + 1} of {len(run.jobs)}"


def _results(run: SpeedRun) -> None:
    if run.stopped and not run.running:
        st.caption(f"Stopped after {len(run.results)} of {len(run.jobs)}; what is done is below.")
    for position, words in sorted(dict(run.failures).items()):
        show_problem(words, of=run.jobs[position].title)
    if not run.results:
        return
    table = _table(run)
    st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(table),
        column_config={"Model": st.column_config.TextColumn(pinned=True, width=190)},
        alt="Speed of each model on this machine",
    )
    first = next(iter(run.results.values()))
    st.caption(
        f"{first.machine}; {_threads()}; {first.runtime}. Frame "
        f"{first.frame_px[0]}x{first.frame_px[1]}, {first.frames} frames after "
        f"{run.warm_up} of warm-up. Times in milliseconds: median (p95). "
        "Frames a second: of the whole run, slow frames included."
    )
    _chart(run)
    if not run.running:
        _downloads(run, table)


def _threads() -> str:
    """How many threads a network uses, in words."""
    number = settings().threads
    return f"{number} thread{'' if number == 1 else 's'} in use" if number else "all cores in use"


def _table(run: SpeedRun) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Model": run.jobs[position].title,
                "Input (px)": _size(r.input_px),
                "Frames a second": round(r.fps, 1),
                "End to end (ms)": f"{r.total.median:.1f} ({r.total.p95:.1f})",
                "Pre-process (ms)": f"{r.preprocess.median:.1f} ({r.preprocess.p95:.1f})",
                "Inference (ms)": f"{r.inference.median:.1f} ({r.inference.p95:.1f})",
                "Post-process (ms)": f"{r.postprocess.median:.1f} ({r.postprocess.p95:.1f})",
                "Memory of the app (MB)": round(r.resident_mb),
            }
            for position, r in sorted(dict(run.results).items())
        ]
    )


def _chart(run: SpeedRun) -> None:
    titles = {key: SCORE_TITLES[key] for key in ("ap50_as_shown", "ap50")}
    metric = choose_one(
        "Score in the chart", titles, key="compare.speed.score", default="ap50_as_shown"
    )
    scores = {
        c.model: c
        for c in table_1(settings().weights_dir)
        if (c.class_name, c.metric) == ("blast", metric)
    }
    points, without = [], []
    for position, r in sorted(dict(run.results).items()):
        job, cell = run.jobs[position], scores.get(r.model)
        # The score holds at the model's own size only.
        if cell is not None and cell.measured is not None and job.long_side_px is None:
            ends = cell.interval.ends if cell.interval else None
            size = f"{_size(r.input_px)} px"
            points.append(compare_charts.SpeedPoint(job.title, r.fps, cell.measured, ends, size))
        else:
            without.append(f"{job.title} at {_size(r.input_px)} px")
    st.plotly_chart(
        compare_charts.speed_against_score(
            points,
            y_title=f"Blasts, {titles[metric]} (0 to 1)",
            everyone=[spec.title for spec in _usable().values()],
        ),
        key="compare.speed.chart",
        config={"displayModeBar": False},
    )
    st.caption(
        "Speed on this machine, frame to boxes, against our AP on the 17 test fields with its 95 % "
        "interval, each model at its own input size, at which it was scored. Up and to the right "
        "is better; where intervals overlap much, the scores may not differ (see *Real "
        f"differences?*). {BOTH_APS}"
    )
    if without:
        st.caption(f"Not in the chart, as no AP is measured there: {', '.join(without)}.")
    with st.expander("The paper's times"):
        st.dataframe(
            paper_times(),
            hide_index=True,
            width="content",
            alt="The paper's times and scores, on its own GPU",
        )
        st.caption(
            "Another machine, input and set of boxes, so not on the chart: 1024x1024 px on a Colab "
            f"GPU (a Tesla P100, for example), AP {AS_YOLOV5_COUNTS}. The paper quotes "
            f"{PAPER_FPS:.0f} frames a second."
        )


def _size(size_px: tuple[int, int] | None) -> str:
    return f"{size_px[0]}x{size_px[1]}" if size_px else ""


def speed_csv(table: pd.DataFrame) -> str:
    """The table as CSV; the notice is the title of a last, empty column (see `report.exports`)."""
    return table.assign(**{RESEARCH_USE: ""}).to_csv(index=False)


def _downloads(run: SpeedRun, table: pd.DataFrame) -> None:
    content = {
        "notice": RESEARCH_USE,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "results": [asdict(r) for _, r in sorted(dict(run.results).items())],
    }
    table_downloads(
        "compare.speed",
        "speed",
        csv=lambda: speed_csv(table),
        json=lambda: json.dumps(content, indent=1),
    )
