"""One own-laboratory model: a folder with its ONNX file and its card, both checked when read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from allcell.errors import ModelError
from allcell.models.registry import ModelSpec
from allcell.models.weights import ModelFiles, WeightFile, sha256_once
from allcell.own.card import Card
from allcell.own.card_file import MAX_CARD_BYTES, read_card

ONNX_FILE, CARD_FILE = "model.onnx", "card.json"
_AGAIN = "Import the model again from its file, or delete it."


@dataclass(frozen=True)
class OwnModel:
    """One model on the shelf.

    Attributes:
        folder: Where its files are.
        card: What is said of it.
    """

    folder: Path
    card: Card

    @classmethod
    def read(cls, folder: Path) -> OwnModel:
        """The model in a folder; its ONNX file is checked when it is asked for.

        Raises:
            ModelError: If its card is missing, cut, altered, of a newer allcell, or that of
                another model.
        """
        try:
            with (folder / CARD_FILE).open("rb") as file:
                content = file.read(MAX_CARD_BYTES + 1)
        except OSError as error:
            raise _no_card(folder, error) from error
        card = read_card(content, folder.name)
        if card.id != folder.name:
            raise ModelError(
                f"The card in {folder.name} is that of another model, {card.id}.", _AGAIN
            )
        return cls(folder, card)

    @property
    def spec(self) -> ModelSpec:
        """See `Card.spec`."""
        return self.card.spec()

    @property
    def size_bytes(self) -> int:
        """Size of its ONNX file; 0 if it is missing."""
        try:
            return (self.folder / ONNX_FILE).stat().st_size
        except OSError:
            return 0

    def onnx(self) -> Path:
        """Its ONNX file, whose hash is checked.

        Raises:
            ModelError: If it is missing, or is not the file that was made.
        """
        path = self.folder / ONNX_FILE
        try:
            got = sha256_once(path)
        except OSError as error:
            raise ModelError(
                f"The network of {self.card.name} is missing or cannot be read ({error.strerror}).",
                _AGAIN,
            ) from error
        if got != self.card.sha256:
            raise ModelError(
                f"The network of {self.card.name} is not the one that was made: its SHA-256 "
                f"begins with {got[:12]}, expected {self.card.sha256[:12]}.",
                _AGAIN,
            )
        return path

    def files(self) -> ModelFiles:
        """Its files as the engines take them: the ONNX file alone, no checkpoint.

        Raises:
            ModelError: See `onnx`.
        """
        path = self.onnx()
        graph = WeightFile(file=ONNX_FILE, sha256=self.card.sha256, bytes=path.stat().st_size)
        return ModelFiles(checkpoint=graph, parameters=0, onnx=graph, folder=self.folder)


@dataclass(frozen=True)
class Damaged:
    """A folder on the shelf that cannot be used.

    Attributes:
        id: Its name.
        problem: What is wrong with it.
    """

    id: str
    problem: ModelError


def shelved(folder: Path) -> OwnModel | Damaged | None:
    """What a folder on the shelf holds; None if it was removed meanwhile."""
    try:
        stat = (folder / CARD_FILE).stat()
        model = _read(folder, stat.st_mtime_ns, stat.st_size)
        if not model.size_bytes:
            model.onnx()
    except OSError as error:
        problem = _no_card(folder, error)
    except ModelError as error:
        problem = error
    else:
        return model
    return Damaged(folder.name, problem) if folder.is_dir() else None


@lru_cache(maxsize=256)
def _read(folder: Path, modified_ns: int, size: int) -> OwnModel:
    """A model whose card and parent this allcell knows; read once, for pages ask all the time."""
    model = OwnModel.read(folder)
    model.card.spec()
    return model


def _no_card(folder: Path, error: OSError) -> ModelError:
    return ModelError(
        f"The card of the model in {folder.name} is missing or cannot be read ({error.strerror}).",
        _AGAIN,
    )
