"""What to teach with, what to call it, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import streamlit as st

from allcell.data.dataset import LabelledImage
from allcell.engines.opening import has_torch
from allcell.errors import AllcellError, TeachingError
from allcell.models.classes import CELL_CLASSES
from allcell.own.naming import check_name
from allcell.records.kept import Actor, CaseLine
from allcell.settings import settings
from allcell.teaching.enough import LEAST_FIELDS, described, look_at_labels
from allcell.teaching.material import LEAST_CELLS, Lesson, take_fields
from allcell.teaching.plan import USUAL_S
from allcell.teaching.work import Request
from allcell.teaching.work import begin as begin_teaching
from allcell.text.words import in_words
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import plain
from allcell.ui.teaching.material import CHOSEN_AT_FIRST, Counted, chosen_at_first, lesson_of
from allcell.ui.teaching.running import what_helps

#: Draws what is to be chosen, and gives the fields; None while there is nothing to teach with.
SourceOfFields: TypeAlias = Callable[[], Lesson | None]

_OPEN, _CLOSE, _CASES, _NAME = "teach.open", "teach.close", "teach.cases", "teach.name"
_LONGEST, _INSIST, _QUICK = "teach.longest", "teach.insist", "teach.quick"
#: Whether it is the quick way, and what the ways are called.
_WAYS = {False: "Full: all layers of the network", True: "Quick: its last step only"}
#: Minutes that it may take.
_MINUTES = {5: "5 minutes", 15: "15 minutes", 30: "30 minutes", 60: "an hour", 240: "4 hours"}
_USUAL_MINUTES = round(USUAL_S / 60)
#: Fields that are named as left out; of more, the number says enough.
_NAMED = 4
_PLURAL = {cell.name: cell.plural for cell in CELL_CLASSES}


def begin(who: Actor, source: SourceOfFields, *, another: bool) -> None:
    """The form that begins a teaching; nothing is read until it is opened.

    Args:
        who: Whose the model will be.
        source: See `SourceOfFields`.
        another: Whether there is one already.
    """
    if st.session_state.pop(_CLOSE, False):
        st.session_state[_OPEN] = False
    label = "Teach another model" if another else "Choose fields and begin"
    with st.expander(label, key=_OPEN, on_change="rerun", icon=":material/school:") as box:
        if box.open:
            _form(who, source)


def form_of_cases(lines: Mapping[str, CaseLine], opened: str, who: Actor) -> Lesson | None:
    """Choose kept cases.

    Args:
        lines: Those that may be chosen, by number.
        opened: Number of the case that is open; empty if none is.
        who: Who may see them.

    Raises:
        RecordError: If the records cannot be used.
    """
    held = st.session_state.get(_CASES)
    if held is None:
        st.session_state[_CASES] = chosen_at_first(list(lines.values()), opened)
    else:  # one may have been deleted since
        st.session_state[_CASES] = [one for one in held if one in lines]
    chosen = st.multiselect(
        "Reviewed cases of this laboratory",
        list(lines),
        format_func=lambda case_id: _called(lines[case_id]),
        key=_CASES,
        placeholder="Choose cases",
        help="Only fields in which every cell is confirmed, corrected or removed are used. Leave "
        "out cases of other laboratories. Below, cases are numbered in this order.",
    )
    if not chosen:
        st.caption("Choose at least one case.")
        return None
    return lesson_of([lines[case_id] for case_id in chosen], who)


def form_of_set(name: str, images: Sequence[LabelledImage]) -> Lesson | None:
    """Choose how many fields of a labelled set; the others can tell how good the model is.

    Args:
        name: What the user calls the set.
        images: All its fields.
    """
    st.markdown(f"From **{plain(name)}**, whose labels are taken for right.")
    rich = [item for item in images if len(item.truth) >= LEAST_CELLS]
    if len(rich) <= LEAST_FIELDS:
        return Lesson.of_set(name, images)
    count = st.number_input(
        "Fields to teach with",
        min_value=LEAST_FIELDS,
        max_value=len(rich),
        value=min(len(rich), CHOSEN_AT_FIRST),
        key="teach.take",
        help=f"Taken at random among those with at least {LEAST_CELLS} cells, half of them with "
        "each class if there are as many. Evaluate the model on another set afterwards: it has "
        "seen some of this one.",
        width=220,
    )
    return Lesson.of_set(name, take_fields(images, int(count), seed=0))


def _called(line: CaseLine) -> str:
    pictures = f"{line.fields} {'field' if line.fields == 1 else 'fields'}"
    left = f", {line.unreviewed} of {line.cells} cells to review" if line.unreviewed else ""
    return f"{line.label} ({pictures}{left})"


def _form(who: Actor, source: SourceOfFields) -> None:
    lesson = source()
    if lesson is None:
        return
    enough = _is_enough(lesson)
    _left_out(lesson)
    if not enough:
        return
    name, more = st.columns([3, 1], vertical_alignment="bottom")
    name.text_input(
        "Name of the model",
        key=_NAME,
        placeholder="For example your laboratory and its stain",
        max_chars=60,
    )
    with more.popover("More", width="stretch"):
        st.selectbox(
            "Longest time",
            list(_MINUTES),
            index=list(_MINUTES).index(_USUAL_MINUTES),
            format_func=_MINUTES.__getitem__,
            key=_LONGEST,
            help="With more time the comparison is more exact. The model itself is always taught "
            "with all that is needed.",
        )
        if has_torch():
            st.radio(
                "Way",
                list(_WAYS),
                format_func=_WAYS.__getitem__,
                key=_QUICK,
                help="The quick way takes a fraction of the time. It finds cells of your "
                "laboratory nearly as well, and forgets more of other laboratories.",
            )
        st.toggle(
            "Keep it even if it is not better",
            key=_INSIST,
            help="Otherwise a model that is not better than the one that you have is not kept.",
        )
    if st.button(
        "See how long it takes", key="teach.begin", type="primary", icon=":material/timer:"
    ):
        _begin(lesson, who)


def _is_enough(lesson: Lesson) -> bool:
    """Say whether it is enough, and what would help."""
    truths = [one.truth for one in lesson.fields]
    try:
        enough = look_at_labels(truths, [one.case for one in lesson.fields])
    except TeachingError as error:
        counted = Counted.of(lesson)
        if counted.fields:
            cells = in_words([f"{n} {_PLURAL[c]}" for c, n in counted.cells.items() if n], "and")
            st.progress(
                min(1.0, counted.fields / LEAST_FIELDS),
                f"{counted.fields} of {LEAST_FIELDS} fields" + (f", with {cells}" * bool(cells)),
            )
        st.info(
            f"**Not enough yet.** {plain(error.message)} {plain(error.remedy)}",
            icon=":material/school:",
        )
        return False
    st.success(f"**Enough to begin.** {plain(described(enough))}", icon=":material/check_circle:")
    for note in enough.notes:
        st.markdown(f"- {plain(note)}")
    what_helps(list(enough.helps))
    return True


def _left_out(lesson: Lesson) -> None:
    said = [f"{one}." for one in lesson.left_out[:_NAMED]]
    if (more := len(lesson.left_out) - _NAMED) > 0:
        said.append(f"{more} more {'field is' if more == 1 else 'fields are'} not used, likewise.")
    if said:
        st.caption("  \n".join(plain(one) for one in said))


def _begin(lesson: Lesson, who: Actor) -> None:
    state = st.session_state
    bar = st.progress(0.0, "Reads the fields")

    of = len(lesson.fields)

    def copied(number: int, content: Callable[[], bytes]) -> bytes:
        bar.progress(0.7 * number / of, f"Copies field {number} of {of}")
        return content()

    def looked_at(done: int, of: int) -> None:
        bar.progress(0.7 + 0.3 * done / of, f"Looks at field {done} of {of}")

    fields = (
        replace(one, content=partial(copied, n, one.content))
        for n, one in enumerate(lesson.fields, 1)
    )
    try:
        request = Request(
            check_name(state[_NAME]),
            owner=who.name if who.logged_in else "",
            longest_s=60.0 * state[_LONGEST],
            tiles=settings().teaching_tiles,
            insist=state[_INSIST],
            quick=state[_QUICK] if has_torch() else True,
        )
        teaching = begin_teaching(
            replace(lesson, fields=tuple(fields)), request, on_field=looked_at
        )
        if teaching.state.status == "ready":
            teaching.start(only_plan=True)
    except AllcellError as error:
        bar.empty()
        show_problem(error)
        return
    except OSError as error:
        bar.empty()
        show_problem(
            TeachingError(
                f"The fields could not be written ({error.strerror}).",
                "Make sure that there is room on the disk, then try again.",
            )
        )
        return
    state[_CLOSE] = True
    st.rerun()
