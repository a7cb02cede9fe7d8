"""Models, *Benchmark*: every runtime of this machine side by side, measured while one watches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from allcell.models.registry import ModelSpec
from allcell.runs.runtime_speeds import RuntimeComparison, Speed, ways
from allcell.runs.runtimes import compare
from allcell.runs.runtimes_run import RuntimesRun
from allcell.runs.runtimes_text import comparison_csv, comparison_json
from allcell.settings import settings
from allcell.ui.models.benchmark_charts import frames_chart, viewers_chart
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.problems import NO_MODEL, show_problem
from allcell.ui.shell.progress import follow
from allcell.ui.shell.session_watch import session_is_open
from allcell.ui.shell.table_downloads import table_downloads
from allcell.ui.shell.user_models import is_user_model

_RUN, _SHOWN = "models.benchmark.run", "models.benchmark.shown"
_MODEL, _LENGTH = "models.benchmark.model", "models.benchmark.length"
#: Frames, photographs and seconds that viewers look, by what a length is called.
_LENGTHS = {"Quick": (30, 6, 0.5), "Usual": (100, 12, 2.0), "Thorough": (300, 24, 4.0)}


def benchmark_here() -> None:
    """Choose a model, measure with progress and a stop button, see charts and table, download."""
    usable = {
        entry.spec.name: entry.spec.title
        for entry in catalog()
        if entry.usable and isinstance(entry.spec, ModelSpec) and not is_user_model(entry.spec.name)
    }
    st.markdown(
        "Runs one model in every runtime and precision of the machine that this app is on: how "
        "long a camera frame of 1280x720 takes, how many frames a second each of 1, 4 and 16 "
        "viewers gets, and how many photographs of 5 megapixels a second a folder."
    )
    if not usable:
        show_problem(NO_MODEL)
        return
    run: RuntimesRun | None = st.session_state.get(_RUN)
    busy = run is not None and run.running
    _choose(usable, run, busy=busy)
    if run is not None and busy:
        follow(run, lambda: (run.total_share, run.words or "starting"))
    if run is not None and run.failed:
        show_problem(run.failed, of=usable.get(run.model, run.model))
    if run is not None and run.stopped and not run.running and run.comparison is None:
        st.caption("Stopped before everything was measured; nothing of it is kept.")
    if run is not None and run.comparison is not None:
        st.session_state[_SHOWN] = run.comparison
    shown: RuntimeComparison | None = st.session_state.get(_SHOWN)
    if shown is not None:
        _results(shown, usable.get(shown.model, shown.model))
    elif not busy:
        _nothing_yet(st.session_state[_MODEL])


def _choose(usable: dict[str, str], run: RuntimesRun | None, *, busy: bool) -> None:
    left, right = st.columns(2, gap="medium")
    default = settings().default_model
    left.selectbox(
        "Model",
        list(usable),
        index=list(usable).index(default) if default in usable else 0,
        format_func=lambda name: usable[name],
        key=_MODEL,
        persist_state="session",
        disabled=busy,
    )
    right.segmented_control(
        "Length",
        list(_LENGTHS),
        default="Usual",
        required=True,
        key=_LENGTH,
        persist_state="session",
        disabled=busy,
        help="Usual takes one to three minutes on a laptop; close other programs for steady "
        "numbers.",
    )
    with st.container(horizontal=True):
        st.button(
            "Measure all runtimes",
            type="primary",
            icon=":material/speed:",
            disabled=busy,
            on_click=_start,
            key="models.benchmark.start",
        )
        if run is not None and busy:
            st.button(
                "Stop", icon=":material/stop:", on_click=run.stop, key="models.benchmark.stop"
            )


def _start() -> None:
    old: RuntimesRun | None = st.session_state.get(_RUN)
    if old is not None:
        old.stop()
    frames, photos, viewing_s = _LENGTHS[st.session_state[_LENGTH]]

    def measure(model: str, on_step: Callable[[float, str], None]) -> RuntimeComparison:
        return partial(compare, frames=frames, photos=photos, viewing_s=viewing_s)(
            model, ways(model), on_step=on_step
        )

    run = RuntimesRun(st.session_state[_MODEL], measure, is_open=session_is_open())
    st.session_state[_RUN] = run
    run.start()


def _nothing_yet(model: str) -> None:
    there = dict.fromkeys(way.title for way in ways(model))
    st.info(
        "Nothing has been measured in this session. These will be tried; one that this machine "
        f"does not have says what it lacks: {'; '.join(there)}. The paper's 80 frames a second "
        "on a Tesla P100 stand beside them."
    )


def _results(shown: RuntimeComparison, title: str) -> None:
    works = [speed for speed in shown.speeds if speed.frame_to_boxes is not None]
    st.subheader(f"{title} on this machine", anchor=False)
    if shown.disturbed:
        st.warning(shown.disturbed)
    if works:
        best = max(works, key=lambda speed: speed.fps)
        st.markdown(
            f"Fastest here: **{best.description}**, {best.fps:.0f} frames a second, "
            f"{best.fps / shown.paper_fps:.1f} times the paper's {shown.paper_fps:.0f}."
        )
        left, right = st.columns(2, gap="medium")
        options = {"displayModeBar": False}
        left.plotly_chart(
            frames_chart(works, shown.paper_fps), key="models.benchmark.frames", config=options
        )
        if any(speed.viewers_fps for speed in works):
            right.plotly_chart(viewers_chart(works), key="models.benchmark.viewers", config=options)
        st.dataframe(
            pd.DataFrame([_row(speed, shown) for speed in works]),
            hide_index=True,
            height=38 + 35 * len(works),
            column_config={
                "Runtime": st.column_config.TextColumn(pinned=True, width=240),
                "Times the first": st.column_config.NumberColumn(format="%.2f"),
                "Photographs a second": st.column_config.NumberColumn(format="%.1f"),
            },
            alt="Speed of each runtime on this machine",
        )
    for speed in shown.speeds:
        if speed.failed:
            st.caption(f"Not here: {speed.way.title}: {speed.failed}")
    st.caption(
        f"{shown.machine}; frame {shown.frame_px[0]}x{shown.frame_px[1]}, input "
        f"{shown.input_px[0]}x{shown.input_px[1]}, {shown.frames} frames, each runtime in turn. "
        "Times in milliseconds, median (p95), scale known. 8 bits and bfloat16 are for live video "
        "only: stills are counted in 32 bits. The paper's figure is for YOLOv5s at 1024 px."
    )
    table_downloads(
        "models.benchmark",
        "runtimes",
        csv=partial(comparison_csv, shown),
        json=partial(comparison_json, shown),
    )


def _row(speed: Speed, shown: RuntimeComparison) -> dict[str, object]:
    whole, bare = speed.frame_to_boxes, speed.bare_engine
    row: dict[str, object] = {
        "Runtime": speed.description,
        "Frame to boxes (ms)": f"{whole.median:.2f} ({whole.p95:.2f})" if whole else "",
        "Network alone (ms)": f"{bare.median:.2f} ({bare.p95:.2f})" if bare else "",
        "Frames a second": round(speed.fps),
        "Times the first": speed.times_first,
        "Times the paper": round(speed.fps / shown.paper_fps, 1),
    }
    for viewers, fps in speed.viewers_fps.items():
        row[f"Each of {viewers} viewers" if viewers > 1 else "One viewer"] = round(fps, 1)
    row["Photographs a second"] = speed.images_per_s or None
    return row
