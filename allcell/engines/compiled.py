"""Graphs that are compiled from a checkpoint on first use, and the folder that keeps them.

A graph counts only with the SHA-256 beside it, which is written last: what a crash, a full disk or
a second process leaves behind is compiled again, and nothing of it is ever run.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from allcell.errors import ModelError

log = logging.getLogger(__name__)

#: Prefix of the folders in which a graph is being compiled.
_AT_WORK = "compiling-"
#: Such a folder that is older belongs to a process that was killed.
_LONGEST_S = 3600.0


def compiled_graph(target: Path, compile_into: Callable[[Path], None]) -> Path | bytes:
    """A graph from the cache, compiled if it is not there or not whole.

    Any number of processes may ask for the same one at once; each result is whole.

    Args:
        target: Where it is kept.
        compile_into: Writes the graph to a path; called at most once.

    Returns:
        Its path, or its content if the folder cannot be written to: it is then compiled again at
        the next start, which the log says.

    Raises:
        ModelError: If there is no room for it anywhere, or as `compile_into` does.
    """
    if _is_whole(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_up(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=_AT_WORK) as folder:
            made = Path(folder, target.name)
            compile_into(made)
            known = Path(folder, "sha256")
            known.write_text(_sha256(made), encoding="ascii")
            # In this order: a graph with the hash of an older one is compiled again.
            os.replace(made, target)
            os.replace(known, _hash_path(target))
    except OSError as error:
        log.warning(
            "The folder for compiled models cannot be written to (%s): the model is compiled again "
            "at each start. Set ALLCELL_CACHE_DIR to a folder with room that may be written to.",
            error.strerror or type(error).__name__,
        )
        return _in_memory(compile_into)
    return target


def _in_memory(compile_into: Callable[[Path], None]) -> bytes:
    try:
        with tempfile.TemporaryDirectory(prefix=_AT_WORK) as folder:
            made = Path(folder, "graph.onnx")
            compile_into(made)
            return made.read_bytes()
    except OSError as error:
        raise ModelError(
            "The model cannot be compiled: neither the folder for compiled models nor that for "
            f"temporary files can be written to ({error.strerror or type(error).__name__}).",
            "Free some disk, or set ALLCELL_CACHE_DIR to a folder that may be written to.",
        ) from error


def _is_whole(path: Path) -> bool:
    try:
        return _hash_path(path).read_text(encoding="ascii") == _sha256(path)
    except (OSError, ValueError):
        return False


def _hash_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _clear_up(folder: Path) -> None:
    """Remove what processes that were killed have left."""
    for left in folder.glob(f"{_AT_WORK}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LONGEST_S:
                shutil.rmtree(left, ignore_errors=True)
