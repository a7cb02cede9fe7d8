"""What tests share: the order of the tiers, a running app, a page in Chromium."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

import allcell  # noqa: F401  (before any library that it keeps from calling home)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
CHROMIUM_FLAGS = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
LOCAL_HOSTS = {"127.0.0.1", "localhost"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark and skip what this machine cannot run; browser tests go last, being the slowest.

    Last also because Playwright keeps an event loop in the main thread, and code under test that
    calls `asyncio.run` would then refuse to start.
    """
    allidb1 = Path(os.environ.get("ALLCELL_ALLIDB1") or "/nonexistent")
    for item in items:
        if "page" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
        if item.get_closest_marker("data") and not (allidb1 / "im").is_dir():
            item.add_marker(
                pytest.mark.skip(reason="set ALLCELL_ALLIDB1 to a folder with im/ and xyc/")
            )
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def allidb1_dir() -> Path:
    """The ALL-IDB1 folder, with `im/` and `xyc/`, for tests marked `data`."""
    folder = os.environ.get("ALLCELL_ALLIDB1")
    if not folder:
        pytest.skip("set ALLCELL_ALLIDB1 to a folder with im/ and xyc/")
    return Path(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the files that ONNX Runtime opens from memory in this process, one each time."""
    from allcell.engines import onnx_engine

    sizes: list[int] = []
    original = onnx_engine.ort.InferenceSession

    def counted(model: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(model, bytes):
            sizes.append(len(model))
        return original(model, *args, **kwargs)

    monkeypatch.setattr(onnx_engine.ort, "InferenceSession", counted)
    return sizes


@pytest.fixture
def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    return _free_port()


@dataclass(frozen=True)
class AppServer:
    """A running app.

    Attributes:
        url: Where it answers.
        pid: Its process, for memory measurements.
        log: Everything it printed.
        start_s: Seconds from the start of the process to the first healthy answer.
    """

    url: str
    pid: int
    log: Path
    start_s: float


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> float:
    started = time.monotonic()
    while (waited := time.monotonic() - started) < START_TIMEOUT_S:
        if process.poll() is not None:
            break
        # Until it is up, the connection is refused (URLError is an OSError).
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer,
        ):
            if answer.status == 200:
                return waited
        time.sleep(0.05)
    pytest.fail(
        f"the app did not come up (exit code {process.poll()}, {waited:.0f} s):\n{log.read_text()}"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The app as `make app` starts it, on a port of its own, until the last test is done."""
    script = ROOT / "app.py"
    if not script.is_file():
        pytest.fail(f"there is no {script.name} to start")
    log = tmp_path_factory.mktemp("app") / "streamlit.log"
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1"]
    with log.open("wb") as sink:
        process = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=subprocess.STDOUT)
        try:
            start_s = _wait_until_healthy(process, url, log)
            yield AppServer(url, process.pid, log, start_s)
        finally:
            _stop(process)


@pytest.fixture(scope="session")
def app_url(app_server: AppServer) -> str:
    """Where the running app answers."""
    return app_server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a screen; one for each test file."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium fonts-dejavu-core")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page of 1280x900, which fails the test if it asks any other machine for anything."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, accept_downloads=True, reduced_motion="reduce"
    )
    foreign: list[str] = []

    def note(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL_HOSTS:
            foreign.append(url)

    tab = context.new_page()
    tab.on("request", lambda request: note(request.url))
    tab.on("websocket", lambda socket: note(socket.url))
    yield tab
    context.close()
    assert not foreign, f"the page asked other machines for: {foreign}"
