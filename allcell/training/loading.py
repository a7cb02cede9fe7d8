"""Tiles and fields as ultralytics' loop takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from ultralytics.data.dataset import YOLODataset

from allcell.boxes import letterbox
from allcell.detections import Detections
from allcell.training.fields import Domain, TrainingField
from allcell.training.tiles import TileMaker


def _sample(name: str, image: npt.NDArray[np.uint8], truth: Detections) -> dict[str, Any]:
    """One item as ultralytics' collate function expects it."""
    height, width = image.shape[:2]
    xyxy = truth.xyxy
    centre, size = (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]
    boxes = np.concatenate([centre, size], axis=1) / np.array([width, height] * 2, np.float32)
    return {
        "im_file": name,
        "ori_shape": (height, width),
        "resized_shape": (height, width),
        "ratio_pad": ((1.0, 1.0), (0.0, 0.0)),
        "img": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
        "cls": torch.from_numpy(truth.class_id.astype(np.float32)[:, None]),
        "bboxes": torch.from_numpy(boxes.astype(np.float32)),
        "batch_idx": torch.zeros(len(truth)),
    }


class Tiles(Dataset[dict[str, Any]]):
    """The tiles of all epochs, one after the other.

    Args:
        maker: Makes them.
        count: Tiles in an epoch.
    """

    collate_fn = staticmethod(YOLODataset.collate_fn)
    rect = False

    def __init__(self, maker: TileMaker, count: int) -> None:
        self.maker, self.count = maker, count

    def __len__(self) -> int:
        """Tiles in an epoch."""
        return self.count

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Tile `number % count` of epoch `number // count`."""
        epoch, index = divmod(number, self.count)
        image, truth = self.maker.make(epoch, index)
        return _sample(f"tile-{epoch}-{index}.jpg", image, truth)


class EpochSampler(Sampler[int]):
    """The numbers of one epoch's tiles; `epoch` is set before each epoch.

    A worker process would not hear of a new epoch otherwise.
    """

    def __init__(self, count: int) -> None:
        self.count, self.epoch = count, 0

    def __len__(self) -> int:
        """Tiles in an epoch."""
        return self.count

    def __iter__(self) -> Iterator[int]:
        """The numbers in order."""
        return iter(range(self.epoch * self.count, (self.epoch + 1) * self.count))


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def tile_loader(tiles: Tiles, batch: int, workers: int, pin_memory: bool) -> DataLoader[Any]:
    """Batches of tiles, made in this process or in `workers` others."""
    return DataLoader(
        tiles,
        batch_size=batch,
        sampler=EpochSampler(len(tiles)),
        num_workers=workers,
        collate_fn=tiles.collate_fn,
        pin_memory=pin_memory,
        worker_init_fn=_one_thread,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
    )


class WholeFields(Dataset[dict[str, Any]]):
    """Validation fields at the working magnification, padded to one size."""

    collate_fn = staticmethod(YOLODataset.collate_fn)
    rect = False

    def __init__(self, domain: Domain) -> None:
        boxes = [letterbox(f.image.shape[1], f.image.shape[0], 1.0, 32) for f in domain.fields]
        self.width = max(b.input_width_px for b in boxes) + 32
        self.height = max(b.input_height_px for b in boxes) + 32
        self.fields: tuple[TrainingField, ...] = domain.fields

    def __len__(self) -> int:
        """Number of fields."""
        return len(self.fields)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One field."""
        field = self.fields[index]
        padded = np.full((self.height, self.width, 3), 114, np.uint8)
        height, width = field.image.shape[:2]
        padded[:height, :width] = field.image
        return _sample(f"{field.name}.jpg", padded, field.truth)
