"""The one ledger of this server, and what this session asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from streamlit.runtime.scriptrunner import get_script_run_ctx

from allcell.environment.memory import memory_bytes
from allcell.settings import settings
from allcell.ui.sessions.ledger import Held, Holder, Ledger

#: Most that the pictures of all sessions take where nothing else is set, on a large computer.
_USUAL_SERVER_BYTES = 4 * 2**30
#: Decoding and analysing a picture take this many times its pixels beyond them: 3.4 times for a
#: bitmap of 70 megapixels (measured).
_DECODING = 4
_NOBODY = "nobody"


@lru_cache(maxsize=1)
def ledger() -> Ledger:
    """What all sessions of this server hold, within the limits of the settings."""
    chosen = settings()
    server = chosen.max_server_bytes or min(_USUAL_SERVER_BYTES, memory_bytes() // 2)
    session = min(chosen.max_session_bytes, server)
    return Ledger(session, server)


def decoding_bytes() -> int:
    """Room that a session keeps for the picture that is decoded: the largest one accepted."""
    return min(3 * settings().max_pixels, ledger().max_session_bytes // 2)


def session_id() -> str:
    """The browser session of the script that calls this."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else _NOBODY


def join(holder: Holder) -> None:
    """Count what a holder of this session holds, and close it with the session."""
    ledger().join(session_id(), holder)


@contextmanager
def room_for(session: str, size_bytes: int, name: str) -> Iterator[None]:
    """See `Ledger.room`, for pixels."""
    with ledger().room(session, size_bytes, name, working=_DECODING * size_bytes):
        yield


def check_file(session: str, held: Held, name: str) -> None:
    """Refuse a file of a session for which there is no room.

    Raises:
        ImageError: If there is none. A file that the session holds already is never refused.
    """
    for holder in ledger().holders(session):
        if any(one is held for one in holder.holds()):
            return
    size = len(held) if isinstance(held, bytes) else int(held.nbytes)
    with ledger().room(session, size, name, spared=decoding_bytes()):
        pass
