"""Training: our tiles in ultralytics' loop, resumable after every epoch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_map
from ultralytics.data.build import build_dataloader
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.torch_utils import strip_optimizer

from allcell.errors import DataError
from allcell.models.registry import CLASSES, get_spec
from allcell.training.facts import note_facts
from allcell.training.fields import load_domain
from allcell.training.loading import Tiles, WholeFields, tile_loader
from allcell.training.packed import STORED_ZOOM
from allcell.training.recipe import Recipe
from allcell.training.tiles import TileMaker, TileRecipe

log = logging.getLogger(__name__)


def _in_bfloat16(forward: Callable[..., Any], device: str) -> Callable[..., Any]:
    """The forward pass in bfloat16 autocast; boxes and losses stay in 32 bits.

    Ultralytics has this for CUDA only. It casts the loss, too, where 8 bits of mantissa are too
    few for the sum that decodes a box's side.
    """

    def run(batch: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(batch, dict):  # a loss call, which calls this again with the pictures
            return forward(batch, *args, **kwargs)
        with torch.autocast(device, dtype=torch.bfloat16):
            answer = forward(batch, *args, **kwargs)
        return tree_map(lambda x: x.float() if isinstance(x, torch.Tensor) else x, answer)

    return run


class _Trainer(DetectionTrainer):
    """Ultralytics' loop over our tiles."""

    def __init__(self, recipe: Recipe, data_dir: Path, overrides: dict[str, Any]) -> None:
        self.recipe = recipe
        self.data_dir = data_dir
        super().__init__(overrides=overrides)

    def get_dataset(self) -> dict[str, Any]:
        return {
            "train": "tiles",
            "val": "fields",
            "nc": len(CLASSES),
            "names": dict(enumerate(CLASSES)),
            "channels": 3,
        }

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
        recipe = self.recipe
        # The size at which the detector shows it cells: training and inference cannot drift apart.
        red_cell_px = get_spec(recipe.model).red_cell_px
        if mode == "val":
            return WholeFields(
                load_domain(
                    "validation",
                    self.data_dir / recipe.validation,
                    "val",
                    red_cell_px,
                    normalise_stain=recipe.normalise_stain,
                )
            )
        ways = recipe.ways_of_staining()
        domains = [
            load_domain(
                source.name,
                self.data_dir / source.name,
                "train",
                red_cell_px * STORED_ZOOM,
                known_red_cell_px=source.known_red_cell_px,
                clean=source.clean,
                normalise_stain=normalised,
            )
            for source in recipe.sources
            for normalised in ways
        ]
        shares = [source.share * share for source in recipe.sources for share in ways.values()]
        tiles = TileRecipe(
            side_px=recipe.tile_px,
            red_cell_px=red_cell_px,
            paste=recipe.paste,
            paste_across=recipe.paste_across,
            mild=recipe.mild,
            augmentation=recipe.augmentation,
        )
        maker = TileMaker(domains, shares, tiles, recipe.seed)
        return Tiles(maker, recipe.tiles_per_epoch)

    def get_dataloader(
        self, dataset_path: str, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        dataset = self.build_dataset(dataset_path, mode)
        if mode == "train":
            pinned = self.device.type != "cpu"
            return tile_loader(dataset, batch_size, self.args.workers, pinned)
        fields_at_once = 4 if self.device.type == "cpu" else 32
        return build_dataloader(dataset, fields_at_once, 0, shuffle=False, device=self.device)

    def _setup_train(self) -> None:
        super()._setup_train()  # type: ignore[no-untyped-call]
        # oneDNN runs NHWC convolutions 9 to 22 % faster; ultralytics offers it on CUDA only.
        network: Any = self.model
        network = network.to(memory_format=torch.channels_last)
        if self.recipe.bfloat16:
            network.forward = _in_bfloat16(network.forward, self.device.type)
        self.model = network

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch = super().preprocess_batch(batch)
        batch["img"] = batch["img"].contiguous(memory_format=torch.channels_last)
        return batch

    def plot_training_labels(self) -> None:
        """Tiles have no fixed labels to plot."""

    def final_eval(self) -> None:
        """Only drop the optimiser's state: the project's own evaluator does the scoring."""
        for checkpoint in (self.last, self.best):
            if checkpoint.exists():
                strip_optimizer(checkpoint)


def architecture_path(model: str) -> str:
    """The ultralytics name or the path of our own file for a model of the registry."""
    name = get_spec(model).architecture
    ours = files("allcell.models").joinpath("architectures").joinpath(name)
    return str(ours) if ours.is_file() else name


def _epochs_done(run_dir: Path) -> int:
    """Rows of a run's training curve."""
    curve = run_dir / "results.csv"
    if not curve.is_file():
        return 0
    return len(curve.read_text(encoding="utf-8").strip().splitlines()) - 1


def train(
    recipe: Recipe,
    data_dir: Path,
    run_dir: Path,
    *,
    weights: Path | None = None,
    device: str = "cpu",
    threads: int = 0,
    workers: int = 0,
    on_epoch: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Path:
    """Start or resume a training run.

    Args:
        recipe: The training recipe.
        data_dir: Folder that holds one folder for each dataset of the recipe.
        run_dir: Gets checkpoints, `results.csv` (one row per epoch) and settings; if it holds
            `weights/last.pt` of an unfinished run, training resumes from there; a finished one
            is left as it is.
        weights: Start from this checkpoint (for example COCO's `yolov5su.pt`).
        device: cpu, or a CUDA device as torch names it.
        threads: CPU threads; 0 = torch's default.
        workers: Processes that make tiles; 0 makes them in this one.
        on_epoch: Called with the epoch (from 1), the number of epochs and the validation metrics.

    Returns:
        The best checkpoint by mAP@0.5:0.95 on validation.

    Raises:
        DataError: If a dataset is missing.
    """
    for name in {recipe.validation, *(source.name for source in recipe.sources)}:
        if not (data_dir / name).is_dir():
            raise DataError(
                f"The dataset {name!r} is not in {data_dir}.",
                "Make it with `python -m allcell data --help`.",
            )
    if threads:
        torch.set_num_threads(threads)
    # ultralytics puts a relative folder below one of its own.
    run_dir = run_dir.resolve()
    last, best = run_dir / "weights" / "last.pt", run_dir / "weights" / "best.pt"
    if best.exists() and _epochs_done(run_dir) >= recipe.epochs:
        log.info("%s is finished", run_dir.name)
        return best
    note_facts(recipe, data_dir, run_dir, weights=weights, device=device, threads=threads)
    overrides: dict[str, Any] = {
        "model": str(weights) if weights else architecture_path(recipe.model),
        "project": str(run_dir.parent),
        "name": run_dir.name,
        "exist_ok": True,
        "data": "allcell",
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "nbs": recipe.batch,
        "imgsz": recipe.tile_px,
        "optimizer": recipe.optimizer,
        "lr0": recipe.learning_rate,
        "lrf": recipe.final_rate,
        "cos_lr": True,
        "weight_decay": recipe.weight_decay,
        "warmup_epochs": recipe.warmup_epochs,
        "device": device,
        # Its check of mixed precision wants weights from the network; these networks are too small
        # for half precision to pay.
        "amp": False,
        "close_mosaic": 0,
        "plots": False,
        "patience": 0,
        "seed": recipe.seed,
        "deterministic": False,
        "workers": workers,
        "val": True,
    }
    if last.exists():
        overrides["resume"] = str(last)
    trainer = _Trainer(recipe, data_dir, overrides)

    def start_epoch(t: Any) -> None:
        t.train_loader.sampler.epoch = t.epoch

    def end_epoch(t: Any) -> None:
        metrics = {str(k): float(v) for k, v in t.metrics.items()}
        log.info("epoch %d/%d %s", t.epoch + 1, t.epochs, metrics)
        if on_epoch:
            on_epoch(t.epoch + 1, t.epochs, metrics)

    trainer.add_callback("on_train_epoch_start", start_epoch)
    trainer.add_callback("on_fit_epoch_end", end_epoch)
    trainer.train()  # type: ignore[no-untyped-call]
    return Path(trainer.best)
