"""The runtimes chosen by measuring, kept in the cache: one file a model and purpose."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from allcell.engines.kept_graphs import write_whole
from allcell.environment.versions import installed_versions, machine_name
from allcell.settings import settings

#: Packages whose versions a choice depends on.
DECIDING = ("allcell", "onnxruntime", "openvino")
#: A race of a process that has ended leaves its mark behind; after this long it counts as ended.
_STALE_S = 60.0


class Contender(BaseModel):
    """One way to run a model on a CPU.

    Attributes:
        runtime: onnx or openvino.
        precision: full, bf16 or int8.
    """

    model_config = ConfigDict(frozen=True)

    runtime: str
    precision: str

    @property
    def title(self) -> str:
        """Its name as shown to people."""
        name = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}[self.runtime]
        bits = {"full": "32-bit", "bf16": "bf16", "int8": "8-bit"}[self.precision]
        return f"{name} {bits}"


class RuntimeChoice(BaseModel):
    """What a race ended with.

    Attributes:
        model: Name of the model.
        purpose: stills or live.
        chosen: The winner.
        milliseconds: Time of a run of those that were measured, by title.
        left_out: Why others were not, by title.
        out_of_time: Whether time was up before all had been tried.
        tries: How many races there were.
        seconds: How long the last one took.
        machine: Processor and cores.
        versions: Of what was installed.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    purpose: str
    chosen: Contender
    milliseconds: dict[str, float]
    left_out: dict[str, str] = Field(default_factory=dict)
    out_of_time: bool = False
    tries: int = 1
    seconds: float
    machine: str
    versions: dict[str, str]


class BusyError(Exception):
    """Another process is racing."""


def folder() -> Path:
    """Where choices are kept."""
    return settings().cache_dir / "runtimes"


def path_of(model: str, purpose: str, *facts: str) -> Path:
    """The file of a choice.

    Args:
        model: Name of the model.
        purpose: stills or live.
        facts: All that it depends on: processor, versions, files, threads.
    """
    digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:12]
    return folder() / f"{model}-{purpose}-{digest}.json"


def read(path: Path) -> RuntimeChoice | None:
    """A kept choice; None if there is none, or it cannot be read."""
    try:
        return RuntimeChoice.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def keep(path: Path, choice: RuntimeChoice) -> None:
    """Write a choice, whole or not at all; where nothing can be written, it is not kept."""
    with contextlib.suppress(OSError):
        write_whole(path, choice.model_dump_json(indent=1).encode())


def forget(path: Path) -> None:
    """Delete a choice, if that is possible: it is measured anew."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def forget_all() -> None:
    """Delete all choices, as far as that is possible."""
    for path in folder().glob("*.json"):
        forget(path)


def forget_model(name: str) -> None:
    """Delete the choices of a model that is deleted, as far as that is possible."""
    for path in folder().glob(f"{name}-*.json"):
        forget(path)


def all_kept() -> list[RuntimeChoice]:
    """All choices that hold for this machine and what is installed, newest first."""
    try:
        found = sorted(folder().glob("*.json"), key=lambda path: -path.stat().st_mtime)
    except OSError:
        return []
    return [choice for choice in map(read, found) if choice is not None and _holds(choice)]


def _holds(choice: RuntimeChoice) -> bool:
    versions = installed_versions()
    return choice.machine == machine_name() and all(
        choice.versions.get(name) == versions.get(name) for name in DECIDING
    )


class Mark:
    """Says that a race is going on, and what is being tried.

    Attributes:
        ended_in: Titles of those in which a process ended before; once for each time.
    """

    def __init__(self, path: Path, ended_in: list[str]) -> None:
        self._path = path
        self.ended_in = ended_in

    def trying(self, title: str) -> None:
        """Note what is tried next: should the process end in it, the next race will know."""
        _write_mark(self._path, title, self.ended_in)


@contextlib.contextmanager
def racing(path: Path) -> Iterator[Mark]:
    """Keep other processes from racing for the same choice meanwhile.

    Args:
        path: From `path_of`.

    Raises:
        BusyError: If another process is racing.
        OSError: If nothing can be written.
    """
    mark = path.with_suffix(".racing")
    mark.parent.mkdir(parents=True, exist_ok=True)
    ended_in: list[str] = []
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        if time.time() - mark.stat().st_mtime < _STALE_S:
            raise BusyError from None
        ended_in = _ended_in(mark)
    _write_mark(mark, "", ended_in)
    try:
        yield Mark(mark, ended_in)
    finally:
        with contextlib.suppress(OSError):
            mark.unlink(missing_ok=True)


def _write_mark(path: Path, trying: str, ended_in: list[str]) -> None:
    with contextlib.suppress(OSError):
        write_whole(path, json.dumps({"trying": trying, "ended_in": ended_in}).encode())


def _ended_in(mark: Path) -> list[str]:
    try:
        said = json.loads(mark.read_bytes())
        return [str(title) for title in (*said["ended_in"], said["trying"]) if title]
    except (OSError, ValueError, KeyError, TypeError):
        return []
