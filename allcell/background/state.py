"""How far a work in the background is: a file that is written whole."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from allcell.background.locks import locked
from allcell.environment.files import write_whole

STATE_FILE, ALIVE_FILE, STOP_FILE, LOG_FILE = "state.json", "alive.lock", "stop", "log.txt"
#: Seconds between two looks at a work that is followed.
_LOOKS_EVERY_S = 0.3

#: `ready`: not begun. `waiting`: for another work of its kind on this computer. `planned`: the time
#: it takes is known. `interrupted`: its process is gone; started again, it goes on where it was.
Status: TypeAlias = Literal[
    "ready", "waiting", "working", "planned", "stopped", "interrupted", "failed", "done"
]


@dataclass(frozen=True)
class WorkState:
    """How far a work is.

    Attributes:
        status: See `Status`.
        stage: What is being done, for people.
        progress: Share that is done, 0 to 1.
        left_s: Seconds left, about; None if that is not known yet.
        notes: What has to be kept in mind.
        message: Why it failed; empty if it did not.
        remedy: What to do about it.
    """

    status: Status = "ready"
    stage: str = ""
    progress: float = 0.0
    left_s: float | None = None
    notes: tuple[str, ...] = field(default=())
    message: str = ""
    remedy: str = ""

    @property
    def running(self) -> bool:
        """Whether its process works or waits."""
        return self.status in ("waiting", "working")

    def write(self, folder: Path) -> None:
        """Write it into the folder of the work.

        Raises:
            OSError: If it cannot be written.
        """
        write_whole(folder / STATE_FILE, json.dumps(asdict(self)).encode())


AnyState = TypeVar("AnyState", bound=WorkState)


def read_state(folder: Path, kind: type[AnyState]) -> AnyState:
    """What the folder of a work says, whether or not its process still lives.

    Raises:
        LookupError: If there is none, or it is damaged.
    """
    try:
        content: dict[str, Any] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        known = {one.name for one in fields(kind)}
        return kind(**{key: value for key, value in content.items() if key in known})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LookupError(f"no state in {folder.name}") from error


def is_alive(folder: Path) -> bool:
    """Whether the process of a work works or waits."""
    with locked(folder / ALIVE_FILE) as free:
        return not free


def current_state(folder: Path, kind: type[AnyState]) -> AnyState:
    """How far a work is, `interrupted` if its process is gone.

    Raises:
        LookupError: If there is none, or it is damaged.
    """
    state = read_state(folder, kind)
    if state.running and not is_alive(folder):
        # It may have ended between the two.
        state = read_state(folder, kind)
        if state.running:
            return replace(state, status="interrupted", stage="", left_s=None)
    return state


def until_ended(read: Callable[[], AnyState]) -> Iterator[AnyState]:
    """How far a work is, again and again, until its process has ended.

    Args:
        read: Says how far it is.
    """
    while True:
        state = read()
        yield state
        if not state.running:
            return
        time.sleep(_LOOKS_EVERY_S)
