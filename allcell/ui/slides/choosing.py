"""Which slide: of the folder that the settings allow, an upload, or the rendered sample."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from allcell.environment.leftovers import temporary_folder
from allcell.errors import AllcellError, ImageError, NeedsPyramid, SlideError
from allcell.runs.guard import StoppedError
from allcell.settings import settings
from allcell.slides.folder import allowed_folder, resolve, slides_in
from allcell.slides.opening import open_slide
from allcell.slides.pyramids import make_pyramid
from allcell.ui.sessions import uploads
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.progress import follow
from allcell.ui.shell.wording import plain
from allcell.ui.slides.desk import SlideDesk, Waiting
from allcell.ui.slides.opened import OpenedSlide
from allcell.ui.slides.sample import SAMPLE_TITLE, make_sample, sample_path

_FOLDER, _UPLOADER = "slides.folder", "slides.uploader"
_KINDS = "SVS, NDPI, SCN, BIF, DICOM, pyramidal and OME-TIFF, and large JPEG, PNG and TIFF pictures"


def choose_slide(desk: SlideDesk) -> None:
    """Controls that open a slide, and what came of the last try."""
    if desk.problem is not None:
        show_problem(desk.problem)
    if desk.waiting is not None:
        _make_first(desk, desk.waiting)
        return
    folder = allowed_folder()
    if folder is not None:
        of_server, upload = st.columns(2, gap="medium")
        with of_server:
            _of_folder(desk, folder)
        with upload:
            _upload(desk)
    else:
        _upload(desk)
    st.header("No slide at hand? Open the rendered sample", anchor=False)
    st.caption(
        "A synthetic scan with blasts and healthy cells at known places, empty glass, a thick part "
        "and a feathered edge. It is rendered the first time, which takes some seconds."
    )
    if st.button("Open the sample slide", key="slides.sample"):
        path = sample_path()
        if not path.is_file():
            desk.wait(Waiting(path, SAMPLE_TITLE, make_sample, "Rendering", synthetic=True))
            st.rerun()
        _open(desk, lambda: path, SAMPLE_TITLE, synthetic=True)


def _of_folder(desk: SlideDesk, folder: Path) -> None:
    try:
        listed = slides_in(folder)
    except SlideError as error:
        show_problem(error)
        return
    if not listed:
        st.info("The folder with slides on this server is empty.")
        return
    sizes = {one.relative: one.size_bytes for one in listed}

    def label(relative: str) -> str:
        return f"{relative} ({sizes[relative] / 1e6:,.0f} MB)"

    chosen = st.selectbox(
        "Slides on this server",
        list(sizes),
        index=None,
        format_func=label,
        placeholder="Choose a slide, or type a part of its name",
        key=f"{_FOLDER}.{desk.generation}",
    )
    if chosen is not None:
        with st.spinner("Opening the slide"):
            _open(desk, lambda: resolve(folder, chosen), Path(chosen).name)


def _upload(desk: SlideDesk) -> None:
    file = st.file_uploader(
        f"A slide of your own: {_KINDS}",
        max_upload_size=max(1, settings().max_upload_bytes // 2**20),
        # The number makes a new, empty uploader: Streamlit lets go of the bytes of the old one.
        key=f"{_UPLOADER}.{desk.generation}",
        help="A slide of one file. One of several files, as MRXS, belongs in the folder of slides "
        "that the operator of this server sets (ALLCELL_SLIDES_DIR). An upload is kept in a "
        "temporary file until it is closed.",
    )
    if file is None:
        return
    folder = temporary_folder("slide")
    path = Path(folder.name) / f"slide{Path(file.name).suffix[:8]}"
    try:
        path.write_bytes(uploads.content(file))
    except (ImageError, OSError) as error:
        folder.cleanup()
        message = str(error) if isinstance(error, ImageError) else "The upload cannot be written."
        desk.refuse(SlideError(message, "Make room on the disk of the server, then try again."))
        st.rerun()
    with st.spinner("Opening the slide"):
        _open(desk, lambda: path, file.name, folder=folder)


def _open(
    desk: SlideDesk,
    find: Callable[[], Path],
    title: str,
    *,
    synthetic: bool = False,
    folder: tempfile.TemporaryDirectory[str] | None = None,
) -> None:
    """Open a slide and run the page again, which shows it or says why not."""
    path = Path()
    try:
        path = find()
        slide = open_slide(path, title)
    except NeedsPyramid as error:
        make = partial(make_copy, path)
        desk.wait(Waiting(path, title, make, "Copying", why=error, folder=folder))
    except AllcellError as error:
        if folder is not None:
            folder.cleanup()
        desk.refuse(error)
    else:
        stays = path if folder is None else None
        desk.open(OpenedSlide(slide, title, path=stays, synthetic=synthetic, folder=folder))
    st.rerun()


def make_copy(path: Path, on_progress: Callable[[float], None]) -> None:
    """Make the smaller copies of a large picture.

    Args:
        path: The picture.
        on_progress: Called with how much is done, 0 to 1; may raise `StoppedError`.

    Raises:
        SlideError: If they cannot be made.
        StoppedError: If it was stopped.
    """
    share = 0.0

    def heard(done: float) -> None:
        nonlocal share
        share = done

    def is_over() -> bool:
        try:
            on_progress(share)
        except StoppedError:
            return True
        return False

    try:
        make_pyramid(path, heard, is_over)
    except SlideError:
        on_progress(share)  # if it was stopped, that is no problem to be shown
        raise


def _make_first(desk: SlideDesk, waiting: Waiting) -> None:
    """What a slide lacks is made, if need be after the user has agreed."""
    if waiting.run is None and waiting.why is None:
        waiting.start()
    if waiting.run is None and waiting.why is not None:
        st.warning(f"**{plain(waiting.why.message)}**  \n{plain(waiting.why.remedy)}")
        with st.container(horizontal=True):
            agreed = st.button("Make the copy", type="primary", key="slides.copy")
            st.button("Choose another slide", key="slides.leave", on_click=desk.forget)
        if not agreed:
            return
        waiting.start()
        st.rerun()
    run = waiting.run
    if run is None:
        return
    if run.running:
        follow(run, lambda: (run.total_share, f"{waiting.making} {plain(waiting.title)}"))
        st.button("Stop", key="slides.stop", on_click=run.stop)
        return
    if run.done:
        desk.waiting = None
        _open(
            desk,
            lambda: waiting.path,
            waiting.title,
            synthetic=waiting.synthetic,
            folder=waiting.folder,
        )
    desk.refuse(run.problem)
    st.rerun()
