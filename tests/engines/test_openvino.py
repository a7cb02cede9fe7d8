"""OpenVINO sees what ONNX Runtime sees, keeps its graphs, and says what is wrong."""

import subprocess
import sys
import time

import numpy as np
import pytest

from allcell.detector import Detector
from allcell.engines import kept_graphs
from allcell.engines.choosing import choices
from allcell.engines.choosing.agreement import LIVE, STILLS, Tolerance, difference
from allcell.engines.opening import open_engine
from allcell.errors import DeviceError, ModelError
from allcell.models.registry import get_spec
from allcell.models.weights import model_files, read_manifest
from allcell.settings import Settings, settings
from allcell.synth import random_spec, render
from tests.engine_stubs import check_giving_up

pytestmark = pytest.mark.slow
ov = pytest.importorskip("openvino")
from allcell.engines import openvino_engine  # noqa: E402
from allcell.engines.openvino_engine import OpenVinoEngine  # noqa: E402
from tests.untrusted_graphs import anchor_free, graph  # noqa: E402

#: Rounding of 32-bit sums in another order.
EXACT = Tolerance(0.999, 0.001)
TOLERANCES = {"full": EXACT, "bf16": STILLS, "int8": LIVE}
MANIFEST = read_manifest(settings().weights_dir)
#: Models of boxes; those without a shipped graph are compiled by torch.
MODELS = [
    pytest.param(name, marks=[] if files.onnx else pytest.mark.torch)
    for name, files in MANIFEST.items()
    if not name.startswith("cnn")
]
HALF = pytest.mark.skipif(
    not openvino_engine.computes_bf16(), reason="this processor does not compute with bfloat16"
)


@pytest.fixture(scope="module")
def golden():
    return [render(random_spec(seed, 640, 480, 20)).image for seed in (11, 3, 7)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own for OpenVINO's graphs and choices."""
    there = Settings(cache_dir=tmp_path, runtime="auto")
    monkeypatch.setattr(kept_graphs, "settings", lambda: there)
    monkeypatch.setattr(choices, "settings", lambda: there)
    return tmp_path


@pytest.fixture
def compilations(monkeypatch):
    """Shapes of the inputs that OpenVINO compiles for, in order."""
    found = []
    core = openvino_engine._core()

    class Counting:
        def __getattr__(self, name):
            return getattr(core, name)

        def compile_model(self, model, *rest):
            found.append(str(model.inputs[0].partial_shape))
            return core.compile_model(model, *rest)

    monkeypatch.setattr(openvino_engine, "_CORE", [Counting()])
    return found


def opened(precision="full", stream=False, name="live"):
    files = model_files(name)
    file = files.onnx_int8 if precision == "int8" else files.onnx
    path = settings().weights_dir / file.file
    return OpenVinoEngine(path, sha256=file.sha256, precision=precision, threads=1, stream=stream)


def noise(width=96, height=64):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("stream", [False, True], ids=["free size", "fixed size"])
@pytest.mark.parametrize("precision", ["full", pytest.param("bf16", marks=HALF), "int8"])
@pytest.mark.parametrize("name", MODELS)
def test_the_same_cells_as_onnx_runtime(name, precision, stream, golden):
    if precision == "int8" and (MANIFEST[name].onnx_int8 is None or stream):
        pytest.skip("always of fixed size, or not shipped")
    if stream and name != "live":
        pytest.skip("one model shows that a fixed size changes nothing")
    spec = get_spec(name)
    reference = Detector.open(name, device="cpu", runtime="onnx", precision="full")
    if precision == "int8" or MANIFEST[name].onnx is None:
        engine = open_engine(spec, device="cpu", runtime="openvino", precision=precision)
    else:
        engine = opened(precision, stream, name)
    other = Detector(spec, engine)
    for image in golden:
        answers = [
            detector.detect(image, red_cell_px=20, confidence=0.05, every_class=True)[0]
            for detector in (reference, other)
        ]
        assert len(answers[0].at_least(spec.confidence)) > 3
        assert not difference(*answers, spec.confidence, TOLERANCES[precision])


def test_free_graphs_take_any_size_and_are_compiled_once(compilations):
    engine = opened()
    shapes = {engine.run(noise(width, 64)).shape for width in (96, 128, 160)}
    assert len(shapes) == 3
    assert compilations == ["[1,?,?,3]"]


@pytest.mark.parametrize(("precision", "stream"), [("int8", False), ("full", True)])
def test_other_graphs_are_compiled_for_each_size(compilations, precision, stream):
    engine = opened(precision, stream)
    for width in (96, 128, 96):
        engine.run(noise(width, 64))
    assert compilations == ["[1,64,96,3]", "[1,64,128,3]"]


def test_a_graph_is_compiled_once_on_a_machine(compilations, cache):
    image = noise()
    first = opened().run(image)
    assert len(compilations) == 1
    assert np.array_equal(opened().run(image), first)
    assert len(compilations) == 1
    assert len(list((cache / "openvino").glob("*.blob"))) == 1


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content[: len(content) // 2], id="cut off"),
        pytest.param(lambda content: content[:-1] + bytes([content[-1] ^ 1]), id="one bit"),
        pytest.param(
            lambda content: kept_graphs.hashlib.sha256(b"no graph").digest() + b"no graph",
            id="whole, but no graph",
        ),
    ],
)
def test_a_broken_graph_is_compiled_again(compilations, cache, damage):
    image = noise()
    first = opened().run(image)
    (path,) = (cache / "openvino").glob("*.blob")
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert np.array_equal(opened().run(image), first)
    assert len(compilations) == 2
    assert kept_graphs.read(path.stem) is not None  # whole again


