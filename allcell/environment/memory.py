"""How much memory this process may take: the machine's, or less where a container limits it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

#: Where Linux tells the limit of a container, in its second and first version.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
#: Where neither can be asked, as on Windows.
_UNKNOWN_BYTES = 4 * 2**30


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
