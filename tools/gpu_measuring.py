"""What tools/gpu_check.py measures with."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import allcell  # first: it switches off what calls home # isort: skip
import cv2
import numpy as np
import torch

from allcell.boxes import iou, suppress
from allcell.engines.card import CudaCard
from allcell.engines.decode import decode
from allcell.engines.torch_engine import TorchEngine
from allcell.environment.versions import installed_versions, machine_name
from allcell.imaging.preprocess import network_input
from allcell.synth import random_spec, render

START = time.perf_counter()
FRAME_PX = (1280, 720)
#: Long sides of the network's input: ours, and the paper's.
LONG_SIDES = (640, 1024)


def say(text: str) -> None:
    """Print with the seconds since the start."""
    print(f"[{time.perf_counter() - START:6.1f} s] {text}", flush=True)


def wait(device: str) -> None:
    """Wait for the card."""
    if device == "cuda":
        torch.cuda.synchronize()


def timed(call: Callable[[], object], device: str, rounds: int) -> list[float]:
    """Milliseconds of each call; the card is idle before and after."""
    took = []
    for _ in range(rounds):
        wait(device)
        start = time.perf_counter()
        call()
        wait(device)
        took.append(1e3 * (time.perf_counter() - start))
    return took


class OnCpu(TorchEngine):
    """The engine of CUDA cards on the CPU, to try this script."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__(checkpoint)
        self.card = CudaCard(self._network, self._device, self._dtype, capture=_no_capture)

    def batch_size(self, fit: Any) -> int:
        """Few: a CPU gains nothing."""
        return 4

    def run_batch(self, pictures: Any, fit: Any, floor: float, iou: Any = None) -> Any:
        """See `BatchEngine.run_batch`."""
        return self.card.run(pictures, fit, floor, iou)


def _no_capture(work: Any, pool: Any) -> Any:
    raise RuntimeError("there are no CUDA graphs on a CPU")


class _Fields:
    """Rendered fields, each once; OpenCV enlarges none."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int, int, float], Any] = {}

    def __call__(self, seed: int, width: int, height: int, red: float) -> Any:
        key = (seed, width, height, red)
        if key not in self._made:
            self._made[key] = render(random_spec(*key)).image
        return self._made[key]


FIELDS = _Fields()


def compare(a: Any, b: Any, candidates: Any) -> dict[str, Any]:
    """How far the boxes of the device are from those of the CPU.

    Each box of the CPU above 0.22 (the floor, and rounding) has to have its like on the device:
    IoU over .95, scores within .02, the same class. Of two candidates for one cell with nearly
    equal scores, suppression keeps one or the other: where the device kept one that the CPU had as
    well, its like among the CPU's candidates, within .02 of the score that won, that is a tie.

    Args:
        a: Boxes of the CPU.
        b: Boxes of the device.
        candidates: Those of the CPU before suppression.
    """
    sure = a.at_least(0.22)
    if len(sure) == 0 or len(b) == 0:
        return {"boxes": len(sure), "off": len(sure), "ties": 0, "iou": 0.0, "score": 1.0}
    overlap = iou(sure.xyxy, b.xyxy)
    best = overlap.argmax(axis=1)
    score = np.abs(b.confidence[best] - sure.confidence)
    alike = (overlap.max(axis=1) > 0.95) & (score < 0.02) & (b.class_id[best] == sure.class_id)
    ties = []
    for i in np.flatnonzero(~alike):
        one = b[best[i : i + 1]]
        there = (iou(one.xyxy, candidates.xyxy)[0] > 0.95) & (
            np.abs(candidates.confidence - one.confidence) < 0.02
        )
        if overlap[i, best[i]] > 0.5 and score[i] < 0.02 and there.any():
            ties.append(i)
    exact = np.setdiff1d(np.arange(len(sure)), ties)
    return {
        "boxes": len(sure),
        "on_the_device": len(b),
        "off": int((~alike).sum()) - len(ties),
        "ties": len(ties),
        "iou": float(overlap.max(axis=1)[exact].min(initial=1)),
        "iou_of_ties": float(overlap.max(axis=1)[ties].min(initial=1)),
        "score": float(score.max()),
    }


def before(engine: Any, spec: Any, frame: Any, red: float) -> float:
    """Milliseconds from frame to boxes as it was before graphs.

    All but the network ran on the CPU, and the network was launched kernel by kernel.
    """
    wait(engine._device.type)
    start = time.perf_counter()
    ready = network_input(spec, frame, red)
    with torch.inference_mode():
        tensor = torch.from_numpy(ready).to(engine._device)
        tensor = tensor.permute(2, 0, 1)[None].to(engine._dtype) / 255
        raw = engine._network(tensor)[0].float().cpu().numpy()
    suppress(decode(raw, spec.output, len(spec.classes), spec.confidence), spec.iou)
    return 1e3 * (time.perf_counter() - start)


def about(device: str) -> dict[str, Any]:
    """What was measured with."""
    found: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine_name(),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "opencv": cv2.__version__,
        "packages": installed_versions() | {"allcell": allcell.__version__},
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
    }
    try:
        asked = ["nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
        found["driver"], found["memory"] = (
            p.strip() for p in said.stdout.splitlines()[0].split(",")
        )
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        found["driver"] = None
    return found
