"""Sources: the newest frame only, limits before decoding, no hang at the end."""

import socket
import threading
import time

import cv2
import numpy as np
import pytest

from allcell.errors import DeviceError, ImageError
from allcell.settings import Settings
from allcell.stream import video_file
from allcell.stream.feed import Feed
from allcell.stream.frames import Viewer
from allcell.stream.microscope import VirtualMicroscope
from allcell.stream.server_camera import ServerCamera, camera_name
from allcell.stream.slide_canvas import SlideCanvas, cells_in, slide_spec, zoomed
from allcell.stream.sources import SlideView
from allcell.stream.stage import Stage
from allcell.stream.video_file import VideoFile
from allcell.synth.slide import SyntheticSlide
from tests.stream_stubs import box_drawn, given_scale, picture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Half a second at 30 frames a second; each frame is brighter than the one before."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (320, 240))
    for n in range(15):
        frame = picture((100, 80, 60), seed=1)
        frame[:16] = 10 * n
        writer.write(frame[..., ::-1])
    writer.release()
    return path


def read_all(source, seconds):
    frames, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end and not source.ended:
        if frame := source.read(timeout_s=0.1):
            frames.append(frame)
    return frames


class TestVideoFile:
    def test_it_plays_at_its_own_speed_and_ends(self, clip):
        start = time.perf_counter()
        source = VideoFile(clip)
        frames = read_all(source, 5)
        assert time.perf_counter() - start == pytest.approx(0.5, abs=0.3)
        assert source.ended
        assert source.error == ""
        assert source.frame_px == (320, 240)
        assert source.fps == pytest.approx(30)
        brightness = [float(frame.image[:8].mean()) for frame in frames]
        assert len(frames) >= 10
        assert brightness == sorted(brightness)
        assert source.read(timeout_s=5) is None, "returns at once after the end"

    @pytest.mark.slow
    def test_it_may_loop(self, clip):
        source = VideoFile(clip, loop=True)
        frames = read_all(source, 1.5)
        source.close()
        assert frames[-1].number > 30

    def test_only_the_newest_frame_is_kept(self, clip):
        source = VideoFile(clip, loop=True)
        time.sleep(0.3)
        first = source.read()
        assert first.number > 3
        assert source.read() is None
        source.close()

    @pytest.mark.parametrize(
        ("limits", "message"),
        [
            pytest.param({"max_video_bytes": 1000}, "at most 0 MB", id="too many bytes"),
            pytest.param({"max_video_s": 0.1}, "minutes long", id="too long"),
        ],
    )
    def test_limits(self, clip, monkeypatch, limits, message):
        monkeypatch.setattr(video_file, "settings", lambda: Settings(**limits))
        with pytest.raises(ImageError, match=message):
            VideoFile(clip)

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"#EXTM3U\nhttp://10.0.0.1/secret\n", id="a playlist names an address"),
            pytest.param(b"ffconcat version 1.0\nfile /etc/passwd\n", id="a list names a file"),
            pytest.param(b"\x00\x00\x00\x20ftypisom" + bytes(500), id="an MP4 of zeros"),
        ],
    )
    def test_what_is_no_video_is_refused(self, tmp_path, content):
        path = tmp_path / "clip.mp4"
        path.write_bytes(content)
        with pytest.raises(ImageError):
            VideoFile(path)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(ImageError, match="cannot be opened"):
            VideoFile(tmp_path / "none.mp4")


