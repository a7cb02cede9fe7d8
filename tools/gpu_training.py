"""A few training steps of `live`, from random weights on rendered tiles: how fast it learns."""

from __future__ import annotations

import time
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from ultralytics.nn.tasks import DetectionModel

from allcell.models.registry import TRAINED_CLASSES
from allcell.synth import random_spec, render

SIDE_PX = 320


def training_steps(device: str, batch: int, steps: int) -> dict[str, Any]:
    """Train on the same tiles again and again: the loss has to fall.

    Args:
        device: cpu or cuda.
        batch: Tiles in a batch.
        steps: How many, after a warm-up of two.

    Returns:
        Loss at the start and at the end, tiles a second, and whether it passed.
    """
    torch.manual_seed(0)
    architecture = files("allcell.models").joinpath("architectures").joinpath("live.yaml")
    model: Any = DetectionModel(str(architecture), nc=len(TRAINED_CLASSES), verbose=False)
    model = model.to(device=device, memory_format=torch.channels_last).train()
    model.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    scaler = torch.amp.GradScaler(enabled=device == "cuda")
    data = _batch(batch, device)
    losses: list[float] = []
    start = 0.0
    for step in range(steps + 2):
        if step == 2:
            _wait(device)
            start = time.perf_counter()
        with torch.autocast(device, dtype=torch.float16, enabled=device == "cuda"):
            loss = model(data)[0].sum()
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        losses.append(float(loss.detach()))
    _wait(device)
    took = time.perf_counter() - start
    return {
        "batch": batch,
        "side_px": SIDE_PX,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "step_ms": 1e3 * took / steps,
        "tiles_s": batch * steps / took,
        "passed": bool(np.isfinite(losses).all() and losses[-1] < losses[0]),
    }


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _batch(count: int, device: str) -> dict[str, torch.Tensor]:
    """The same few tiles, repeated, as ultralytics' loss takes them."""
    images, boxes, classes, index = [], [], [], []
    fields = [render(random_spec(61 + i, SIDE_PX, SIDE_PX, 20)) for i in range(min(4, count))]
    for i in range(count):
        field = fields[i % len(fields)]
        xyxy = field.truth.xyxy / SIDE_PX
        images.append(torch.from_numpy(np.ascontiguousarray(field.image.transpose(2, 0, 1))))
        boxes.append(
            np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], 1)
        )
        classes.append(np.minimum(field.truth.class_id, len(TRAINED_CLASSES) - 1))
        index.append(np.full(len(xyxy), i))
    return {
        "img": (torch.stack(images).to(device).float() / 255).contiguous(
            memory_format=torch.channels_last
        ),
        "bboxes": torch.from_numpy(np.concatenate(boxes)).float().to(device),
        "cls": torch.from_numpy(np.concatenate(classes)).float()[:, None].to(device),
        "batch_idx": torch.from_numpy(np.concatenate(index)).float().to(device),
    }
