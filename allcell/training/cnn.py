"""Training the paper's whole-field CNN: its recipe in torch, resumable after every epoch.

Source of the recipe: Chen et al. 2022 and its notebook `cnn_model.ipynb`: Adam with Keras' default
values, cross-entropy, and Keras' RandomFlip("horizontal"), RandomRotation(0.5) and
RandomZoom((0.1, 0.3)).
The weights of the last epoch are taken, so no checkpoint is selected on any field.
"""

from __future__ import annotations

import csv
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from allcell.classifier import field_input, turned
from allcell.data.yolo_sets import read_yolo
from allcell.detections import IntArray
from allcell.errors import DataError
from allcell.models.cnn import (
    FieldCnn,
    initialise,
    parameter_count,
    read_checkpoint,
    with_weights,
)
from allcell.models.registry import ClassifierSpec, get_classifier
from allcell.models.weights import ModelFiles, describe, read_manifest, write_manifest
from allcell.training.facts import note_facts
from allcell.training.recipe import CnnRecipe

log = logging.getLogger(__name__)

#: Keras zooms *out* by a positive factor: a field is shown at 1 / 1.3 to 1 / 1.1 of its size.
_ZOOM_OUT = (1.1, 1.3)
#: Keras' constant in Adam's denominator; torch's default is a tenth of it.
_EPSILON = 1e-7
_COLUMNS = ("epoch", "time", "train/loss", "train/accuracy", "val/loss", "val/accuracy")


@dataclass(frozen=True, eq=False)
class _Fields:
    """Fields at the network's size (N, H, W, 3) uint8, and their classes (N,): 1 is cancerous."""

    pictures: npt.NDArray[np.uint8]
    labels: IntArray


def _load_fields(data_dir: Path, split: str, spec: ClassifierSpec) -> _Fields:
    items = read_yolo(data_dir, split)
    return _Fields(
        np.stack([field_input(spec, item.pixels()) for item in items]),
        np.array([item.has_blast for item in items], np.int64),
    )


