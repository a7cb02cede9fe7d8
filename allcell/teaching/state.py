"""How far a teaching is: a file that is written whole, and locks that no killed process keeps."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from allcell.environment.files import write_whole
from allcell.errors import TeachingError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

STATE_FILE, ALIVE_FILE, TURN_FILE = "state.json", "alive.lock", "turn.lock"
#: Its process deletes a teaching that has this file when it ends.
DISCARD_FILE = "discard"
#: Room on the disk that is let go when it is full, so that this can be said.
RESERVE_FILE, _RESERVE_BYTES = "reserve", 64 * 1024

#: `ready`: not begun. `waiting`: for another teaching on this computer. `planned`: the time it
#: takes is known. `interrupted`: its process is gone; it goes on where it was when it is started.
Status: TypeAlias = Literal[
    "ready", "waiting", "working", "planned", "stopped", "interrupted", "failed", "done"
]


@dataclass(frozen=True)
class State:
    """How far a teaching is.

    Attributes:
        status: See `Status`.
        stage: What is being done, for people.
        progress: Share that is done, 0 to 1.
        left_s: Seconds left, about; None if that is not known yet.
        plan: What will be done and how long it takes, in sentences; empty until it is known.
        notes: What has to be kept in mind.
        message: Why it failed; empty if it did not.
        remedy: What to do about it.
        outcome: See `allcell.teaching.judging.verdict.Outcome`; empty until it is known.
        verdict: The same in sentences.
        model: Id of the model that was made; empty if there is none.
    """

    status: Status = "ready"
    stage: str = ""
    progress: float = 0.0
    left_s: float | None = None
    plan: str = ""
    notes: tuple[str, ...] = field(default=())
    message: str = ""
    remedy: str = ""
    outcome: str = ""
    verdict: str = ""
    model: str = ""

    @property
    def running(self) -> bool:
        """Whether its process works or waits."""
        return self.status in ("waiting", "working")

    def write(self, folder: Path) -> None:
        """Write it into the folder of the teaching.

        Raises:
            OSError: If it cannot be written.
        """
        write_whole(folder / STATE_FILE, json.dumps(asdict(self)).encode())


def read_state(folder: Path) -> State:
    """How far the teaching in a folder is.

    Raises:
        TeachingError: If there is none.
    """
    try:
        content: dict[str, Any] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        known = {one.name for one in fields(State)}
        state = State(**{key: value for key, value in content.items() if key in known})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TeachingError(
            f"There is no teaching in {folder.name}, or it is damaged.", "Begin a new one."
        ) from error
    return state


def keep_reserve(folder: Path) -> None:
    """Take the room that `let_go_reserve` gives back.

    Raises:
        OSError: If the disk is full.
    """
    path = folder / RESERVE_FILE
    if not path.is_file():
        write_whole(path, bytes(_RESERVE_BYTES))


def let_go_reserve(folder: Path) -> None:
    """Give back the room on the disk that was kept to say that it is full."""
    (folder / RESERVE_FILE).unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock that goes with the process, however that ends.

    Args:
        path: Its file, made if it is not there.

    Yields:
        Whether it is held; not if another process, or another place of this one, holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _take(handle)
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
