"""What the process of a work does around the work: its turn, its end, and what to say of it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from allcell.background.locks import keep_reserve, let_go_reserve, locked
from allcell.background.progress import Progress, StopWork
from allcell.background.state import ALIVE_FILE, STOP_FILE, AnyState, read_state
from allcell.environment.files import is_disk_full
from allcell.errors import AllcellError

#: What it leaves to others: all that they ask for.
_NICENESS = 15
#: A look at the lock takes it for a moment.
_TRIES, _TRIES_EVERY_S = 40, 0.05
_ASKS_EVERY_S = 0.5


@dataclass(frozen=True)
class WorkKind:
    """A kind of work.

    Attributes:
        name: What it is called, as in "The teaching failed".
        turn: File whose lock only one work of this kind on a machine holds.
    """

    name: str
    turn: Path


def run_alone(folder: Path, work: Callable[[], None]) -> None:
    """Do something as the one process of a work; nothing if there is another.

    Args:
        folder: Of the work.
        work: What to do.
    """
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    signal.signal(signal.SIGTERM, _stop)
    for _ in range(_TRIES):
        with locked(folder / ALIVE_FILE) as mine:
            if mine:
                work()
                return
        time.sleep(_TRIES_EVERY_S)


def _stop(number: int, frame: FrameType | None) -> None:
    raise StopWork


def do_work(
    folder: Path,
    kind: WorkKind,
    state: type[AnyState],
    work: Callable[[Progress[AnyState]], None],
) -> None:
    """Wait for the turn, work, and say in the folder what came of it.

    Args:
        folder: Of the work.
        kind: Its kind.
        state: The class of its state.
        work: Does it; called once it is its turn.
    """
    progress = Progress(folder, read_state(folder, state), folder / STOP_FILE)
    try:
        keep_reserve(folder)
        _in_turn(kind, progress, work)
    except StopWork:
        progress.say(replace(progress.state, status="stopped", stage="", left_s=None), now=True)
    except AllcellError as error:
        _fail(progress, error.message, error.remedy)
    except MemoryError:
        _fail(
            progress,
            "The memory of this computer is not enough.",
            "Close other programs, and start it again: it goes on where it was.",
        )
    except OSError as error:
        traceback.print_exc()
        if is_disk_full(error):
            let_go_reserve(folder)
            _fail(
                progress,
                f"The disk of {folder.parent} is full.",
                "Make room on it, and start it again: it goes on where it was.",
            )
        else:
            _fail(progress, f"A file could not be used ({error.strerror}).", "Start it again.")
    except Exception as error:  # nobody else would tell the user
        traceback.print_exc()
        _fail(
            progress,
            f"The {kind.name} failed ({type(error).__name__}).",
            f"Start it again; if it happens twice, report it with {folder.name}/log.txt.",
        )


def _in_turn(
    kind: WorkKind, progress: Progress[AnyState], work: Callable[[Progress[AnyState]], None]
) -> None:
    waits = f"Waits for another {kind.name} on this computer"
    while True:
        with locked(kind.turn) as mine:
            if mine:
                work(progress)
                return
        if progress.state.stage != waits:
            waiting = replace(progress.state, status="waiting", stage=waits, left_s=None)
            progress.say(waiting, now=True)
        progress.check()
        time.sleep(_ASKS_EVERY_S)


def _fail(progress: Progress[AnyState], message: str, remedy: str) -> None:
    failed = replace(
        progress.state, status="failed", stage="", left_s=None, message=message, remedy=remedy
    )
    try:
        progress.say(failed, now=True)
    except OSError:
        let_go_reserve(progress.folder)
        # Even the last kilobytes may be gone: then its status is "interrupted".
        with contextlib.suppress(OSError):
            progress.say(failed, now=True)
