"""What tests share: the tiers, workers that do not fight, a running app, a page in Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

# What a race chooses depends on the machine; tests of the race undo this.
os.environ.setdefault("ALLCELL_RUNTIME", "onnx")
# Not the models and cases of whoever runs the tests; nothing is made there by looking.
os.environ.setdefault("ALLCELL_DATA_DIR", os.path.join(os.path.dirname(__file__), ".no_cache"))

import allcell  # noqa: F401  (before any library that it keeps from calling home)
from tests.browser_scene import record, scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has one core: with a pool of threads each they would wait for one another. Set
    # before the libraries are imported, and inherited by the processes that tests start.
    for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ.setdefault(pool, "1")
    os.environ.setdefault("ALLCELL_THREADS", "1")

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

#: Each tier is a run of pytest (`--tier`, see the Makefile), which imports no file of another.
TIERS = {
    "quick": "not browser and not torch and not child and not slow",
    "torch": "not browser and torch and not child and not slow",
    "slow": "not browser and (child or slow)",
    "browser": "browser",
}
#: With this line a file says that all of it is slow: the quick tier does not even import it.
ALL_SLOW = re.compile(r"^pytestmark = pytest\.mark\.(child|torch|slow)$", re.MULTILINE)
TORCH = {"torch", "torchvision", "ultralytics"}
#: What Python tells an audit hook when a process begins.
NEW_PROCESS = {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--tier`."""
    parser.addoption("--tier", choices=list(TIERS), help="run the tests of one tier only")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the tests of the tier; the quick one is guarded where its tests run."""
    tier = config.getoption("tier")
    if not tier:
        return
    marks = config.option.markexpr
    config.option.markexpr = f"({TIERS[tier]}) and ({marks})" if marks else TIERS[tier]
    has_workers = getattr(config.option, "numprocesses", None)
    if tier == "quick" and ("PYTEST_XDIST_WORKER" in os.environ or not has_workers):
        config.pluginmanager.register(QuickGuard(), "quick-guard")


def _looks_for_library() -> bool:
    """Whether `ctypes.util` asks the system for a library, as when aiortc is imported."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "ctypes.util":
            return True
        frame = frame.f_back
    return False


class QuickGuard:
    """Fails a quick test that imports torch or starts a process: it lacks a mark.

    What is tried is refused, and also kept, as code under test may have an answer to a refusal.
    """

    def __init__(self) -> None:
        self.tried: list[str] = []

    def pytest_collection(self) -> None:
        """Begin, from the import of the test files on."""
        platform.processor()  # asks `uname` once in a process
        sys.addaudithook(self._refuse)

    def _refuse(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "import" and arguments[0] in TORCH:
            what = f"imports {arguments[0]}: mark it `torch`"
        elif event in NEW_PROCESS and not _looks_for_library():
            what = f"starts a process ({event} {arguments[:2]}): mark it `child`"
        else:
            return
        self.tried.append(what)
        raise RuntimeError(f"This quick test {what}.")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        """Let the phase fail (set-up, call or teardown) in which something was tried."""
        report = yield
        if self.tried:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: this quick test {'; '.join(self.tried)}."
            self.tried.clear()
        return report


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files that are of another tier as a whole: importing them takes seconds."""
    tier = config.getoption("tier")
    if not tier or not collection_path.name.startswith("test_"):
        return None
    if tier == "browser":
        is_left_out = collection_path.parent.name != "e2e"
    else:
        text = collection_path.read_text(encoding="utf-8")
        is_left_out = (tier == "quick" and ALL_SLOW.search(text) is not None) or (
            tier == "torch" and "mark.torch" not in text
        )
    return True if is_left_out else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark and skip what this machine cannot run; browser tests go last, being the slowest.

    Last also because Playwright keeps an event loop in the main thread, and code under test that
    calls `asyncio.run` would then refuse to start.
    """
    allidb1 = Path(os.environ.get("ALLCELL_ALLIDB1") or "/nonexistent")
    for item in items:
        is_browser = "browser" in getattr(item, "fixturenames", ())  # `page` asks for it, too
        if is_browser and item.path.parent.name != "e2e":
            raise pytest.UsageError(
                f"{item.nodeid} has the fixture `browser`: it belongs in tests/e2e, where the tier "
                "`browser` looks for tests."
            )
        if is_browser:
            item.add_marker("browser")
        if item.get_closest_marker("data") and not (allidb1 / "im").is_dir():
            item.add_marker(
                pytest.mark.skip(reason="set ALLCELL_ALLIDB1 to a folder with im/ and xyc/")
            )
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add to the report of a failed test in Chromium what it had before it."""
    report = yield
    if report.failed and call.when == "call" and item.get_closest_marker("browser"):
        report.sections.append(("what was before it", scene(getattr(item, "funcargs", {}))))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the tries that failed before a test passed: they are faults, be it of the test."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"failed once: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
        for title, text in report.sections:
            terminalreporter.section(title, "-")
            terminalreporter.write_line(text)


def _try_here(arguments: Sequence[str], content: bytes) -> dict[str, Any]:
    """What the child process of a trial does and says, in this process."""
    from allcell.errors import ModelError
    from allcell.untrusted.session import check_file, open_here

    _, _, threads, *size = (int(argument) for argument in arguments)
    said: dict[str, Any]
    try:
        input_px = (size[0], size[1]) if size else None
        said = {"input_px": open_here(content, check_file(content), input_px, threads).input_px}
    except ModelError as error:
        said = {"message": error.message, "remedy": error.remedy}
    answer: dict[str, Any] = json.loads(json.dumps(said))
    return answer


@pytest.fixture(autouse=True)
def tries_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tests marked `child` try strangers' networks in a child process: it takes a second."""
    if request.node.get_closest_marker("child") is None:
        from allcell.untrusted import trial

        monkeypatch.setattr(trial, "_run", _try_here)


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
    command = [sys.executable, "-m", "allcell.ui.server", "run", str(script)]
    command += ["--server.headless=true"]
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


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What starts browsers; there can be one in a process."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium fonts-dejavu-core")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium without a screen, for all tests; each has a context of its own."""
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
    yield chromium
    chromium.close()


def fresh_context(browser: Browser) -> BrowserContext:
    """A window of 1280x900 without a history."""
    return browser.new_context(
        viewport={"width": 1280, "height": 900}, accept_downloads=True, reduced_motion="reduce"
    )


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """What all pages share: the browser's cache, so that the app's scripts are loaded once."""
    shared = fresh_context(browser)
    yield shared
    shared.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A fresh page of 1280x900, which fails the test if it asks any other machine for anything."""
    foreign: list[str] = []

    def note(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL_HOSTS:
            foreign.append(url)

    tab = context.new_page()
    record(tab)
    tab.on("request", lambda request: note(request.url))
    tab.on("websocket", lambda socket: note(socket.url))
    yield tab
    # Nothing of one test is left for the next: what pages keep lies in the session of each tab.
    if not tab.is_closed() and tab.url.startswith("http"):
        tab.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    tab.close()
    context.clear_cookies()
    context.clear_permissions()
    assert not foreign, f"the page asked other machines for: {foreign}"
