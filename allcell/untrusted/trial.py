"""An untrusted network is tried in a child process before this process opens it.

A small file can make the runtime take all memory, loop for ever while it is opened, or crash. In a
server that would end everybody's session. The trial's picture is noise: it does not show what a
graph does only on certain other pictures.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import allcell
from allcell.errors import ModelError
from allcell.untrusted.time_limit import LONGEST_RUN_S

log = logging.getLogger(__name__)

#: Most address space for the network, on top of the child's own. A server that opens the network
#: afterwards takes as much.
MOST_MEMORY_BYTES = 3 * 2**30
#: Time for the whole trial: the child starts, opens the network and runs it twice.
_LONGEST_S = 3 * LONGEST_RUN_S
#: One trial at a time, or several would take several times the memory.
_TURN = threading.Lock()
#: Trials that were passed: SHA-256 and input size. The same file may come again, from another
#: session for example.
_WENT_WELL: set[tuple[str, tuple[int, int] | None]] = set()
_MOST_KNOWN = 256


def try_apart(content: bytes, input_px: tuple[int, int] | None, threads: int) -> None:
    """Let a child process open a network and run it, unless the network passed that before.

    Args:
        content: Bytes of the ONNX file.
        input_px: Width and height of its input; what the file says if None.
        threads: CPU threads; 0 leaves ONNX Runtime's choice.

    Raises:
        ModelError: If the child could not use the network, took too much memory or too long, or
            crashed.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    # Checked before the lock as well: a known file does not wait for another file's trial.
    if (sha256, input_px) in _WENT_WELL:
        return
    if not _TURN.acquire(timeout=_LONGEST_S):
        raise ModelError("Other networks are being tried just now.", "Try again in a minute.")
    try:
        if (sha256, input_px) in _WENT_WELL:
            return
        limits = [MOST_MEMORY_BYTES, math.ceil(_LONGEST_S), threads]
        said = _run([str(number) for number in (*limits, *(input_px or ()))], content)
        if "message" in said:
            raise ModelError(said["message"], said["remedy"])
        if len(_WENT_WELL) >= _MOST_KNOWN:
            _WENT_WELL.clear()
        width, height = said["input_px"]
        _WENT_WELL.update({(sha256, input_px), (sha256, (width, height))})
    finally:
        _TURN.release()


def _run(arguments: Sequence[str], content: bytes) -> dict[str, Any]:
    """What the child says: the input size it ran with, or a message and a remedy."""
    root = Path(allcell.__file__).resolve().parents[1]
    known = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(root), known] if known else [str(root)])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "allcell.untrusted.child", *arguments],
            input=content,
            capture_output=True,
            timeout=_LONGEST_S,
            # Otherwise each thread reserves 64 MB of address space, too much with many threads.
            env={**os.environ, "PYTHONPATH": paths, "MALLOC_ARENA_MAX": "2"},
            check=False,
        )
    except OSError as error:
        raise ModelError(
            f"No process could be started to try the network ({error}).",
            "Close other programs and try again.",
        ) from error
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"The network has not answered within {_LONGEST_S:.0f} s.",
            "Use a smaller network, or a smaller input size.",
        ) from None
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        log.warning("The trial ended with %d: %r", done.returncode, done.stderr[-2000:])
        raise ModelError(
            "The network was tried in a process of its own, which crashed.",
            "Export it again with another opset, or use a smaller one.",
        ) from None
    return said
