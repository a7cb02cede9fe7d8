"""Compare: the user adds a model of their own; once checked, it is in every list of the session."""

from __future__ import annotations

import re
from itertools import chain, count
from pathlib import PurePath
from typing import TYPE_CHECKING

import streamlit as st

from allcell.data.class_names import guess_classes
from allcell.errors import ImageError, ModelError
from allcell.models.registry import CLASSES, OutputLayout
from allcell.settings import settings
from allcell.ui.sessions import uploads
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.user_facts import LAYOUTS, as_list, facts_of, megabytes
from allcell.ui.shell.user_models import (
    MAX_USER_MODELS,
    Candidate,
    add,
    look_into,
    remove,
    user_models,
)
from allcell.ui.shell.wording import plain

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from allcell.untrusted.network import Fit, UntrustedNetwork

#: Counts uploads: a new key empties the uploader.
_ROUND = "user_model.round"
_CANDIDATE = "user_model.candidate"
_ADDED = "user_model.added"
_LONGEST_NAME = 40
_MOST_CLASSES = 1000


def your_model() -> None:
    """The models of this session, and a way to add one."""
    st.markdown(
        "Add a detector of your own as an **ONNX file**. It is checked first; then it appears in "
        "the lists of Detect, Live, Compare and Models, for this browser session only. The file "
        "stays in the memory of this computer and is dropped with the session."
    )
    if title := st.session_state.pop(_ADDED, ""):
        st.success(f"{title} can now be chosen on every page.", icon=":material/check_circle:")
    for name in list(user_models()):
        _card(name)
    if len(user_models()) >= MAX_USER_MODELS:
        st.info(f"A session keeps at most {MAX_USER_MODELS} models. Remove one to add another.")
        return
    _add_one()


def _card(name: str) -> None:
    model = user_models()[name]
    with st.container(border=True, key=f"user-model-card-{name}"):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.subheader(model.spec.title, anchor=False, width="content")
            st.button("Remove", key=f"user_model.remove.{name}", on_click=remove, args=(name,))
        st.html(as_list(facts_of(model)))


def _add_one() -> None:
    from allcell.untrusted.network import MAX_BYTES

    upload = st.file_uploader(
        "ONNX file",
        type=["onnx"],
        max_upload_size=MAX_BYTES // 2**20,
        key=f"user_model.file.{st.session_state.setdefault(_ROUND, 0)}",
        help="It takes one colour picture at a time, as RGB from 0 to 1, and answers with "
        "boxes. Checkpoints (.pt) are not opened, because they can run programs: export yours with "
        "`yolo export model=best.pt format=onnx`.",
    )
    if upload is None:
        st.session_state.pop(_CANDIDATE, None)
        return
    try:
        candidate = _candidate(upload)
    except ModelError as error:
        show_problem(error)
        return
    _describe(candidate.network)
    _form(candidate, PurePath(upload.name).stem)


def _candidate(upload: UploadedFile) -> Candidate:
    """The network in a file; tried and opened once per upload.

    Raises:
        ModelError: If it is not a detector that can be used.
    """
    known: tuple[str, Candidate | ModelError] | None = st.session_state.get(_CANDIDATE)
    if known is None or known[0] != upload.file_id:
        st.session_state.pop(_CANDIDATE, None)  # frees the memory of the previous one first
        with st.spinner("Examining the file"):
            try:
                known = upload.file_id, look_into(uploads.content(upload))
            except (ImageError, ModelError) as error:
                # Without its traceback, which would keep the network in memory.
                known = upload.file_id, ModelError(error.message, error.remedy)
        st.session_state[_CANDIDATE] = known
    if isinstance(known[1], ModelError):
        raise known[1]
    return known[1]


def _describe(network: UntrustedNetwork) -> None:
    size = _size(network)
    rows, columns = network.output_shape
    st.caption(
        f"{megabytes(network)}. "
        f"It takes {size if network.fixed else f'any size (tried with {size})'}, "
        f"answers with {rows} x {columns} numbers, and took {network.run_ms:.0f} ms per picture."
    )
    if network.remark:
        st.warning(network.remark)


def _size(network: UntrustedNetwork) -> str:
    return f"{network.input_px[0]} x {network.input_px[1]} px"


def _form(candidate: Candidate, stem: str) -> None:
    from allcell.untrusted.network import Claims

    network = candidate.network
    key = f"user_model.{network.sha256[:12]}"
    left, right = st.columns([3, 2], gap="medium")
    with left:
        title = st.text_input(
            "Name",
            value=_free(_clean(stem) or "My model"),
            max_chars=_LONGEST_NAME,
            key=f"{key}.title",
            persist_state="session",
        )
        fit = _choose_layout(network, key)
    with right:
        confidence = st.slider(
            "Lowest confidence to begin with",
            min_value=settings().floor_confidence,
            max_value=0.95,
            value=0.25,
            step=0.01,
            key=f"{key}.confidence",
            persist_state="session",
        )
        size = _choose_size(network, key)
    names = _class_names(network, fit, key)
    classes = _choose_classes(names, key)
    pressed = st.button(
        "Check and add",
        type="primary",
        icon=":material/add:",
        key="user_model.add",
        disabled=classes is None,
    )
    if pressed and classes is not None:
        claims = Claims("", classes, fit.layout, confidence, _clean(title))
        try:
            _check_title(claims.title)
            with st.spinner("Checking"):
                added = add(candidate, claims, size)
        except ModelError as error:
            show_problem(error)
            return
        st.session_state[_ROUND] += 1
        st.session_state.pop(_CANDIDATE, None)
        st.session_state[_ADDED] = added.spec.title
        st.rerun()


