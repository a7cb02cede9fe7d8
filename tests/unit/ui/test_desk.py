"""The end of a session on Live: the stream ends, recordings are whole, nothing is held."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from allcell.settings import settings
from allcell.ui.live import desk as desks
from allcell.ui.live.desk import LiveDesk

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Any:
    closed: list[bool] = []
    viewer = SimpleNamespace(recorder=None, close=lambda: closed.append(True), closed=closed)
    monkeypatch.setattr(desks, "Viewer", lambda settings: viewer)
    yield LiveDesk(None)  # type: ignore[arg-type]
    settings.cache_clear()


def recorded(desk: LiveDesk) -> Path:
    desk.record(".mp4")
    recording = desk.recording
    assert recording is not None
    recording.show(np.full((120, 160, 3), 90, np.uint8))
    end = time.monotonic() + 10
    while recording.seconds < 0.3 and time.monotonic() < end:
        time.sleep(0.02)
    return recording.path


@pytest.mark.parametrize("kept", [True, False], ids=["with a folder", "without"])
def test_a_recording_is_whole_at_the_end_and_stays_where_it_is_wanted(
    desk: Any, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept:
        monkeypatch.setenv("ALLCELL_RECORDINGS_DIR", str(tmp_path))
    settings.cache_clear()
    path = recorded(desk)
    desk.close()
    assert desk.viewer.closed
    assert not desk.holds()
    assert path.exists() is kept
    if kept:
        assert path.parent == tmp_path
        video = cv2.VideoCapture(str(path))
        assert video.read()[0], "it cannot be played"
        video.release()


def test_who_deletes_a_recording_deletes_the_file(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLCELL_RECORDINGS_DIR", str(tmp_path))
    settings.cache_clear()
    path = recorded(desk)
    desk.delete_recording()
    assert not path.exists()


def test_two_recordings_have_two_names(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLCELL_RECORDINGS_DIR", str(tmp_path))
    settings.cache_clear()
    assert recorded(desk) != recorded(desk)
    desk.close()
    assert len(list(tmp_path.iterdir())) == 2
