"""What came of a teaching: the verdict in words, before and after, and the model to use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from allcell.errors import AllcellError, ModelError
from allcell.models.classes import CELL_CLASSES
from allcell.own.own_model import OwnModel
from allcell.own.shelf import shelf
from allcell.own.transfer import export_bytes, file_name
from allcell.teaching.state import State
from allcell.teaching.work import Teaching
from allcell.ui.sessions.who import actor
from allcell.ui.shell.cache import forget_detector
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain
from allcell.ui.teaching.acts import attempt
from allcell.ui.teaching.charts import AFTER, BEFORE, SCORES, before_and_after, learning_curve

_ROWS = {cell.name: cell.row for cell in CELL_CLASSES}
_TABLE_HEAD = f"| On held-out fields | {BEFORE} | {AFTER} |\n|:---|:---|:---|"
#: Keys of the lists of models on these pages (see `shell.controls.pick_model`).
_LISTS = {"detect": "detect.model", "live": "live.model"}
_NBSP = "\u00a0"
_PLOTLY = {"displayModeBar": False}


def show_result(teaching: Teaching, state: State) -> None:
    """Draw the result of a teaching that is done.

    Args:
        teaching: The teaching.
        state: Its state.
    """
    report = teaching.report
    if report is None:
        show_problem(ModelError("The report of this teaching is gone.", "Delete it."))
        _delete(teaching, None)
        return
    model = _model(state)
    _verdict(report, state, model)
    key = teaching.folder.name
    if model is not None:
        _use(key, model)
    left, right = st.columns(2, gap="large")
    with left:
        with st.container(key=f"allcell-scores-{key}"):
            st.markdown(table(report["verdict"]))
        st.caption(_how(report))
    right.plotly_chart(
        before_and_after(report["verdict"], dark=st.context.theme.type == "dark"),
        key=f"teach.chart.{key}",
        config=_PLOTLY,
        alt="Bars of the scores in the table, before and after",
    )
    left, right = st.columns(2, gap="large")
    left.plotly_chart(
        learning_curve(report["curve"]),
        key=f"teach.curve.{key}",
        config=_PLOTLY,
        alt="Learning curve: mean average precision by the number of fields learned from",
    )
    with right:
        for words in lost(report):
            st.markdown(words)
    _files(teaching, report, model)


def _verdict(report: Mapping[str, Any], state: State, model: OwnModel | None) -> None:
    words = headline(report)
    if report.get("model") and model is None:
        words += " The model itself has been deleted."
    elif model is None:
        words += " Nothing was kept: go on with the model that you have."
    elif state.outcome == "not better":
        words += " It was kept all the same, as you asked."
    elif state.outcome == "cannot be told":
        words += " It was kept: compare the two on Detect before you rely on it."
    show = {"better": st.success, "not better": st.warning}.get(state.outcome, st.info)
    show(words)
    st.caption(f"In numbers: {plain(state.verdict)}")


def headline(report: Mapping[str, Any]) -> str:
    """The verdict for somebody who looks once.

    Args:
        report: Of a teaching.
    """
    before, after = report["verdict"]["wrong_cells"]
    fields = report["fields"]
    counted = (
        f"On {fields} fields that it had not seen it makes {_mistakes(after)} (cells missed, or "
        f"suggested wrongly), where the model as it came makes {before}."
    )
    start = {
        "better": "Better on your fields.",
        "not better": "Not better on your fields.",
    }.get(
        report["verdict"]["outcome"],
        "Whether it is better cannot be told yet: the difference may be chance.",
    )
    return f"**{start}** {counted}"


def _mistakes(count: int) -> str:
    return f"{count} mistake{'' if count == 1 else 's'}"


def table(verdict: Mapping[str, Any]) -> str:
    """Before and after in a Markdown table.

    Args:
        verdict: That of a report.
    """
    lines = [_TABLE_HEAD]
    for kind, scores in verdict["before"]["classes"].items():
        for score, words in SCORES.items():
            pair = (scores[score], verdict["after"]["classes"][kind][score])
            lines.append(_row(f"{_ROWS.get(kind, kind)}, {words}", pair))
    false = "false_blasts_a_field"
    lines.append(
        _row("False blasts in a field", (verdict["before"][false], verdict["after"][false]))
    )
    return "\n".join(lines)


def _row(name: str, pair: tuple[Mapping[str, Any], Mapping[str, Any]]) -> str:
    return f"| {name} | {number(pair[0])} | {number(pair[1])} |"


def number(measured: Mapping[str, float | None]) -> str:
    """A score with its interval.

    Args:
        measured: See `allcell.own.card.Measured`, as plain values.
    """
    value, low, high = (measured[name] for name in ("value", "low", "high"))
    if value is None:
        return "n/a"
    if low is None or high is None:
        return f"**{value:.2f}**"
    # Broken before the bracket, if at all.
    interval = f"({low:.2f} to {high:.2f})".replace(" ", _NBSP)
    return f"**{value:.2f}** :small[{interval}]"


def _how(report: Mapping[str, Any]) -> str:
    classes = report["verdict"]["before"]["classes"].values()
    intervals = any(one["ap"]["low"] is not None for one in classes)
    said = (
        "In brackets: 95 % intervals."
        if intervals
        else "Too few fields for intervals: take these numbers as a hint."
    )
    return (
        f"{said} *Found*: share of the cells that are there. *Rightly suggested*: share of the "
        "suggestions that are right. *Overall (AP)*: both, over all thresholds. Cross-validated "
        f"{plain(report['held_out'])}: each field was judged by a model that had not seen it. The "
        "model to use was then trained on all of them."
    )


def lost(report: Mapping[str, Any]) -> list[str]:
    """What the model lost on other stains, in sentences.

    Args:
        report: Of a teaching.
    """
    said: dict[str, list[str]] = {}
    for one in report.get("parents_laboratories", ()):
        said.setdefault(plain(one["laboratory"]), []).append(
            f"{_ROWS.get(one['cell_class'], one['cell_class']).lower()} {one['before']:.2f} "
            f"before, {one['after']:.2f} after"
        )
    return [f"On {name} (AP): {'; '.join(scores)}." for name, scores in said.items()]


def _model(state: State) -> OwnModel | None:
    try:
        return shelf().find(state.model, actor()) if state.model else None
    except AllcellError as error:
        show_problem(error)
        return None


def _use(key: str, model: OwnModel) -> None:
    with st.container(horizontal=True):
        for page, icon in (("detect", "biotech"), ("live", "videocam")):
            if st.button(
                f"Use it on {page.capitalize()}",
                key=f"teach.{page}.{key}",
                type="primary" if page == "detect" else "secondary",
                icon=f":material/{icon}:",
            ):
                st.session_state[_LISTS[page]] = model.card.id
                st.switch_page(f"pages/{page}.py")


def _files(teaching: Teaching, report: Mapping[str, Any], model: OwnModel | None) -> None:
    key = teaching.folder.name
    with st.container(horizontal=True):
        st.download_button(
            "Report (JSON)",
            lambda: json.dumps(report, indent=1).encode(),
            f"allcell-teaching-{key}.json",
            "application/json",
            key=f"teach.report.{key}",
            icon=":material/download:",
            on_click="ignore",
        )
        if model is not None:
            st.download_button(
                "Model (one file)",
                partial(export_bytes, model),
                file_name(model.card),
                "application/zip",
                key=f"teach.export.{key}",
                icon=":material/download:",
                on_click="ignore",
                help="The network and its card. The Models page of another allcell reads it.",
            )
        _delete(teaching, model)


def _delete(teaching: Teaching, model: OwnModel | None) -> None:
    key = teaching.folder.name
    with st.popover("Delete", key=f"teach.delete_menu.{key}", type="tertiary"):
        if model is None:
            st.markdown("Delete this report? It cannot be brought back.")
        else:
            st.markdown(
                "Delete the report only, and go on using the model? Or the model with it? Neither "
                "can be brought back."
            )
        st.button(
            "Delete the report",
            key=f"teach.delete.{key}",
            on_click=attempt,
            args=(teaching.delete,),
        )
        if model is not None:
            st.button(
                "Delete report and model",
                key=f"teach.delete_all.{key}",
                type="primary",
                on_click=attempt,
                args=(partial(_delete_both, teaching, model.card.id),),
            )


def _delete_both(teaching: Teaching, model_id: str) -> None:
    shelf().delete(model_id, actor())
    forget_detector(model_id)
    teaching.delete()
