"""How much memory the pictures of all browser sessions take, and how much they may.

Nothing is booked: what is held is asked for when room is needed, so that the ledger cannot be
wrong. The same bytes count once in a session, whoever holds them. Thread-safe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from allcell.errors import ImageError

#: What takes memory: a file, or pixels.
Held = bytes | npt.NDArray[np.generic]


class Holder(Protocol):
    """Something of a session that holds pictures or files."""

    def holds(self) -> Iterable[Held]:
        """All that it holds now; called from any thread."""
        ...

    def spare(self) -> None:
        """Let go of what can be made again; called from any thread."""
        ...

    def close(self) -> None:
        """Let go of everything: its session has ended; called from any thread."""
        ...


class Ledger:
    """What all sessions hold.

    Args:
        max_session_bytes: Most that one session may hold.
        max_server_bytes: Most that all of them may hold together.

    Attributes:
        make_room: Ends a session whose tab is closed, and says whether there was one.
    """

    def __init__(self, max_session_bytes: int, max_server_bytes: int) -> None:
        self.max_session_bytes = max_session_bytes
        self.max_server_bytes = max_server_bytes
        self.make_room: Callable[[], bool] = lambda: False
        self._lock = threading.Lock()
        self._holders: dict[str, WeakSet[Holder]] = {}
        #: Room that is about to be taken, by session.
        self._pending: dict[str, int] = {}
        #: What the making of things takes for a moment, of all sessions.
        self._working = 0

    def join(self, session_id: str, holder: Holder) -> None:
        """From now on count what a holder holds, for as long as it lives."""
        with self._lock:
            self._holders.setdefault(session_id, WeakSet()).add(holder)

    def leave(self, session_id: str) -> None:
        """Close all holders of a session that has ended."""
        with self._lock:
            holders = list(self._holders.pop(session_id, ()))
            self._pending.pop(session_id, None)
        for holder in holders:
            holder.close()

    def leave_all(self) -> None:
        """Close the holders of all sessions: the server ends."""
        with self._lock:
            sessions = list(self._holders)
        for session_id in sessions:
            self.leave(session_id)

    def session_bytes(self, session_id: str) -> int:
        """What a session holds."""
        sizes = {id(one): _size(one) for h in self.holders(session_id) for one in h.holds()}
        with self._lock:
            return sum(sizes.values()) + self._pending.get(session_id, 0)

    def server_bytes(self) -> int:
        """What all sessions hold together."""
        with self._lock:
            sessions = {*self._holders, *self._pending}
        return self._working + sum(self.session_bytes(session_id) for session_id in sessions)

    @contextmanager
    def room(
        self, session_id: str, size_bytes: int, name: str, *, spared: int = 0, working: int = 0
    ) -> Iterator[None]:
        """Reserve room while something is being made; then its holder counts.

        What can be made again is let go of first, and sessions whose tab is closed end first.

        Args:
            session_id: Whose it is.
            size_bytes: How much room.
            name: What messages call it.
            spared: Room that must be left in the session afterwards.
            working: Memory that making it takes for a moment, of the server's budget.

        Raises:
            ImageError: If there is none.
        """
        self._find(session_id, size_bytes, name, spared, working)
        with self._lock:
            self._working += working
            self._pending[session_id] = self._pending.get(session_id, 0) + size_bytes
        try:
            yield
        finally:
            with self._lock:
                self._working -= working
                left = self._pending.get(session_id, 0) - size_bytes
                self._pending[session_id] = left
                if left <= 0:
                    self._pending.pop(session_id)

    def _find(self, session_id: str, size_bytes: int, name: str, spared: int, working: int) -> None:
        def full() -> bool:
            return self.session_bytes(session_id) + size_bytes + spared > self.max_session_bytes

        def server_full() -> bool:
            return self.server_bytes() + size_bytes + working > self.max_server_bytes

        if full():
            self._spare(session_id)
        if full():
            raise ImageError(
                f"{name} was not taken: with it, your session would hold more than "
                f"{_megabytes(self.max_session_bytes)}.",
                "Remove images that you are done with, then add it again.",
            )
        while server_full() and self.make_room():
            pass
        with self._lock:
            others = [one for one in self._holders if one != session_id]
        for other in [*others, session_id]:
            if server_full():
                self._spare(other)
        if self.server_bytes() + size_bytes > self.max_server_bytes:
            raise ImageError(
                f"{name} was not taken: all who use this server together hold as much as it has "
                f"room for, {_megabytes(self.max_server_bytes)}.",
                "Add it again when others have finished, or remove images that you are done with.",
            )

    def holders(self, session_id: str) -> list[Holder]:
        """All holders of a session that are alive."""
        with self._lock:
            return list(self._holders.get(session_id, ()))

    def _spare(self, session_id: str) -> None:
        for holder in self.holders(session_id):
            holder.spare()


def _size(held: Held) -> int:
    return len(held) if isinstance(held, bytes) else int(held.nbytes)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MB"
