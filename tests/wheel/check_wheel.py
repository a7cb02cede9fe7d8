"""The built wheel, in an environment of its own, outside the checkout, without a network.

`make wheel-check` runs it. It is not part of `make test`, because pip fetches packages for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from allcell.imaging.images import encode_png
from allcell.settings import RESEARCH_USE
from allcell.synth import random_spec, render

ROOT = Path(__file__).resolve().parents[2]
VISIT = Path(__file__).with_name("visit_app.py")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
MAX_WHEEL_BYTES = 8_000_000


def _no_network() -> list[str]:
    """What starts a command in a network namespace without a route; nothing where none may be."""
    for prefix in (["unshare", "-n"], ["unshare", "-rn"]):
        if (
            shutil.which(prefix[0])
            and not subprocess.run([*prefix, "true"], check=False).returncode
        ):
            return prefix
    return []


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel.

    Attributes:
        folder: The environment.
        work: A folder outside the checkout, in which commands run; it holds smear.png.
        no_network: What a command is prefixed with.
    """

    folder: Path
    work: Path
    no_network: tuple[str, ...]

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pip on it, with the network."""
        return self._run([*PIP, "--python", self.folder / "bin" / "python", *arguments])

    def install(self, what: str) -> subprocess.CompletedProcess[str]:
        """Install a package, in the versions that CI takes."""
        # Most of the modules are never imported here: compiling all of them would take longest.
        return self.pip("install", "-q", "--no-compile", "-c", str(ROOT / "constraints.txt"), what)

    def script(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the console script, without the network."""
        return self._run([*self.no_network, self.folder / "bin" / "allcell", *arguments])

    def python(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run Python, without the network."""
        return self._run([*self.no_network, self.folder / "bin" / "python", *arguments])

    def _run(self, command: list[str | Path]) -> subprocess.CompletedProcess[str]:
        # What a person has set for the checkout must not reach the wheel.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ALLCELL_", "STREAMLIT_", "PYTHON"))
        }
        return subprocess.run(
            command,
            cwd=self.work,
            env={**kept, "HOME": str(self.work / "home"), "PIP_CACHE_DIR": _pip_cache()},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def _pip_cache() -> str:
    return subprocess.check_output([*PIP, "cache", "dir"], text=True).strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([*PIP, "wheel", "-q", "--no-deps", "-w", folder, ROOT], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel with what it needs, and no more."""
    work = tmp_path_factory.mktemp("elsewhere")
    (work / "home").mkdir()
    field = render(random_spec(1, 640, 480, 30)).image
    (work / "smear.png").write_bytes(encode_png(field))
    environment = Installed(work / "environment", work, tuple(_no_network()))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment.folder], check=True)
    done = environment.install(str(wheel))
    assert not done.returncode, done.stderr
    return environment


@pytest.fixture(scope="module")
def with_app(installed: Installed) -> Installed:
    """The same environment, after what the launcher tells a person to do. Comes last."""
    done = installed.install("allcell[app]")
    assert not done.returncode, done.stderr
    return installed


def test_its_size_is_that_of_the_live_model(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


def test_nothing_that_it_needs_is_missing_or_too_new(installed: Installed) -> None:
    done = installed.pip("check")
    assert not done.returncode, done.stdout


def test_it_is_not_the_checkout_that_is_tried(installed: Installed) -> None:
    done = installed.python(
        "-c", "import allcell.settings as s; print(s.INSTALLED, s.PROJECT_ROOT)"
    )
    assert done.stdout.startswith(f"True {installed.folder}"), done.stdout + done.stderr


def test_the_script_detects(installed: Installed) -> None:
    done = installed.script("detect", "smear.png", "--json")
    assert not done.returncode, done.stderr
    assert len(json.loads(done.stdout)["detections"]) > 5
    assert RESEARCH_USE in done.stderr


def test_the_8_bit_graph_runs(installed: Installed) -> None:
    done = installed.script("benchmark", "--frames", "2", "--json")
    assert not done.returncode, done.stderr
    assert "8-bit" in json.loads(done.stdout)["runtime"]


def test_three_lines_of_python_detect(installed: Installed) -> None:
    done = installed.python(
        "-c",
        "import allcell\nresult = allcell.detect('smear.png')\nprint(len(result.detections.xyxy))",
    )
    assert not done.returncode, done.stderr
    assert int(done.stdout) > 5


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        pytest.param(
            ("detect", "smear.png", "--model", "yolov5s"),
            "ALLCELL_WEIGHTS_DIR",
            id="weights that do not travel",
        ),
        pytest.param(
            ("detect", "smear.png", "--model", "yolov6"),
            "ALLCELL_WEIGHTS_DIR",
            id="weights that torch would have to compile",
        ),
        pytest.param(
            ("detect", "smear.png", "--device", "cuda"), "allcell[train]", id="CUDA without torch"
        ),
        pytest.param(("app",), "allcell[app]", id="the app without Streamlit"),
        pytest.param(
            ("benchmark", "--save"), "ALLCELL_WEIGHTS_DIR", id="numbers kept inside the package"
        ),
        pytest.param(("cards",), "checkout", id="the README's results"),
    ],
)
def test_what_the_wheel_lacks_is_said_without_make_or_git(
    installed: Installed, command: tuple[str, ...], remedy: str
) -> None:
    done = installed.script(*command)
    assert done.returncode == 1, done.stdout
    assert remedy in done.stderr
    assert "make " not in done.stderr
    assert "git " not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_weights_of_a_checkout_can_be_named(installed: Installed) -> None:
    done = installed.python(
        "-c",
        "import os, sys; os.environ['ALLCELL_WEIGHTS_DIR'] = sys.argv[1]\n"
        "from allcell.__main__ import app\n"
        "app(['detect', 'smear.png', '--model', 'yolov5s', '--json'])",
        ROOT / "weights",
    )
    assert not done.returncode, done.stderr
    assert json.loads(done.stdout)["model"] == "yolov5s"


def test_the_app_starts_and_its_pages_load(with_app: Installed) -> None:
    done = with_app.python(VISIT, "smear.png")
    assert not done.returncode, done.stdout + done.stderr


def test_with_the_app_nothing_is_missing_or_too_new(with_app: Installed) -> None:
    done = with_app.pip("check")
    assert not done.returncode, done.stdout
