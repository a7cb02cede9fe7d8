"""One name, one model: shipped, taught here or imported, it is found and opened the same way."""

from __future__ import annotations

import numpy as np
import pytest

import allcell
from allcell.errors import DeviceError, ModelError
from allcell.imaging.preprocess import network_input
from allcell.own.finding import find_model, is_own_model
from allcell.own.opening import open_model
from allcell.own.shelf import shelf
from allcell.own.transfer import export_bytes, import_model
from allcell.settings import settings
from allcell.synth import FieldSpec, render
from allcell.untrusted.claims import _MappedEngine
from tests.own_models import BYTES, Person, card, taught

ADA, BOB = Person("ada@lab"), Person("bob@lab")
SMEAR = FieldSpec(640, 480, red_cell_px=28, seed=11, blasts=5, neutrophils=2, lymphocytes=2)


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    yield shelf()
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture(scope="module")
def smear():
    return render(SMEAR).image


def boxes(detector, image):
    found, _ = detector.detect(image, red_cell_px=28, confidence=0.3)
    return np.column_stack([found.xyxy, found.confidence, found.class_id])


def test_the_shelf_lies_beside_the_cases(kept, tmp_path):
    assert kept.folder == tmp_path / "models"


def test_every_name_is_found_in_one_place(kept):
    made = kept.add(BYTES, card(), ADA)
    assert find_model("live").own is None
    for name in (made.card.id, "Klinikum A", "klinikum a"):
        known = find_model(name)
        assert known.own == made
        assert known.spec.name == made.card.id
        assert is_own_model(known.spec.name)
    assert known.files().onnx.sha256 == made.card.sha256
    with pytest.raises(ModelError, match="no model named 'Klinikum B'") as refused:
        find_model("Klinikum B")
    assert "live, " in refused.value.remedy
    assert f"{made.card.id} (Klinikum A)" in refused.value.remedy
    with pytest.raises(ModelError) as refused:
        find_model("Klinikum A", BOB)
    assert "Klinikum A)" not in refused.value.remedy


def test_a_taught_model_runs_in_the_engine_of_the_shipped_ones(kept, smear):
    made = kept.add(taught(), card())
    detector, live = open_model("Klinikum A"), open_model("live")
    assert type(detector.engine) is type(live.engine)
    assert detector.weights_sha256 == made.card.sha256
    assert detector.spec == made.spec
    ours, theirs = boxes(detector, smear), boxes(live, smear)
    assert len(ours)
    assert ours.shape != theirs.shape or not np.allclose(ours, theirs, atol=1e-3)


def test_it_is_named_wherever_a_model_is(kept, smear):
    made = kept.add(taught(), card())
    result = allcell.detect(smear, model="Klinikum A", red_cell_px=28)
    assert result.model == made.card.id
    assert result.made.weights_sha256 == made.card.sha256
    assert result.made.confidence == 0.4
    kept.delete("Klinikum A")
    other = kept.add(taught(0.05), card())
    # The name stands for another model now.
    assert allcell.detect(smear, model="Klinikum A", red_cell_px=28).model == other.card.id


def test_a_network_that_was_exchanged_is_not_opened(kept):
    made = kept.add(taught(), card())
    (made.folder / "model.onnx").write_bytes(taught(0.05))
    with pytest.raises(ModelError, match="not the one that was made"):
        open_model("Klinikum A")


@pytest.mark.parametrize(
    ("wish", "error", "said"),
    [
        pytest.param({"runtime": "torch"}, ModelError, "no torch weights", id="torch"),
        pytest.param({"precision": "int8"}, ModelError, "no 8-bit graph", id="8 bits"),
        pytest.param({"device": "cuda", "runtime": "onnx"}, DeviceError, "CUDA", id="CUDA"),
    ],
)
def test_what_it_cannot_is_said(kept, wish, error, said):
    kept.add(taught(), card())
    with pytest.raises(error, match=said):
        open_model("Klinikum A", **wish)


@pytest.mark.parametrize(
    "set_",
    [
        pytest.param({"ALLCELL_RUNTIME": "torch"}, id="torch for all models"),
        pytest.param({"ALLCELL_DEVICE": "cuda"}, id="a card for all models"),
    ],
)
def test_settings_for_all_models_do_not_keep_it_from_running(kept, monkeypatch, smear, set_):
    kept.add(taught(), card())
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    chosen = settings()
    detector = open_model("Klinikum A", device=chosen.device, runtime=chosen.runtime)
    assert "CPU" in detector.engine.description
    assert len(boxes(detector, smear))


@pytest.mark.child
def test_an_imported_model_runs_as_a_strangers_and_sees_the_same(kept, smear):
    taught_here = kept.add(taught(), card("Here"))
    import_model(kept, export_bytes(taught_here), name="Imported")
    detector = open_model("Imported")
    assert isinstance(detector.engine, _MappedEngine)
    assert detector.spec.fixed_input_px is None
    here = open_model("Here", runtime="onnx", precision="full")
    assert np.allclose(boxes(detector, smear), boxes(here, smear), atol=1e-3)
    for wish in ({"runtime": "openvino"}, {"device": "intel-gpu"}, {"precision": "int8"}):
        with pytest.raises(DeviceError, match="imported"):
            open_model("Imported", **wish)


@pytest.mark.child
def test_an_imported_model_is_tried_in_a_process_of_its_own(kept, monkeypatch):
    from allcell.untrusted import trial

    import_model(kept, export_bytes(kept.add(taught(), card("Here"))), name="Imported")
    trial._WENT_WELL.clear()  # as in another process
    tried = []
    run = trial._run
    monkeypatch.setattr(trial, "_run", lambda *given: tried.append(1) or run(*given))
    open_model("Imported")
    open_model("Here")
    assert len(tried) == 1


def test_its_own_scale_and_stain_are_used(kept, smear):
    kept.add(taught(), card(red_cell_px=30.0, normalise_stain=False))
    detector = open_model("Klinikum A")
    assert detector.spec.red_cell_px == 30.0
    wide = network_input(detector.spec, smear, 28).shape
    assert wide > network_input(find_model("live").spec, smear, 28).shape
