"""What one browser session has open on the page Slides."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from allcell.errors import AllcellError, NeedsPyramid
from allcell.runs.slide_making import SlideMaking
from allcell.ui.sessions import budget
from allcell.ui.sessions.ledger import Held
from allcell.ui.shell.session_watch import session_is_open
from allcell.ui.slides.opened import OpenedSlide

_KEY = "allcell.slide"


@dataclass
class Waiting:
    """A slide that can be shown once something has been made.

    Attributes:
        path: Its file.
        title: What it is called on the page.
        make: Makes what it lacks (see `SlideMaking`).
        making: What is being done, for the user.
        why: What has to be agreed to first; None if nothing has to be.
        synthetic: Whether it is the rendered sample.
        folder: Goes with it; None if its file is not ours.
        run: Makes it; None before the user has agreed.
    """

    path: Path
    title: str
    make: Callable[[Callable[[float], None]], object]
    making: str
    why: NeedsPyramid | None = None
    synthetic: bool = False
    folder: tempfile.TemporaryDirectory[str] | None = None
    run: SlideMaking | None = None

    def start(self) -> None:
        """Begin to make it; to be called in the script's own thread."""
        self.run = SlideMaking(make=self.make, is_open=session_is_open())
        self.run.start()


class SlideDesk:
    """The slide that a session has open, one at a time. A `Holder`.

    Attributes:
        opened: That slide; None before one is chosen.
        waiting: A slide for which something has to be made first.
        problem: Why the last try to open a slide failed.
        generation: Makes new, empty controls when a file was taken from the old ones.
    """

    def __init__(self) -> None:
        self.opened: OpenedSlide | None = None
        self.waiting: Waiting | None = None
        self.problem: AllcellError | None = None
        self.generation = 0

    def open(self, slide: OpenedSlide) -> None:
        """Show this slide, and let go of what was there before."""
        self.close()
        self.opened = slide
        # Besides the desk: Streamlit may drop a session's state, and the desk with it, before the
        # ledger closes what the session holds; a slide that is shown is still there.
        budget.join(slide)
        self.generation += 1

    def wait(self, waiting: Waiting) -> None:
        """Keep a slide until what it lacks is made."""
        self.close()
        self.waiting = waiting
        self.generation += 1

    def refuse(self, problem: AllcellError | None) -> None:
        """Say why a slide cannot be opened."""
        self.forget()
        self.problem = problem
        self.generation += 1

    def forget(self) -> None:
        """Let go of the slide that waits."""
        waiting, self.waiting = self.waiting, None
        self.problem = None
        if waiting is not None and waiting.run is not None:
            waiting.run.stop()
        if waiting is not None and waiting.folder is not None:
            waiting.folder.cleanup()

    def holds(self) -> list[Held]:
        """See `Holder.holds`."""
        return [] if self.opened is None else self.opened.holds()

    def spare(self) -> None:
        """See `Holder.spare`."""
        if self.opened is not None:
            self.opened.spare()

    def close(self) -> None:
        """See `Holder.close`: let go of the slide and of all else."""
        self.forget()
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.close()

    @property
    def would_be_lost(self) -> bool:
        """Whether an upload is open, which a reload of the page would lose."""
        return self.opened is not None and self.opened.uploaded


def slide_desk() -> SlideDesk:
    """The desk of this browser session."""
    desk = st.session_state.get(_KEY)
    if not isinstance(desk, SlideDesk):
        desk = st.session_state[_KEY] = SlideDesk()
        budget.join(desk)
    return desk
