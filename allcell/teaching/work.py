"""A teaching: its folder, and the process of its own that does the work.

Whoever follows it may come and go: the folder says how far it is, and a process that was killed
goes on where it was when it is started again. One teaching works at a time on a machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from allcell.background.locks import keep_reserve, let_go_reserve
from allcell.background.process import start_process
from allcell.background.state import STOP_FILE, is_alive, until_ended
from allcell.data.dataset import data_sha256
from allcell.engines.opening import require_torch
from allcell.environment.files import write_whole
from allcell.errors import TeachingError
from allcell.own.naming import check_name
from allcell.own.shelf import shelf
from allcell.settings import settings
from allcell.teaching.enough import Enough, check_enough, described
from allcell.teaching.leftovers import new_folder, remove, sweep
from allcell.teaching.material import Lesson, read_lesson
from allcell.teaching.parents import find_parent
from allcell.teaching.plan import USUAL_S
from allcell.teaching.state import DISCARD_FILE, State, current_state

REQUEST_FILE, REPORT_FILE, TURN_FILE = "request.json", "report.json", "turn.lock"
KNOWN_FOLDER = "known"
#: What a teaching writes at most besides its pictures: states of trainings and graphs.
_ROOM_BYTES = 80 * 2**20


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        name: What the user calls the model.
        parent: Name of the model that is taught.
        seed: Of all random numbers.
        owner: Login of the user; empty where nobody logs in.
        longest_s: How long it should take at most, in seconds; see `allcell.teaching.plan`.
        tiles: Tiles of the training on all fields; None for as many as usual.
        insist: Whether a model is made although it is not better.
        quick: Whether only the last step of the network is fitted, which needs no torch.
        groups: See `allcell.teaching.enough.Enough`; filled in by `begin`.
        cells: Likewise.
    """

    name: str
    parent: str = "live"
    seed: int = 0
    owner: str = ""
    longest_s: float = USUAL_S
    tiles: int | None = None
    insist: bool = False
    quick: bool = False
    groups: tuple[int, ...] = ()
    cells: dict[str, int] | None = None

    @classmethod
    def read(cls, folder: Path) -> Request:
        """Of the teaching in a folder.

        Raises:
            TeachingError: If it is gone or damaged.
        """
        try:
            content: dict[str, Any] = json.loads((folder / REQUEST_FILE).read_text("utf-8"))
            return replace(cls(**content), groups=tuple(content["groups"]))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise TeachingError(
                f"The teaching in {folder.name} is damaged.", "Delete it, and begin a new one."
            ) from error


def teachings_dir() -> Path:
    """Folder of all teachings, beside the cases."""
    return settings().data_dir.expanduser() / "teaching"


