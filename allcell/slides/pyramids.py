"""Smaller copies for pictures that have none, made once, with the user's consent."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import allcell
from allcell.errors import NeedsPyramid, SlideError
from allcell.slides.copies import make_room, size_bytes
from allcell.slides.files import COPY_AGAIN, SlideFile, label_of
from allcell.slides.opening import open_slide
from allcell.slides.readers.flat import Flat
from allcell.slides.readers.stored import open_stored

log = logging.getLogger(__name__)

#: How often it is asked whether to stop.
_PATIENCE_S = 0.2
#: One copy at a time: each keeps the disk and a core busy.
_turn = threading.Lock()


def needs_pyramid(path: Path) -> bool:
    """Whether a picture is sound but too large to be looked at without smaller copies.

    Raises:
        SlideError: If it cannot be read at all.
    """
    try:
        open_slide(path).close()
    except NeedsPyramid:
        return True
    return False


def pyramid_bytes(path: Path) -> int:
    """What `make_pyramid` would take on the disk.

    Raises:
        SlideError: If the picture cannot be read.
    """
    return size_bytes(*_size_px(path))


def make_pyramid(
    path: Path,
    on_progress: Callable[[float], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Make the smaller copies of a picture, in a process of its own; `open_slide` then finds them.

    Args:
        path: The picture.
        on_progress: Called with how much is done, 0 to 1.
        stop: Asked several times a second whether to give up.

    Raises:
        SlideError: If it cannot be read, the disk has no room, or it was stopped.
    """
    with _turn:
        width, height = _size_px(path)
        folder = make_room(path, width, height)
        try:
            said = _run(path, folder, on_progress, stop)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if said:
            shutil.rmtree(folder, ignore_errors=True)
            raise SlideError(said["message"], said["remedy"])
    on_progress(1.0)


def _size_px(path: Path) -> tuple[int, int]:
    file = SlideFile(path)
    try:
        found = open_stored(file)
        return (found.width_px, found.height_px) if isinstance(found, Flat) else found.size_px
    finally:
        file.close()


def _run(
    path: Path, folder: Path, on_progress: Callable[[float], None], stop: Callable[[], bool]
) -> dict[str, str]:
    root = Path(allcell.__file__).resolve().parents[1]
    paths = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    arguments = [str(path.resolve()), path.name, str(folder.resolve())]
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "allcell.slides.pyramid_child", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "MALLOC_ARENA_MAX": "2"},
        )
    except OSError as error:
        raise SlideError(
            f"No process could be started to copy the picture ({error}).",
            "Close other programs and try again.",
        ) from error
    lines: list[str] = []

    def listen() -> None:
        for line in child.stdout or ():
            lines.append(line)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    told = 0
    try:
        while listener.is_alive():
            listener.join(_PATIENCE_S)
            if stop():
                raise SlideError(f"The copy of {label_of(path.name)} was stopped.", "")
            if len(lines) > told and not lines[-1].startswith("{"):
                told = len(lines)
                on_progress(float(lines[-1]))
        child.wait()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        listener.join(5)
        if child.stdout is not None:
            child.stdout.close()
    try:
        said: dict[str, str] = json.loads(lines[-1] if lines else "")
    except ValueError:
        log.warning("The copying of a picture ended with %s", child.returncode)
        raise SlideError(
            f"{label_of(path.name)} was decoded in a process of its own, which crashed: it is "
            "damaged.",
            COPY_AGAIN,
        ) from None
    return said
