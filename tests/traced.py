"""Programs run under strace: whom they tried to reach, and what they wrote.

A patched `socket` would see Python's own attempts only; a library may call home in C++.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Of a name server; a look-up goes there also where a service of this machine passes it on.
_DNS_PORT = 53
#: Services of this machine that look names up for a program.
_RESOLVERS = ("nscd", "systemd/resolve", "dbus", "avahi")
_SENDS = "connect,sendto,sendmsg,sendmmsg"
_WRITES = (
    "?open,openat,?openat2,?creat,?mkdir,mkdirat,?rename,?renameat,renameat2,"
    "?link,linkat,?symlink,symlinkat,?mknod,mknodat"
)
#: Switches of telemetry that we set ourselves, turned to the wrong side.
_WRONG_SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "0",
    "YOLO_OFFLINE": "false",
    "YOLO_AUTOINSTALL": "true",
    "NO_ALBUMENTATIONS_UPDATE": "",
    "RAY_USAGE_STATS_ENABLED": "1",
    "RAY_USAGE_STATS_REPORT_URL": "https://usage-stats.ray.io/",
}
#: All that a program keeps of the environment: another variable may lead files out of the fresh
#: home folder, or switch telemetry off (ONNX Runtime's is, where `CI` is set).
_KEPT = re.compile(r"PATH|LD_LIBRARY_PATH|LANG|LC_\w+|TZ")
_TIMEOUT_S = 300.0


@lru_cache(maxsize=1)
def why_not() -> str:
    """Why nothing can be traced here; empty if it can."""
    if shutil.which("strace") is None:
        return "no strace here: apt-get install strace"
    tried = subprocess.run(
        ["strace", "-D", "-f", "-o", "/dev/null", sys.executable, "-c", ""],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else ""


def beyond_this_machine(line: str) -> bool:
    """Whether a line of strace is an attempt to look up a name or to reach another machine."""
    if line.split("(", 1)[0] not in _SENDS.split(","):
        return False
    if (unix := re.search(r'sun_path="([^"]*)"', line)) is not None:
        # Where no such service runs, the C library goes on by itself: what follows is seen.
        runs = "= -1 ENOENT" not in line and "= -1 ECONNREFUSED" not in line
        return runs and any(name in unix[1] for name in _RESOLVERS)
    for port, v4, v6 in re.findall(
        r'sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]*)"\)'
        r'|inet_pton\(AF_INET6, "([^"]*)")',
        line,
    ):
        own = v4.startswith("127.") or v6 == "::1" or v6.startswith("::ffff:127.")
        if not own or int(port) == _DNS_PORT:
            return True
    return False


def written(line: str, folder: Path) -> Path | None:
    """The path that a line of strace wrote or made, if it did; relative ones are below a folder."""
    call = line.split("(", 1)[0]
    if " = -1 " in line or call in _SENDS.split(","):
        return None
    if call.startswith("open") and not re.search(r"O_WRONLY|O_RDWR|O_CREAT", line):
        return None
    named = re.findall(r'(?:<([^>"]*)>, )?"((?:[^"\\]|\\.)*)"', line)
    if not named:
        return None
    base, name = named[-1]
    return Path(os.path.normpath(folder / base / name))


@dataclass(frozen=True)
class Trace:
    """What a program did.

    Attributes:
        code: Its exit code.
        output: All it printed.
        attempts: Lines of strace in which it tried to look up or reach something.
        written: Paths that it wrote or made, whether they still exist or not.
        left: Files in its home and temporary folders at the end, relative to the one above them.
    """

    code: int
    output: str
    attempts: list[str]
    written: set[Path]
    left: set[str]


class Traced:
    """A program running under strace, with empty home and temporary folders.

    Args:
        arguments: Of Python.
        folder: Everything of this run is kept below it: home/, tmp/, work/.
        cwd: Where it runs; work/ by default.
        files: What lies in work/ at the start, by name.
        variables: Of the environment, beyond those that every program keeps.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        folder: Path,
        *,
        cwd: Path | None = None,
        files: Mapping[str, bytes] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        for name in ("home", "tmp", "work", "trace"):
            (folder / name).mkdir()
        for name, content in (files or {}).items():
            (folder / "work" / name).write_bytes(content)
        self._cwd = cwd or folder / "work"
        self.log = folder / "output.txt"
        environment = {k: v for k, v in os.environ.items() if _KEPT.fullmatch(k)}
        environment |= _WRONG_SWITCHES | {
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            **(variables or {}),
        }
        # -D leaves the program our child, and -ff keeps the lines of its threads apart.
        strace = ["strace", "-D", "-f", "-ff", "-y", "--seccomp-bpf", "-s", "120"]
        strace += ["-e", f"trace={_SENDS},{_WRITES}", "-o", str(folder / "trace" / "t")]
        with self.log.open("wb") as sink:
            self.process = subprocess.Popen(
                [*strace, sys.executable, *map(str, arguments)],
                cwd=self._cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """End it from outside."""
        self.process.terminate()

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @cached_property
    def trace(self) -> Trace:
        """What it did; waits for its end."""
        try:
            code = self.process.wait(_TIMEOUT_S)
        finally:
            self.kill()
        lines = self._lines()
        left = {
            str(path.relative_to(self.folder))
            for name in ("home", "tmp")
            for path in (self.folder / name).rglob("*")
            if not path.is_dir()
        }
        return Trace(
            code,
            self.log.read_text(errors="replace"),
            [line for line in lines if beyond_this_machine(line)],
            {path for line in lines if (path := written(line, self._cwd)) is not None},
            left,
        )

    def _lines(self) -> list[str]:
        """Of all threads; strace may still be writing when the program has ended."""
        end = time.monotonic() + 10
        while True:
            threads = [p.read_text(errors="replace") for p in (self.folder / "trace").iterdir()]
            done = threads and all("\n+++ " in f"\n{text}" for text in threads)
            if done or time.monotonic() > end:
                return [line for text in threads for line in text.splitlines()]
            time.sleep(0.05)


def outside(paths: Iterable[Path], *folders: Path) -> list[str]:
    """Those of some paths that are in none of some folders, nor on the way to one, nor a device."""
    allowed = (*folders, Path("/dev"), Path("/proc"))
    return sorted(
        str(p)
        for p in paths
        if not any(p.is_relative_to(folder) or folder.is_relative_to(p) for folder in allowed)
    )
