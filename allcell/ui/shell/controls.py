"""The controls of the Detect page. What they return is frozen and can be a cache key.

Their values survive a change of page: Streamlit keeps them for the session (`persist_state`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from allcell.cautions import WITHHELD
from allcell.models.registry import CLASS_TITLES, ClassifierSpec, ModelSpec
from allcell.own.finding import is_own_model
from allcell.settings import settings
from allcell.ui.shell.catalog import Listing
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.user_models import is_user_model
from allcell.ui.shell.wording import plain

_NAMES = "detect.file_names"
_WHOLE_FIELDS = "detect.whole_field_models"

Spec = TypeVar("Spec", ModelSpec, ModelSpec | ClassifierSpec)


@dataclass(frozen=True)
class ViewChoice:
    """What is shown of a result; no change to it runs the model again.

    Attributes:
        confidence: Lowest confidence, 0 to 1.
        iou: Overlap (intersection over union) above which two boxes are one cell, 0 to 1.
        classes: Names of the classes that are shown.
        labels: Whether boxes are labelled.
    """

    confidence: float
    iou: float
    classes: tuple[str, ...]
    labels: bool


def title_of(class_name: str) -> str:
    """Display title of a class; a class that is not ours keeps its own name."""
    return "Not counted" if class_name == WITHHELD else CLASS_TITLES.get(class_name, class_name)


def choose_one(label: str, titles: Mapping[str, str], *, key: str, default: str) -> str:
    """A row of a few options, one of which is always chosen.

    Args:
        label: Label of the control.
        titles: Display title of each option.
        key: Key of the widget.
        default: The option chosen at first.
    """
    return st.segmented_control(
        label,
        list(titles),
        default=default,
        required=True,
        format_func=titles.__getitem__,
        key=key,
        persist_state="session",
        wrap=True,
    )


def threshold_text(spec: ModelSpec) -> str:
    """Where a model's initial threshold comes from."""
    if is_user_model(spec.name):
        return f"You set this model to begin with {spec.confidence:.2f}."
    if is_own_model(spec.name):
        where = "fields of this laboratory that it was not trained with"
        return f"Its operating threshold, chosen on {where}, is {spec.confidence:.2f}."
    return f"Its operating threshold, chosen on validation images, is {spec.confidence:.2f}."


def choose_model(listings: Sequence[Listing]) -> ModelSpec | ClassifierSpec | None:
    """The model to use on Detect; None if none can be used, which the page then says.

    One that judges a whole field is offered only if it is asked for: it shows no cell that a reader
    could check.
    """
    whole_fields = st.session_state.get(_WHOLE_FIELDS, False)
    listings = [e for e in listings if whole_fields or isinstance(e.spec, ModelSpec)]
    usable = [entry.spec for entry in listings if entry.usable]
    lacking = [entry for entry in listings if not entry.usable]
    chosen = pick_model(usable, key="detect.model") if usable else None
    if chosen is None:
        show_problem("No model can be used here.")
    st.toggle(
        "Whole-field models, too",
        value=False,
        key=_WHOLE_FIELDS,
        persist_state="session",
        help="The paper's CNN judges a picture as a whole: it finds no cells, so that its answer "
        "cannot be checked cell by cell. Compare, Side by side, sets it against the others.",
    )
    if lacking:
        # How to train or install a model is for whoever runs allcell, and stands on Models.
        n = len(lacking)
        with st.popover(f"{n} model{'s are' if n > 1 else ' is'} not installed", type="tertiary"):
            titles = ", ".join(plain(entry.spec.title) for entry in lacking)
            st.markdown(
                f"{titles}: not on this computer. You do not need "
                f"{'them' if n > 1 else 'it'}. Whoever runs allcell here finds on the *Models* "
                "page what is missing."
            )
    return chosen


def pick_model(usable: Sequence[Spec], *, key: str) -> Spec:
    """A list of models, in which the default one is chosen at first.

    Args:
        usable: The models, at least one.
        key: Key of the widget.
    """
    names = [spec.name for spec in usable]
    default = settings().default_model
    titles = {spec.name: spec.title for spec in usable}
    name = st.selectbox(
        "Model",
        names,
        index=names.index(default) if default in names else 0,
        format_func=lambda n: titles[n],
        key=key,
        persist_state="session",
        help="  \n".join(f"**{spec.title}**: {spec.summary}" for spec in usable),
    )
    # A user's model may have been removed since it was chosen.
    return next((spec for spec in usable if spec.name == name), usable[0])


def confidence_key(spec: ModelSpec, page: str) -> str:
    """Key of the slider that `choose_confidence` shows."""
    return f"{page}.confidence.{spec.name}"


def choose_confidence(spec: ModelSpec, page: str, help_: str) -> float:
    """The lowest confidence that is shown, 0 to 1; each model keeps its own.

    Args:
        spec: The model.
        page: Begins the key of the widget.
        help_: What the slider does on this page.
    """
    return st.slider(
        "Lowest confidence",
        min_value=settings().floor_confidence,
        max_value=0.95,
        value=spec.confidence,
        step=0.01,
        key=confidence_key(spec, page),
        persist_state="session",
        help=f"{help_} {threshold_text(spec)}",
    )


def choose_overlap(spec: ModelSpec, page: str) -> float:
    """The overlap (intersection over union) above which two boxes are one cell.

    Args:
        spec: The model.
        page: Begins the key of the widget.
    """
    # Imported here: it pulls in the statistics, which the first page need not wait for.
    from allcell.detector import MAX_IOU

    return st.slider(
        "Largest overlap",
        min_value=0.1,
        max_value=MAX_IOU,
        value=spec.iou,
        step=0.05,
        key=f"{page}.iou.{spec.name}",
        persist_state="session",
        help="Two boxes that share more than this part of their joint area are taken for one "
        "cell (intersection over union).",
    )


def choose_classes(spec: ModelSpec, page: str, help_: str) -> tuple[str, ...]:
    """Names of the classes whose boxes are shown.

    Args:
        spec: The model.
        page: Begins the key of the widget.
        help_: What hiding a class does on this page.
    """
    return tuple(
        st.pills(
            "Shown classes",
            spec.classes,
            selection_mode="multi",
            default=spec.classes,
            format_func=title_of,
            key=f"{page}.classes.{spec.name}",
            persist_state="session",
            help=help_,
        )
    )


def choose_view(spec: ModelSpec) -> ViewChoice:
    """Threshold, overlap, classes and labels of the Detect page."""
    return ViewChoice(
        choose_confidence(
            spec, "detect", "Boxes below it are hidden and not counted. The model is not run again."
        ),
        choose_overlap(spec, "detect"),
        choose_classes(
            spec,
            "detect",
            "Hides boxes in the field, the table and the downloads of this image. Counts stay as "
            "they are.",
        ),
        st.toggle("Label the boxes", value=True, key="detect.labels", persist_state="session"),
    )


def choose_names() -> None:
    """Whether exports include file names: off by default, as they may hold a patient's name."""
    st.toggle(
        "File names in downloads",
        value=False,
        key=_NAMES,
        persist_state="session",
        help="A file name may hold a patient's name. Without them, downloads say image-001, "
        "image-002 and so on, by the number of the image in the list.",
    )


def kept_names() -> bool:
    """The value of `choose_names`, wherever on the page it is drawn."""
    return bool(st.session_state.get(_NAMES, False))