def begin(
    lesson: Lesson,
    request: Request,
    root: Path | None = None,
    on_field: Callable[[int, int], None] | None = None,
    known: Lesson | None = None,
) -> Teaching:
    """Prepare a teaching, or find the one that was begun with the same fields and wishes.

    Args:
        lesson: The reviewed fields.
        request: What is asked for.
        root: Folder of all teachings; that of the settings if None.
        on_field: See `check_enough`.
        known: Fields of a laboratory that the parent knows, which are not learned from: how much of
            it is forgotten is measured on them; None for rendered smears alone.

    Raises:
        TeachingError: If the fields are not enough (see `check_enough`), or there is no room.
        ModelError: If there is no such parent, the name is taken, or torch is not installed.
        OSError: If the folder cannot be written.
    """
    if not request.quick:
        require_torch("Teaching all layers of a model")
    find_parent(request.parent)
    name = check_name(request.name)
    request = replace(request, name=name)
    root = teachings_dir() if root is None else root
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_room(root)
    sweep(root)
    new = new_folder(root)
    try:
        lesson.write(new)
        kept = read_lesson(new)
        asked = json.dumps([asdict(request), kept.cases])
        if known:
            known.write(new / KNOWN_FOLDER)
            asked += data_sha256(read_lesson(new / KNOWN_FOLDER).images)
        digest = hashlib.sha256(f"{data_sha256(kept.images)} {asked}".encode()).hexdigest()[:16]
        there = Teaching(root / digest)
        if there.folder.is_dir():
            return there
        enough = check_enough(kept.images, kept.cases, on_field)
        # Of another user it may have the same name.
        shelf().refuse_taken(request.name, request.owner)
        request = replace(request, groups=enough.groups, cells=enough.cells)
        write_whole(new / REQUEST_FILE, json.dumps(asdict(request)).encode())
        keep_reserve(new)
        State(notes=_notes(lesson, enough)).write(new)
        os.replace(new, there.folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return there


def _notes(lesson: Lesson, enough: Enough) -> tuple[str, ...]:
    left_out = (f"{one}." for one in lesson.left_out)
    helps = (f"Would help: {one}" for one in enough.helps)
    return (described(enough), *left_out, *enough.notes, *helps)


def _check_room(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < _ROOM_BYTES:
        raise TeachingError(
            f"The disk of {root} has {free / 2**20:.0f} MB left; a teaching takes up to "
            f"{_ROOM_BYTES / 2**20:.0f} MB besides its pictures, for a while.",
            "Make room on it, or set ALLCELL_DATA_DIR to another disk.",
        )


def teachings(root: Path | None = None) -> tuple[Teaching, ...]:
    """All teachings that have been begun and not deleted, the newest first."""
    root = teachings_dir() if root is None else root
    sweep(root)
    folders = [path.parent for path in root.glob(f"[0-9a-f]*/{REQUEST_FILE}")]
    found = [folder for folder in folders if not (folder / DISCARD_FILE).exists()]
    newest = sorted(found, key=lambda folder: -folder.stat().st_mtime)
    return tuple(Teaching(folder) for folder in newest)


@dataclass(frozen=True)
class Teaching:
    """One teaching; see `begin` and `teachings`.

    Attributes:
        folder: Its folder; the name is that of the teaching.
    """

    folder: Path

    @property
    def request(self) -> Request:
        """What was asked for."""
        return Request.read(self.folder)

    @property
    def alive(self) -> bool:
        """Whether its process works or waits."""
        return is_alive(self.folder)

    @property
    def state(self) -> State:
        """How far it is.

        Raises:
            TeachingError: If it was deleted.
        """
        return current_state(self.folder)

    @property
    def report(self) -> dict[str, Any] | None:
        """What came of it, as plain values; None until it is done."""
        path = self.folder / REPORT_FILE
        if not path.is_file():
            return None
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def start(self, *, only_plan: bool = False) -> None:
        """Start its process, or let it go on where it was; one that works or is done stays so.

        Args:
            only_plan: Whether to end once it is known how long it takes.

        Raises:
            TeachingError: If no process can be started.
        """
        state = self.state
        if state.running or state.status == "done":
            return
        try:
            start_process(
                self.folder,
                state,
                "allcell.teaching.child",
                ["--only-plan"] if only_plan else [],
            )
        except OSError as error:
            raise TeachingError(
                f"No process could be started ({error}).", "Close other programs and try again."
            ) from error

    def stop(self) -> None:
        """Ask it to stop, which it does after its step; it can go on later."""
        (self.folder / STOP_FILE).touch()

    def follow(self) -> Iterator[State]:
        """How far it is, again and again, until its process has ended."""
        return until_ended(lambda: self.state)

    def delete(self) -> None:
        """Delete what is left of it; a model that it made stays on the shelf.

        Raises:
            TeachingError: If it is still working.
        """
        if self.alive:
            raise TeachingError("This teaching is still working.", "Stop it first.")
        let_go_reserve(self.folder)
        remove(self.folder)

    def discard(self) -> None:
        """Delete it at once, or as soon as its process has stopped; it is in no list from now."""
        (self.folder / DISCARD_FILE).touch()
        self.stop()
        sweep(self.folder.parent)


def machine_lock(folder: Path) -> Path:
    """The lock of the one teaching that works on this machine.

    Args:
        folder: Of any teaching.
    """
    return folder.parent / TURN_FILE
