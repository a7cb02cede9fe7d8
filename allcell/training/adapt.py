"""Teach a trained network one laboratory: our own loop in torch, resumable after a few seconds.

The network and its loss are ultralytics', the tiles are `allcell.training.adapting`'s. A training
keeps its state as plain tensors, which are read back without running code.
"""

from __future__ import annotations

import copy
import io
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ultralytics.cfg import get_cfg

from allcell.ahead import in_order, worker_count
from allcell.engines.onnx_engine import OnnxEngine
from allcell.engines.torch_engine import export_network
from allcell.environment.files import write_whole
from allcell.errors import AllcellError, ModelError
from allcell.models.checkpoint import load_network
from allcell.training.adapting import AdaptSettings, AdaptTiles, Tile

#: Seconds of work that may be lost when the process is killed.
KEEP_EVERY_S = 5.0
#: Gradients longer than this are shortened, as in ultralytics.
_LONGEST_GRADIENT = 10.0
#: Differences between torch's answer and that of the exported file that rounding explains:
#: coordinates in input pixels, and confidences.
_MOST_PX, _MOST_CONFIDENCE = 0.5, 0.01
_NORMALISES = (torch.nn.BatchNorm2d,)


def use_threads() -> None:
    """Let torch use the cores of this process, or what the settings allow."""
    torch.set_num_threads(worker_count())


def adapt(
    parent: Path,
    tiles: AdaptTiles,
    kept: Path,
    *,
    key: str = "",
    on_step: Callable[[int, int], None] | None = None,
    keep_every_s: float = KEEP_EVERY_S,
) -> Any:
    """Train all layers of a network on a laboratory's tiles.

    Args:
        parent: Its checkpoint: of `weights/`, SHA-256 checked. Loading it runs code in it.
        tiles: What it is shown, and how it is taught.
        kept: Where the state of the training is kept every few seconds; a training goes on from
            there if `key` is the same. The caller deletes it.
        key: Tells this training from others.
        on_step: Called with the number of steps done and of all; may raise to stop, after which the
            training can go on.
        keep_every_s: How often the state is kept, in seconds.

    Returns:
        The network, on the CPU in evaluation mode, not fused.

    Raises:
        ModelError: If the checkpoint cannot be loaded, or the training diverges.
        OSError: If the state cannot be written.
    """
    settings = tiles.settings
    use_threads()
    torch.manual_seed(settings.seed)
    network = _to_train(parent, settings)
    optimiser = _optimiser(network, settings)
    first = _resume(kept, key, network, optimiser)
    step, kept_step, kept_s = first, first, time.monotonic()
    # Two batches are made ahead of the one that is learned.
    made = in_order(range(first, settings.steps), tiles.batch, workers=max(2, worker_count()))
    try:
        for number, batch in made:
            if isinstance(batch, AllcellError):
                raise batch
            for group in optimiser.param_groups:
                group["lr"] = _rate(number, settings)
            _learn(network, optimiser, batch)
            step = number + 1
            if time.monotonic() - kept_s > keep_every_s:
                _keep(kept, key, step, network, optimiser)
                kept_step, kept_s = step, time.monotonic()
            if on_step:
                on_step(step, settings.steps)
    except Exception:
        # What was learned since is kept, unless it is the disk that is full.
        if step > kept_step:
            with suppress(OSError):
                _keep(kept, key, step, network, optimiser)
        raise
    finally:
        made.close()
    if step > kept_step:
        _keep(kept, key, step, network, optimiser)
    return _averaged(network.eval(), load_network(parent, _CPU, fuse=False), settings.average)


def seconds_a_tile(parent: Path, tiles: AdaptTiles, *, steps: int = 3) -> float:
    """How long one tile takes in a training on this computer, in seconds.

    Args:
        parent: See `adapt`.
        tiles: See `adapt`.
        steps: How many steps are measured, after one to warm up.
    """
    settings = tiles.settings
    use_threads()
    network = _to_train(parent, settings)
    optimiser = _optimiser(network, settings)
    started_s = 0.0
    made = in_order(range(steps + 1), tiles.batch, workers=max(2, worker_count()))
    for n, batch in made:
        if isinstance(batch, AllcellError):
            raise batch
        _learn(network, optimiser, batch)
        if n == 0:
            started_s = time.monotonic()
    return (time.monotonic() - started_s) / (steps * settings.batch)


