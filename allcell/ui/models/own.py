"""Own-laboratory models on the Models page: their cards, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from allcell.errors import AllcellError
from allcell.own.access import may_change
from allcell.own.card import NOTE
from allcell.own.own_model import OwnModel
from allcell.own.shelf import shelf
from allcell.own.transfer import MAX_BYTES, export_bytes, file_name, import_model
from allcell.own.words import before_after, facts
from allcell.ui.sessions import uploads
from allcell.ui.sessions.who import actor
from allcell.ui.shell.cache import forget_detector
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.user_facts import as_list
from allcell.ui.shell.wording import plain

#: Counts uploads: a new key empties the uploader.
_ROUND = "models.own.round"
_DONE, _PROBLEM = "models.own.done", "models.own.problem"


def show_own(model: OwnModel) -> None:
    """The card of one model, without its title; what went into it and what came of it."""
    card = model.card
    st.markdown(f":blue-badge[{NOTE[0].upper()}{NOTE[1:]}] {plain(model.spec.summary)}")
    if card.verdict:
        st.markdown(plain(card.verdict))
    left, right = st.columns(2, gap="medium")
    left.html(as_list(facts(model)))
    with right:
        _measured(model)
    with st.container(horizontal=True):
        st.download_button(
            "Export as a file",
            partial(export_bytes, model),
            file_name(card),
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
            key=f"models.own.export.{card.id}",
            help="The network and this card. The Models page of another allcell reads it.",
        )
        if may_change(card, actor()):
            _changes(model)


def _measured(model: OwnModel) -> None:
    rows = before_after(model.card)
    if not rows:
        st.caption("It was not compared with its parent: no field could be held out.")
        return
    st.dataframe(
        pd.DataFrame(rows, columns=["On held-out fields", "Parent", "This model"]),
        hide_index=True,
        height=38 + 35 * len(rows),
        alt="Scores of the parent and of this model on the same held-out fields",
    )
    st.caption(
        "With 95 % intervals, both models on the same fields, none of which was trained on in its "
        "turn. The model itself was then trained on all of them."
    )


def _changes(model: OwnModel) -> None:
    card = model.card
    with st.popover("Rename", key=f"models.own.rename_menu.{card.id}", type="tertiary"):
        st.text_input("Name", value=card.name, key=f"models.own.name.{card.id}")
        st.button(
            "Rename",
            key=f"models.own.rename.{card.id}",
            on_click=_rename,
            args=(card.id,),
        )
    with st.popover("Delete", key=f"models.own.delete_menu.{card.id}", type="tertiary"):
        st.markdown("Delete it? It cannot be brought back, unless it was exported.")
        _delete_button(card.id, card.name)


def _delete_button(model_id: str, name: str) -> None:
    st.button(
        "Delete this model",
        type="primary",
        key=f"models.own.delete.{model_id}",
        on_click=_delete,
        args=(model_id, name),
    )


def own_news() -> None:
    """What came of the last change, and models that cannot be used."""
    if done := st.session_state.pop(_DONE, ""):
        st.success(done, icon=":material/check_circle:")
    if (problem := st.session_state.pop(_PROBLEM, None)) is not None:
        show_problem(problem)
    try:
        damaged = shelf().damaged(actor())
    except AllcellError as error:
        show_problem(error)
        return
    for one in damaged:
        show_problem(one.problem, of=one.id)
        _delete_button(one.id, one.id)


def import_own() -> None:
    """Read a model that another allcell exported."""
    if actor().reader:
        return
    with st.expander("Add a model from a file", key="models.own.import_menu"):
        st.markdown(
            "A file that *Export as a file* wrote, here or on another machine. Its network is "
            "tried in a process of its own first, and is run as a stranger's."
        )
        upload = st.file_uploader(
            "Model file",
            type=["zip"],
            max_upload_size=MAX_BYTES // 2**20,
            key=f"models.own.file.{st.session_state.setdefault(_ROUND, 0)}",
        )
        name = st.text_input(
            "Name (optional)", key="models.own.import_name", placeholder="As in the file"
        )
        if upload is not None and st.button("Add it", type="primary", key="models.own.import"):
            try:
                with st.spinner("Examining the file"):
                    model = import_model(shelf(), uploads.content(upload), actor(), name=name)
            except AllcellError as error:
                show_problem(error)
                return
            st.session_state[_ROUND] += 1
            st.session_state[_DONE] = f"{model.card.name} can now be chosen on every page."
            st.rerun()


def _rename(model_id: str) -> None:
    _try(lambda: shelf().rename(model_id, st.session_state[f"models.own.name.{model_id}"], actor()))
    # Models in memory have the old name.
    forget_detector(model_id)


def _delete(model_id: str, name: str) -> None:
    def delete() -> None:
        shelf().delete(model_id, actor())
        st.session_state[_DONE] = f"{name} is deleted. Backups are not reached."

    _try(delete)
    forget_detector(model_id)


def _try(act: Callable[[], object]) -> None:
    try:
        act()
    except AllcellError as error:
        st.session_state[_PROBLEM] = error
