"""Driving the Live page's video component in Chromium."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

WAIT_MS = 30_000


def open_live(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("[data-testid=stFileUploader]").first.wait_for(timeout=WAIT_MS)
    page.get_by_role("link", name="Live").first.click()
    page.get_by_role("heading", name="Live microscope").wait_for(timeout=WAIT_MS)


def component(page: Page) -> Frame:
    """The frame of the video component that is on the page now."""
    patience = time.monotonic() + WAIT_MS / 1e3
    while time.monotonic() < patience:
        frames = [f for f in page.frames if "webrtc_streamer" in f.url and not f.is_detached()]
        if frames and frames[-1].locator("button").count():
            return frames[-1]
        page.wait_for_timeout(100)
    pytest.fail("the video component did not appear")


def frames_shown(video: Frame) -> int:
    return int(
        video.evaluate(
            "() => document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"
        )
    )


def start(page: Page, more: int = 20) -> Frame:
    """Press Start, once, and wait until some frames were shown."""
    video = component(page)
    video.get_by_role("button", name="Start").click()
    patience = time.monotonic() + 2 * WAIT_MS / 1e3
    while frames_shown(video) < more:
        assert time.monotonic() < patience, "the video does not start"
        page.wait_for_timeout(100)
    return video
