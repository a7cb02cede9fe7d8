"""Where pictures come from: files, the clipboard, a camera, the gallery of synthetic samples."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from allcell.errors import ImageError
from allcell.settings import settings
from allcell.synth.samples import Sample
from allcell.ui.field.bench import Bench
from allcell.ui.field.gallery import FORMATS, gallery, unknown_laboratory
from allcell.ui.field.pictures import Picture
from allcell.ui.field.viewer import listen_for_files
from allcell.ui.sessions import uploads
from allcell.ui.shell.cache import sample_png, unknown_fields
from allcell.ui.shell.problems import show_problem

CAMERA_PX = 520
#: Files that were not taken and are named one by one.
MOST_REFUSED = 5
_UPLOADER = "detect.uploader"
_CAMERA = "detect.camera"
_USE_CAMERA = "detect.use_camera"


def choose_files(desk: Bench) -> None:
    """The uploader: files may be dropped (anywhere on the page), pasted or picked."""
    # The number makes a new, empty uploader when the bench is cleared.
    key = f"{_UPLOADER}.{desk.generation}"
    listen_for_files()
    first = not desk.pictures
    with st.container(key="allcell-drop-first" if first else "allcell-drop-more"):
        files = _uploader(desk, key, first)
    if not files:
        # After a change of page the uploader is empty, but its pictures stay on the bench.
        desk.uploads.clear()
    if desk.refused_files:
        show_problem(desk.refused_files)


def _uploader(desk: Bench, key: str, first: bool) -> bool:
    files = st.file_uploader(
        f"{'Smear' if first else 'More smear'} photographs: {FORMATS}",
        accept_multiple_files=True,
        max_upload_size=max(1, settings().max_upload_bytes // 2**20),
        key=key,
        on_change=_take_files,
        args=(desk, key),
        help="Drop files anywhere on this page, paste a picture, or choose files: up to "
        f"{settings().max_images}. Pictures stay in the memory of the computer that runs this "
        "app; nothing is stored.",
    )
    return bool(files)


def _take_files(desk: Bench, key: str) -> None:
    files = st.session_state[key] or []
    found, refused = {}, []
    for file in files:
        try:
            picture = Picture.of(file.name, uploads.content(file))
        except ImageError as error:
            refused.append(str(error))
        else:
            found[picture.id] = picture
    for gone in desk.uploads - set(found):
        desk.remove(gone)
    fresh = [picture for picture_id, picture in found.items() if picture_id not in desk.pictures]
    desk.uploads = set(found)
    _add(desk, fresh, refused)


def _add(desk: Bench, pictures: Sequence[Picture], refused: Sequence[str] = ()) -> None:
    said = list(refused)
    for picture in pictures:
        try:
            desk.add(picture)
        except ImageError as error:
            said.append(str(error))
    desk.refused_files = _told(said)
    if pictures and pictures[0].id in desk.pictures:
        desk.show(pictures[0].id)


def _told(refused: Sequence[str]) -> str:
    """Why files were not taken, each reason once; of many, the first few."""
    lines = list(dict.fromkeys(refused))
    more = len(lines) - MOST_REFUSED
    if more > 0:
        lines = [*lines[:MOST_REFUSED], f"{more} more were not taken."]
    return "\n\n".join(lines)


def use_camera(desk: Bench) -> None:
    """A camera, for which the browser asks permission only after the switch is turned on."""
    if not st.toggle("Take a photograph with the camera of this device", key=_USE_CAMERA):
        return
    st.camera_input(
        "Photograph of a smear",
        resolution="1080p",
        label_visibility="collapsed",
        width=CAMERA_PX,
        key=_CAMERA,
        on_change=_take_photograph,
        args=(desk,),
    )


def _take_photograph(desk: Bench) -> None:
    photograph = st.session_state[_CAMERA]
    if photograph is None:
        return
    # The camera goes off after one photograph, so that no one wonders whether it is still on.
    st.session_state[_USE_CAMERA] = False
    n = 1 + sum(picture.origin == "camera" for picture in desk.pictures.values())
    name = f"photograph-{n}.jpg"
    try:
        taken = uploads.content(photograph)
    except ImageError as error:
        _add(desk, [], [str(error)])
    else:
        _add(desk, [Picture.of(name, taken, "camera")])


def samples(desk: Bench) -> None:
    """The gallery of samples; one click opens one, or all fields of an unknown laboratory."""

    def take(sample: Sample) -> None:
        name, png = f"{sample.name} (synthetic).png", sample_png(sample.name)
        _add(desk, [Picture.of(name, png, "sample")])

    def take_unknown() -> None:
        _add(desk, [Picture.of(name, png, "sample") for name, png in unknown_fields()])

    gallery("detect", take)
    unknown_laboratory("detect", take_unknown)
