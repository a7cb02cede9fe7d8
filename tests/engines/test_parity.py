"""ONNX Runtime and torch agree on one golden field, and the files are the measured ones."""

import json
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest

from allcell.boxes import iou
from allcell.detector import Detector
from allcell.engines.opening import open_engine, resolve_device
from allcell.errors import DeviceError, ModelError
from allcell.models.registry import MODELS, get_spec
from allcell.models.weights import read_manifest, sha256
from allcell.settings import Settings, settings
from allcell.synth import random_spec, render
from tests.engine_stubs import check_giving_up

WITH_WEIGHTS = [s.name for s in MODELS if s.name in read_manifest(settings().weights_dir)]


@pytest.fixture(scope="module")
def golden():
    return render(random_spec(11, 1280, 960, 40))


def test_the_default_model_has_weights():
    assert settings().default_model in WITH_WEIGHTS


@pytest.mark.parametrize("name", WITH_WEIGHTS)
@pytest.mark.torch
def test_onnx_and_torch_agree(name, golden):
    pytest.importorskip("torch")
    spec = get_spec(name)
    results = []
    for runtime in ("onnx", "torch"):
        detector = Detector(spec, open_engine(spec, device="cpu", runtime=runtime))
        results.append(detector.detect(golden.image, red_cell_px=40, confidence=0.2)[0])
    a, b = results
    assert len(a) > 0
    overlap = iou(a.xyxy, b.xyxy)
    for i in range(len(a)):
        # A score near the floor may fall on either side of it.
        if a.confidence[i] < 0.22:
            continue
        j = int(overlap[i].argmax())
        assert overlap[i, j] > 0.95
        assert a.class_id[i] == b.class_id[j]
        assert abs(a.confidence[i] - b.confidence[j]) < 0.02


def test_one_a_core_gives_what_all_cores_give(golden):
    spec = get_spec("live")
    engine = open_engine(spec, device="cpu", runtime="onnx")
    streams = [Detector(spec, each) for each in engine.streams(2)]
    together: dict[int, tuple] = {}

    def look(place):
        together[place] = streams[place].detect(golden.image, red_cell_px=40)

    threads = [threading.Thread(target=look, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected, _ = Detector(spec, engine).detect(golden.image, red_cell_px=40)
    assert len(expected) > 0
    for found, _ in together.values():
        assert np.allclose(found.xyxy, expected.xyxy, atol=1e-2)
        assert np.allclose(found.confidence, expected.confidence, atol=1e-4)
        assert np.array_equal(found.class_id, expected.class_id)
    assert streams[0].engine._sessions is streams[1].engine._sessions, "one graph in memory"


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
@pytest.mark.torch
def test_a_run_can_be_given_up_and_the_next_one_is_whole(runtime):
    if runtime == "torch":
        pytest.importorskip("torch")
    engine = open_engine(get_spec("yolov5s"), device="cpu", runtime=runtime)
    check_giving_up(engine, partial(np.allclose, atol=1e-3))


def test_the_8_bit_graph_sees_the_same_cells(golden):
    full = Detector.open("live", device="cpu").detect(golden.image, red_cell_px=40)[0]
    small = Detector.open("live", device="cpu", precision="int8")
    assert "8-bit" in small.engine.description
    found = small.detect(golden.image, red_cell_px=40)[0]
    sure = full.at_least(0.4)
    assert len(sure) > 3
    overlap = iou(sure.xyxy, found.xyxy)
    best = overlap.argmax(axis=1)
    assert (overlap.max(axis=1) > 0.8).all()
    assert (np.abs(found.confidence[best] - sure.confidence) < 0.25).all()


@pytest.mark.parametrize("name", WITH_WEIGHTS)
@pytest.mark.torch
def test_it_finds_the_cells_of_a_synthetic_field(name, golden):
    found, _ = Detector.open(name, device="cpu").detect(
        golden.image, red_cell_px=golden.red_cell_px, confidence=0.1
    )
    overlap = iou(golden.truth.xyxy, found.xyxy)
    assert (overlap.max(axis=1) > 0.5).mean() > 0.5


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_the_files_are_those_of_the_manifest(name):
    files = read_manifest(settings().weights_dir)[name]
    for entry in filter(None, (files.checkpoint, files.onnx, files.onnx_int8)):
        path = settings().weights_dir / entry.file
        assert sha256(path) == entry.sha256
        assert path.stat().st_size == entry.bytes < 60e6


@pytest.fixture
def copied_weights(tmp_path, monkeypatch):
    """The live model in a folder of its own, with its manifest."""
    manifest = read_manifest(settings().weights_dir)
    entry = manifest["live"]
    for file in filter(None, (entry.checkpoint, entry.onnx)):
        (tmp_path / file.file).write_bytes((settings().weights_dir / file.file).read_bytes())
    (tmp_path / "manifest.json").write_text(
        json.dumps({"live": entry.model_dump(exclude_none=True)})
    )
    there = Settings(weights_dir=tmp_path, cache_dir=tmp_path / "cache")
    monkeypatch.setattr("allcell.models.weights.settings", lambda: there)
    return tmp_path


def test_a_changed_file_is_refused(copied_weights):
    path = copied_weights / "live.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="not the one that was measured"):
        open_engine(get_spec("live"), device="cpu")


def test_a_missing_file_says_how_to_get_it(copied_weights):
    (copied_weights / "live.onnx").unlink()
    with pytest.raises(ModelError, match="git checkout weights"):
        open_engine(get_spec("live"), device="cpu")


def test_no_8_bit_graph_is_an_error(copied_weights):
    manifest = json.loads((copied_weights / "manifest.json").read_text())
    manifest["live"].pop("onnx_int8")
    (copied_weights / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="no 8-bit graph"):
        open_engine(get_spec("live"), device="cpu", precision="int8")


@pytest.mark.torch
def test_a_model_without_shipped_onnx_is_compiled_once(copied_weights):
    pytest.importorskip("torch")
    manifest = json.loads((copied_weights / "manifest.json").read_text())
    del manifest["live"]["onnx"]
    (copied_weights / "manifest.json").write_text(json.dumps(manifest))
    image = np.full((64, 96, 3), 128, np.uint8)
    first = open_engine(get_spec("live"), device="cpu").run(image)
    (compiled,) = (copied_weights / "cache" / "onnx").glob("*.onnx")
    modified = compiled.stat().st_mtime_ns
    again = open_engine(get_spec("live"), device="cpu").run(image)
    assert compiled.stat().st_mtime_ns == modified
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        pytest.param("tpu", "no device 'tpu'", id="unknown"),
        pytest.param("cuda", "CUDA", id="not on this machine"),
    ],
)
def test_an_unavailable_device_is_an_error(device, message):
    if device == "cuda" and resolve_device("auto") == "cuda":
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(DeviceError, match=message):
        open_engine(get_spec("live"), device=device, runtime="onnx")


@pytest.mark.child
def test_a_detection_on_the_cpu_imports_no_torch():
    code = (
        "import sys, numpy as np\n"
        "from allcell.detector import Detector\n"
        "Detector.open('live', device='cpu').detect(np.zeros((64, 64, 3), np.uint8))\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'ultralytics')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.torch
def test_missing_weights_are_named_before_torch_is(copied_weights, monkeypatch):
    monkeypatch.setattr("allcell.engines.opening.has_torch", lambda: False)
    (copied_weights / "live.pt").unlink()
    with pytest.raises(ModelError, match=r"live\.pt is missing"):
        open_engine(get_spec("live"), device="cpu", runtime="torch")
