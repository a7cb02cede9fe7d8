"""Somebody else's network is tried in a process of its own before this one opens it.

A small file can ask its runtime for all memory there is, loop while it is opened, or crash the
runtime. In a server that would end the sessions of everybody.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import allcell
from allcell.engines.time_limit import LONGEST_RUN_S
from allcell.errors import ModelError

#: The process may take so much memory for the network, beyond what it takes itself. A server that
#: opens the network afterwards takes as much.
MOST_MEMORY_BYTES = 3 * 2**30
#: For all of it: the process begins, the network is opened and runs twice.
_LONGEST_S = 3 * LONGEST_RUN_S
#: Trials one after the other, so that several at a time do not take several times the memory.
_TURN = threading.Lock()
#: What went well: SHA-256 and input size. A file is opened again for each place that uses it.
_WENT_WELL: set[tuple[str, tuple[int, int] | None]] = set()
_MOST_KNOWN = 256


def try_apart(content: bytes, input_px: tuple[int, int] | None, threads: int) -> None:
    """Let another process open a network and run it, and learn how it fared.

    Args:
        content: Of the ONNX file.
        input_px: Width and height of its input; what the file says if None.
        threads: CPU threads; 0 leaves ONNX Runtime's choice.

    Raises:
        ModelError: What the other process raised; or that it took too much memory or too long, or
            crashed.
    """
    size = [] if input_px is None else [str(side) for side in input_px]
    key = (hashlib.sha256(content).hexdigest(), input_px)
    with _TURN:
        if key in _WENT_WELL:
            return
        said = _run([str(MOST_MEMORY_BYTES), str(threads), *size], content)
        if said:
            raise ModelError(said["message"], said["remedy"])
        if len(_WENT_WELL) >= _MOST_KNOWN:
            _WENT_WELL.clear()
        _WENT_WELL.add(key)


def _run(arguments: Sequence[str], content: bytes) -> dict[str, str]:
    """What the other process says; empty if all went well."""
    root = Path(allcell.__file__).resolve().parents[1]
    known = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(root), known] if known else [str(root)])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "allcell.foreign_child", *arguments],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LONGEST_S,
            env={**os.environ, "PYTHONPATH": paths},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"The network has not answered within {_LONGEST_S:.0f} s.",
            "Use a smaller network, or a smaller input size.",
        ) from None
    try:
        said: dict[str, str] = json.loads(done.stdout)
    except ValueError:
        raise ModelError(
            "The network was tried in a process of its own, which crashed.",
            "Export it again with another opset, or use a smaller one.",
        ) from None
    return said
