"""`doctor` says in words what is there, what was chosen and what to do about what is missing."""

import json
import subprocess

import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.cli import doctor
from allcell.engines.choosing import choices
from allcell.engines.choosing.choices import Contender, RuntimeChoice
from allcell.environment import machine
from allcell.environment.versions import installed_versions, machine_name
from allcell.settings import Settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A cache of the test's own; nothing fixed, no card, no camera."""
    there = Settings(cache_dir=tmp_path / "cache", runtime="auto", ice_servers=())
    for module in (machine, choices, doctor):
        monkeypatch.setattr(module, "settings", lambda: there)
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor, "has_openvino", lambda: False)
    return tmp_path


def said(*arguments):
    done = CliRunner().invoke(app, ["doctor", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def with_card(monkeypatch, listed="NVIDIA H200, 580.65", code=0):
    monkeypatch.setattr(machine.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(
        machine.subprocess,
        "run",
        lambda command, **_: subprocess.CompletedProcess(command, code, listed, ""),
    )


def without(monkeypatch, *missing):
    monkeypatch.setattr(machine, "find_spec", lambda name: None if name in missing else True)


def no_torch(monkeypatch, folder):
    without(monkeypatch, "torch", "ultralytics")


def no_openvino(monkeypatch, folder):
    without(monkeypatch, "openvino")


def no_app(monkeypatch, folder):
    without(monkeypatch, "streamlit")


def old_driver(monkeypatch, folder):
    with_card(monkeypatch, "Tesla K80, 470.82")
    monkeypatch.setattr(doctor, "has_torch", lambda: True)
    monkeypatch.setattr(
        "allcell.environment.machine.installed_versions", lambda: {"torch": "2.14.1"}
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "allcell.engines.torch_engine", _NoCuda)


class _NoCuda:
    """Torch's engine where torch finds no card; the real one would import torch."""

    @staticmethod
    def cuda_available():
        return False


def torch_without_cuda(monkeypatch, folder):
    old_driver(monkeypatch, folder)
    versions = {"torch": "2.14.1+cpu"}
    monkeypatch.setattr(machine, "installed_versions", lambda: versions)


def hidden_card(monkeypatch, folder):
    old_driver(monkeypatch, folder)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def dead_driver(monkeypatch, folder):
    with_card(monkeypatch, "NVIDIA-SMI has failed", code=9)


def closed_camera(monkeypatch, folder):
    (folder / "video0").write_text("")
    monkeypatch.setattr(machine.os, "access", lambda path, mode: False)
    monkeypatch.setattr(machine.cameras, "__defaults__", (folder,))


def read_only_home(monkeypatch, folder):
    # A read-only folder would not stop root, on which CI runs.
    (folder / "home").write_text("")
    there = Settings(cache_dir=folder / "home" / ".cache")
    monkeypatch.setattr(machine, "settings", lambda: there)


def full_disk(monkeypatch, folder):
    monkeypatch.setattr(machine, "_LOW_BYTES", 2**60)


def no_avx(monkeypatch, folder):
    monkeypatch.setattr(machine, "processor_features", lambda: ())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(no_torch, ("no torch", "CUDA cards", "make app"), id="no torch"),
        pytest.param(no_openvino, ("no openvino", "fastest", "make app LITE=1"), id="no OpenVINO"),
        pytest.param(no_app, ("no streamlit", "the app", "make app LITE=1"), id="no app"),
        pytest.param(old_driver, ("driver 470", "too old", "Update"), id="driver too old"),
        pytest.param(torch_without_cuda, ("without CUDA", "make app"), id="torch for CPUs"),
        pytest.param(hidden_card, ("CUDA_VISIBLE_DEVICES=''", "Unset"), id="hidden card"),
        pytest.param(dead_driver, ("does not answer", "Install or update"), id="broken driver"),
        pytest.param(closed_camera, ("video0", "may not open", "usermod"), id="no permission"),
        pytest.param(read_only_home, ("cannot be written", "ALLCELL_CACHE_DIR"), id="read-only"),
        pytest.param(full_disk, ("GB free", "Make room"), id="full disk"),
        pytest.param(no_avx, ("without AVX2", "several times slower"), id="old processor"),
    ],
)
def test_each_fault_is_named_with_what_to_do(fault, words, monkeypatch, elsewhere):
    fault(monkeypatch, elsewhere)
    missing = said().split("What is missing, and what to do")
    assert len(missing) == 2
    for word in words:
        assert word in missing[1]


def test_a_machine_in_order_is_told_so(monkeypatch):
    without(monkeypatch)
    assert said().rstrip().endswith("Nothing is missing.")


def kept(**changes):
    return RuntimeChoice(
        **(
            {
                "model": "live",
                "purpose": "stills",
                "chosen": Contender(runtime="openvino", precision="bf16"),
                "milliseconds": {"ONNX Runtime 32-bit": 10.61, "OpenVINO bf16": 6.23},
                "left_out": {"OpenVINO 32-bit": "time was up"},
                "seconds": 1.0,
                "machine": machine_name(),
                "versions": installed_versions(),
            }
            | changes
        )
    )


def keep(choice):
    path = choices.path_of("live", "stills", "facts")
    path.parent.mkdir(parents=True)
    choices.keep(path, choice)


def test_it_says_what_was_chosen_and_why():
    assert "Not measured yet" in said()
    keep(kept())
    text = said()
    assert "live, stills: OpenVINO bf16, 6.2 ms" in text
    assert "ONNX Runtime 32-bit 10.6 ms" in text
    assert "left out: OpenVINO 32-bit: time was up" in text


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"machine": "another, 2 cores"}, id="another processor"),
        pytest.param({"versions": {"openvino": "1.0"}}, id="another version"),
    ],
)
def test_a_choice_that_no_longer_holds_is_not_shown(changes):
    keep(kept(**changes))
    assert "Not measured yet" in said()


def test_a_fixed_runtime_is_said(monkeypatch):
    monkeypatch.setattr(doctor, "settings", lambda: Settings(runtime="onnx"))
    assert "onnx, as ALLCELL_RUNTIME says" in said()
    assert "nothing is measured" in said("--measure")


def test_the_json_has_it_all():
    keep(kept())
    report = json.loads(said("--json"))
    assert report["chosen"][0]["chosen"]["runtime"] == "openvino"
    assert {"what", "said", "remedy"} == set(report["found"][0])
