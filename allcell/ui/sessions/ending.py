"""The end of a browser session: what it holds is let go of, without waiting for the collector.

Streamlit keeps a session whose connection broke, so that the browser can take it up again. It ends
such a session only when another one comes, and what the session held then stays until Python
happens to collect cycles: gigabytes of pictures for minutes. Here a thread looks each second.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import gc
import logging
import threading
import time
from typing import Any

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from allcell.environment.memory import give_back
from allcell.settings import settings
from allcell.ui.sessions import budget, uploads

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_END_WITHIN_S = 5.0
#: Threads of video end a moment after their session, and each has freed memory of its own.
_GIVE_BACK_EVERY_S = 10.0
_LOCK = threading.Lock()
#: When each session was first seen without a connection; None while it is connected.
_GONE_SINCE: dict[str, float | None] = {}
_started = threading.Event()


def watch_session() -> None:
    """Let this session's pictures go once it has ended; called in each run of the app."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or not runtime.exists():
        return
    with _LOCK:
        _GONE_SINCE.setdefault(context.session_id, None)
        if not _started.is_set():
            _started.set()
            uploads.guard()
            budget.ledger().make_room = end_a_closed_session
            atexit.register(budget.ledger().leave_all)
            threading.Thread(target=_look, name="session watch", daemon=True).start()


def end_a_closed_session() -> bool:
    """End the session whose tab has been closed for longest; whether there was one."""
    if not runtime.exists():
        return False
    _notice()
    with _LOCK:
        gone = {since: one for one, since in _GONE_SINCE.items() if since is not None}
    if not gone:
        return False
    _end(gone[min(gone)])
    return True


def _look() -> None:
    give_back_s = time.monotonic() + _GIVE_BACK_EVERY_S
    while runtime.exists():
        time.sleep(_LOOK_EVERY_S)
        if time.monotonic() > give_back_s:
            give_back_s = time.monotonic() + _GIVE_BACK_EVERY_S
            give_back()
        try:
            _notice()
            now_s = time.monotonic()
            with _LOCK:
                over = [
                    one
                    for one, since in _GONE_SINCE.items()
                    if since is not None and now_s - since > settings().session_kept_s
                ]
            for one in over:
                _end(one)
        except Exception:  # the next look may do better; without it memory would fill
            log.exception("The sessions could not be looked at.")


def _notice() -> None:
    if not runtime.exists():
        return
    server, now_s = runtime.get_instance(), time.monotonic()
    with _LOCK:
        for one, since in _GONE_SINCE.items():
            if server.is_active_session(one):
                _GONE_SINCE[one] = None
            elif since is None:
                _GONE_SINCE[one] = now_s


def _end(session_id: str) -> None:
    with _LOCK:
        if _GONE_SINCE.pop(session_id, None) is None:
            return  # another thread ends it
    server: Any = runtime.get_instance()
    loop = server._get_async_objs().eventloop
    # Streamlit's sessions may be changed on its event loop only.
    ended = False
    if _running_loop() is loop:
        ended = _close(server, session_id)
    else:

        async def close() -> bool:
            return _close(server, session_id)

        try:
            ended = asyncio.run_coroutine_threadsafe(close(), loop).result(_END_WITHIN_S)
        except (concurrent.futures.TimeoutError, RuntimeError):
            log.warning("A session was not ended in time.")
    if not ended:
        # It has come back, as a tab that was asleep, or the server is busy: look again later.
        with _LOCK:
            _GONE_SINCE.setdefault(session_id, None)
        return
    budget.ledger().leave(session_id)
    uploads.forget(session_id)
    log.info("A session has ended.")
    # Connections of video and the page's callbacks are in cycles.
    gc.collect()
    give_back()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _close(server: Any, session_id: str) -> bool:
    if server.is_active_session(session_id):
        return False
    found = server._session_mgr.get_session_info(session_id)
    server.close_session(session_id)
    if found is not None:
        # The session itself is in cycles: what it refers to need not wait for their collection.
        found.session.session_state.clear()
        found.session._fragment_storage.clear()
    return True
