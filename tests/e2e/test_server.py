"""The server as an operator sees it: memory, log, temporary files, its end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import cv2
import pytest

from allcell.imaging.images import encode_png
from allcell.synth import FieldSpec, render
from tests.app_client import AppClient
from tests.served import Served, free_port, served
from tests.soak import sessions
from tests.traced import ROOT, Traced, why_not
from tests.user_sets import coco_files, packed

pytestmark = pytest.mark.child
needs_strace = pytest.mark.skipif(bool(why_not()), reason=why_not())

#: A patient's name, as a hospital's camera software writes it into file names.
BORN = "19870412"
PATIENT = f"Mueller_Anna_{BORN}"
SMALL_MB = 40


def smear() -> bytes:
    return encode_png(
        render(FieldSpec(480, 360, red_cell_px=24, seed=3, blasts=4, neutrophils=2)).image
    )


def video(folder: Path) -> bytes:
    path = folder / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (480, 360))
    frame = render(FieldSpec(480, 360, red_cell_px=24, seed=3, blasts=4)).image
    for _ in range(10):
        writer.write(frame[..., ::-1])
    writer.release()
    return path.read_bytes()


def labelled_set() -> bytes:
    return packed(coco_files(2))


@needs_strace
@pytest.mark.parametrize("kind", ["json", "text"])
def test_the_names_of_patients_files_are_in_no_log_address_or_temporary_file(
    tmp_path: Path, kind: str
) -> None:
    port = free_port()
    folder = tmp_path / "traced"
    folder.mkdir()
    server = Traced(
        ["-m", "allcell", "app", "--host", "localhost", "--port", str(port)],
        folder,
        cwd=ROOT,
        variables={"ALLCELL_LOG_LEVEL": "debug", "ALLCELL_LOG_FORMAT": kind},
    )
    url = f"http://localhost:{port}"
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health"):
                break
            time.sleep(0.1)
        with AppClient(url) as tab:
            tab.run()
            tab.upload({f"{PATIENT}.png": smear(), f"{PATIENT}-2.tif": b"II*\0broken"})
            assert any(BORN in text for text in tab.texts), "the page does not show the file"
            tab.open("live")
            tab.choose("Source", "Video file")
            tab.upload({f"{PATIENT}.avi": video(tmp_path)}, "Video")
            tab.open("compare")
            tab.open_tab("Your data")
            tab.upload({f"{PATIENT}.zip": labelled_set()}, "Labelled set")
            tab.upload({f"{PATIENT}-broken.zip": b"no ZIP"}, "Labelled set")
            addresses = list(tab.addresses)
    finally:
        server.stop()
        done = server.trace
    assert addresses
    assert not [address for address in addresses if BORN in address]
    assert BORN not in done.output
    assert not [path for path in done.written if BORN in str(path)]
    assert any("allcell-video-" in str(path) for path in done.written), "no video was played"
    assert not [left for left in done.left if left.startswith("tmp")]
    if kind == "json":
        lines = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
        assert {"time", "level", "logger", "message"} <= set(lines[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time(tmp_path: Path, number: int) -> None:
    with served(tmp_path / "log") as app, AppClient(app.url) as tab:
        tab.run()
        tab.upload({"smear.png": smear()})
        code, took_s = app.end(number)
    assert code == 0, (tmp_path / "log").read_text()
    assert took_s < 10


def test_it_ends_in_time_even_if_something_hangs(tmp_path: Path) -> None:
    hang = tmp_path / "sitecustomize.py"
    # A thread that Python waits for, as a camera's driver that does not answer.
    hang.write_text(
        "import threading, time, sys\n"
        "if 'allcell.ui.server' in ' '.join(sys.orig_argv):\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    with served(tmp_path / "log", environment=environment) as app:
        code, took_s = app.end()
    assert code == 0
    assert took_s < 10
    assert "does not end" in (tmp_path / "log").read_text()


def test_closed_sessions_leave_nothing_and_the_budget_holds(tmp_path: Path) -> None:
    # The short version of `make soak`: 4 sessions of 8 files of 3 MB, with room for four at a time.
    environment: Mapping[str, str] = {
        "ALLCELL_SESSION_KEPT_S": "1",
        "ALLCELL_MAX_SESSION_BYTES": str(SMALL_MB * 2**20),
    }
    with served(tmp_path / "log", environment=environment) as app:
        found, wrong = sessions.soak(app, sessions=4, files=8, side_px=1600, budget_mb=700)
    assert not wrong
    assert found["refused"] == 4, "eight files of 7 MB and a decoded one are more than 40 MB"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The app for tests that neither end it nor give it settings."""
    environment = {"ALLCELL_SESSION_KEPT_S": "30"}
    with served(tmp_path_factory.mktemp("app") / "log", environment=environment) as running:
        yield running


def test_a_broken_connection_is_taken_up_again_with_all_pictures(app: Served) -> None:
    tab = AppClient(app.url)
    tab.run()
    tab.upload({"smear.png": smear()})
    tab.vanish()
    time.sleep(2)
    again = AppClient(app.url, session=tab.session_id)
    again.run()
    assert again.session_id == tab.session_id
    assert any("3 Blasts" in text for text in again.texts)
    again.close()


def test_the_log_of_a_fault_names_no_file(app: Served) -> None:
    with AppClient(app.url) as tab:
        tab.run()
        tab.upload({f"{PATIENT}.jpg": b"\xff\xd8\xff broken"})
    said = app.log.read_text()
    assert "could not be decoded" in said
    assert BORN not in said


def test_two_tabs_are_answered_while_a_third_uploads(app: Served) -> None:
    with app.watched():
        data = sessions.bitmap(3000)
        with AppClient(app.url) as busy:
            busy.run()
            sender = threading.Thread(target=busy.upload, args=({"field.bmp": data},))
            sender.start()
            with AppClient(app.url) as other:
                other.run()
                assert any("photographs: JPEG" in text for text in other.texts)
            sender.join()
    assert app.slowest_s < 1.0
