"""A checkpoint by ultralytics, from its file to a network."""

from __future__ import annotations

import logging
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch
from ultralytics.nn.tasks import load_checkpoint

from allcell.errors import ModelError

log = logging.getLogger(__name__)


def load_network(checkpoint: Path, device: torch.device, *, fuse: bool = True) -> Any:
    """A network in evaluation mode. Loading runs code in the file: trusted files only.

    Raises:
        ModelError: If it is not a checkpoint of a detector by ultralytics.
    """
    wrong = ModelError(
        f"{checkpoint.name} is no checkpoint of a detector that can be loaded.",
        "Give the best.pt or last.pt that a training with ultralytics or `allcell train` wrote: "
        "not weights alone (state_dict), TorchScript or another network.",
    )
    if _is_torchscript(checkpoint):
        raise wrong
    try:
        with tempfile.TemporaryDirectory() as folder:
            # ultralytics takes a file named yolov5s.pt for its own, and downloads another.
            neutral = shutil.copyfile(checkpoint, Path(folder) / "weights.pt")
            model, _ = load_checkpoint(str(neutral), device=device, fuse=fuse)
    except Exception as error:  # whatever unpickling something else leads to
        log.info("a checkpoint could not be loaded: %r", error)
        raise wrong from error
    if not hasattr(model, "model") or not hasattr(model, "stride"):
        raise wrong
    return model.eval()


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as file:
            return any(name.endswith("/constants.pkl") for name in file.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def class_names_of(model: Any) -> tuple[str, ...]:
    """The classes that a network names, in their order; empty if it only numbers them."""
    names = getattr(model, "names", None)
    listed = [names[key] for key in sorted(names)] if isinstance(names, dict) else names or []
    named = tuple(str(name) for name in listed)
    return () if all(name.removeprefix("class").isdecimal() for name in named) else named
