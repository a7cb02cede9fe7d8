"""Find a model's files, and check that they are the ones that were measured."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from allcell.environment.installation import get_weights
from allcell.errors import ModelError
from allcell.settings import settings

MANIFEST = "manifest.json"


class WeightFile(BaseModel):
    """One file in `weights/`.

    Attributes:
        file: Its name.
        sha256: Its SHA-256, hexadecimal.
        bytes: Its size in bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str
    bytes: int


class ModelFiles(BaseModel):
    """The files of one model.

    Attributes:
        checkpoint: The torch weights in half precision, which the graphs are compiled from.
        parameters: Number of weights of the fused network.
        onnx: The compiled graph, where it is shipped.
        onnx_int8: The same in 8 bits, for live video on a CPU, where it is shipped.
        folder: Where they are; None for the settings' folder of weights. Elsewhere the compiled
            graph is all there is, and stands for the checkpoint: torch never opens it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: WeightFile
    parameters: int
    onnx: WeightFile | None = None
    onnx_int8: WeightFile | None = None
    folder: Path | None = Field(None, exclude=True)

    def has_checkpoint(self, weights_dir: Path) -> bool:
        """Whether the checkpoint is in that folder; the largest are not part of the project."""
        return (weights_dir / self.checkpoint.file).is_file()


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(weights_dir: Path) -> dict[str, ModelFiles]:
    """The files of all models with weights, by name; empty if there is no manifest."""
    path = weights_dir / MANIFEST
    if not path.is_file():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    return {name: ModelFiles.model_validate(entry) for name, entry in data.items()}


def write_manifest(weights_dir: Path, manifest: dict[str, ModelFiles]) -> None:
    """Write the manifest of all models, sorted by name, into the folder of the weights."""
    data = {name: manifest[name].model_dump(exclude_none=True) for name in sorted(manifest)}
    (weights_dir / MANIFEST).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def describe(path: Path) -> WeightFile:
    """The manifest's entry for a file."""
    return WeightFile(file=path.name, sha256=sha256(path), bytes=path.stat().st_size)


def model_files(name: str) -> ModelFiles:
    """The manifest's entry for a model.

    Raises:
        ModelError: If it has no weights here.
    """
    manifest = read_manifest(settings().weights_dir)
    if name not in manifest:
        raise ModelError(
            f"The model {name!r} has no weights in {settings().weights_dir.name}/.",
            "Train it with `python -m allcell train`, choose another model, or set "
            "ALLCELL_WEIGHTS_DIR to a copy of the whole weights/ folder of allcell's repository.",
        )
    return manifest[name]


def verified(file: WeightFile, folder: Path | None = None) -> Path:
    """The path of a weight file, whose SHA-256 is checked.

    Args:
        file: Its entry in the manifest.
        folder: Where it is; the settings' folder of weights if None.

    Raises:
        ModelError: If it is missing or is not the file that was measured.
    """
    path = (folder or settings().weights_dir) / file.file
    if not path.is_file():
        raise ModelError(
            f"The weight file {file.file} is missing.",
            get_weights(),
        )
    got = sha256_once(path)
    if got != file.sha256:
        raise ModelError(
            f"The weight file {file.file} is not the one that was measured: its SHA-256 begins "
            f"with {got[:12]}, expected {file.sha256[:12]}.",
            f"Do not use this copy. {get_weights()}",
        )
    return path


def sha256_once(path: Path) -> str:
    """SHA-256 of a file, remembered as long as its size and its date are the same.

    Raises:
        OSError: If it cannot be read.
    """
    stat = path.stat()
    return _hash_of(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _hash_of(path: Path, modified_ns: int, size: int) -> str:
    return sha256(path)


def compiled_path(checkpoint: WeightFile) -> Path:
    """Where the graph compiled from a checkpoint is cached."""
    return settings().cache_dir / "onnx" / f"{checkpoint.sha256[:32]}.onnx"
