"""Compare: which of the user's labelled sets, which part, and what its classes are."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import streamlit as st

from allcell.data.class_names import IGNORED, LEFT_OUT, suggested_target
from allcell.data.labelled_sets import (
    LABEL_FORMAT_NAMES,
    LABEL_FORMATS,
    class_counts,
    find_set,
    find_splits,
    set_notes,
)
from allcell.data.zipped import DataPath, open_zip
from allcell.errors import AllcellError, DataError
from allcell.models.registry import CLASSES, WHITE_CELLS
from allcell.runs.evaluation import UserSet
from allcell.settings import settings
from allcell.ui.compare.user_session import let_go
from allcell.ui.sessions import uploads
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain

log = logging.getLogger(__name__)

_OPENED, _ERROR = "allcell.user_opened", "allcell.user_error"
_UPLOADER, _FOLDER, _SOURCE = "compare.user_zip", "compare.user_folder", "compare.user_source"
_ZIP_FILE, _SERVER = "ZIP file", "Folder of the server"
#: What a class may stand for.
_TARGETS = (*CLASSES, IGNORED, LEFT_OUT)
_TARGET_TITLES = {
    IGNORED: "Counts neither way",
    LEFT_OUT: "Left out: no white cell",
}
#: Mappings in a row.
_COLUMNS = 3


@dataclass(eq=False)
class _Opened:
    """A set that was opened, and what was found in it.

    Attributes:
        id: Identifies it.
        name: What the user calls it.
        folder: Where it lies.
        splits: Its parts.
        counts: Labelled cells of each class, by part, counted on demand; an error to show where
            they cannot be counted.
        notes: What is to be known of a part, see `labelled_sets.set_notes`.
    """

    id: str
    name: str
    folder: DataPath
    splits: list[str]
    counts: dict[str, dict[str, int] | AllcellError] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)


def choose_set(*, busy: bool) -> UserSet | None:
    """The controls for the set; None until all is chosen.

    Args:
        busy: Whether an evaluation runs, during which nothing is changed.
    """
    _open(busy)
    if error := st.session_state.get(_ERROR):
        show_problem(error)
    opened = st.session_state.get(_OPENED)
    if not isinstance(opened, _Opened):
        return None
    st.caption(f"The set in use: **{plain(opened.name)}**")
    split = st.selectbox(
        "Part of the set",
        opened.splits,
        key=f"compare.user_split.{opened.id}",
        persist_state="session",
        disabled=busy,
        width=420,
        help="Thresholds of the models were chosen on other images. Take a part that no model was "
        "trained on.",
    )
    if split not in opened.counts:
        opened.counts[split] = _counts(opened, split)
    counts = opened.counts[split]
    if isinstance(counts, AllcellError):
        show_problem(counts)
        return None
    for note in opened.notes[split]:
        st.warning(f"{plain(note)}.", icon=":material/info:")
    mapping = _mapping(opened, split, counts, busy)
    return None if mapping is None else UserSet(opened.name, split, opened.folder, mapping)


def _counts(opened: _Opened, split: str) -> dict[str, int] | AllcellError:
    try:
        opened.notes[split] = set_notes(opened.folder, split)
        return class_counts(opened.folder, split)
    # Untrusted files may fail in unforeseen ways; the page must stay usable.
    except Exception as error:
        return _explained(error)


def _open(busy: bool) -> None:
    source = _ZIP_FILE
    if settings().data_sets:
        source = st.segmented_control(
            "Where the set is",
            [_ZIP_FILE, _SERVER],
            default=_ZIP_FILE,
            required=True,
            key=_SOURCE,
            persist_state="session",
            disabled=busy,
        )
    if source == _SERVER:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox("Folder", settings().data_sets, format_func=lambda p: p.name, key=_FOLDER)
            st.button("Open", on_click=_take_folder, disabled=busy, key="compare.user_open")
        return
    layouts = " ".join(f"{known.name}: {known.layout}." for known in LABEL_FORMATS)
    st.file_uploader(
        f"Labelled set as a ZIP: {LABEL_FORMAT_NAMES}",
        type=["zip"],
        max_upload_size=max(1, settings().max_set_bytes // 2**20),
        key=_UPLOADER,
        on_change=_take_zip,
        disabled=busy,
        help=f"{layouts.replace('<split>', '<part>')} Pictures stay in the memory of the computer "
        "that runs this app; nothing is unpacked or stored.",
    )


def _take_zip() -> None:
    file = st.session_state[_UPLOADER]
    _forget()
    if file is not None:
        try:
            content = uploads.content(file)
        except AllcellError as error:
            st.session_state[_ERROR] = error
            return
        _keep(hashlib.sha256(content).hexdigest(), PurePath(file.name).stem, content)


def _take_folder() -> None:
    folder = st.session_state[_FOLDER]
    _forget()
    # A browser can send anything.
    if folder in settings().data_sets:
        _keep(hashlib.sha256(str(folder).encode()).hexdigest(), folder.name, folder)


def _forget() -> None:
    st.session_state.pop(_ERROR, None)
    st.session_state.pop(_OPENED, None)
    let_go()


def _keep(identity: str, name: str, source: bytes | Path) -> None:
    try:
        folder = source if isinstance(source, Path) else find_set(open_zip(source, f"{name}.zip"))
        opened = _Opened(identity[:16], name, folder, find_splits(folder))
    except Exception as error:  # see _counts
        st.session_state[_ERROR] = _explained(error)
        return
    st.session_state[_OPENED] = opened


def _explained(error: Exception) -> AllcellError:
    if isinstance(error, AllcellError):
        return error
    # The message may hold a file's name or path: only the type is logged.
    log.error("A set cannot be read: %s", type(error).__name__)
    return DataError(
        f"The set cannot be read ({type(error).__name__}).",
        "Check that it still exists and is complete.",
    )


def _mapping(
    opened: _Opened, split: str, counts: Mapping[str, int], busy: bool
) -> Mapping[str, str | None] | None:
    """What each of its classes stands for; None until that is clear."""
    if not counts:
        st.warning("There is no labelled cell in this part.")
        return None
    st.markdown("**What its classes stand for**")
    chosen: dict[str, str | None] = {}
    columns = st.columns(_COLUMNS, gap="medium")
    for n, (name, cells) in enumerate(counts.items()):
        suggested = suggested_target(name)
        with columns[n % _COLUMNS]:
            chosen[name] = st.selectbox(
                f"{plain(name)} ({cells} labelled)",
                _TARGETS,
                index=None if suggested is None else _TARGETS.index(suggested),
                format_func=lambda target: _TARGET_TITLES.get(target, title_of(target)),
                placeholder="Choose",
                key=f"compare.user_map.{opened.id}.{split}.{name}",
                persist_state="session",
                disabled=busy,
            )
    if None in chosen.values():
        st.caption("Say what each class stands for.")
        return None
    if not set(WHITE_CELLS) & set(chosen.values()):
        st.warning("No class stands for blasts or healthy white cells: there is nothing to score.")
        return None
    return {name: target or None for name, target in chosen.items()}