def vary(picture: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A field (H, W, 3) as the paper varies it: flipped or not, turned by any angle, zoomed out."""
    return turned(
        picture,
        rng.uniform(-180, 180),
        zoom=1 / rng.uniform(*_ZOOM_OUT),
        mirror=bool(rng.random() < 0.5),
    )


def accumulate(
    network: FieldCnn,
    parts: Iterator[tuple[torch.Tensor, torch.Tensor]],
    batch: int,
) -> tuple[float, int]:
    """Accumulate the gradient of a batch's mean loss, a part at a time.

    No layer mixes the fields of a batch, so the sum over its parts is exactly its gradient.

    Args:
        network: Its gradients are added to.
        parts: Pictures (n, H, W, 3) uint8 and classes (n,) of each part.
        batch: Fields in all parts together.

    Returns:
        The sum of the losses, and the number of correct predictions.
    """
    total, right = 0.0, 0
    for pictures, labels in parts:
        logits = network(pictures)
        loss = cross_entropy(logits, labels, reduction="sum")
        if torch.is_grad_enabled():
            (loss / batch).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
        right += int((logits.argmax(1) == labels).sum())
    return total, right


class _TrainingRun:
    """The state of a training between two epochs: all that a checkpoint holds."""

    def __init__(self, recipe: CnnRecipe, checkpoint: Path, device: str) -> None:
        self.recipe = recipe
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self.history: list[list[float]] = []
        spec = get_classifier(recipe.model)
        state = self._read() if checkpoint.is_file() else None
        if state is None:
            torch.manual_seed(recipe.seed)
            self.network = FieldCnn(spec.height_px, spec.width_px)
            initialise(self.network)
        else:
            self.network = with_weights(state["network"], spec.height_px, spec.width_px)
            self.history = state["history"]
        self.network.to(self.device)
        # Fused needs no copies of the weights besides its two moments.
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=recipe.learning_rate, eps=_EPSILON, fused=True
        )
        if state is not None:
            self.optimizer.load_state_dict(state["optimizer"])

    def _settings(self) -> dict[str, Any]:
        return self.recipe.model_dump(exclude={"epochs"})

    def _read(self) -> dict[str, Any]:
        state = read_checkpoint(self.checkpoint)
        if state.get("recipe") != self._settings():
            raise DataError(
                f"{self.checkpoint.parent.parent.name} holds a training with other settings.",
                "Choose an empty folder for --run, or restore the recipe.",
            )
        return state

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        new = self.checkpoint.with_suffix(".new")
        torch.save(
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "history": self.history,
                "recipe": self._settings(),
            },
            new,
        )
        os.replace(new, self.checkpoint)

    def learn(self, fields: _Fields, epoch: int) -> tuple[float, float]:
        """Train for one epoch; returns mean loss and accuracy during it."""
        recipe = self.recipe
        # All randomness depends on seed and epoch alone, so no generator state has to be saved.
        torch.manual_seed(int(np.random.SeedSequence([recipe.seed, epoch]).generate_state(1)[0]))
        order = np.random.default_rng([recipe.seed, epoch]).permutation(len(fields.labels))
        self.network.train()
        total, right = 0.0, 0
        for start in range(0, len(order), recipe.batch):
            chosen = order[start : start + recipe.batch].tolist()
            loss, correct = accumulate(
                self.network, self._parts(fields, chosen, epoch), len(chosen)
            )
            self.optimizer.step()
            self.optimizer.zero_grad()
            total, right = total + loss, right + correct
        return total / len(order), right / len(order)

    def watch(self, fields: _Fields) -> tuple[float, float]:
        """Mean loss and accuracy on unaugmented fields."""
        self.network.eval()
        every = list(range(len(fields.labels)))
        with torch.inference_mode():
            total, right = accumulate(self.network, self._parts(fields, every, None), len(every))
        return total / len(every), right / len(every)

    def _parts(
        self, fields: _Fields, chosen: Sequence[int], epoch: int | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The chosen fields, a micro-batch at a time; augmented if an epoch is given."""
        size = self.recipe.micro_batch
        for start in range(0, len(chosen), size):
            part = chosen[start : start + size]
            pictures = [fields.pictures[i] for i in part]
            if epoch is not None:
                seeds = [[self.recipe.seed, epoch, i] for i in part]
                pictures = [
                    vary(picture, np.random.default_rng(seed))
                    for picture, seed in zip(pictures, seeds, strict=True)
                ]
            yield (
                torch.from_numpy(np.stack(pictures)).to(self.device),
                torch.from_numpy(fields.labels[part]).to(self.device),
            )


def train_cnn(
    recipe: CnnRecipe,
    data_dir: Path,
    run_dir: Path,
    *,
    device: str = "cpu",
    threads: int = 0,
    on_epoch: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Path:
    """Start or resume a training run.

    Args:
        recipe: The training recipe.
        data_dir: Folder that holds the recipe's dataset.
        run_dir: Gets `weights/last.pt`, `results.csv` (one row per epoch, time in seconds) and
            `facts.json`; if it holds them, training resumes as if it had never stopped.
        device: cpu, or a CUDA device as torch names it.
        threads: CPU threads; 0 = torch's default.
        on_epoch: Called with the epoch (from 1), the number of epochs and the epoch's row of the
            curve.

    Returns:
        The checkpoint of the last epoch.

    Raises:
        DataError: If the dataset is missing, or the run was begun with other settings.
        ModelError: If there is no such classifier, or the run is not a CNN's.
    """
    spec = get_classifier(recipe.model)
    if threads:
        torch.set_num_threads(threads)
    training, validation = (
        _load_fields(data_dir / recipe.data, split, spec) for split in ("train", "val")
    )
    run = _TrainingRun(recipe, run_dir / "weights" / "last.pt", device)
    note_facts(recipe, data_dir, run_dir, weights=None, device=device, threads=threads)
    before_s = run.history[-1][1] if run.history else 0.0
    started = time.monotonic()
    for epoch in range(len(run.history) + 1, recipe.epochs + 1):
        learned = run.learn(training, epoch)
        watched = run.watch(validation)
        elapsed_s = before_s + time.monotonic() - started
        run.history.append([epoch, round(elapsed_s, 1), *learned, *watched])
        run.save()
        _write_curve(run_dir / "results.csv", run.history)
        row = dict(zip(_COLUMNS, run.history[-1], strict=True))
        log.info("epoch %d/%d %s", epoch, recipe.epochs, row)
        if on_epoch:
            on_epoch(epoch, recipe.epochs, row)
    return run.checkpoint


def _write_curve(path: Path, history: Sequence[Sequence[float]]) -> None:
    """Rewrite all epochs (six digits), so that a stop leaves no row missing or doubled."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows([f"{value:.6g}" for value in row] for row in history)


def release_cnn(name: str, checkpoint: Path, weights_dir: Path) -> ModelFiles:
    """Put a trained checkpoint into `weights/` as a plain state dict in half precision.

    Args:
        name: Name among the registry's classifiers.
        checkpoint: What `train_cnn` returned.
        weights_dir: Usually `weights/`.

    Returns:
        The new entry of the manifest.

    Raises:
        DataError: If the checkpoint is missing.
        ModelError: If there is no such classifier, or the weights are not its own.
    """
    spec = get_classifier(name)
    if not checkpoint.is_file():
        raise DataError(f"There is no checkpoint {checkpoint.name}.", "Train the model first.")
    # Memory-mapped: the optimiser's moments, two thirds of the file, are never read.
    state = read_checkpoint(checkpoint, mapped=True)
    network = with_weights(state.get("network", {}), spec.height_px, spec.width_px).half()
    weights_dir.mkdir(parents=True, exist_ok=True)
    target = weights_dir / f"{name}.pt"
    torch.save(dict(network.state_dict()), target)
    entry = ModelFiles(checkpoint=describe(target), parameters=parameter_count(network))
    write_manifest(weights_dir, {**read_manifest(weights_dir), name: entry})
    return entry
