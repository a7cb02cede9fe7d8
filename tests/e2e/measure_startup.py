"""How long until the first page and the first detection: `python tests/e2e/measure_startup.py`.

Not a test: run it by hand on an idle machine, with the environment whose start is to be measured.
Chromium and Playwright are needed; the picture is a synthetic field of 5 megapixels.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import sync_playwright  # noqa: E402

from allcell.benchmark import resident_mb  # noqa: E402
from allcell.imaging.images import encode_jpeg  # noqa: E402
from allcell.synth import random_spec, render  # noqa: E402
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS  # noqa: E402

ROUNDS = 3


def wait_until_up(url: str) -> None:
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)


def measure(picture: Path) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://localhost:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    server = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_up(url)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            page = browser.new_page()
            start = time.perf_counter()
            page.goto(url)
            page.wait_for_selector('[data-testid="stFileUploader"]')
            first_page = time.perf_counter() - start
            # A person needs longer than this to choose a file.
            page.wait_for_timeout(1500)
            start = time.perf_counter()
            page.set_input_files('[data-testid="stFileUploader"] input', picture)
            page.wait_for_selector("text=Blasts suggested")
            detection = time.perf_counter() - start
            memory = resident_mb(server.pid)
            browser.close()
    finally:
        server.terminate()
        server.wait()
    return (
        f"first page {first_page:.1f} s after the server was up, first detection "
        f"{detection:.1f} s, server {memory:.0f} MB"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "field.jpg"
        picture.write_bytes(encode_jpeg(render(random_spec(3, 2592, 1944, 80)).image))
        for _ in range(ROUNDS):
            print(measure(picture))


if __name__ == "__main__":
    main()
