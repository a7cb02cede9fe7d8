"""What remains of a session: recordings, snapshots, their ZIP; and the pipeline's benchmark."""

import csv
import io
import time
import zipfile
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from allcell.detections import Detections
from allcell.detector import Timing
from allcell.errors import ImageError, ModelError
from allcell.imaging.images import decode
from allcell.report.snapshots import snapshots_zip
from allcell.settings import RESEARCH_USE, Settings
from allcell.stream import recorder as recorder_module
from allcell.stream.frames import Viewer
from allcell.stream.pipeline import benchmark_pipeline, pan
from allcell.stream.recorder import Recorder
from allcell.stream.snapshots import Snapshot, Strip
from tests.stream_stubs import SPEC, Spots, given_scale, picture, worker

pytestmark = pytest.mark.slow


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_recording_keeps_time_and_content(tmp_path, suffix):
    recorder = Recorder(tmp_path / f"live{suffix}", fps=15)
    start = time.perf_counter()
    bright = np.full((121, 161, 3), (250, 40, 40), np.uint8)
    while time.perf_counter() - start < 1.0:
        recorder.show(bright)
        time.sleep(0.01)
    recorder.close()
    frames = frames_of(recorder.path)
    assert len(frames) == pytest.approx(15, abs=4)
    height, width = frames[0].shape[:2]
    assert width == 160
    assert height > 120, "the research-use notice is below"
    assert frames[-1][60, 80] == pytest.approx((40, 40, 250), abs=25), "blue, green, red"
    assert recorder.error == ""


def test_what_a_viewer_shows_is_recorded_and_a_new_size_is_fitted_in(tmp_path):
    viewer = Viewer(given_scale(labels=False))
    viewer.recorder = Recorder(tmp_path / "live.mp4", fps=20)
    for size in ((320, 240), (640, 480)):
        for _ in range(10):
            viewer.process(picture((100, 80, 60), width=size[0], height=size[1]))
            time.sleep(0.03)
    viewer.recorder.close()
    assert {frame.shape[1] for frame in frames_of(tmp_path / "live.mp4")} == {320}
    assert viewer.recorder.error == ""
    viewer.close()


def test_showing_takes_no_time(tmp_path):
    recorder = Recorder(tmp_path / "live.mp4")
    frame = np.zeros((720, 1280, 3), np.uint8)
    start = time.perf_counter()
    for _ in range(1000):
        recorder.show(frame)
    assert time.perf_counter() - start < 0.05
    recorder.close()


@pytest.mark.parametrize("name", ["live.avi", "live"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(ImageError, match=r"mp4 or \.webm"):
        Recorder(tmp_path / name)


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    recorder = Recorder(tmp_path / "none" / "live.mp4")
    recorder.show(np.zeros((120, 160, 3), np.uint8))
    time.sleep(0.3)
    assert not recorder.running
    assert "cannot be written" in recorder.error


def test_a_recording_ends_at_its_longest(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "settings", lambda: Settings(max_recording_s=0.3))
    recorder = Recorder(tmp_path / "live.mp4", fps=20)
    recorder.show(np.zeros((120, 160, 3), np.uint8))
    time.sleep(0.9)
    assert not recorder.running
    assert "maximum" in recorder.error
    assert len(frames_of(recorder.path)) <= 7


def snapshot(n):
    frame = picture((20 * n, 30, 40), seed=n)
    found = Detections.truth([(20 * n, 30, 20 * n + 40, 70)], [n % 3])
    return Snapshot(
        frame,
        found,
        SPEC,
        "stub runtime",
        0.4,
        0.5,
        ("smudge",),
        20.0,
        Timing(1, 2, 3, 6),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) + timedelta(milliseconds=n),
        "ab" * 32,
    )


def test_a_strip_keeps_the_newest():
    strip = Strip(limit=3)
    taken = [snapshot(n) for n in range(5)]
    for item in taken:
        strip.add(item)
    assert strip.snapshots() == tuple(taken[2:])
    strip.remove(taken[3])
    strip.remove(taken[0])
    assert strip.snapshots() == (taken[2], taken[4])
    strip.clear()
    assert len(strip) == 0


def test_the_zip_holds_frames_boxes_and_how_they_were_taken():
    taken = [snapshot(n) for n in range(2)]
    with zipfile.ZipFile(io.BytesIO(snapshots_zip(taken))) as archive:
        names = archive.namelist()
        raw = [decode(archive.read(f"raw/{item.name}")) for item in taken]
        session = list(csv.DictReader(io.StringIO(archive.read("session.csv").decode("utf-8-sig"))))
        boxes = archive.read("csv/20260102-030405-001.csv").decode()
        notice = archive.read("NOTICE.txt").decode()
    assert {f"annotated/{item.name}" for item in taken} <= set(names)
    assert all(np.array_equal(a, item.frame) for a, item in zip(raw, taken, strict=True))
    assert session[1]["taken_at_utc"] == "2026-01-02T03:04:05Z"
    assert session[0]["confidence"] == "0.40"
    assert session[0]["hidden_classes"] == "smudge"
    assert session[0]["weights_sha256"] == "ab" * 32
    assert session[0]["allcell_version"]
    assert ",0.40,0.50," in boxes
    assert "healthy" in boxes
    assert RESEARCH_USE in notice
    assert RESEARCH_USE in session[0]


class TestPipeline:
    def test_it_counts_the_whole_way(self):
        result = benchmark_pipeline(
            worker(Spots(delay_s=0.02)), pan(640, 360, frames=4), frames=20, warm_up=3
        )
        assert 20 < result.bare_engine.median < 60
        assert result.frame.median > result.bare_engine.median
        assert result.over_engine == pytest.approx(result.frame.median / result.bare_engine.median)
        assert result.fps == pytest.approx(1e3 / result.frame.median, rel=0.4)
        assert "times the bare engine" in result.summary()

    def test_a_model_that_fails_is_told(self):
        engine = Spots()
        engine.fail_on = range(1, 100)
        with pytest.raises(ModelError, match="no more memory"):
            benchmark_pipeline(worker(engine), pan(640, 360, frames=4), frames=5, warm_up=3)