def _choose_layout(network: UntrustedNetwork, key: str) -> Fit:
    fits: dict[OutputLayout, Fit] = {fit.layout: fit for fit in network.fits}
    if len(fits) == 1:
        (only,) = network.fits
        st.caption(f"Its answer can only be this: {LAYOUTS[only.layout]}.")
        return only
    layout = st.selectbox(
        "What it answers with",
        list(fits),
        format_func=lambda name: LAYOUTS[name],
        key=f"{key}.layout",
        persist_state="session",
        help="Only what fits the shape of its answer can be chosen.",
    )
    return fits[layout]


def _choose_size(network: UntrustedNetwork, key: str) -> tuple[int, int] | None:
    if network.fixed:
        st.caption(f"Input: {_size(network)}, the only size it takes.")
        return None
    from allcell.untrusted.network import MAX_INPUT_PX, MIN_INPUT_PX

    sides = []
    for column, name, side in zip(
        st.columns(2), ("Input width (px)", "Input height (px)"), network.input_px, strict=True
    ):
        sides.append(
            column.number_input(
                name,
                min_value=MIN_INPUT_PX,
                max_value=MAX_INPUT_PX,
                value=side,
                step=MIN_INPUT_PX,
                key=f"{key}.{name}",
                persist_state="session",
            )
        )
    return int(sides[0]), int(sides[1])


def _class_names(network: UntrustedNetwork, fit: Fit, key: str) -> tuple[str, ...]:
    """Its classes: each one's number with its name in the file, or the number alone."""
    if network.names and fit.classes in (None, len(network.names)):
        return tuple(f"{n}: {name}" for n, name in enumerate(network.names))
    count = fit.classes
    if count is None:
        count = st.number_input(
            "Number of classes",
            min_value=1,
            max_value=_MOST_CLASSES,
            value=len(CLASSES),
            step=1,
            key=f"{key}.count",
            persist_state="session",
            help="The file does not say how many, and each box names only its own class.",
        )
    else:
        st.caption(
            f"Its answer has room for {count} class{'' if count == 1 else 'es'}, and the file "
            "gives them no names: say what each number is."
        )
    return tuple(f"class {n}" for n in range(count))


def _choose_classes(names: tuple[str, ...], key: str) -> tuple[str | None, ...] | None:
    """Which of our classes each of its classes is; None while the choice cannot be used."""
    guessed = guess_classes([name.partition(": ")[2] for name in names])
    chosen: dict[int, str] = {}
    twice: list[int] = []
    columns = st.columns(len(CLASSES), gap="medium")
    for column, mine in zip(columns, CLASSES, strict=True):
        numbers = column.multiselect(
            f"{title_of(mine)} is",
            range(len(names)),
            default=[n for n, guess in enumerate(guessed) if guess == mine],
            format_func=lambda n: names[n],
            key=f"{key}.{len(names)}.{mine}",
            persist_state="session",
            placeholder="none of its classes",
        )
        twice += [n for n in numbers if n in chosen]
        chosen |= dict.fromkeys(numbers, mine)
    if twice:
        st.warning(f"Chosen twice: {', '.join(plain(names[n]) for n in twice)}. Choose each once.")
        return None
    if not chosen:
        st.info("Say above which cells its classes are; at least one.")
        return None
    left_out = [plain(name) for n, name in enumerate(names) if n not in chosen]
    if left_out:
        more = f" and {len(left_out) - 8} more" if len(left_out) > 8 else ""
        st.caption(f"Left out, never shown or counted: {', '.join(left_out[:8])}{more}.")
    return tuple(chosen.get(n) for n in range(len(names)))


def _clean(name: str) -> str:
    """A name without characters that are special in Markdown or in a chart."""
    return re.sub(r"[^\w .()+-]+", " ", name).strip(" _.+-")[:_LONGEST_NAME]


def _taken(title: str) -> bool:
    return title.casefold() in {entry.spec.title.casefold() for entry in catalog()}


def _free(title: str) -> str:
    """The title, with a number after it if another model has it already."""
    tries = (f"{title[: _LONGEST_NAME - 4]} ({n})" for n in count(2))
    return next(name for name in chain([title], tries) if not _taken(name))


def _check_title(title: str) -> None:
    if not title:
        raise ModelError("The model has no name.", "Give it one, with a letter or a number.")
    if _taken(title):
        raise ModelError(f"There is a model named {title} already.", "Give it another name.")
