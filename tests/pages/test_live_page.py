"""The Live page without a browser: the one WebRTC call is replaced, everything else is real."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from allcell.stream.microscope import VirtualMicroscope
from allcell.ui.live import camera
from allcell.ui.live.camera import Link, ice_servers
from allcell.ui.live.desk import LiveDesk, WatchedFeed
from allcell.ui.live.webrtc_tuning import tune

pytestmark = pytest.mark.slow

WAIT_S = 20.0


@pytest.fixture
def playing(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Whether the browser plays; change it between runs."""
    state = {"on": False}

    def link(*args: object, **kwargs: object) -> Link:
        return Link(state["on"], False)

    monkeypatch.setattr(camera, "from_server", link)
    monkeypatch.setattr(camera, "from_browser", link)
    return state


@pytest.fixture
def live(app: AppTest, playing: dict[str, bool]) -> Iterator[AppTest]:
    """The Live page, run once."""
    app.run().switch_page("pages/live.py").run()
    assert not app.exception
    yield app
    if "allcell.live" in app.session_state:
        app.session_state["allcell.live"].stop()


def desk_of(app: AppTest) -> LiveDesk:
    desk = app.session_state["allcell.live"]
    assert isinstance(desk, LiveDesk)
    return desk


def watch(desk: LiveDesk, frames: int) -> None:
    """Look at the stream as a browser would, until so many frames were shown."""
    patience = time.monotonic() + WAIT_S
    while time.monotonic() < patience:
        desk.newest()
        if desk.watched and desk.watched.feed.number >= frames and desk.viewer.snapshot():
            return
        time.sleep(0.03)
    pytest.fail("no frames came")


def test_it_opens_on_the_virtual_microscope_and_plays_nothing_unasked(live: AppTest) -> None:
    assert live.title[0].value == "Live microscope"
    assert desk_of(live).watched is None
    assert live.button(key="live.snapshot").disabled


@pytest.mark.torch
def test_play_snapshot_freeze_stop(live: AppTest, playing: dict[str, bool]) -> None:
    playing["on"] = True
    live.run()
    desk = desk_of(live)
    assert desk.microscope is not None
    watch(desk, 5)
    live.button(key="live.snapshot").click().run()
    assert not live.exception
    assert len(desk.strip) == 1
    assert len(desk.strip.snapshots()[0].detections) > 0

    desk.newest()
    live.toggle(key="live.frozen").set_value(True).run()
    desk.newest()
    assert desk.viewer.settings.frozen
    frozen = desk.viewer.frozen_frame()
    assert frozen is not None
    live.button(key="live.analyse").click().run()
    assert not live.exception
    assert "Blasts suggested" in "\n".join(s.value for s in live.subheader)
    live.button(key="live.keep_frozen").click().run()
    assert len(desk.strip) == 2
    # What one model said is not shown as another's.
    for name, shown in (("yolov6", False), ("live", True)):
        live.selectbox(key="live.model").set_value(name).run()
        assert ("Blasts suggested" in "\n".join(s.value for s in live.subheader)) == shown

    playing["on"] = False
    live.run()
    assert desk.watched is None, "STOP closes the source"
    assert len(desk.strip) == 2, "snapshots stay"


def test_controls_reach_the_next_frame_without_a_new_stream(
    live: AppTest, playing: dict[str, bool]
) -> None:
    playing["on"] = True
    live.run()
    desk = desk_of(live)
    watched = desk.watched
    live.slider(key="live.confidence.live").set_value(0.9).run()
    live.select_slider(key="live.input").set_value(320).run()
    live.toggle(key="live.labels").set_value(False).run()
    settings = desk.viewer.settings
    assert (settings.confidence, settings.long_side_px, settings.labels) == (0.9, 320, False)
    assert desk.watched is watched


def test_the_stage_obeys(live: AppTest, playing: dict[str, bool]) -> None:
    playing["on"] = True
    live.run()
    desk = desk_of(live)
    assert desk.microscope is not None
    live.toggle(key="live.wander").set_value(False).run()
    assert not desk.microscope.auto
    live.button(key="live.move.Right").click().run()
    live.segmented_control(key="live.zoom").set_value(2.0).run()
    assert desk.microscope.zoom == 2.0
    assert not live.exception


