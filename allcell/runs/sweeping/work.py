"""A sweep: its folder, and the process of its own that does the work.

The folder says how far it is and holds what was found, region by region; a process that was killed
goes on where it was when it is started again. One sweep works at a time on a machine.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from allcell.background.locks import keep_reserve, let_go_reserve
from allcell.background.process import start_process
from allcell.background.state import STOP_FILE, WorkState, current_state, is_alive, until_ended
from allcell.environment.files import write_whole
from allcell.errors import SweepError
from allcell.records.kept import Actor
from allcell.scanning.sweep import Where
from allcell.settings import settings

REQUEST_FILE, ANSWERS_FILE, GRID_FILE = "request.json", "answers.jsonl", "grid.json"
_TURN_FILE = "turn.lock"
#: Read of a slide's file to know it again: so much of its beginning and of its end.
_KNOWN_BY_BYTES = 2**20
#: White cells that a sweep may be ended after: what is counted by hand.
TARGETS = (100, 200, 400)


@dataclass(frozen=True)
class SweepState(WorkState):
    """How far a sweep is.

    Attributes:
        regions: Regions that were searched.
        of: Regions that are to be searched.
        white_cells: Blasts and other white cells so far.
        blasts: Blasts so far.
        case_id: Number of the case that holds its fields; empty as long as there is none.
    """

    regions: int = 0
    of: int = 0
    white_cells: int = 0
    blasts: int = 0
    case_id: str = ""


@dataclass(frozen=True)
class SweepRequest:
    """What is asked for.

    Attributes:
        slide: Path of the slide.
        key: See `slide_key`.
        model: Name of the model.
        target: White cells after which it ends; None for the end of the slide.
        where: What is swept.
        confidence: Lowest confidence of a cell; the model's operating threshold if None.
        red_cell_px: Diameter of the red cells in pixels of the finest level; measured if None.
        device: See `allcell.own.opening.open_model`; what the settings say if empty.
        label: What the case is called; empty for none.
        by: Who asks, and signs for what is put into the case.
        logged_in: Whether a login says who they are.
        insist: Whether it is swept though it does not look like a smear.
    """

    slide: str
    key: str
    model: str = "live"
    target: int | None = None
    where: Where = "monolayer"
    confidence: float | None = None
    red_cell_px: float | None = None
    device: str = ""
    label: str = ""
    by: str = ""
    logged_in: bool = False
    insist: bool = False

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return Actor(self.by, self.logged_in)

    @classmethod
    def read(cls, folder: Path) -> SweepRequest:
        """Of the sweep in a folder.

        Raises:
            SweepError: If it is gone or damaged.
        """
        try:
            content: dict[str, Any] = json.loads((folder / REQUEST_FILE).read_text("utf-8"))
            known = {one.name for one in fields(cls)}
            return cls(**{key: value for key, value in content.items() if key in known})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise SweepError(
                f"The sweep in {folder.name} is damaged.", "Delete it, and begin a new one."
            ) from error


def slide_key(path: Path) -> str:
    """What tells a slide from others, without its name: a hash of its size and its ends.

    Raises:
        SweepError: If it is gone.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.sha256(f"{size}\n".encode())
            digest.update(file.read(_KNOWN_BY_BYTES))
            file.seek(max(0, size - _KNOWN_BY_BYTES))
            digest.update(file.read(_KNOWN_BY_BYTES))
    except OSError as error:
        raise SweepError(
            f"The slide cannot be read ({error.strerror}).", "Check that it is still there."
        ) from error
    return digest.hexdigest()[:32]


def sweeps_dir() -> Path:
    """Folder of all sweeps, beside the cases."""
    return settings().data_dir.expanduser() / "sweeps"


def begin(request: SweepRequest, root: Path | None = None) -> SlideSweep:
    """Prepare a sweep, or find the one that was begun with the same slide and wishes.

    Args:
        request: What is asked for.
        root: Folder of all sweeps; that of the settings if None.

    Raises:
        OSError: If the folder cannot be written.
    """
    root = sweeps_dir() if root is None else root
    asked = json.dumps(asdict(request), sort_keys=True).encode()
    sweep = SlideSweep(root / hashlib.sha256(asked).hexdigest()[:16])
    if not (sweep.folder / REQUEST_FILE).is_file():
        sweep.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_reserve(sweep.folder)
        SweepState().write(sweep.folder)
        # Last: with it the sweep is there.
        write_whole(sweep.folder / REQUEST_FILE, json.dumps(asdict(request)).encode())
    return sweep


def sweeps(root: Path | None = None) -> tuple[SlideSweep, ...]:
    """All sweeps that have been begun and not deleted, the newest first."""
    root = sweeps_dir() if root is None else root
    found = [path.parent for path in root.glob(f"[0-9a-f]*/{REQUEST_FILE}")]
    return tuple(SlideSweep(one) for one in sorted(found, key=lambda one: -one.stat().st_mtime))


@dataclass(frozen=True)
class SlideSweep:
    """One sweep; see `begin` and `sweeps`.

    Attributes:
        folder: Its folder; the name is that of the sweep.
    """

    folder: Path = field()

    @property
    def request(self) -> SweepRequest:
        """What was asked for."""
        return SweepRequest.read(self.folder)

    @property
    def state(self) -> SweepState:
        """How far it is.

        Raises:
            SweepError: If it was deleted.
        """
        try:
            return current_state(self.folder, SweepState)
        except LookupError as error:
            raise SweepError(
                f"There is no sweep in {self.folder.name}, or it is damaged.", "Begin a new one."
            ) from error

    @property
    def answers(self) -> Path:
        """The file of what was found: see `allcell.scanning.results`."""
        return self.folder / ANSWERS_FILE

    def start(self) -> None:
        """Start its process, or let it go on where it was; one that works or is done stays so.

        Raises:
            SweepError: If no process can be started.
        """
        state = self.state
        if state.running or state.status == "done":
            return
        try:
            start_process(self.folder, state, "allcell.runs.sweeping.child")
        except OSError as error:
            raise SweepError(
                f"No process could be started ({error}).", "Close other programs and try again."
            ) from error

    def pause(self) -> None:
        """Ask it to stop, which it does after its region; it can go on later."""
        (self.folder / STOP_FILE).touch()

    def follow(self) -> Iterator[SweepState]:
        """How far it is, again and again, until its process has ended."""
        return until_ended(lambda: self.state)

    def delete(self) -> None:
        """Delete what is left of it; a case that it made stays.

        Raises:
            SweepError: If it is still working.
        """
        if is_alive(self.folder):
            raise SweepError("This sweep is still working.", "Pause it first.")
        let_go_reserve(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def machine_lock(folder: Path) -> Path:
    """The lock of the one sweep that works on this machine.

    Args:
        folder: Of any sweep.
    """
    return folder.parent / _TURN_FILE
