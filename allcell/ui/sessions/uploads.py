"""Uploads within the budget: a file for which there is no room is dropped as it arrives.

Streamlit keeps every file that a browser sends, before any script of ours can look at it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from streamlit import runtime

from allcell.errors import ImageError
from allcell.ui.sessions import budget
from allcell.ui.sessions.ledger import Held

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

_LOCK = threading.Lock()
#: Why a file was dropped, by session and by the number that Streamlit gave the file.
_REFUSED: dict[str, dict[str, ImageError]] = {}


def content(file: UploadedFile) -> bytes:
    """The bytes of an uploaded file: the same object each time, not a copy.

    Raises:
        ImageError: If it was dropped because there was no room for it.
    """
    with _LOCK:
        refused = _REFUSED.get(budget.session_id(), {}).get(file.file_id)
    if refused is not None:
        raise ImageError(refused.message, refused.remedy)
    return file.getvalue()


def guard() -> None:
    """Look at each file as it arrives; once for a server."""
    if not runtime.exists():
        return
    manager: Any = runtime.get_instance().uploaded_file_mgr
    keep = manager.add_file

    def add_file(session_id: str, file: Any) -> None:
        if session_id not in _HOLDERS:
            with _LOCK:
                holder = _HOLDERS[session_id] = _Uploads(manager, session_id)
            budget.ledger().join(session_id, holder)
        try:
            budget.check_file(session_id, file.data, f"'{file.name}'")
        except ImageError as error:
            # Without its traceback, which would keep the file in memory.
            said = ImageError(error.message, error.remedy)
            with _LOCK:
                _REFUSED.setdefault(session_id, {})[file.file_id] = said
            file = file._replace(data=b"")
        keep(session_id=session_id, file=file)

    manager.add_file = add_file


def forget(session_id: str) -> None:
    """Forget what is known of a session that has ended."""
    with _LOCK:
        _REFUSED.pop(session_id, None)
        _HOLDERS.pop(session_id, None)


class _Uploads:
    """What Streamlit keeps of a session's uploads."""

    def __init__(self, manager: Any, session_id: str) -> None:
        self._manager = manager
        self._session_id = session_id

    def holds(self) -> Iterable[Held]:
        """See `Holder.holds`."""
        files = self._manager.file_storage.get(self._session_id, {})
        return [file.data for file in list(files.values())]

    def spare(self) -> None:
        """See `Holder.spare`: the browser sends a file only once."""

    def close(self) -> None:
        """See `Holder.close`."""
        self._manager.remove_session_files(self._session_id)


_HOLDERS: dict[str, _Uploads] = {}
