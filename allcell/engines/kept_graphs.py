"""Compiled graphs on disk: compiling one takes up to a second, reading it a tenth."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from allcell.settings import settings

#: Bytes of all of them together; the ones used least recently go first.
_MOST_BYTES = 300 * 2**20
_DIGEST_BYTES = hashlib.sha256().digest_size
#: Digits of the hash of a file with which the names of its graphs begin.
_FILE_DIGITS = 16


def folder() -> Path:
    """Where they are kept."""
    return settings().cache_dir / "openvino"


def key(sha256: str, *parts: str) -> str:
    """The name under which a graph is kept.

    Args:
        sha256: Of the file that it was compiled from, hexadecimal.
        parts: All else that it depends on: device, processor, versions, settings.
    """
    digest = hashlib.sha256("\0".join((sha256, *parts)).encode()).hexdigest()
    return f"{sha256[:_FILE_DIGITS]}-{digest[:32]}"


def read(name: str) -> bytes | None:
    """A graph; None if there is none, or the file is not whole.

    Args:
        name: From `key`.
    """
    path = folder() / f"{name}.blob"
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, graph = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(graph).digest() != digest:
        forget(name)
        return None
    # Neither a full nor a read-only disk is a reason not to use it.
    with contextlib.suppress(OSError):
        os.utime(path)
    return graph


def keep(name: str, graph: bytes) -> None:
    """Write a graph, whole or not at all; where nothing can be written, it is not kept.

    Args:
        name: From `key`.
        graph: The compiled graph.
    """
    target = folder()
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_whole(target / f"{name}.blob", hashlib.sha256(graph).digest() + graph)
        _make_room(target)
    except OSError:
        return


def forget(name: str) -> None:
    """Delete a graph, if that is possible."""
    with contextlib.suppress(OSError):
        (folder() / f"{name}.blob").unlink(missing_ok=True)


def forget_file(sha256: str) -> None:
    """Delete all graphs of a file, as far as that is possible.

    Args:
        sha256: Of the file, hexadecimal.
    """
    for path in folder().glob(f"{sha256[:_FILE_DIGITS]}-*.blob"):
        forget(path.stem)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever reads a part of it.

    Args:
        path: Its folder exists.
        content: All of it.

    Raises:
        OSError: If it cannot be written; then nothing is left behind.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _make_room(target: Path) -> None:
    found = sorted(
        ((path.stat().st_mtime, path.stat().st_size, path) for path in target.glob("*.blob")),
        reverse=True,
    )
    total = 0
    for place, (_, size, path) in enumerate(found):
        total += size
        if place and total > _MOST_BYTES:
            path.unlink(missing_ok=True)
