"""Photographs measured: stages, and a folder in both ways."""

import pytest

from allcell.analysis import finding
from allcell.detector import Detector
from allcell.runs import photographs
from allcell.runs.photographs import folder_speed, folder_text, photograph, profile, profile_table
from tests.held_engine import SPEC, Engine


@pytest.fixture
def detector(monkeypatch):
    monkeypatch.setattr(photographs, "PHOTO_PX", (320, 240))
    monkeypatch.setattr(photographs, "PHOTO_RED_CELL_PX", 20.0)
    monkeypatch.setattr(finding, "worker_count", lambda: 2)
    return Detector(SPEC, Engine())


def test_a_photograph_is_the_same_each_time():
    assert photograph(1, (320, 240), 20.0) == photograph(1, (320, 240), 20.0)


def test_each_stage_is_timed(detector):
    found = profile(detector, size_px=(320, 240), red_cell_px=20.0, rounds=2)
    assert list(found.stages) == [
        *("decode", "size ruler", "colour ruler", "familiarity", "detect"),
        *("of it tiles", "of it network", "of it boxes", "draw", "write PNG"),
    ]
    assert all(stage.median >= 0 for stage in found.stages.values())
    assert found.whole.median > 0
    assert found.file_bytes == len(photograph(3, (320, 240), 20.0))
    text = profile_table(found)
    assert "a JPEG of 320x240" in text
    assert "file to result" in text
    assert "100%" in text


@pytest.mark.slow
def test_a_folder_is_measured_in_both_ways(detector):
    found = folder_speed(detector, images=20, parts=4)
    assert found.images == 20
    assert found.ahead_per_s > 0
    assert found.times_faster == pytest.approx(found.ahead_per_s / found.one_by_one_per_s)
    assert "20 JPEGs of 320x240" in folder_text(found)
