"""How much memory this process may take, and how it gives back what it no longer needs."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

#: Where Linux tells the limit of a container, in its second and first version.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
#: Where neither can be asked, as on Windows.
_UNKNOWN_BYTES = 4 * 2**30
#: glibc's `M_ARENA_MAX` (malloc.h), and how many we allow.
_M_ARENA_MAX, _ARENAS = -8, 2


def memory_bytes(limits: Sequence[Path] = _LIMITS) -> int:
    """Memory in bytes that this process may take.

    Args:
        limits: Files with the limit of a container; "max" and absurd numbers mean none.
    """
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        machine = _UNKNOWN_BYTES
    for path in limits:
        try:
            limit = int(path.read_text())
        except (OSError, ValueError):
            continue
        if 0 < limit < machine:
            return limit
    return machine


def share_heaps() -> None:
    """Let the threads of this process share two of glibc's heaps; called before there are threads.

    By default each new thread may begin a heap of its own, up to eight a core, and what one thread
    has freed is of no use to another. Each connection of live video brings new threads: with every
    start some heap would grow.
    """
    _ask_glibc("mallopt", _M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return freed memory to the system: glibc keeps what lies between small things in use."""
    _ask_glibc("malloc_trim", 0)


def _ask_glibc(function: str, *arguments: int) -> None:
    if sys.platform == "linux":
        try:
            getattr(ctypes.CDLL(None), function)(*arguments)
        except AttributeError:  # another C library
            return


def limit_memory(most_bytes: int) -> None:
    """Limit the memory that this process may take beyond what it has, on Linux."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            now_bytes = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (now_bytes + most_bytes, hard))
    except (ImportError, OSError, ValueError):
        return