def test_without_a_cache_it_runs_all_the_same(tmp_path, monkeypatch):
    # A read-only folder would not stop root, on which CI runs.
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(kept_graphs, "settings", lambda: Settings(cache_dir=tmp_path / "file"))
    assert opened().run(noise()).shape[0] == 7


def test_the_oldest_graphs_go_when_there_are_too_many(cache, monkeypatch):
    monkeypatch.setattr(kept_graphs, "_MOST_BYTES", 250)
    for number in range(4):
        kept_graphs.keep(f"graph{number}", bytes(68))
        path = cache / "openvino" / f"graph{number}.blob"
        if path.exists():
            kept_graphs.os.utime(path, (number, number))
    assert kept_graphs.read("graph0") is None
    assert kept_graphs.read("graph3") == bytes(68)


def test_a_run_can_be_given_up_and_the_next_one_is_whole():
    check_giving_up(opened(name="yolov5s"), np.array_equal)


def test_what_it_says_of_itself():
    engine = opened("int8")
    assert engine.description == f"OpenVINO {openvino_engine.runtime_version()} · CPU · 8-bit"
    engine.note = "fastest of 3"
    assert engine.description.endswith("8-bit · fastest of 3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"no network", "cannot open", id="no ONNX"),
        pytest.param(graph(anchor_free()), "in bytes", id="takes floats"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path, content, message):
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        OpenVinoEngine(path, sha256="0" * 64)


@pytest.mark.parametrize("device", ["intel-gpu", "intel-npu"])
def test_a_device_that_is_not_there_is_an_error_with_a_remedy(device):
    if device in openvino_engine.devices():
        pytest.skip("this machine has one")
    with pytest.raises(DeviceError, match=r"finds no .*; it finds .*cpu.*driver"):
        open_engine(get_spec("live"), device=device, runtime="openvino")


class Vanishing:
    """OpenVINO with an Intel GPU that is gone after its first run."""

    def __init__(self, real):
        self.real, self.runs = real, 0

    @property
    def available_devices(self):
        return ["CPU"] if self.runs > 1 else ["CPU", "GPU.0"]

    def get_property(self, device, name):
        return "A GPU" if device == "GPU" else self.real.get_property(device, name)

    def read_model(self, path):
        return self.real.read_model(path)

    def compile_model(self, model, device, config):
        assert device == "GPU"
        return _Compiled(self, self.real.compile_model(model, "CPU", {}))


class _Compiled:
    def __init__(self, core, real):
        self.core, self.real = core, real

    def create_infer_request(self):
        return _Request(self.core, self.real.create_infer_request())

    def export_model(self):
        raise RuntimeError("not on this device")


class _Request:
    def __init__(self, core, real):
        self.core, self.real = core, real

    def start_async(self, *arguments, **how):
        self.core.runs += 1
        if self.core.runs > 1:
            raise RuntimeError("somewhere.cpp:246:\n[GPU] clWaitForEvents, error code: -14\n")
        self.real.start_async(*arguments, **how)

    def __getattr__(self, name):
        return getattr(self.real, name)


def test_a_device_that_vanishes_is_named(monkeypatch):
    monkeypatch.setattr(openvino_engine, "_CORE", [Vanishing(openvino_engine._core())])
    engine = open_engine(get_spec("live"), device="intel-gpu", runtime="openvino")
    assert engine.description.endswith("Intel GPU")
    image = noise()
    assert engine.run(image).shape[0] == 7
    with pytest.raises(DeviceError, match=r"Intel GPU is no longer there .*-14.*device cpu"):
        engine.run(image)
    with pytest.raises(DeviceError, match="finds no Intel GPU"):
        open_engine(get_spec("live"), device="intel-gpu", runtime="openvino")


def test_a_failed_run_says_how_to_do_without(monkeypatch):
    engine = opened()

    class Failing:
        def start_async(self, *_, **__):
            raise RuntimeError("Exception from src/x.cpp:1:\nNo memory.\n")

    monkeypatch.setattr(engine, "_graph", lambda *_: Failing())
    with pytest.raises(ModelError, match=r"96x64 input in OpenVINO \(No memory\.\).*=onnx"):
        engine.run(noise())


def test_the_first_opening_measures_and_the_second_knows(monkeypatch):
    monkeypatch.setattr("allcell.engines.opening.settings", lambda: Settings(runtime="auto"))
    first = open_engine(get_spec("live"), device="cpu", threads=1)
    assert "measured in" in first.description
    again = open_engine(get_spec("live"), device="cpu", threads=1)
    assert again.description == first.description.split(", measured")[0]
    assert np.array_equal(first.run(noise()), again.run(noise()))


@pytest.mark.child
def test_two_processes_that_meet_the_model_at_once_see_the_same(tmp_path):
    code = (
        "import numpy as np\n"
        "from allcell.detector import Detector\n"
        "from allcell.synth import random_spec, render\n"
        "image = render(random_spec(11, 640, 480, 20)).image\n"
        "detector = Detector.open('live', device='cpu')\n"
        "found = detector.detect(image, red_cell_px=20)[0].at_least(0.4)\n"
        "print(detector.engine.description)\n"
        "print(len(found))\n"
    )
    environment = settings_free_environment() | {"ALLCELL_CACHE_DIR": str(tmp_path / "c")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert said[0][1] == said[1][1] != "0"
    measured = sum("measured in" in lines[0] for lines in said)
    assert measured >= 1  # the other came after it, or took ONNX Runtime meanwhile
    assert len(list((tmp_path / "c" / "runtimes").iterdir())) == 1


def settings_free_environment():
    import os

    # The path of the test's own packages is kept, what a person or conftest has set is not.
    return {name: value for name, value in os.environ.items() if not name.startswith("ALLCELL_")}


@pytest.mark.child
def test_a_process_killed_in_the_race_does_no_harm(tmp_path):
    code = "from allcell.detector import Detector; Detector.open('live', device='cpu')"
    environment = settings_free_environment() | {"ALLCELL_CACHE_DIR": str(tmp_path / "c")}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    end = time.monotonic() + 60
    marks = []
    while not marks and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
        marks = list((tmp_path / "c").rglob("*.racing"))
    process.kill()
    process.wait()
    assert marks
    assert not list((tmp_path / "c").rglob("*.json"))
    done = subprocess.run(
        [sys.executable, "-c", code + "; print('opened')"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "opened", done.stderr
