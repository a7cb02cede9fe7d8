"""From a training run to `weights/`: half precision, SHA-256 noted, the machine forgotten."""

from __future__ import annotations

import shutil
from pathlib import Path

import allcell.offline  # noqa: F401  (before ultralytics is imported)

import torch  # isort: skip
from ultralytics.nn.tasks import load_checkpoint  # isort: skip

from allcell.engines.torch_engine import export_onnx, parameter_count
from allcell.errors import DataError
from allcell.models.registry import CLASSES, get_spec
from allcell.models.weights import ModelFiles, describe, read_manifest, write_manifest


def release(name: str, checkpoint: Path, weights_dir: Path, *, with_onnx: bool) -> ModelFiles:
    """Put a trained checkpoint into `weights/` under the name of its model.

    Args:
        name: Name in the registry.
        checkpoint: A checkpoint of `allcell.training.trainer.train`; your own, never a stranger's.
        weights_dir: Usually `weights/`.
        with_onnx: Whether its ONNX file is shipped too.

    Returns:
        The new entry of the manifest.

    Raises:
        DataError: If the checkpoint is missing.
        ModelError: If there is no such model.
    """
    spec = get_spec(name)
    if not checkpoint.is_file():
        raise DataError(f"There is no checkpoint {checkpoint.name}.", "Train the model first.")
    model, _ = load_checkpoint(str(checkpoint), device=torch.device("cpu"))
    model.args = {"imgsz": spec.default_long_side_px, "task": "detect"}
    model.names = dict(enumerate(CLASSES))
    model.criterion = None
    for attribute in ("pt_path", "yaml_file"):
        if hasattr(model, attribute):
            setattr(model, attribute, "")
    if isinstance(getattr(model, "yaml", None), dict):
        model.yaml["yaml_file"] = spec.architecture
    weights_dir.mkdir(parents=True, exist_ok=True)
    target = weights_dir / f"{name}.pt"
    torch.save({"model": model.half(), "train_args": {}, "ema": None, "epoch": -1}, target)
    graph = weights_dir / f"{name}.onnx"
    if with_onnx:
        export_onnx(target, graph)
    entry = ModelFiles(
        checkpoint=describe(target),
        parameters=parameter_count(target),
        onnx=describe(graph) if with_onnx else None,
    )
    write_manifest(weights_dir, {**read_manifest(weights_dir), name: entry})
    return entry


def keep_curves(name: str, run_dir: Path, weights_dir: Path) -> Path:
    """Copy a run's training curves (one row an epoch) beside the metrics; returns the copy."""
    target = weights_dir / "metrics" / f"{name}_training.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run_dir / "results.csv", target)
    return target
