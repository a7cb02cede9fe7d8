"""Which slides are shown to whom: a slide has an address that nobody can guess, for one browser."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

#: Bytes of chance in an address and in the key to it: 256 bits.
_SECRET_BYTES = 32


@dataclass(frozen=True)
class AskedView:
    """A view that a browser shows, and what it knows of it.

    Attributes:
        number: Counts the views of the browser.
        x: Left edge in pixels of the slide.
        y: Upper edge.
        width: Width in the same pixels.
        height: Height.
        scale: Pixels of the screen for one of the slide.
        after: The serial number of the last answer; -1 before the first.
        lowest: Lowest confidence of the cells that are counted, 0 to 1.
    """

    number: int
    x: float
    y: float
    width: float
    height: float
    scale: float
    after: int
    lowest: float


class ShownSlide(Protocol):
    """What a page has to offer of a slide; called from any thread."""

    def tile(self, level: int, column: int, row: int) -> bytes:
        """A tile, see `allcell.ui.tiles.packed`; `LookupError` if there is no such tile."""
        ...

    def overview(self) -> bytes:
        """The whole slide, small, as a JPEG file."""
        ...

    def fitness(self) -> Mapping[str, object]:
        """Where the slide is fit for counting, as JSON; takes a second or two the first time."""
        ...

    def look(self, look: AskedView) -> None:
        """The browser shows this view now."""
        ...

    def answer(self, look: AskedView) -> Mapping[str, object] | None:
        """What is new for that view, as JSON; None if nothing is."""
        ...

    def listening(self, heard: Callable[[], None]) -> AbstractContextManager[None]:
        """Have this called, from any thread, when there may be something new."""
        ...


class _Entry:
    def __init__(self, slide: ShownSlide) -> None:
        self.slide = slide
        self.key = ""


class ShownSlides:
    """The slides that are shown by this server, each by its address. Thread-safe.

    The first browser that says hello at an address gets the key to it, a cookie that scripts cannot
    read. From then on the address alone, say from a photograph of a screen, opens nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def show(self, slide: ShownSlide) -> str:
        """Give a slide an address, which is known to its session only.

        Returns:
            The address: 43 letters, digits, - and _.
        """
        address = secrets.token_urlsafe(_SECRET_BYTES)
        with self._lock:
            self._entries[address] = _Entry(slide)
        return address

    def hide(self, address: str) -> None:
        """Let go of a slide: whoever asks for it is refused from now on."""
        with self._lock:
            self._entries.pop(address, None)

    def hello(self, address: str, key: str | None) -> str | None:
        """Open an address.

        Args:
            address: The address.
            key: The key that the browser has, if any.

        Returns:
            The key to it; None if there is no such address, or another browser has its key.
        """
        with self._lock:
            entry = self._entries.get(address)
            if entry is None:
                return None
            if not entry.key:
                entry.key = secrets.token_urlsafe(_SECRET_BYTES)
            elif not hmac.compare_digest(entry.key.encode(), (key or "").encode()):
                return None
            return entry.key

    def find(self, address: str, key: str | None) -> ShownSlide | None:
        """The slide at an address, for who has the key to it; None for everybody else."""
        with self._lock:
            entry = self._entries.get(address)
        if entry is None or not entry.key or key is None:
            return None
        return entry.slide if hmac.compare_digest(entry.key.encode(), key.encode()) else None

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)


#: Those of this server.
SHOWN = ShownSlides()
