"""Side by side, as far as it follows the threshold: panes, CNN against detectors, and cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from allcell.analysis import Analysis
from allcell.cautions import Cautioned
from allcell.classifier import FieldClass
from allcell.detections import Detections
from allcell.models.registry import CLASSES, ClassifierSpec, ModelSpec
from allcell.report.agreement import Agreement, Said, compare_cells
from allcell.report.disagreement import models_disagree
from allcell.result import Result
from allcell.settings import settings
from allcell.ui.compare.side.cells import cells, field_text, unknown_text
from allcell.ui.compare.side.runs import SideDesk
from allcell.ui.field.insistence import show_standing
from allcell.ui.field.panes import Pane, Panes, show_panes
from allcell.ui.field.pictures import Judged, Picture
from allcell.ui.field.viewer import Box
from allcell.ui.shell.problems import show_cautions

#: A comparison needs at least this many results.
FEWEST = 2
_OWN, _COMMON = "Each model's own", "One for all"
#: Where the common threshold starts.
_COMMON_START = 0.40


def titles_of(specs: Sequence[ModelSpec]) -> dict[str, str]:
    """Unique titles by name: a model of the user may have the same title as one of ours."""
    times = Counter(spec.title for spec in specs)
    return {
        spec.name: spec.title if times[spec.title] == 1 else f"{spec.title} ({spec.name})"
        for spec in specs
    }


@st.fragment
def compared(
    desk: SideDesk,
    picture: Picture,
    analyses: Mapping[str, Analysis],
    classifier: ClassifierSpec | None,
) -> None:
    """Thresholds, panes and the cells on which the models disagree; no model runs here.

    Args:
        desk: The session's choices.
        picture: The field, which the browser has been given.
        analyses: What the detectors found in it, by name; at least one.
        classifier: The whole-field model, if it was asked.
    """
    titles = titles_of([analysis.spec for analysis in analyses.values()])
    thresholds, labels, truth = _settings(analyses, titles, picture)
    judged = classifier and desk.memory.judged(picture, classifier.name)
    field = judged.field if isinstance(judged, Judged) else None
    about = _about(desk, picture, [*analyses.values(), *([field] if field else [])])
    results = {
        name: analysis.result(confidence=thresholds[name], insisted=about.insisted)
        for name, analysis in analyses.items()
    }
    by_title = {titles[name]: result for name, result in results.items()}

    def insist(wanted: bool) -> None:
        desk.memory.insistence.put(picture.digest, about, wanted)

    show_standing(about, insist, "side")
    show_cautions(filter(None, [*about.notes, models_disagree(by_title)]))
    if classifier is not None and field is not None and not about.withheld:
        field = replace(field, insisted=about.insisted)
        differs, words = field_text(classifier.title, field, by_title)
        if differs:
            st.warning(f"CNN and detectors differ. {words}", icon=":material/flag:")
        else:
            st.markdown(words)
    agreement = compare_cells(
        [Said(result.shown_boxes, result.shown_classes) for result in results.values()],
        None if truth is None else Said(truth, CLASSES),
    )
    _panes(desk, picture, agreement, results, thresholds, titles, labels, truth)
    limits = unknown_text({titles[name]: result.classes for name, result in results.items()})
    if limits:
        st.caption(limits)
    if len(analyses) < FEWEST:
        st.info("Only one model gave a result: there is nothing to compare it with.")
        return
    if not about.withheld:
        cells(
            desk,
            picture,
            agreement,
            titles,
            {name: result.made for name, result in results.items() if result.made},
            truth=truth is not None,
            reservation=about.reservation,
        )


def _about(desk: SideDesk, picture: Picture, answers: Sequence[Analysis | FieldClass]) -> Cautioned:
    """What speaks against any of the answers on a picture, and whether the user insists."""
    # The same reason holds for several models.
    warnings = dict.fromkeys(caution for answer in answers for caution in answer.warnings)
    return desk.memory.insistence.applied(picture.digest, Cautioned(warnings=tuple(warnings)))


def _settings(
    analyses: Mapping[str, Analysis], titles: Mapping[str, str], picture: Picture
) -> tuple[dict[str, float], bool, Detections | None]:
    """Each model's threshold, whether boxes are labelled, and the ground truth if shown."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = st.segmented_control(
            "Lowest confidence (threshold, 0 to 1)",
            [_OWN, _COMMON],
            default=_OWN,
            required=True,
            key="side.thresholds",
            persist_state="session",
            help="Boxes below it are hidden and not counted. No model is run again.",
        )
        labels = st.toggle(
            "Label the boxes", value=True, key="side.labels", persist_state="session"
        )
        truth = picture.truth
        if truth is not None and not st.toggle(
            "Show the truth",
            value=True,
            key="side.truth",
            persist_state="session",
            help="The cells that are known to be in this image, in a pane of their own.",
        ):
            truth = None
    low = settings().floor_confidence
    if kind == _COMMON:
        common = st.slider(
            "All models",
            low,
            0.95,
            _COMMON_START,
            0.01,
            key="side.confidence",
            persist_state="session",
        )
        return dict.fromkeys(analyses, common), labels, truth
    thresholds = {}
    grid = st.grid(3 if len(analyses) in (3, 5, 6) else 2, min_column_width=150)
    for name, analysis in analyses.items():
        with grid.cell():
            thresholds[name] = st.slider(
                titles[name],
                low,
                0.95,
                analysis.spec.confidence,
                0.01,
                key=f"side.confidence.{name}",
                persist_state="session",
                help=f"Its operating threshold is {analysis.spec.confidence:.2f}.",
            )
    return thresholds, labels, truth


