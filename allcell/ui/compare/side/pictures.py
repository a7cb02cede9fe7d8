"""Side by side: the picture that the models are shown, and where it comes from.

Each origin is a function that shows its own controls and returns the picture chosen with them, or
None; a new one needs no more than a line in `ORIGINS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from allcell.errors import ImageError
from allcell.imaging.images import encode_png
from allcell.settings import settings
from allcell.synth.field import render
from allcell.synth.samples import Sample, samples
from allcell.ui.compare.user_session import images_of_set, picture_of_set
from allcell.ui.field.bench import bench
from allcell.ui.field.gallery import FORMATS, gallery
from allcell.ui.field.handover import FROM_DETECT, ON_DETECT, ORIGIN, ORIGIN_CHOSEN
from allcell.ui.field.pictures import Picture, picture_memory
from allcell.ui.sessions import uploads
from allcell.ui.shell.problems import show_problem

_UPLOADER, _UPLOADED, _NOT_TAKEN = "side.uploader", "side.uploaded", "side.not_taken"
_SAMPLE, _FIELD = "side.sample", "side.field"


def choose_picture() -> Picture | None:
    """Ask where the picture comes from, and for the picture; None if none is chosen yet."""
    # Who has opened pictures on Detect wants to see those, not to choose or upload one again.
    if bench().pictures and not st.session_state.get(ORIGIN_CHOSEN):
        st.session_state[ORIGIN] = FROM_DETECT
    origin = st.segmented_control(
        "Image",
        list(ORIGINS),
        default=next(iter(ORIGINS)),
        required=True,
        key=ORIGIN,
        persist_state="session",
        on_change=lambda: st.session_state.update({ORIGIN_CHOSEN: True}),
    )
    return ORIGINS[origin]()


def _sample() -> Picture | None:
    known = {sample.name: sample for sample in samples()}
    # The gallery is for the first choice; a list takes less room above the panes.
    if st.session_state.get(_SAMPLE) is None:
        gallery("side", _choose_sample)
        return None
    name = st.selectbox(
        "Sample",
        list(known),
        format_func=lambda name: known[name].title,
        key=_SAMPLE,
        persist_state="session",
        help="Rendered smears in which every cell is known.",
    )
    picture = _rendered(name)
    picture_memory().hold(_SAMPLE, picture)
    return picture


def _choose_sample(sample: Sample) -> None:
    st.session_state[_SAMPLE] = sample.name


@st.cache_resource(show_spinner=False)
def _rendered(name: str) -> Picture:
    made = render({sample.name: sample for sample in samples()}[name].spec)
    return Picture.of(f"{name} (synthetic).png", encode_png(made.image), "sample", made.truth)


def _uploaded() -> Picture | None:
    def take() -> None:
        file = st.session_state[_UPLOADER]
        # The picture before it is let go.
        picture_memory().let_go(_UPLOADED)
        st.session_state[_UPLOADED] = st.session_state[_NOT_TAKEN] = None
        if file is None:
            return
        try:
            picture = Picture.of(file.name, uploads.content(file))
        except ImageError as error:
            st.session_state[_NOT_TAKEN] = error
            return
        st.session_state[_UPLOADED] = picture
        picture_memory().hold(_UPLOADED, picture)

    st.file_uploader(
        f"One photograph: {FORMATS}",
        max_upload_size=max(1, settings().max_upload_bytes // 2**20),
        key=_UPLOADER,
        on_change=take,
        help="It stays in the memory of the computer that runs this app; nothing is stored.",
    )
    if not_taken := st.session_state.get(_NOT_TAKEN):
        show_problem(not_taken)
    # After a change of page the uploader is empty, but its picture stays.
    picture: Picture | None = st.session_state.get(_UPLOADED)
    return picture


def _on_the_bench() -> Picture | None:
    pictures = bench().pictures
    if not pictures:
        st.info("Nothing is open on the *Detect* page. What you drop there can be chosen here.")
        return None
    ids = list(pictures)
    names = {picture.id: picture.name for picture in pictures.values()}
    if st.session_state.get(ON_DETECT) not in ids:
        st.session_state[ON_DETECT] = bench().shown or ids[0]
    chosen = st.selectbox(
        "Image on the Detect page",
        ids,
        format_func=names.__getitem__,
        key=ON_DETECT,
        persist_state="session",
    )
    return pictures[chosen]


def _of_user_set() -> Picture | None:
    images = images_of_set()
    if not images:
        st.info(
            "Evaluate a model on a labelled set under *Your data* first: its fields then appear "
            "here."
        )
        return None
    # Streamlit keeps a reference to what formats the titles beyond this run: names only.
    names = [image.path.name for image in images]
    number = st.selectbox(
        "Field",
        range(len(names)),
        format_func=lambda n: f"{n + 1} of {len(names)}: {names[n]}",
        key=_FIELD,
        persist_state="session",
    )
    return picture_of_set(number)


#: Display title of each origin, and the function that asks for the picture.
ORIGINS: Mapping[str, Callable[[], Picture | None]] = {
    "Synthetic sample": _sample,
    "File of yours": _uploaded,
    FROM_DETECT: _on_the_bench,
    "Field of your set": _of_user_set,
}
