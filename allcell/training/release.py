"""From a training run to `weights/`: half precision, SHA-256 noted, no trace of the machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from ultralytics.nn.tasks import load_checkpoint

from allcell.data.yolo_sets import read_yolo
from allcell.engines.torch_engine import export_onnx, parameter_count
from allcell.errors import DataError
from allcell.imaging.preprocess import network_input, stain_for
from allcell.imaging.scale import resolve_scale
from allcell.models.left_out import as_trained
from allcell.models.registry import CLASSES, ModelSpec, get_spec
from allcell.models.weights import ModelFiles, describe, read_manifest, write_manifest
from allcell.training.facts import read_facts
from allcell.training.recipe import CnnRecipe, Recipe


def released_as(recipe_name: str, recipe: Recipe | CnnRecipe) -> str:
    """The name under which the result of a recipe is released.

    Args:
        recipe_name: Name of the recipe.
        recipe: The recipe itself.

    Returns:
        That of its model, or the recipe's if that does without a laboratory.

    Raises:
        DataError: If its result is not a model by itself, or the registry would not let the model
            see images as the recipe does.
    """
    if isinstance(recipe, Recipe) and recipe.leaves_out:
        return recipe_name
    if recipe_name != recipe.model:
        raise DataError(
            f"The recipe {recipe_name} is not released: it only prepares {recipe.model}.",
            f"Leave out --release, or train {recipe.model}.",
        )
    if isinstance(recipe, Recipe) and as_trained(recipe.model_dump()) != get_spec(recipe.model):
        raise DataError(
            f"The recipe {recipe_name} has normalise_stain: {str(recipe.normalise_stain).lower()}, "
            "the model of that name in the registry has not.",
            "Make them agree: in allcell/training/recipes.yaml or allcell/models/registry.py.",
        )
    return recipe.model


def release(
    name: str,
    spec: ModelSpec,
    checkpoint: Path,
    weights_dir: Path,
    *,
    with_onnx: bool,
    calibration_dir: Path | None = None,
) -> ModelFiles:
    """Put a trained checkpoint into `weights/`, or `weights/left_out`.

    Args:
        name: Its name there, from `released_as`.
        spec: The model that was trained.
        checkpoint: A checkpoint of `allcell.training.trainer.train`; your own, never a stranger's.
        weights_dir: That folder.
        with_onnx: Whether its ONNX file is shipped too.
        calibration_dir: A dataset whose training fields calibrate an 8-bit graph, which is then
            shipped with the ONNX file.

    Returns:
        The new entry of the manifest.

    Raises:
        DataError: If the checkpoint is missing.
    """
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
    small = weights_dir / f"{name}-int8.onnx"
    if with_onnx and calibration_dir:
        from allcell.engines.quantize import quantize

        quantize(graph, small, _inputs(spec, calibration_dir))
    entry = ModelFiles(
        checkpoint=describe(target),
        parameters=parameter_count(target),
        onnx=describe(graph) if with_onnx else None,
        onnx_int8=describe(small) if with_onnx and calibration_dir else None,
    )
    write_manifest(weights_dir, {**read_manifest(weights_dir), name: entry})
    return entry


def _inputs(spec: ModelSpec, data_dir: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """Network inputs of every third training field, each at its measured scale."""
    for item in read_yolo(data_dir, "train")[::3]:
        image = item.pixels()
        red_cell_px = resolve_scale(image).red_cell_px
        yield network_input(spec, image, red_cell_px, stain_for(spec, image, red_cell_px))


def keep_record(name: str, run_dir: Path, weights_dir: Path) -> None:
    """Keep a run's curve (one row per epoch) and its facts next to the metrics."""
    metrics = weights_dir / "metrics"
    metrics.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run_dir / "results.csv", metrics / f"{name}_training.csv")
    facts = json.dumps(read_facts(run_dir), indent=1)
    (metrics / f"{name}_training.json").write_text(facts + "\n", encoding="utf-8")
