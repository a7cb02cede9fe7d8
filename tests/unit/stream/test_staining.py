"""The stain of a running stream."""

from dataclasses import replace

import numpy as np
import pytest

from allcell.detector import Detector
from allcell.imaging.stain import REFERENCE_LIGHT, measure_stain
from allcell.stream.staining import Staining
from allcell.synth import FieldSpec, render
from tests.stream_stubs import SPEC, Spots


@pytest.fixture(scope="module")
def field():
    return render(FieldSpec(480, 360, red_cell_px=24, seed=4, blasts=3)).image


def test_a_frame_without_red_cells_changes_nothing(field):
    staining = Staining()
    first = staining.follow(field, 24, 0.0)
    assert first is not None
    empty = np.full_like(field, 210)
    assert staining.follow(empty, 24, 10.0) is first


def test_one_odd_frame_among_many_changes_little(field):
    staining = Staining()
    for n in range(5):
        staining.follow(field, 24, float(n))
    steady = staining.follow(field, 24, 4.5)
    odd = np.clip(field * 0.6, 0, 255).astype(np.uint8)
    assert measure_stain(odd, 24).light[1] < 0.7 * steady.light[1]
    assert staining.follow(odd, 24, 5.0).light == pytest.approx(steady.light, rel=0.02)


def test_another_source_is_measured_at_once(field):
    staining = Staining()
    staining.follow(field, 24, 0.0)
    staining.start_over()
    darker = np.clip(field * 0.6, 0, 255).astype(np.uint8)
    found = staining.follow(darker, 24, 0.1)
    assert found.light == pytest.approx(measure_stain(darker, 24).light)


def test_it_measures_only_when_due(field, monkeypatch):
    calls = []
    monkeypatch.setattr("allcell.stream.staining.measure_stain", lambda *a: calls.append(a) or None)
    staining = Staining()
    for now_s in (0.0, 0.1, 0.2, 0.9, 1.0):
        staining.follow(field, 24, now_s)
    assert len(calls) == 2


class Seen(Spots):
    """Keeps what the network was shown."""

    def run(self, image):
        self.image = image.copy()
        return super().run(image)


@pytest.mark.parametrize("wanted", [True, False])
def test_only_a_model_trained_so_sees_the_reference(field, wanted):
    engine = Seen()
    detector = Detector(replace(SPEC, normalise_stain=wanted), engine)
    dark = np.clip(field * 0.6, 0, 255).astype(np.uint8)
    detector.detect(dark, red_cell_px=24, stain=measure_stain(dark, 24))
    light = np.percentile(engine.image[:250].reshape(-1, 3), 75, axis=0)
    assert (np.abs(light - REFERENCE_LIGHT) < 12).all() == wanted
