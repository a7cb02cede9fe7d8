"""Training recipes: frozen values, read from `recipes.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from allcell.data.laboratories import LABORATORIES, known_red_cell_px
from allcell.errors import DataError
from allcell.training.augment import Augmentation


class TileSource(BaseModel):
    """A dataset that tiles are drawn from.

    Attributes:
        name: The dataset's folder name below the data folder.
        share: How often it is drawn, relative to the others; above 0.
        known_red_cell_px: Red-cell diameter in its images, where one microscope took them all.
            Default: what `allcell.data.laboratories` knows of that name.
        clean: Paint over drawn arrows and unlabelled cells.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    share: float = Field(gt=0)
    known_red_cell_px: float | None = Field(
        default_factory=lambda given: known_red_cell_px(given["name"])
    )
    clean: bool = False


class Recipe(BaseModel):
    """One training run.

    Attributes:
        model: Name in the registry.
        sources: Datasets, with their shares.
        validation: The dataset whose `val` split is scored after each epoch.
        start: Recipe whose best checkpoint it starts from; empty for random weights.
        leaves_out: The laboratory that it does without, to test the model there; empty for none.
            Its weights go to `weights/left_out`, under the recipe's name.
        epochs: How often `tiles_per_epoch` tiles are seen.
        tiles_per_epoch: Tiles in an epoch.
        tile_px: Width and height of a tile.
        batch: Tiles in one step.
        learning_rate: Initial learning rate.
        final_rate: Final learning rate, as a fraction of the initial one.
        weight_decay: Weight decay of the optimiser.
        warmup_epochs: Epochs over which the learning rate rises at the start.
        optimizer: Its name in ultralytics.
        normalise_stain: Whether every field is brought to one stain first; the detector must do the
            same (`ModelSpec.normalise_stain`).
        raw_share: Share of the tiles that are cut from fields as they were stained; the others are
            brought to one stain. No ruler is right every time.
        paste: Probability of pasting cells of other fields into a tile.
        paste_across: Whether these come from every laboratory alike, not by its share: colour and
            sharpness must not tell the class.
        mild: Share of the tiles that vary little and have no pasted cells. The others teach it what
            another laboratory may look like, these what its own look like.
        augment: How stain, light and lens vary, where not as usual: values of
            `allcell.training.augment.Augmentation` by name.
        bfloat16: Whether the forward pass runs in bfloat16 (weights, loss and optimiser stay in 32
            bits): three times as fast on a CPU with AMX, slower on one without.
        ships_onnx: Whether the ONNX file is shipped with the weights.
        ships_int8: Whether an 8-bit graph is shipped, too.
        seed: Seed of the weights and the tiles.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    sources: tuple[TileSource, ...]
    validation: str = "allidb1"
    start: str = ""
    leaves_out: str = ""
    epochs: int = Field(gt=0)
    tiles_per_epoch: int = Field(gt=0)
    tile_px: int = 224
    batch: int = 16
    learning_rate: float = 0.002
    final_rate: float = 0.02
    weight_decay: float = 0.0005
    warmup_epochs: float = 1.0
    optimizer: str = "AdamW"
    normalise_stain: bool = False
    raw_share: float = Field(0.0, ge=0, lt=1)
    paste: float = Field(0.35, ge=0, le=1)
    paste_across: bool = False
    mild: float = Field(0.0, ge=0, le=1)
    augment: dict[str, float] = {}
    bfloat16: bool = False
    ships_onnx: bool = False
    ships_int8: bool = False
    seed: int = 0

    @property
    def augmentation(self) -> Augmentation:
        """How its tiles vary."""
        return Augmentation(**self.augment)

    def ways_of_staining(self) -> dict[bool, float]:
        """Whether fields are brought to one stain, and the share of the tiles that are cut so."""
        if not self.normalise_stain:
            return {False: 1.0}
        return {True: 1 - self.raw_share} | ({False: self.raw_share} if self.raw_share else {})

    @model_validator(mode="after")
    def _can_vary(self) -> Self:
        known = {one.name for one in fields(Augmentation)}
        unknown = self.augment.keys() - known
        if unknown or any(value < 0 for value in self.augment.values()):
            raise ValueError(f"augment: got {self.augment}, expected none below 0 of {known}")
        return self

    @model_validator(mode="after")
    def _does_without(self) -> Self:
        if not self.leaves_out:
            return self
        if self.leaves_out not in LABORATORIES:
            raise ValueError(f"leaves_out: there is no laboratory {self.leaves_out!r}")
        if self.leaves_out in {self.validation, *(source.name for source in self.sources)}:
            raise ValueError(f"leaves_out: the recipe uses {self.leaves_out!r}")
        return self


class CnnRecipe(BaseModel):
    """One training run of a whole-field classifier, as the paper trained its CNN.

    Attributes:
        task: Distinguishes it from a detector's recipe.
        model: Name among the registry's classifiers.
        data: The dataset's folder name below the data folder; trained on `train`, monitored on
            `val`.
        epochs: How often every training field is seen.
        batch: Fields in one step.
        micro_batch: Fields in memory at a time; a batch's gradient is accumulated from these.
        learning_rate: Adam's.
        seed: Seed of weights, order, augmentation and dropout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["classify"]
    model: str
    data: str = "allidb1"
    epochs: int = Field(gt=0)
    batch: int = Field(gt=0)
    micro_batch: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    seed: int = Field(0, ge=0)


def load_recipe(name: str) -> Recipe | CnnRecipe:
    """The recipe of that name in `recipes.yaml`; a detector's recipe overrides the `defaults`.

    Raises:
        DataError: If there is none.
    """
    everything = dict(_recipes())
    defaults = everything.pop("defaults")
    if name not in everything:
        raise DataError(
            f"There is no training recipe named {name!r}.",
            f"Choose one of: {', '.join(everything)}.",
        )
    chosen = everything[name]
    if chosen.get("task") == "classify":
        return CnnRecipe(**chosen)
    return Recipe(**{**defaults, **chosen})


def recipes_without() -> dict[tuple[str, str], str]:
    """Names of the recipes that do without a laboratory, by model and laboratory."""
    return {
        (entry["model"], entry["leaves_out"]): name
        for name, entry in _recipes().items()
        if "leaves_out" in entry
    }


@lru_cache(maxsize=1)
def _recipes() -> Mapping[str, dict[str, Any]]:
    text = files("allcell.training").joinpath("recipes.yaml").read_text(encoding="utf-8")
    content: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return MappingProxyType(content)
