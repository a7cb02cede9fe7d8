"""Downloads, each with the research-use notice. Large ones are made only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import streamlit as st

from allcell.formats.pixels import RGBImage
from allcell.imaging.images import decode, encode_png
from allcell.report.bundle import bundle_zip, yolo_zip
from allcell.report.exports import Failure, to_coco
from allcell.result import Result, boxes_csv
from allcell.text.names import safe_name
from allcell.text.noticed import csv_file
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Picture, Refused
from allcell.ui.shell.controls import ViewChoice, choose_names, title_of

#: Most images packed without a progress bar: less than about five seconds.
MOST_AT_ONCE = 8
_IN_ALL = (
    "Annotated images, CSV, COCO, YOLO labels and a summary. All classes are included, at the "
    "lowest confidence and overlap chosen on this page."
)


def export_name(desk: Bench, picture: Picture, named: bool) -> str:
    """What an image is called in exports: its file name, or its number on the bench."""
    number = list(desk.pictures).index(picture.id) + 1
    return picture.name if named else f"image-{number:03d}"


def downloads(
    desk: Bench,
    picture: Picture,
    image: RGBImage,
    shown: Result,
    view: ViewChoice,
    *,
    named: bool,
) -> None:
    """Files of the image that is shown, with the boxes that are shown.

    Args:
        desk: The pictures of the session.
        picture: The picture that is shown.
        image: Its pixels, RGB uint8 (H, W, 3).
        shown: Its result without hidden boxes.
        view: The controls behind that.
        named: Whether files go by the image's own name, which may hold a patient's.
    """
    result = replace(shown, name=export_name(desk, picture, named))
    stem = PurePosixPath(safe_name(result.name)).stem

    def annotated() -> bytes:
        return _annotated(image, result, labels=view.labels, synthetic=picture.synthetic)

    with st.container(horizontal=True, vertical_alignment="center"):
        _button("Annotated image (PNG)", annotated, f"{stem}-annotated.png", "image/png")
        _button("Boxes (CSV)", csv_file(boxes_csv([result])), f"{stem}-boxes.csv", "text/csv")
        _button("COCO (JSON)", to_coco([result]), f"{stem}-coco.json", "application/json")
        _button("YOLO (ZIP)", yolo_zip([result]), f"{stem}-yolo.zip", "application/zip")
        choose_names()
    if shown.withheld:
        st.caption(
            "The files have the boxes in grey, without their classes and without any count, and "
            "say why."
        )
        return
    hidden = [title_of(name) for name in shown.classes if name not in view.classes]
    if hidden:
        st.warning(
            f"These files leave out what is hidden above: {', '.join(hidden)}.",
            icon=":material/visibility_off:",
        )


def _button(label: str, data: str | bytes | Callable[[], bytes], name: str, mime: str) -> None:
    st.download_button(
        label,
        data,
        name,
        mime,
        key=f"detect.download.{label}",
        on_click="ignore",
        icon=":material/download:",
    )


def download_all(
    desk: Bench, model: str, found: Mapping[str, Result], view: ViewChoice, *, named: bool
) -> None:
    """Everything about all images, with all classes, in one ZIP.

    A few images are packed while the browser waits for the file; many are packed first, with their
    progress shown, and then offered.

    Args:
        desk: The pictures of the session.
        model: Name of the model.
        found: Its results by picture id.
        view: The thresholds behind them.
        named: Whether images go by their own names, which may hold a patient's.
    """
    pictures = list(desk.pictures.values())
    done = [picture for picture in pictures if picture.id in found]
    results = [replace(found[s.id], name=export_name(desk, s, named)) for s in done]
    failures = [
        Failure(export_name(desk, picture, named), _message(outcome, named))
        for picture in pictures
        if isinstance(outcome := desk.outcome(picture, model), Refused)
    ]

    def pack(progress: Callable[[int], None] = lambda n: None) -> bytes:
        def pictures() -> Iterator[bytes]:
            for n, (picture, result) in enumerate(zip(done, results, strict=True)):
                progress(n)
                pixels = decode(picture.data, name=picture.name)
                yield _annotated(pixels, result, labels=True, synthetic=picture.synthetic)

        return bundle_zip(results, pictures(), failures)

    contents = (
        model,
        view.confidence,
        view.iou,
        named,
        tuple((picture_id, result.reservation) for picture_id, result in found.items()),
        tuple(desk.memory.red_cells.items()),
    )
    if desk.archive is not None and desk.archive[0] != contents:
        desk.archive = None
    many = len(done) > MOST_AT_ONCE
    words = f"{len(done)} images (ZIP)"
    if many and desk.archive is None:
        place = st.empty()
        if not place.button(f"Pack all {words}", icon=":material/folder_zip:", help=_IN_ALL):
            return
        bar = place.progress(0.0)

        def show(n: int) -> None:
            bar.progress(n / len(done), f"Packing image {n + 1} of {len(done)}")

        desk.archive = contents, pack(show)
        place.empty()
    st.download_button(
        f"Download all {words}",
        desk.archive[1] if desk.archive else pack,
        "allcell-results.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
        key="detect.download.all",
        type="primary",
        disabled=not done,
        help=_IN_ALL,
    )


def _message(outcome: Refused, named: bool) -> str:
    # Messages quote the file's name, which may hold a patient's.
    return f"{outcome.message} {outcome.remedy}" if named else "This file gave no result."


def _annotated(image: RGBImage, result: Result, *, labels: bool, synthetic: bool) -> bytes:
    return encode_png(result.draw(image, labels=labels, synthetic=synthetic))
