"""Memory is given back: few heaps, and what is freed goes to the system."""

from __future__ import annotations

import platform
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.child

#: Eight threads at a time take and free memory; then glibc says how many heaps it has.
THREADS = """
import ctypes, threading
{begin}
meet = threading.Barrier(8)
def work():
    meet.wait()
    kept = [bytearray(50_000) for _ in range(200)]
    meet.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""
SHARE = "from allcell.environment.memory import share_heaps; share_heaps()"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize(
    ("begin", "few"),
    [pytest.param(SHARE, True, id="as the server"), pytest.param("", False, id="by default")],
)
def test_threads_of_the_server_share_two_heaps(begin: str, few: bool) -> None:
    said = subprocess.run(
        [sys.executable, "-c", THREADS.format(begin=begin)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    heaps = len(re.findall(r"<heap nr=", said))
    assert (heaps <= 2) is few, said[:300]