class TestServerCamera:
    def test_none_may_be_opened_by_default(self):
        assert Settings().cameras == ()
        with pytest.raises(DeviceError, match="not among"):
            ServerCamera("rtsp://127.0.0.1/stream")

    def test_an_address_must_be_named_as_it_is(self):
        with pytest.raises(DeviceError, match="not among"):
            ServerCamera("rtsp://127.0.0.1/stream", allowed=("rtsp://127.0.0.1/",))

    @pytest.mark.slow
    def test_one_that_does_not_answer_fails_within_seconds(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            address = f"rtsp://user:secret@127.0.0.1:{silent.getsockname()[1]}/stream"
            start = time.perf_counter()
            with pytest.raises(DeviceError) as caught:
                ServerCamera(address, allowed=(address,), timeout_s=1.5)
            assert time.perf_counter() - start < 4
        assert "127.0.0.1" in str(caught.value)
        assert "secret" not in str(caught.value)

    def test_a_device_that_is_not_there(self):
        with pytest.raises(DeviceError, match="Camera 97"):
            ServerCamera("97", allowed=("97",))

    @pytest.mark.parametrize(
        ("address", "name"),
        [
            ("0", "Camera 0 of the server"),
            ("rtsp://user:pa@ss@scope.local:554/a?b", "The camera at scope.local:554"),
        ],
        ids=["number", "address without its password"],
    )
    def test_names(self, address, name):
        assert camera_name(address) == name


class TestSlideCanvas:
    @pytest.mark.parametrize("zoom", [0.5, 1.0, 2.0])
    def test_cells_are_where_it_says(self, zoom):
        spec = zoomed(slide_spec(640, 480, seed=3), zoom)
        place = SlideView(-37, 211, 640, 480, zoom, 0.0)
        image = SlideCanvas(spec, 640, 480).view(place.x_px, place.y_px)
        truth = SyntheticSlide(spec).view(place.x_px, place.y_px, 640, 480)
        assert np.array_equal(image, truth.image), "tiles join without a seam"
        centres = (truth.truth.xyxy[:, :2] + truth.truth.xyxy[:, 2:]) / 2
        whole = [
            c
            for c in cells_in(SyntheticSlide(spec), place)
            if c.radius_px < min(c.x_px, c.y_px, 640 - c.x_px, 480 - c.y_px)
        ]
        assert whole
        for cell in whole:
            near = np.hypot(centres[:, 0] - cell.x_px, centres[:, 1] - cell.y_px)
            assert near.min() < 0.35 * cell.radius_px
            assert truth.truth.class_id[near.argmin()] == cell.class_id

    def test_old_tiles_are_forgotten(self):
        canvas = SlideCanvas(slide_spec(320, 240, seed=3), 320, 240)
        canvas.view(0, 0)
        for column in range(100, 200):
            canvas._tiles[(column, 0)] = np.zeros((1, 1, 3), np.uint8)
        canvas.paint((0, 50))
        assert len(canvas._tiles) <= 96


class TestStage:
    def test_it_wanders_refocuses_and_changes_field(self):
        stage = Stage()
        poses = []
        for _ in range(30 * 60):
            moment, reached, pose = stage.peek(1 / 30)
            stage.take(moment, reached)
            poses.append(pose)
        steps = np.abs(np.diff([pose.x for pose in poses]))
        assert max(pose.defocus for pose in poses) == pytest.approx(1, abs=0.01)
        assert (steps > 3).sum() >= 1, "a new field"
        assert np.sort(steps)[-5] < 0.02, "elsewhere smooth"

    def test_it_obeys(self):
        stage = Stage(auto=False)
        stage.nudge(0.25, -0.5)
        for _ in range(60):
            moment, reached, pose = stage.peek(1 / 30)
            stage.take(moment, reached)
        assert (pose.x, pose.y) == pytest.approx((0.25, -0.5), abs=0.01)
        stage.next_field()
        assert abs(stage.peek(0.0)[2].x - pose.x) > 2


class TestVirtualMicroscope:
    @pytest.mark.slow
    def test_frames_carry_their_place(self):
        with_view = VirtualMicroscope(320, 240, auto=False, seed=5)
        frame = with_view.read(timeout_s=10)
        assert frame.image.shape == (240, 320, 3)
        truth = SyntheticSlide(slide_spec(320, 240, 5)).view(
            frame.view.x_px, frame.view.y_px, 320, 240
        )
        assert np.array_equal(frame.image, truth.image)
        assert with_view.cells(frame.view)
        with_view.move(0.5, 0)
        end = time.perf_counter() + 10
        while frame.view.x_px < 155 and time.perf_counter() < end:
            frame = with_view.read(timeout_s=1) or frame
        assert frame.view.x_px == pytest.approx(160, abs=5)
        with_view.set_zoom(2.0)
        while frame.view.zoom != 2.0 and time.perf_counter() < end + 10:
            frame = with_view.read(timeout_s=1) or frame
        assert frame.view.zoom == 2.0
        with pytest.raises(ValueError, match="zoom"):
            with_view.set_zoom(3.0)
        with_view.close()

    def test_closing_ends_its_threads(self):
        before = threading.active_count()
        for _ in range(3):
            source = VirtualMicroscope(320, 240)
            assert source.read(timeout_s=10)
            source.close()
        assert threading.active_count() == before


class TestFeed:
    @pytest.mark.slow
    def test_it_shows_the_newest_frame_with_boxes_and_stays_at_the_end(self, clip):
        viewer = Viewer(given_scale(labels=False))
        feed = Feed(VideoFile(clip), viewer.process)
        assert feed.wait(5)
        end = time.perf_counter() + 5
        while not feed.source.ended and time.perf_counter() < end:
            time.sleep(0.05)
        time.sleep(0.6)
        assert box_drawn(feed.newest()) is not None
        viewer.configure(given_scale(viewer.settings.worker, labels=False, confidence=0.9))
        time.sleep(0.6)
        assert box_drawn(feed.newest()) is None, "controls act on the last frame"
        feed.close()
        viewer.close()
        assert not feed._thread.is_alive()