def export(network: Any, target: Path, picture: npt.NDArray[np.uint8]) -> None:
    """Write a network as ONNX, and check that the file gives the answers of torch.

    Args:
        network: From `adapt`, or a checkpoint that was loaded without fusing; it stays as it is.
        target: The file to write, atomically.
        picture: To check with: RGB uint8, sides multiples of the network's stride.

    Raises:
        ModelError: If the file answers otherwise.
        OSError: If it cannot be written.
    """
    fused = copy.deepcopy(network).float().fuse(verbose=False).eval()
    with torch.inference_mode():
        tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        output = fused(tensor)
        while isinstance(output, (list, tuple)):
            output = output[0]
        expected = output[0].numpy()
    part = target.with_name(f"{target.name}.part")
    try:
        export_network(fused, part)
        got = OnnxEngine(part.read_bytes(), threads=worker_count()).run(picture)
        off = np.abs(got - expected)
        if off[:4].max() > _MOST_PX or off[4:].max() > _MOST_CONFIDENCE:
            raise ModelError(
                f"The exported network answers otherwise than the trained one: boxes differ by up "
                f"to {off[:4].max():.2f} px, confidences by {off[4:].max():.3f}.",
                "Teach the laboratory again; if it happens twice, please report it.",
            )
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def export_parent(parent: Path, target: Path, picture: npt.NDArray[np.uint8]) -> None:
    """Write a checkpoint as ONNX; see `export`."""
    export(load_network(parent, _CPU, fuse=False), target, picture)


_CPU = torch.device("cpu")


def _to_train(parent: Path, settings: AdaptSettings) -> Any:
    network = load_network(parent, _CPU, fuse=False).float().train()
    network.args = get_cfg()  # the gains of its loss
    network.criterion = network.init_criterion()
    for name, part in network.named_parameters():
        part.requires_grad_(".dfl" not in name)
    if settings.frozen_statistics:
        for layer in network.modules():
            if isinstance(layer, _NORMALISES):
                layer.eval()
    return network.to(memory_format=torch.channels_last)


def _optimiser(network: Any, settings: AdaptSettings) -> torch.optim.AdamW:
    """As ultralytics: no decay of biases and of the layers of normalisation."""
    decayed: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for layer in network.modules():
        for name, part in layer.named_parameters(recurse=False):
            if part.requires_grad:
                plain = "bias" in name or isinstance(layer, _NORMALISES)
                (others if plain else decayed).append(part)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def _rate(step: int, settings: AdaptSettings) -> float:
    warmup = settings.warmup * settings.steps
    if step + 1 < warmup:
        return settings.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1.0, settings.steps - warmup)
    low = settings.final_rate
    share = low + (1 - low) * (1 + math.cos(math.pi * min(1.0, max(0.0, done)))) / 2
    return settings.learning_rate * share


def _learn(network: Any, optimiser: torch.optim.Optimizer, batch: list[Tile]) -> None:
    """One step."""
    loss, _ = network(_tensors(batch))
    total = loss.sum()
    if not torch.isfinite(total):
        raise ModelError(
            "The training has diverged.", "Check that no box of the reviewed fields is wrong."
        )
    optimiser.zero_grad()
    total.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), _LONGEST_GRADIENT)
    optimiser.step()


def _tensors(batch: list[Tile]) -> dict[str, torch.Tensor]:
    """Tiles as ultralytics' loss takes them: boxes as centre and size, in shares of the tile."""
    pictures = np.stack([picture for picture, _ in batch])
    side = pictures.shape[1]
    boxes = np.concatenate([truth.xyxy for _, truth in batch])
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    owners = np.repeat(np.arange(len(batch)), [len(truth) for _, truth in batch])
    classes = np.concatenate([truth.class_id for _, truth in batch])
    image = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return {
        "img": image.contiguous(memory_format=torch.channels_last),
        "bboxes": torch.from_numpy(np.concatenate([centre, size], axis=1).astype(np.float32))
        / side,
        "cls": torch.from_numpy(classes.astype(np.float32)[:, None]),
        "batch_idx": torch.from_numpy(owners.astype(np.float32)),
    }


def _averaged(network: Any, parent: Any, share: float) -> Any:
    if share < 1:
        before = parent.state_dict()
        mixed = {
            name: before[name].lerp(value, share) if value.is_floating_point() else value
            for name, value in network.state_dict().items()
        }
        network.load_state_dict(mixed)
    return network.eval()


def _keep(path: Path, key: str, step: int, network: Any, optimiser: torch.optim.Optimizer) -> None:
    state = {
        "key": key,
        "step": step,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    # In memory first: torch's own error for a full disk does not say so.
    content = io.BytesIO()
    torch.save(state, content)
    write_whole(path, content.getvalue())


def _resume(path: Path, key: str, network: Any, optimiser: torch.optim.Optimizer) -> int:
    """The step to go on with: 0 if nothing was kept of this training, or not all of it."""
    if not path.is_file():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["key"] != key:
            return 0
        optimiser.load_state_dict(state["optimiser"])
        network.load_state_dict(state["network"])
        return int(state["step"])
    except (RuntimeError, KeyError, ValueError, EOFError, TypeError, UnpicklingError):
        return 0
