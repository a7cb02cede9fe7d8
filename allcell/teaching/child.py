"""The process of a teaching: `python -m allcell.teaching.child FOLDER [--only-plan]`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType

from allcell.environment.files import is_disk_full
from allcell.errors import AllcellError
from allcell.teaching.leftovers import remove
from allcell.teaching.progress import Progress, StopTeachingError
from allcell.teaching.state import (
    ALIVE_FILE,
    DISCARD_FILE,
    keep_reserve,
    let_go_reserve,
    locked,
    read_state,
)
from allcell.teaching.work import STOP_FILE, machine_lock

#: What it leaves to others: all that they ask for.
_NICENESS = 15
#: A look at the lock takes it for a moment.
_TRIES, _TRIES_EVERY_S = 40, 0.05
_WAITS = "Waits for another teaching on this computer"
_ASKS_EVERY_S = 0.5


def main() -> None:
    """Do the work of one teaching, and say in its folder what came of it."""
    folder = Path(sys.argv[1])
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    signal.signal(signal.SIGTERM, _stop)
    for _ in range(_TRIES):
        with locked(folder / ALIVE_FILE) as mine:
            if mine:
                _work(folder, only_plan="--only-plan" in sys.argv[2:])
                if (folder / DISCARD_FILE).exists():
                    remove(folder)
                return
        time.sleep(_TRIES_EVERY_S)


def _stop(number: int, frame: FrameType | None) -> None:
    raise StopTeachingError


def _work(folder: Path, *, only_plan: bool) -> None:
    progress = Progress(folder, read_state(folder), folder / STOP_FILE)
    try:
        keep_reserve(folder)
        _in_turn(folder, progress, only_plan)
    except StopTeachingError:
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
            f"The teaching failed ({type(error).__name__}).",
            f"Start it again; if it happens twice, report it with {folder.name}/log.txt.",
        )


def _in_turn(folder: Path, progress: Progress, only_plan: bool) -> None:
    while True:
        with locked(machine_lock(folder)) as mine:
            if mine:
                # Imported once it is its turn: it takes seconds, and hundreds of megabytes.
                from allcell.teaching.run import run

                run(folder, progress, only_plan=only_plan)
                return
        if progress.state.stage != _WAITS:
            waiting = replace(progress.state, status="waiting", stage=_WAITS, left_s=None)
            progress.say(waiting, now=True)
        progress.check()
        time.sleep(_ASKS_EVERY_S)


def _fail(progress: Progress, message: str, remedy: str) -> None:
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


if __name__ == "__main__":
    main()
