"""A slide is tried in a child process before OpenSlide opens it in this one.

Its formats are many and read by C libraries: damage may make them crash, loop, or ask for all
memory, and in a server that would end everybody's session.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import allcell
from allcell.environment.memory import limit_memory
from allcell.errors import SlideError
from allcell.slides.files import COPY_AGAIN, SlideFile, identity
from allcell.slides.readers.by_openslide import OpenSlideSlide

log = logging.getLogger(__name__)

#: Most address space for the slide, on top of the child's own.
_MOST_BYTES = 2 * 2**30
_LONGEST_S = 30
#: Side of what is read of each level.
_SIDE_PX = 512
_MOST_KNOWN = 256

_known: set[tuple[int, int, int, int]] = set()
_turn = threading.Lock()


def try_apart(file: SlideFile) -> None:
    """Let a child process open a slide and read a part of each level, unless that went well before.

    Args:
        file: The slide.

    Raises:
        SlideError: If it could not, took too much memory or too long, or crashed.
    """
    state = identity(os.fstat(file.stream.fileno()))
    if state in _known:
        return
    root = Path(allcell.__file__).resolve().parents[1]
    paths = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    with _turn:
        try:
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "allcell.slides.readers.trial",
                    str(file.path.resolve()),
                    file.name,
                ],
                capture_output=True,
                timeout=_LONGEST_S,
                env={**os.environ, "PYTHONPATH": paths, "MALLOC_ARENA_MAX": "2"},
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except OSError as error:
            raise SlideError(
                f"No process could be started to try the slide ({error}).",
                "Close other programs and try again.",
            ) from error
        except subprocess.TimeoutExpired:
            raise SlideError(
                f"{file.label} could not be read within {_LONGEST_S} s.", COPY_AGAIN
            ) from None
    try:
        said = json.loads(done.stdout)
    except ValueError:
        log.warning("The trial of a slide ended with %d", done.returncode)
        raise SlideError(
            f"{file.label} was tried in a process of its own, which crashed: it is damaged.",
            COPY_AGAIN,
        ) from None
    if said:
        raise SlideError(said["message"], said["remedy"])
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known.add(state)


def main() -> None:
    """Arguments: the slide's path and name. Prints an empty JSON object, or what is wrong."""
    path, name = sys.argv[1:]
    if hasattr(signal, "alarm"):
        # Nothing else would end it if the server that waits for it is gone.
        signal.alarm(_LONGEST_S)
    limit_memory(_MOST_BYTES)
    said = {}
    try:
        slide = OpenSlideSlide(SlideFile(Path(path), name))
        for number, level in enumerate(slide.levels):
            wide, high = min(_SIDE_PX, level.width_px), min(_SIDE_PX, level.height_px)
            for left, top in (
                (0, 0),
                ((level.width_px - wide) // 2, (level.height_px - high) // 2),
            ):
                slide.read(left, top, wide, high, number)
    except SlideError as error:
        said = {"message": error.message, "remedy": error.remedy}
    except MemoryError:
        said = {
            "message": f"'{name}' asks for more than {_MOST_BYTES / 2**30:.0f} GB of memory.",
            "remedy": COPY_AGAIN,
        }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
