"""The models that the user of this browser session has added; no other session sees them.

They live in the session's memory and are freed with it. Call these functions in the script's own
thread.
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
    from allcell.untrusted.network import Claims, UntrustedNetwork

#: Models per session; each is held in memory.
MAX_USER_MODELS = 3
#: No name in the registry begins with it.
PREFIX = "user-"
_KEY = "allcell.user_models"


@dataclass(eq=False)
class _Space:
    """A reservation of memory for a network of some session, for as long as this object lives."""

    size_bytes: int


@dataclass(eq=False)
class Candidate:
    """A network that a session has opened and may add.

    It stays open if there is room for it in the memory for all sessions, so that adding it does
    not open it again. It is closed when another network needs the room.

    Attributes:
        network: The network.
        space: Its reservation in the memory for all sessions; None while it is closed.
    """

    network: UntrustedNetwork
    space: _Space | None = None

    def close(self) -> None:
        """Free its memory; `add` opens it again."""
        self.network.close()
        self.space = None


_LOCK = threading.Lock()
#: Reservations of all sessions that are still open.
_TAKEN: WeakSet[_Space] = WeakSet()
#: Those that may be closed to make room.
_CANDIDATES: WeakSet[Candidate] = WeakSet()


@dataclass(eq=False)
class UserModel:
    """A model of this session.

    Attributes:
        detector: Ready to run.
        network: The file behind it.
        claims: What the user says about it.
        space: Its reservation in the memory for all sessions.
    """

    detector: Detector
    network: UntrustedNetwork
    claims: Claims
    space: _Space = field(repr=False)
    _worker: ModelWorker | None = None

    def worker(self) -> ModelWorker:
        """The model for live video.

        Its detector shares the open network, but has a lock of its own, so that no page waits for
        a stream.

        Raises:
            ModelError: If the network fails now.
        """
        if self._worker is None:
            self._worker = ModelWorker(self.network.detector(self.claims))
        return self._worker

    def close(self) -> None:
        """End its thread, if live video has started one."""
        if self._worker is not None:
            self._worker.close()

    @property
    def spec(self) -> ModelSpec:
        """The model's description."""
        return self.detector.spec


def user_models() -> Mapping[str, UserModel]:
    """The models of this session by name, in the order they were added."""
    return _kept()


def user_model(name: str) -> UserModel | None:
    """A model of this session; None for names of the registry.

    Raises:
        ModelError: If a model of that name was removed, or belongs to another session.
    """
    if not is_user_model(name):
        return None
    found = _kept().get(name)
    if found is None:
        raise ModelError(
            "This model of yours is no longer in this session.",
            "Add it again on the Compare page, or choose another model.",
        )
    return found


def is_user_model(name: str) -> bool:
    """Whether a name belongs to a model that a user has added, in any session."""
    return name.startswith(PREFIX)


def look_into(content: bytes) -> Candidate:
    """Try a file and open it, so that the user can say what it is.

    Args:
        content: Bytes of the ONNX file.

    Raises:
        ModelError: If it is not an ONNX file, or not a detector that can be used.
    """
    # Imported here: it pulls in ONNX Runtime, which other pages need not wait for.
    from allcell.untrusted.network import UntrustedNetwork

    candidate = Candidate(UntrustedNetwork.open(content, threads=settings().threads))
    with _LOCK:
        candidate.space = _room_for(candidate)
        if candidate.space is None:
            candidate.close()
        else:
            _CANDIDATES.add(candidate)
    return candidate


def add(candidate: Candidate, claims: Claims, input_px: tuple[int, int] | None = None) -> UserModel:
    """Check a network against what the user says about it and keep it for this session.

    The same file with other settings is another model, so that their results are not mixed up.

    Args:
        candidate: The network.
        claims: What the user says about it; `title` must be set, `name` is made here.
        input_px: Width and height of its input; those it was tried with if None.

    Raises:
        ModelError: If the claims do not fit it, it was added before, the session has too many, or
            all sessions together hold too much.
    """
    kept, network = _kept(), candidate.network
    size = input_px or network.input_px
    told = f"{network.sha256}{size}{replace(claims, name='')}"
    name = f"{PREFIX}{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    if name in kept:
        raise ModelError(f"{kept[name].spec.title} is already in the list, with the same settings.")
    if len(kept) >= MAX_USER_MODELS:
        raise ModelError(f"A session keeps at most {MAX_USER_MODELS} models.", "Remove one first.")
    claims = replace(claims, name=name)
    with _LOCK:
        _CANDIDATES.discard(candidate)  # so that it is not closed while it is being added
        space = candidate.space = candidate.space or _room_for(candidate)
    if space is None:
        raise ModelError(
            "The models that people have added here take all the memory reserved for them.",
            "Remove one of yours, or try again when others have left.",
        )
    try:
        network = network.at(size)
        kept[name] = UserModel(network.detector(claims), network, claims, space)
    except ModelError:
        with _LOCK:
            _CANDIDATES.add(candidate)
        raise
    return kept[name]


def _room_for(candidate: Candidate) -> _Space | None:
    """Reserve memory for a network, closing candidates if need be; None if there is too little."""
    size_bytes = candidate.network.size_bytes
    most = settings().max_user_models_bytes - size_bytes
    if _taken_bytes() > most:
        gc.collect()  # sessions that have ended may not have been freed yet
    for other in list(_CANDIDATES):
        if _taken_bytes() > most:
            other.close()
            _CANDIDATES.discard(other)
    if _taken_bytes() > most:
        return None
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


def _kept() -> dict[str, UserModel]:
    kept = st.session_state.setdefault(_KEY, {})
    if not isinstance(kept, dict):
        raise TypeError(f"expected a dict in the session, got {type(kept).__name__}")
    return kept
