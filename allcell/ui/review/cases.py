"""Cases: keep one, open one, export and delete it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from allcell.errors import AllcellError
from allcell.records.kept import CaseLine
from allcell.records.listing import list_cases
from allcell.records.store import case_store, records_exist
from allcell.report.case.case_zip import read_case_zip
from allcell.settings import settings
from allcell.teaching.copies import copies_by_case, delete_case_and_copies
from allcell.teaching.work import Teaching
from allcell.ui.review.opened import close_case, open_case, open_contents, opened_case
from allcell.ui.reviewing.session import ReviewSession
from allcell.ui.sessions.who import actor
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain

_SEARCH, _PROBLEM = "review.search", "review.case_problem"
#: A case came or went: the rest of the page has to hear of it, too.
_CHANGED = "review.cases_changed"


def standing(session: ReviewSession) -> None:
    """What is kept of this review, and the button that keeps it."""
    if st.session_state.pop(_CHANGED, False):
        # A fragment alone ran again: what teaches from kept cases, below it, would not know them.
        st.rerun()
    kept = session.kept
    if kept is None:
        st.markdown("**Not kept.** All of this is in memory only.")
        with st.popover("Keep this case", type="primary", key="review.keep_menu"):
            st.text_input(
                "Label",
                key="review.label",
                placeholder="For example a number",
                help="Shown in the list of cases. Pictures are kept without their file names and "
                "metadata.",
            )
            st.button("Keep", type="primary", key="review.keep", on_click=_keep, args=(session,))
            _place()
    else:
        saved = kept.review.log == session.review.log
        state = f"saved {kept.changed_at:%H:%M:%S} UTC" if saved else "**not saved**"
        signed = f", signed as version {kept.version}" if saved and kept.signed else ""
        st.markdown(f"Case **{plain(kept.label)}**, {state}{signed}.")
    if opened_case() is session:
        st.button("Close this case", key="review.close", on_click=close_case)
    if problem := st.session_state.pop(_PROBLEM, ""):
        show_problem(problem)


def case_menu(session: ReviewSession) -> None:
    """The list of cases."""
    with st.popover("Cases", key="review.cases"):
        choose_case(session)


def choose_case(session: ReviewSession | None = None) -> None:
    """Search, open and delete kept cases, and read one from a file.

    Args:
        session: The review that is shown, which opening another one leaves.
    """
    try:
        search = st.session_state.get(_SEARCH, "")
        # To look for cases makes no file.
        lines = list_cases(case_store(), actor(), search) if records_exist() else []
    except AllcellError as error:
        show_problem(error)
        return
    searched = bool(st.session_state.get(_SEARCH))
    if lines or searched:
        st.text_input("Search", key=_SEARCH, placeholder="Label, number or hash")
    taught = copies_by_case() if lines else {}
    for line in lines[:20]:
        _case(line, session, taught.get(line.id, []))
    if not lines:
        st.caption("No case is kept here." if not searched else "No case is called that.")
    elif len(lines) > 20:
        st.caption(f"{len(lines) - 20} more: search for them.")
    file = st.file_uploader("Read a case from a ZIP", type="zip", key="review.case_file")
    if file is not None:
        st.button("Open this file", key="review.open_file", on_click=_read, args=(file,))
    _place()


def _case(line: CaseLine, session: ReviewSession | None, taught: Sequence[Teaching]) -> None:
    open_now = session is not None and session.kept is not None and session.kept.id == line.id
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        said = "signed" if line.signed else f"{line.unreviewed} of {line.cells} cells to review"
        st.markdown(
            f"**{plain(line.label)}**  \n{line.changed_at:%d %b %Y, %H:%M} UTC, "
            f"{line.fields} {'picture' if line.fields == 1 else 'pictures'}, {said}"
        )
        st.button(
            "Open", key=f"review.open.{line.id}", on_click=_open, args=(line.id,), disabled=open_now
        )
        if line.role == "owner":
            with st.popover("Delete", key=f"review.ask.{line.id}", type="tertiary"):
                st.markdown("Delete it with its pictures? It cannot be brought back.")
                if taught:
                    what = "teaching that has" if len(taught) == 1 else "teachings that have"
                    st.markdown(
                        f"The unfinished {what} copies of them will be discarded too. Finished "
                        "models stay."
                    )
                st.button(
                    "Delete this case",
                    type="primary",
                    key=f"review.delete.{line.id}",
                    on_click=_delete,
                    args=(line.id, session),
                )


def offer_reopening(session: ReviewSession) -> None:
    """After someone else saved the case: their version in place of ours."""
    if session.kept is not None:
        st.button(
            "Open it as it is kept now",
            key="review.reopen",
            on_click=_open,
            args=(session.kept.id,),
            help="What you did since it was last saved is not in it.",
        )


def _place() -> None:
    try:
        if not records_exist():
            st.caption(f"Cases would be kept in {plain(str(settings().data_dir))}.")
            return
        st.caption(f"Cases are kept in {plain(case_store().place)}.")
    except AllcellError as error:
        show_problem(error)


def _keep(session: ReviewSession) -> None:
    def keep() -> None:
        session.keep(st.session_state["review.label"])
        st.session_state[_CHANGED] = True

    _try(keep)


def _open(case_id: str) -> None:
    _try(lambda: open_case(case_id))


def _delete(case_id: str, session: ReviewSession | None) -> None:
    def delete() -> None:
        delete_case_and_copies(case_store(), case_id, actor())
        st.session_state[_CHANGED] = True
        if session is not None and session.kept is not None and session.kept.id == case_id:
            session.kept = None
            close_case()

    _try(delete)


def _read(file: UploadedFile) -> None:
    def read() -> None:
        with tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as kept:
            kept.write(file.getvalue())
        # The pictures are read when they are shown: the file stays until the server ends.
        open_contents(read_case_zip(Path(kept.name)))

    _try(read)


def _try(act: Callable[[], object]) -> None:
    try:
        act()
    except AllcellError as error:
        st.session_state[_PROBLEM] = str(error)
