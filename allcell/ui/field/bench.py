"""The pictures on the bench of one browser session, and which picture and cell are selected."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import streamlit as st

from allcell.imaging.images import check_count
from allcell.ui.field.pictures import Finished, Picture, PictureMemory, Refused, picture_memory
from allcell.ui.sessions import budget
from allcell.ui.sessions.ledger import Held

_KEY = "allcell.bench"
_OWNER = "detect"
#: Owns what is known of pictures that were cleared, as long as they can be brought back.
CLEARED = "cleared"


class Bench:
    """The pictures of the Detect page.

    Args:
        memory: What the session knows about its pictures.

    Attributes:
        pictures: The pictures by id, in the order they came.
        uploads: Ids of the pictures that the uploader holds now.
        refused_files: Why the last files were refused; empty if they were not.
        shown: Id of the picture that is shown.
        selected: Id of the cell that is selected in it.
        focus: Each increment moves the view to the selected cell.
        archive: The last ZIP of everything, after a key of what it was made from.
        stopped: Whether the user stopped a run over many pictures.
        generation: Incremented when the uploader is to begin anew.
    """

    def __init__(self, memory: PictureMemory) -> None:
        self.memory = memory
        self._session = budget.session_id()
        self.generation = 0
        self.focus = 0
        self.pictures: dict[str, Picture] = {}
        self.archive: tuple[Hashable, bytes] | None = None
        self.clear()

    def holds(self) -> list[Held]:
        """See `Holder.holds`."""
        archive = self.archive
        files = [picture.data for picture in list(self.pictures.values())]
        return [*files, archive[1]] if archive else list(files)

    def spare(self) -> None:
        """See `Holder.spare`: a ZIP is packed again."""
        self.archive = None

    def close(self) -> None:
        """See `Holder.close`."""
        for picture in list(self.pictures.values()):
            picture.forget()
        self.clear()

    def clear(self) -> None:
        """Forget every picture and every result."""
        self.memory.let_go(_OWNER)
        self.generation += 1
        self.pictures = {}
        self.uploads: set[str] = set()
        self.refused_files = ""
        self.shown: str | None = None
        self.selected: str | None = None
        self.archive = None
        self.stopped = False

    def add(self, picture: Picture) -> None:
        """Put a picture on the bench and show it.

        Raises:
            ImageError: If it would exceed the limit on pictures, or there is no memory for it.
        """
        if not self.pictures:
            # One that was cleared and is added again is a new one: nothing is known of it.
            self.memory.let_go(CLEARED)
        if picture.id not in self.pictures:
            check_count(len(self.pictures) + 1)
            budget.check_file(self._session, picture.data, f"'{picture.name}'")
            self.pictures[picture.id] = picture
            self.memory.hold(_OWNER, picture)
        self.show(picture.id)
        self.stopped = False

    def put_back(self, pictures: Mapping[str, Picture], shown: str | None) -> None:
        """Put pictures by their ids back that were cleared.

        Args:
            pictures: What `pictures` was.
            shown: What `shown` was.
        """
        self.pictures = dict(pictures)
        for picture in pictures.values():
            self.memory.hold(_OWNER, picture)
        self.shown = shown

    @property
    def would_be_lost(self) -> bool:
        """Whether it holds pictures, which a reload of the page would lose."""
        return bool(self.pictures)

    def discard(self, picture_id: str) -> None:
        """Take a picture off the bench that the uploader may still list.

        The uploader begins anew, empty, and the others stay on the bench.
        """
        self.remove(picture_id)
        self.uploads.clear()
        self.generation += 1
        self.refused_files = ""

    def remove(self, picture_id: str) -> None:
        """Take a picture off the bench."""
        place = list(self.pictures).index(picture_id) if picture_id in self.pictures else 0
        gone = self.pictures.pop(picture_id, None)
        if gone is not None and all(p.digest != gone.digest for p in self.pictures.values()):
            self.memory.let_go(_OWNER, gone)
        if self.shown == picture_id:
            self.shown = _neighbour(list(self.pictures), place)
            self.selected = None

    def show(self, picture_id: str) -> None:
        """Choose the picture that is shown."""
        if picture_id != self.shown:
            self.shown, self.selected = picture_id, None

    def outcome(self, picture: Picture, model: str) -> Finished | Refused | None:
        """See `PictureMemory.outcome`."""
        return self.memory.outcome(picture, model)


def _neighbour(left: list[str], place: int) -> str | None:
    """What stands now where one was removed, or else at the end."""
    return left[min(place, len(left) - 1)] if left else None


def bench() -> Bench:
    """The bench of this browser session."""
    found = st.session_state.get(_KEY)
    if found is None:
        found = st.session_state[_KEY] = Bench(picture_memory())
        budget.join(found)
    if not isinstance(found, Bench):
        raise TypeError(f"expected a Bench in the session, got {type(found).__name__}")
    return found
