"""The check of a CUDA card, tried on the CPU: what it prints, keeps and leaves out."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from allcell.settings import settings

ROOT = Path(__file__).parents[2]


def check(tmp_path, *options):
    weights = tmp_path / "weights"
    weights.mkdir(exist_ok=True)
    for name in ("manifest.json", "live.pt"):
        shutil.copy(settings().weights_dir / name, weights)
    out = tmp_path / "result.json"
    done = subprocess.run(
        ["sh", str(ROOT / "tools" / "gpu_check.sh"), str(out), *options],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHON": sys.executable,
            "ALLCELL_WEIGHTS_DIR": str(weights),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done, json.loads(out.read_text()) if out.exists() else None


@pytest.mark.slow
@pytest.mark.child
@pytest.mark.torch
def test_all_stages_run_and_what_is_missing_is_named(tmp_path):
    pytest.importorskip("torch")
    done, result = check(tmp_path, "--device", "cpu", "--quick", "--budget", "300")
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["ok"] is True
    assert result["models"] == ["live"]
    assert "yolov5s" in result["left_out"]
    assert "yolov5s" in done.stdout
    stages = result["stages"]
    assert stages["parity live"]["passed"] is True
    assert set(stages["speed live"]) >= {"640", "1024"}
    assert stages["speed live"]["640"]["input_px"] == [640, 352]
    assert stages["training"]["passed"] is True
    assert {"date", "machine", "torch", "device"} <= set(result["about"])


@pytest.mark.child
@pytest.mark.slow
@pytest.mark.torch
def test_without_time_the_stages_are_named_and_nothing_passes(tmp_path):
    pytest.importorskip("torch")
    done, result = check(tmp_path, "--device", "cpu", "--quick", "--budget", "0")
    assert done.returncode == 1
    assert result["ok"] is False
    assert result["stages"]["parity live"] == {"left_out": "the time was up"}
