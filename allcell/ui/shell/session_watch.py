"""Whether a browser tab is still there, for work that goes on without it."""

from __future__ import annotations

from collections.abc import Callable

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx


def session_is_open() -> Callable[[], bool]:
    """A function that any thread may call: is the tab of this session still connected?

    Call this in the script's own thread. Where Streamlit runs no server, as in its test runner,
    the answer is always yes. A tab that is hidden, or shows another page, counts as connected.
    """
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or not runtime.exists():
        return lambda: True
    server, session_id = runtime.get_instance(), context.session_id
    return lambda: server.is_active_session(session_id)
