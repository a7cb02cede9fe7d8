"""What a model is shown when it is taught a laboratory: its reviewed fields, and rendered ones.

Nothing here needs torch. A tile depends on the seed and its number alone, so that a training that
was interrupted goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from allcell.ahead import worker_count
from allcell.data.dataset import LabelledImage
from allcell.detections import Detections
from allcell.imaging.stain import measure_stain, normalise
from allcell.models.registry import ModelSpec
from allcell.synth import random_spec, render
from allcell.training.augment import Augmentation
from allcell.training.fields import Domain, TrainingField, domain_of
from allcell.training.packed import STORED_ZOOM, measured_sizes
from allcell.training.tiles import TileMaker, TileRecipe

#: A tile: RGB uint8 (side, side, 3) and its boxes in tile pixels.
Tile: TypeAlias = tuple[npt.NDArray[np.uint8], Detections]

#: Seed of the first rendered field of the rehearsal, and their side in red cells.
_FIRST_SEED, _SIDE_RED_CELLS = 700_000, 15
_LEAST_RENDERED, _TILES_A_FIELD = 2, 25


@dataclass(frozen=True)
class AdaptSettings:
    """How a model is taught.

    Attributes:
        tiles: Tiles that it sees.
        tile_px: Width and height of a tile.
        batch: Tiles in one step.
        learning_rate: Of AdamW, after the warm-up; it falls to `final_rate` of that by a cosine.
        final_rate: Final learning rate, as a fraction of the highest.
        warmup: Share of the steps over which the learning rate rises.
        weight_decay: Of the convolutions.
        rehearsal: Share of the tiles that are cut from rendered fields, so that what the parent
            knew of other stains is not forgotten.
        average: Share of the taught weights in the result; the rest are the parent's. Source:
            Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
        frozen_statistics: Whether the layers of normalisation keep the parent's statistics.
        raw_share: Share of the tiles that are as they were stained, if the model sees fields
            brought to one stain.
        mild: Share of the tiles that vary little and have no pasted cells.
        paste: Probability of pasting cells of other fields into one of the other tiles.
        augmentation: How stain, light and lens vary.
        seed: Seed of the tiles.
    """

    tiles: int = 3200
    tile_px: int = 224
    batch: int = 16
    learning_rate: float = 8e-4
    final_rate: float = 0.02
    warmup: float = 0.05
    weight_decay: float = 5e-4
    rehearsal: float = 0.25
    average: float = 0.85
    frozen_statistics: bool = False
    raw_share: float = 0.25
    mild: float = 0.5
    paste: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.rehearsal, self.average, self.raw_share, self.mild, self.paste)
        if min(self.tiles, self.batch) < 1 or not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"expected at least one tile and shares from 0 to 1, got {self}")

    @property
    def steps(self) -> int:
        """Steps of the optimiser."""
        return -(-self.tiles // self.batch)

    @property
    def rendered(self) -> int:
        """Number of rendered fields, so that few tiles are cut from the same one."""
        if not self.rehearsal:
            return 0
        return max(_LEAST_RENDERED, round(self.tiles * self.rehearsal / _TILES_A_FIELD))


@dataclass(frozen=True, eq=False)
class Shown:
    """Fields at the magnification of training, in each way of staining that the model is shown.

    Attributes:
        domains: The same fields in the same order in each, and the share of the tiles of each.
    """

    domains: tuple[tuple[Domain, float], ...]

    def of(self, fields: Sequence[int]) -> Shown:
        """Some of the fields only, by their number."""
        return Shown(
            tuple(
                (Domain(d.name, tuple(d.fields[n] for n in fields), d.red_cell_px), share)
                for d, share in self.domains
            )
        )


def _ways(spec: ModelSpec, settings: AdaptSettings) -> dict[bool, float]:
    """Whether fields are brought to one stain, and the share of the tiles that are cut so."""
    if not spec.normalise_stain:
        return {False: 1.0}
    ways = {True: 1 - settings.raw_share, False: settings.raw_share}
    return {way: share for way, share in ways.items() if share > 0}


def shown_fields(items: Sequence[LabelledImage], spec: ModelSpec, settings: AdaptSettings) -> Shown:
    """Bring reviewed fields to the magnification of training.

    Args:
        items: The fields.
        spec: The model that is taught.
        settings: How.

    Raises:
        ImageError: If a picture cannot be read.
    """
    stored_px = spec.red_cell_px * STORED_ZOOM
    sizes = measured_sizes(items, stored_px)
    return Shown(
        tuple(
            (
                domain_of(
                    "reviewed",
                    items,
                    sizes,
                    stored_px,
                    normalise_stain=normalised,
                    arrows=False,
                ),
                share,
            )
            for normalised, share in _ways(spec, settings).items()
        )
    )


def rendered_fields(
    spec: ModelSpec,
    settings: AdaptSettings,
    on_field: Callable[[int, int], None] | None = None,
) -> Shown:
    """Rendered fields of many stains, for the rehearsal.

    Args:
        spec: The model that is taught.
        settings: How.
        on_field: Called with the number of fields done and their total; may raise to stop.
    """
    stored_px = spec.red_cell_px * STORED_ZOOM
    side_px = round(stored_px * _SIDE_RED_CELLS)
    ways = _ways(spec, settings)

    def made(n: int) -> dict[bool, TrainingField]:
        one = render(random_spec(_FIRST_SEED + n, side_px, side_px, stored_px))
        ruler = measure_stain(one.image, stored_px) if True in ways else None
        images = {True: one.image if ruler is None else normalise(one.image, ruler)}
        images[False] = one.image
        return {way: TrainingField(f"rendered-{n}", images[way], one.truth) for way in ways}

    fields = []
    with ThreadPoolExecutor(worker_count()) as pool:
        for done, one in enumerate(pool.map(made, range(settings.rendered)), 1):
            fields.append(one)
            if on_field:
                on_field(done, settings.rendered)
    return Shown(
        tuple(
            (Domain("rendered", tuple(one[way] for one in fields), stored_px), share)
            for way, share in ways.items()
        )
    )


class AdaptTiles:
    """Makes the tiles of one training.

    Args:
        reviewed: The laboratory's own fields; at least one.
        rendered: For the rehearsal; None for none.
        spec: The model that is taught.
        settings: How.
    """

    def __init__(
        self, reviewed: Shown, rendered: Shown | None, spec: ModelSpec, settings: AdaptSettings
    ) -> None:
        self.settings = settings
        recipe = TileRecipe(
            side_px=settings.tile_px,
            red_cell_px=spec.red_cell_px,
            paste=settings.paste,
            # Else a slide's look would tell the class where a field has cells of one class only.
            paste_across=True,
            mild=settings.mild,
            augmentation=settings.augmentation,
        )
        self._own = _maker(reviewed, recipe, settings.seed)
        self._others = _maker(rendered, recipe, settings.seed) if rendered else None

    def make(self, number: int) -> Tile:
        """Tile `number` of the training, from 0."""
        share = self.settings.rehearsal
        rehearsed = int((number + 1) * share) > int(number * share)
        maker = self._others if rehearsed and self._others is not None else self._own
        return maker.make(0, number)

    def batch(self, step: int) -> list[Tile]:
        """The tiles of step `step`, from 0."""
        size = self.settings.batch
        return [self.make(n) for n in range(step * size, (step + 1) * size)]


def _maker(shown: Shown, recipe: TileRecipe, seed: int) -> TileMaker:
    domains, shares = zip(*shown.domains, strict=True)
    return TileMaker(domains, shares, recipe, seed)
