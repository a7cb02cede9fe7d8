"""The app as an operator starts it, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.live_loop import Held

ROOT = Path(__file__).resolve().parents[1]
_START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 15.0
_PEAK_EVERY_S = 0.05


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Served:
    """A running app.

    Attributes:
        process: Its process.
        url: Where it answers, base path included.
        log: All it printed.
        peak_mb: Most memory since `watch` began.
        slowest_s: The slowest answer to a question after its health since then.
    """

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    peak_mb: float = 0.0
    slowest_s: float = 0.0
    _done: threading.Event = field(default_factory=threading.Event)

    def held(self) -> Held:
        """What it holds now."""
        return Held.now(self.process.pid)

    def healthy_s(self) -> float:
        """Seconds that it takes to say that it is well."""
        start = time.monotonic()
        with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=30) as answer:
            answer.read()
        return time.monotonic() - start

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Follow its memory and how fast it answers."""
        self.peak_mb, self.slowest_s = 0.0, 0.0
        self._done.clear()

        def memory() -> None:
            while not self._done.wait(_PEAK_EVERY_S):
                self.peak_mb = max(self.peak_mb, self.held().memory_mb)

        def health() -> None:
            while not self._done.wait(0.2):
                self.slowest_s = max(self.slowest_s, self.healthy_s())

        threads = [threading.Thread(target=one, daemon=True) for one in (memory, health)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join(30)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end: its exit code, and after how many seconds."""
        start = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(_END_TIMEOUT_S)
        return code, time.monotonic() - start


@contextmanager
def served(
    log: Path,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    path: str = "",
    port: int | None = None,
) -> Iterator[Served]:
    """Start the app and wait until it answers; it is ended afterwards.

    Args:
        log: Where its output goes.
        arguments: Further ones of `allcell app`.
        environment: Further variables.
        path: The base path that it is given.
        port: Where it listens; a free port if None.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "allcell", "app", f"--port={port}", "--host=127.0.0.1"]
    chosen = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {})
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=log.parent,
            env=chosen,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    app = Served(process, f"http://127.0.0.1:{port}{path}", log)
    try:
        end = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < end and process.poll() is None:
            with suppress(OSError):
                app.healthy_s()
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"the app did not come up:\n{log.read_text()}")
        yield app
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_TIMEOUT_S)
        if process.poll() is None:
            process.kill()
            process.wait()
