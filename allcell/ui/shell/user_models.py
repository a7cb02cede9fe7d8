"""The models that the user of this browser session has added; no other session sees them.

They live in the memory of the session and go with it. Call these in the script's own thread.
"""

from __future__ import annotations

import gc
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from weakref import WeakSet

import streamlit as st

from allcell.errors import ModelError
from allcell.models.registry import ModelSpec
from allcell.settings import settings
from allcell.stream.model_worker import ModelWorker

if TYPE_CHECKING:
    from allcell.detector import Detector
    from allcell.untrusted.file import UntrustedFile
    from allcell.untrusted.model import UntrustedModel

#: A session keeps this many; each is held in memory.
MAX_OWN = 3
#: Names of the registry do not begin so.
PREFIX = "own-"
_KEY = "allcell.own_models"


@dataclass(eq=False)
class _Space:
    """Memory that a model of some session takes, for as long as this exists."""

    size_bytes: int


_LOCK = threading.Lock()
#: Of all sessions that are still open.
_TAKEN: WeakSet[_Space] = WeakSet()


@dataclass(eq=False)
class OwnModel:
    """A model of this session.

    Attributes:
        detector: Ready to run.
        file: What its file was found to be.
        said: What the user said of it.
        content: Of its file.
        space: What it takes of the memory for all sessions.
    """

    detector: Detector
    file: UntrustedFile
    said: UntrustedModel
    content: bytes = field(repr=False)
    space: _Space = field(repr=False)
    _worker: ModelWorker | None = None

    def worker(self) -> ModelWorker:
        """The model for live video, opened a second time so that no page waits for a stream.

        Raises:
            ModelError: If it cannot be opened again.
        """
        if self._worker is None:
            from allcell.untrusted.model import open_untrusted

            said = replace(self.said, name=self.spec.name)
            again = open_untrusted(self.content, said, threads=settings().threads)
            self._worker = ModelWorker(again)
        return self._worker

    def close(self) -> None:
        """End its thread, if live video has started one."""
        if self._worker is not None:
            self._worker.close()

    @property
    def spec(self) -> ModelSpec:
        """The model's description."""
        return self.detector.spec


def own_models() -> Mapping[str, OwnModel]:
    """The models of this session by name, in the order they were added."""
    return _kept()


def own_model(name: str) -> OwnModel | None:
    """A model of this session; None for names of the registry.

    Raises:
        ModelError: If a model of that name was removed, or belongs to another session.
    """
    if not is_own(name):
        return None
    found = _kept().get(name)
    if found is None:
        raise ModelError(
            "This model of yours is not in this session any more.",
            "Add it again on the Compare page, or choose another model.",
        )
    return found


def is_own(name: str) -> bool:
    """Whether a name is that of a user's model, of whatever session."""
    return name.startswith(PREFIX)


def add(content: bytes, file: UntrustedFile, said: UntrustedModel) -> OwnModel:
    """Check a file against what is said of it and keep it for this session.

    The same file with other settings is another model, so that no result of one is taken for one
    of the other.

    Args:
        content: Of the ONNX file.
        file: What it was found to be.
        said: What the user says of it; `title` must be set, `name` is made here.

    Raises:
        ModelError: If it does not fit, is here already, there are too many, or all sessions
            together hold too much.
    """
    # Imported here: it brings ONNX Runtime along, which other pages need not wait for.
    from allcell.untrusted.model import open_untrusted

    kept = _kept()
    digest = hashlib.sha256(f"{file.sha256}{replace(said, name='')}".encode()).hexdigest()
    name = f"{PREFIX}{digest[:12]}"
    if name in kept:
        raise ModelError(f"{kept[name].spec.title} is in the list already, just like this.")
    if len(kept) >= MAX_OWN:
        raise ModelError(f"A session keeps at most {MAX_OWN} models.", "Remove one first.")
    space = _take(len(content))
    detector = open_untrusted(content, replace(said, name=name), threads=settings().threads)
    kept[name] = OwnModel(detector, file, said, content, space)
    return kept[name]


def _take(size_bytes: int) -> _Space:
    """Room for one more file among those of all who use this computer now."""
    most = settings().max_own_models_bytes - size_bytes
    with _LOCK:
        if _taken_bytes() > most:
            gc.collect()  # sessions that have ended may still lie about
        if _taken_bytes() > most:
            raise ModelError(
                "The models that people have added here take all the memory there is for them.",
                "Remove one of yours, or try again when others have left.",
            )
        space = _Space(size_bytes)
        _TAKEN.add(space)
        return space


def _taken_bytes() -> int:
    return sum(space.size_bytes for space in _TAKEN)


def remove(name: str) -> None:
    """Forget a model and end its thread."""
    found = _kept().pop(name, None)
    if found is not None:
        found.close()


def _kept() -> dict[str, OwnModel]:
    kept = st.session_state.setdefault(_KEY, {})
    if not isinstance(kept, dict):
        raise TypeError(f"expected a dict in the session, got {type(kept).__name__}")
    return kept
