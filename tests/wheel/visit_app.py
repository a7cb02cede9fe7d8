"""Start `allcell app`, check its health, look at its pages, end it.

Runs inside the environment of `check_wheel.py`, perhaps in a network namespace in which not even
the loopback device is up.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from streamlit import config
from streamlit.testing.v1 import AppTest

from allcell.settings import PROJECT_ROOT, RESEARCH_USE
from allcell.ui.live import camera

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
PAGES = ("detect", "live", "slides", "review", "compare", "models")
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def _loopback_up() -> None:
    """Where this process may: in a namespace of its own."""
    with contextlib.suppress(OSError), socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


def _answer(url: str) -> str:
    """What a server that is just starting says, once it does."""
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            return str(answer.read(), "utf-8")
        time.sleep(0.1)
    raise SystemExit(f"{url} did not answer within {START_TIMEOUT_S:.0f} s")


def _serve() -> None:
    """The app as a person starts it, from a folder that has nothing to do with it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(sys.executable).with_name("allcell")
    process = subprocess.Popen([script, "app", "--port", str(port), "--host", "127.0.0.1"])
    try:
        if _answer(f"http://127.0.0.1:{port}/_stcore/health") != "ok":
            raise SystemExit("the app is not well")
        if "<title>" not in _answer(f"http://127.0.0.1:{port}/models"):
            raise SystemExit("the address of a page leads nowhere")
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)


def _settings_travel() -> None:
    """Streamlit reads the packaged settings, not only those of the working directory."""
    config._main_script_path = str(PROJECT_ROOT / "app.py")
    config.get_config_options(force_reparse=True)
    kept = {
        "browser.gatherUsageStats": False,
        "runner.postScriptGC": False,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": 200,
        "theme.light.primaryColor": "#17696b",
    }
    for name, expected in kept.items():
        if (got := config.get_option(name)) != expected:
            raise SystemExit(f"{name}: expected {expected!r}, got {got!r}")


def _visit(picture: Path) -> None:
    """Every page through Streamlit's own runner, and one detection."""
    # There is no browser to take video from.
    camera.from_server = camera.from_browser = lambda *_, **__: camera.Link(False, False)
    for page in PAGES:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60)
        app.switch_page(f"pages/{page}.py").run()
        if app.exception:
            raise SystemExit(f"{page}: {app.exception[0].message}")
        if RESEARCH_USE not in " ".join(str(element.proto.body) for element in app.get("html")):
            raise SystemExit(f"{page}: no notice")
        if not app.title:
            raise SystemExit(f"{page}: it is empty")
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60).run()
    uploader = app.get("file_uploader")[0]
    uploader.set_value([(picture.name, picture.read_bytes(), "image/png")]).run()
    if app.exception or not app.metric:
        raise SystemExit(f"no cells were counted: {app.exception}")


if __name__ == "__main__":
    _loopback_up()
    _serve()
    _settings_travel()
    _visit(Path(sys.argv[1]))
