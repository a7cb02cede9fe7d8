"""The rendered sample slide: made once on a computer, then read like any other."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from allcell.errors import SlideError
from allcell.settings import settings
from allcell.synth.scan import SmearSpec, write_slide

SAMPLE_TITLE = "Sample slide"
#: Small enough to be rendered in some seconds, large enough to get lost in: 3.8 x 2.6 mm.
SAMPLE = SmearSpec(16_000, 11_000, seed=7)
#: In the file's name: another sample is another file.
_NUMBER = 1
_turn = threading.Lock()


def sample_path() -> Path:
    """Where the sample slide is, or will be."""
    return settings().cache_dir / "slides" / f"sample-{_NUMBER}.tif"


def make_sample(on_progress: Callable[[float], None]) -> None:
    """Render the sample slide into the cache, unless it is there.

    Args:
        on_progress: Called with how much is done, 0 to 1; may raise to stop.

    Raises:
        SlideError: If it cannot be written.
    """
    path = sample_path()
    with _turn:
        if path.is_file():
            return
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_slide(part, SAMPLE, on_progress)
            os.replace(part, path)
        except OSError as error:
            raise SlideError(
                f"The sample slide cannot be written: {error.strerror or 'no room'}.",
                "Let ALLCELL_CACHE_DIR name a folder that the app may write to.",
            ) from error
        finally:
            part.unlink(missing_ok=True)
