"""What a user is told in Chromium of a picture that is no good smear, and of one that is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from allcell.imaging.images import RGBImage, encode_png
from allcell.synth import FieldSpec, render

if TYPE_CHECKING:
    from playwright.sync_api import Page

WAIT_MS = 30_000
GOOD = FieldSpec(
    640, 480, red_cell_px=28, seed=11, blasts=5, neutrophils=2, lymphocytes=2, smudges=2
)


def circles() -> RGBImage:
    """Purple circles on beige."""
    picture = np.full((480, 640, 3), (245, 240, 225), np.uint8)
    for n in range(16):
        cv2.circle(picture, (80 + 160 * (n % 4), 60 + 120 * (n // 4)), 38, (130, 60, 150), -1)
    return picture


def page_of_text() -> RGBImage:
    """Black on white."""
    picture = np.full((480, 640, 3), 255, np.uint8)
    for y in range(30, 470, 24):
        line = "the quick brown fox jumps over the lazy dog"
        cv2.putText(picture, line, (10, y), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0))
    return picture


def blurred() -> RGBImage:
    """A smear out of focus."""
    return np.asarray(cv2.GaussianBlur(render(GOOD).image, (0, 0), 7), np.uint8)


def stained_otherwise() -> RGBImage:
    """Blue-grey red cells on a bluish slide, as in no laboratory of the training."""
    smear = render(GOOD).image
    light = np.median(smear[smear.sum(axis=2) > 600], axis=0)
    density = -np.log((smear + 1.0) / light) * (2.0, 1.0, 0.5)
    return np.clip(np.array((200, 240, 250)) * np.exp(-density), 0, 255).astype(np.uint8)


def good() -> RGBImage:
    """A smear that nothing speaks against."""
    return render(GOOD).image


NO_SMEAR = "does not look like a blood smear"
UNLIKE = "unlike those of the laboratories"
BLURRED = "blurred"


@pytest.mark.parametrize(
    ("picture", "said", "has_numbers"),
    [
        pytest.param(circles, [NO_SMEAR], False, id="purple circles"),
        pytest.param(page_of_text, [NO_SMEAR], False, id="a page of text"),
        pytest.param(blurred, [BLURRED], False, id="a blurred smear"),
        pytest.param(stained_otherwise, [UNLIKE], True, id="an unseen laboratory"),
        pytest.param(good, [], True, id="a good smear"),
    ],
)
def test_a_picture_gets_the_answer_that_it_deserves(
    page: Page, app_url: str, tmp_path: Path, picture, said: list[str], has_numbers: bool
) -> None:
    (tmp_path / "picture.png").write_bytes(encode_png(picture()))
    page.goto(app_url)
    chooser = page.locator("[data-testid=stFileUploader] input[type=file]")
    chooser.wait_for(state="attached", timeout=WAIT_MS)
    chooser.set_input_files(tmp_path / "picture.png")
    answer = "Blasts suggested" if has_numbers else "No numbers for this picture"
    page.get_by_text(answer).first.wait_for(timeout=WAIT_MS)
    text = page.get_by_test_id("stMain").inner_text()
    assert [words for words in (NO_SMEAR, UNLIKE, BLURRED) if words in text] == said
    assert ("Blasts suggested" in text) == has_numbers
    assert bool(re.search(r"\d ?%", text)) == has_numbers
    assert (page.get_by_role("button", name="Show the numbers anyway").count() == 0) == has_numbers