def _panes(
    desk: SideDesk,
    picture: Picture,
    agreement: Agreement,
    results: Mapping[str, Result],
    thresholds: Mapping[str, float],
    titles: Mapping[str, str],
    labels: bool,
    truth: Detections | None,
) -> None:
    chosen = desk.selected(picture, agreement)
    panes = []
    if truth is not None:
        known = "as rendered" if picture.synthetic else "as labelled"
        boxes = _boxes(agreement, None, truth)
        panes.append(Pane("Truth", known, boxes, CLASSES, scores=False, absent="No cell"))
    for n, (name, result) in enumerate(results.items()):
        note = f"from {thresholds[name]:.2f} on"
        if truth is not None and not result.withheld:
            note += f", {agreement.right(n)} of {agreement.true_cells} true cells right"
        boxes = _boxes(agreement, n, result.shown_boxes)
        counted = not result.withheld
        panes.append(Pane(titles[name], note, boxes, result.shown_classes, scores=counted))

    def pick(cell_id: str | None) -> None:
        desk.select(picture, None if cell_id is None else agreement.cells[int(cell_id) - 1].xyxy)

    any_result = next(iter(results.values()))
    show_panes(
        Panes(
            name=picture.digest,
            width_px=any_result.width_px,
            height_px=any_result.height_px,
            panes=panes,
            labels=labels and not any_result.withheld,
            synthetic=picture.synthetic,
            selected=None if chosen is None else str(chosen + 1),
            spot=None if chosen is None else agreement.cells[chosen].xyxy,
            focus=desk.focus,
            overruled=any(result.overruled for result in results.values()),
        ),
        pick,
    )


def _boxes(agreement: Agreement, model: int | None, found: Detections) -> list[Box]:
    """The boxes of one model (None: the ground truth), best first, with their cells' numbers."""
    calls = [
        (n, cell.truth if model is None else cell.calls[model])
        for n, cell in enumerate(agreement.cells, 1)
    ]
    boxes = [
        Box(str(n), n, call.class_name, call.confidence, *found.xyxy[call.box].tolist())
        for n, call in calls
        if call is not None
    ]
    return sorted(boxes, key=lambda box: -box.confidence)