@pytest.mark.slow
def test_a_source_that_nobody_watches_is_closed_within_two_seconds(
    live: AppTest, playing: dict[str, bool]
) -> None:
    playing["on"] = True
    live.run()
    desk = desk_of(live)
    watch(desk, 2)
    watched = desk.watched
    assert watched is not None
    watched._seen_s = time.monotonic()  # the moment a browser may take to connect is over
    gone = time.monotonic()
    while not watched.closed and time.monotonic() < gone + 5:
        time.sleep(0.05)
    assert time.monotonic() - gone < 2.5
    assert watched.feed.source.ended
    # It goes on for a viewer who looks again; on a busy machine that takes a moment.
    patience = time.monotonic() + 5
    while watched.closed and time.monotonic() < patience:
        watched.newest()
        time.sleep(0.05)
    assert not watched.feed.source.ended


@pytest.mark.slow
def test_frames_asked_for_after_the_tab_is_gone_keep_nothing_open() -> None:
    is_open = [True]
    feed = WatchedFeed(
        lambda: VirtualMicroscope(320, 180), lambda frame: frame, "", lambda: is_open[0]
    )
    try:
        feed._seen_s = time.monotonic()
        is_open[0] = False
        gone = time.monotonic()
        while not feed.closed and time.monotonic() < gone + 5:
            feed.newest()  # as a connection does that has not yet noticed
            time.sleep(0.03)
        assert time.monotonic() - gone < 2.5
        assert feed.feed.source.ended
    finally:
        feed.close()


def test_another_source_thaws_the_picture_and_counts_anew(
    live: AppTest, playing: dict[str, bool]
) -> None:
    playing["on"] = True
    live.run()
    live.toggle(key="live.frozen").set_value(True).run()
    live.segmented_control(key="live.source").set_value("browser").run()
    assert not live.exception
    desk = desk_of(live)
    assert not desk.viewer.settings.frozen
    assert desk.watched is None


def test_another_video_counts_anew_and_ends_the_recording(
    live: AppTest, playing: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    live.segmented_control(key="live.source").set_value("file").run()
    playing["on"] = True
    anew = []
    desk = desk_of(live)
    monkeypatch.setattr(desk.viewer, "start_over", lambda: anew.append(True))
    for n in (1, 2):
        desk.record(".mp4")
        content = b"no video" * n
        live.get("file_uploader")[0].set_value([("slide.mp4", content, "video/mp4")]).run()
        assert not live.exception
        assert len(anew) == n
        assert desk.recording is not None
        assert not desk.recording.running
    # The error is shown above the picture, and no snapshot can be taken.
    assert "video" in live.error[0].value
    assert live.button(key="live.snapshot").disabled
    assert not live.metric, "no figures of another source"


def test_the_servers_cameras_are_off_unless_the_settings_name_them(
    app: AppTest, playing: dict[str, bool], limits: object
) -> None:
    app.run().switch_page("pages/live.py").run()
    assert "Camera of the server" not in app.segmented_control(key="live.source").options
    limits(cameras='["rtsp://user:secret@127.0.0.1:9/x"]')  # type: ignore[operator]
    app.run()
    assert "Camera of the server" in app.segmented_control(key="live.source").options
    playing["on"] = True
    app.segmented_control(key="live.source").set_value("server").run(timeout=60)
    assert not app.exception
    said = "\n".join(e.value for e in app.error)
    assert "answer" in said or "opened" in said or "camera" in said.lower()
    assert "secret" not in said


def test_ice_servers_come_from_the_settings_and_are_none_by_default(limits: object) -> None:
    assert ice_servers() == []
    limits(ice_servers='[{"urls": "turn:a.example", "username": "u", "credential": "c"}]')  # type: ignore[operator]
    assert ice_servers() == [{"urls": "turn:a.example", "username": "u", "credential": "c"}]


def test_vp8_starts_with_a_sharp_picture() -> None:
    from aiortc.codecs import CODECS, vpx

    tune()
    assert vpx.DEFAULT_BITRATE == 3_000_000
    (vp8,) = [c for c in CODECS["video"] if c.mimeType == "video/VP8"]
    assert vp8.parameters["x-google-start-bitrate"] == "3000"
