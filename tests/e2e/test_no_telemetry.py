"""No library looks up, reaches or writes anything beyond what README names.

The programs run under strace, with the libraries' telemetry switches set the wrong way.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus

from allcell.imaging.images import encode_png
from allcell.synth import FieldSpec, render
from tests.app_client import AppClient
from tests.traced import ROOT, Traced, beyond_this_machine, outside, why_not
from tests.untrusted_graphs import NAMES, anchor_free, graph

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.child
needs_strace = pytest.mark.skipif(bool(why_not()), reason=why_not())
HAS_TORCH = importlib.util.find_spec("ultralytics") is not None

WAIT_MS = 60_000
START_TIMEOUT_S = 60.0
#: ONNX Runtime looks up its maker's host 9.4 s after its import, so one program runs for longer.
LINGER_S = 11
#: As somebody else's program would use the package.
DETECT = """
import pathlib, time
from allcell.detector import Detector
from allcell.imaging.images import decode
image = decode(pathlib.Path("smear.png"))
print(Detector.open(NAME, device="cpu").detect(image, red_cell_px=24))
"""
#: torch has compiled a model into the cache; ultralytics runs one, as for `--against-paper`.
ULTRALYTICS = """
from ultralytics.models import YOLO
YOLO("yolov5s.yaml").predict(image, imgsz=64, device="cpu", verbose=False)
"""
#: What OpenVINO's tools tell their maker of, unless their telemetry is missing.
CONVERT = "import openvino, time; openvino.convert_model('net.onnx'); time.sleep(3)"
CACHE = "home/.cache/allcell"
#: Ray's own folder, wherever temporary files are: the paths of its sockets must be short.
RAYS = "/tmp/allcell-ray-"
#: Arguments of Python, and where README lets such a program write, temporary files aside.
PROGRAMS = {
    "detect": (["-m", "allcell", "detect", "smear.png", "--annotated", "out"], ["work/out", CACHE]),
    "stranger's network": (["-m", "allcell", "detect", "smear.png", "--onnx", "net.onnx"], []),
    "benchmark": (["-m", "allcell", "benchmark", "--frames", "2"], [CACHE]),
    "doctor": (["-m", "allcell", "doctor"], [CACHE]),
    "library": (["-c", DETECT.replace("NAME", "'live'") + f"time.sleep({LINGER_S})"], [CACHE]),
}
if importlib.util.find_spec("openvino") is not None:
    PROGRAMS["OpenVINO's own tools"] = (["-c", "import allcell\n" + CONVERT], [])
PROGRAMS["batch"] = (
    ["-m", "allcell", "batch", "smear.png", "--out", "tables", "--processes", "--workers", "1"],
    ["work/tables", CACHE],
)
if importlib.util.find_spec("ray") is not None:
    PROGRAMS["batch with Ray"] = (
        ["-m", "allcell", "batch", "smear.png", "--out", "tables", "--ray", "local"],
        ["work/tables", CACHE],
    )
if HAS_TORCH:
    code = DETECT.replace("NAME", "'yolov6'") + ULTRALYTICS
    PROGRAMS["torch and ultralytics"] = (["-c", code], [CACHE])

#: What `make app` runs.
MAKE_APP = ["-m", "allcell", "app", "--host", "localhost"]
#: The ways to start the app that README names, as arguments of Python. The address "auto" stands
#: for settings that lack one: Streamlit then wants to know its own.
STARTS = {
    "make app": MAKE_APP,
    "make app HOST=0.0.0.0": ["-m", "allcell", "app", "--host", "0.0.0.0"],
    "behind a proxy": ["-m", "allcell", "app", "--server.baseUrlPath=cells"],
    "without the project's settings": ["-m", "allcell.ui.server", "run", "APP"],
}

#: Lines of strace, and whether they are attempts to look up a name or to reach another machine.
LINES = [
    pytest.param(
        "connect(8<socket:[1]>, {sa_family=AF_INET, sin_port=htons(443), "
        'sin_addr=inet_addr("192.0.2.7")}, 16) = -1 EINPROGRESS (Operation now in progress)',
        True,
        id="a connection to another machine",
    ),
    pytest.param(
        "connect(8<socket:[1]>, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "2001:db8::7", &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH '
        "(Network is unreachable)",
        True,
        id="one that failed, by IPv6",
    ),
    pytest.param(
        "connect(8<socket:[1]>, {sa_family=AF_INET, sin_port=htons(53), "
        'sin_addr=inet_addr("127.0.0.53")}, 16) = 0',
        True,
        id="a name looked up through this machine's own service",
    ),
    pytest.param(
        'sendto(8<socket:[1]>, "\\1\\0", 2, MSG_NOSIGNAL, {sa_family=AF_INET, '
        'sin_port=htons(3478), sin_addr=inet_addr("192.0.2.7")}, 16) = 2',
        True,
        id="a packet without a connection",
    ),
    pytest.param(
        "sendmmsg(8<socket:[1]>, [{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(53), "
        'sin_addr=inet_addr("192.0.2.7")}, msg_namelen=16}, msg_len=39}], 2, MSG_NOSIGNAL) = 2',
        True,
        id="several packets",
    ),
    pytest.param(
        'connect(8<socket:[1]>, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = 0',
        True,
        id="a name looked up through a running nscd",
    ),
    pytest.param(
        "connect(8<socket:[1]>, {sa_family=AF_UNIX, "
        'sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0',
        True,
        id="a name looked up through systemd",
    ),
    pytest.param(
        'connect(8<socket:[1]>, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 '
        "ENOENT (No such file or directory)",
        False,
        id="no nscd: localhost is looked up this way too; another name goes on to port 53",
    ),
    pytest.param(
        "connect(8<socket:[1]>, {sa_family=AF_INET, sin_port=htons(8501), "
        'sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
        False,
        id="this machine",
    ),
    pytest.param(
        "connect(8<socket:[1]>, {sa_family=AF_INET6, sin6_port=htons(8501), "
        'sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0',
        False,
        id="this machine, by IPv6",
    ),
    pytest.param(
        "bind(8<socket:[1]>, {sa_family=AF_INET, sin_port=htons(8501), "
        'sin_addr=inet_addr("0.0.0.0")}, 16) = 0',
        False,
        id="waiting for others",
    ),
]


@pytest.fixture(scope="module")
def smear() -> bytes:
    """A rendered field as a PNG file."""
    spec = FieldSpec(480, 360, red_cell_px=24, seed=3, blasts=4, neutrophils=2)
    return encode_png(render(spec).image)


@pytest.fixture(scope="module")
def running(smear: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Traced]]:
    """All programs, started together, so that none waits for the one that lingers."""
    files = {"smear.png": smear, "net.onnx": graph(anchor_free(), metadata={"names": str(NAMES)})}
    programs = {
        name: Traced(arguments, tmp_path_factory.mktemp("traced"), files=files)
        for name, (arguments, _) in PROGRAMS.items()
    }
    yield programs
    for program in programs.values():
        program.kill()


@needs_strace
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_reaches_nothing_and_writes_only_where_readme_says(
    running: dict[str, Traced], name: str
) -> None:
    program = running[name]
    done = program.trace
    assert done.code == 0, done.output
    assert not done.attempts
    places = [program.folder / place for place in ("tmp", *PROGRAMS[name][1])]
    assert not [path for path in outside(done.written, *places) if not path.startswith(RAYS)]
    assert not [path for path in done.left if path.startswith("tmp")], "temporary files remain"
    assert not list(Path("/tmp").glob(f"allcell-ray-{program.process.pid}-*"))


def _wait_until_up(server: Traced, port: int, path: str = "") -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and server.process.poll() is None:
        # Until it is up, the connection is refused (URLError is an OSError).
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://localhost:{port}{path}/_stcore/health"),
        ):
            return
        time.sleep(0.1)
    server.kill()
    pytest.fail(f"the app did not come up:\n{server.trace.output}")


def _start(arguments: list[str], port: int, folder: Path, path: str = "") -> Traced:
    server = Traced([*arguments, f"--server.port={port}"], folder, cwd=ROOT)
    _wait_until_up(server, port, path)
    return server


@needs_strace
@pytest.mark.parametrize("way", STARTS)
def test_the_app_never_asks_who_it_is(way: str, free_port: int, tmp_path: Path) -> None:
    # Elsewhere than the project's settings, which name an address.
    script = tmp_path / "app.py"
    script.write_text("import streamlit")
    path = "/cells" if way == "behind a proxy" else ""
    arguments = [str(script) if part == "APP" else part for part in STARTS[way]]
    if "APP" in STARTS[way]:
        arguments.append("--server.headless=true")
    folder = tmp_path / "traced"
    folder.mkdir()
    server = _start(arguments, free_port, folder, path)
    # It asks, if it does, right before it says where it is, and when a page of another origin
    # connects.
    end = time.monotonic() + START_TIMEOUT_S
    while "URL: " not in server.log.read_text() and time.monotonic() < end:
        time.sleep(0.1)
    address = f"http://localhost:{free_port}{path}"
    with pytest.raises(InvalidStatus) as refused:
        AppClient(address, origin="https://smears.example.org")
    assert refused.value.response.status_code == 403
    with AppClient(address) as own:
        own.run()
    server.stop()
    done = server.trace
    assert f"URL: http://localhost:{free_port}" in done.output
    assert not done.attempts
    assert not outside(done.written, folder / "tmp")


@needs_strace
def test_the_first_detection_on_the_page_reaches_nothing(
    page: Page, smear: bytes, free_port: int, tmp_path: Path
) -> None:
    server = _start(MAKE_APP, free_port, tmp_path)
    try:
        page.goto(f"http://localhost:{free_port}")
        chooser = page.locator("[data-testid=stFileUploader] input[type=file]")
        chooser.wait_for(state="attached", timeout=WAIT_MS)
        chooser.set_input_files({"name": "smear.png", "mimeType": "image/png", "buffer": smear})
        page.locator(".box").first.wait_for(timeout=WAIT_MS)
    finally:
        server.stop()
        done = server.trace
    assert not done.attempts
    assert not outside(done.written, tmp_path / "tmp", tmp_path / CACHE)
    assert not [path for path in done.left if path.startswith("tmp")]


@pytest.mark.parametrize(("line", "counts"), LINES)
def test_what_counts_as_an_attempt(line: str, counts: bool) -> None:
    assert beyond_this_machine(line) is counts


@needs_strace
def test_the_trace_sees_what_a_child_of_the_program_does(tmp_path: Path) -> None:
    # Connecting a datagram socket sends nothing; the address is one of those kept for examples.
    child = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.7', 9))"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    code += "; import pathlib, tempfile; (pathlib.Path.home() / 'here').touch()"
    code += "; tempfile.TemporaryDirectory().cleanup()"
    code += "; pathlib.Path('gone').touch(); pathlib.Path('gone').unlink()"
    done = Traced(["-c", code], tmp_path).trace
    assert len(done.attempts) == 1
    assert outside(done.written, tmp_path / "tmp") == [
        str(tmp_path / "home" / "here"),
        str(tmp_path / "work" / "gone"),
    ]
    assert done.left == {"home/here"}


@needs_strace
def test_onnx_runtime_left_alone_is_caught(tmp_path: Path) -> None:
    done = Traced(["-c", "import onnxruntime"], tmp_path).trace
    assert any("Microsoft" in path for path in outside(done.written, tmp_path / "tmp"))


@needs_strace
def test_openvino_left_alone_is_caught(tmp_path: Path) -> None:
    # allcell makes the package look missing in this process.
    if "openvino-telemetry" not in {dist.name for dist in importlib.metadata.distributions()}:
        pytest.skip("OpenVINO is not installed")
    files = {"net.onnx": graph(anchor_free(), metadata={"names": str(NAMES)})}
    done = Traced(["-c", CONVERT], tmp_path, files=files).trace
    assert done.code == 0, done.output
    assert done.attempts
