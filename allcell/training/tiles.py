"""Tiles cut around cells, each rotated, scaled, restained and photographed anew.

A field is mostly red cells; a tile around a cell spends the time on what matters. A tile depends on
`(seed, epoch, index)` alone, so a resumed training sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import Detections, FloatArray
from allcell.training.augment import (
    Augmentation,
    background_colour,
    photograph,
    recolour,
    restain,
    vary,
)
from allcell.training.fields import Domain, TrainingField, canvas

_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
#: A cell is taken as its box's inscribed ellipse: a rotated box grows at all but right angles.
_ELLIPSE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1).astype(np.float32) * 0.5


#: How much a mild tile varies, as a share of the others' augmentation.
MILD = 0.35


@dataclass(frozen=True)
class TileRecipe:
    """What a tile looks like.

    Attributes:
        side_px: Width and height.
        red_cell_px: Median red-cell diameter.
        scale_sigma: Spread of the magnification (log scale).
        scale_limits: Smallest and largest factor on `red_cell_px`.
        weights: How often a tile is cut around each class; the last entry is any place of a field.
        paste: Probability of pasting in up to three cells of other fields.
        paste_across: Whether as many of them are blasts as healthy cells, of every laboratory that
            has such cells, each stained, focused and lit by itself: a laboratory's background,
            colour and sharpness must not tell the class.
        mild: Share of the tiles that nothing is pasted into and that vary by `MILD` as much.
        visible: A cell cut by the tile's edge keeps its box if this fraction of it can be seen.
        augmentation: How stain, light and lens vary.
    """

    side_px: int = 224
    red_cell_px: float = 20.0
    scale_sigma: float = 0.16
    scale_limits: tuple[float, float] = (0.68, 1.5)
    weights: tuple[float, ...] = (3.0, 3.0, 1.6, 0.5)
    paste: float = 0.35
    paste_across: bool = False
    mild: float = 0.0
    visible: float = 0.4
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True)
class _Place:
    field: int
    box: int


class TileMaker:
    """Makes tile number `index` of an epoch.

    Args:
        domains: Laboratories, each at its own magnification.
        shares: How often each is drawn; any positive numbers.
        recipe: What a tile looks like.
        seed: Fixes everything.

    Raises:
        ValueError: If there is not one share for each domain, or no domain.
    """

    def __init__(
        self, domains: Sequence[Domain], shares: Sequence[float], recipe: TileRecipe, seed: int
    ) -> None:
        if len(domains) != len(shares) or not domains:
            raise ValueError(f"expected a share for each domain, got {len(shares)}/{len(domains)}")
        self.domains = tuple(domains)
        self.recipe = recipe
        self.seed = seed
        self._shares = np.asarray(shares, dtype=float) / float(np.sum(shares))
        classes = len(recipe.weights) - 1
        self._cells: list[list[list[_Place]]] = []
        for domain in self.domains:
            by_class: list[list[_Place]] = [[] for _ in range(classes)]
            for f, item in enumerate(domain.fields):
                for b, class_id in enumerate(item.truth.class_id):
                    by_class[int(class_id)].append(_Place(f, b))
            self._cells.append(by_class)
        self._slides = [
            [background_colour(item.image) for item in domain.fields] for domain in self.domains
        ]
        #: Of each class, the laboratories that have such cells.
        self._having = [
            [d for d, cells in enumerate(self._cells) if cells[c]] for c in range(classes)
        ]

    def _draw_cell(self, d: int, rng: np.random.Generator) -> _Place | None:
        weights = np.array(self.recipe.weights)
        for c, cells in enumerate(self._cells[d]):
            if not cells:
                weights[c] = 0
        kind = int(rng.choice(len(weights), p=weights / weights.sum()))
        if kind == len(weights) - 1:
            return None
        cells = self._cells[d][kind]
        return cells[int(rng.integers(len(cells)))]

    def _draw_donor(self, rng: np.random.Generator) -> tuple[int, _Place | None]:
        """A laboratory and a cell of it to paste, if one was drawn."""
        if not self.recipe.paste_across:
            d = int(rng.choice(len(self.domains), p=self._shares))
            return d, self._draw_cell(d, rng)
        # The class first, then a laboratory that has it.
        weights = np.array(self.recipe.weights[:-1])
        weights[[not domains for domains in self._having]] = 0
        kind = int(rng.choice(len(weights), p=weights / weights.sum()))
        d = int(rng.choice(self._having[kind]))
        cells = self._cells[d][kind]
        return d, cells[int(rng.integers(len(cells)))]

    def make(self, epoch: int, index: int) -> tuple[npt.NDArray[np.uint8], Detections]:
        """One tile.

        Returns:
            RGB uint8 (side, side, 3) and its boxes in tile pixels.
        """
        rng = np.random.default_rng((self.seed, epoch, index))
        recipe = self.recipe
        d = int(rng.choice(len(self.domains), p=self._shares))
        domain = self.domains[d]
        cell = self._draw_cell(d, rng)
        pick = int(rng.integers(len(domain.fields))) if cell is None else cell.field
        source = domain.fields[pick]
        low, high = recipe.scale_limits
        factor = float(np.clip(np.exp(rng.normal(0, recipe.scale_sigma)), low, high))
        factor *= recipe.red_cell_px / domain.red_cell_px

        height, width = source.image.shape[:2]
        if cell is None:
            focus = rng.uniform(0, 1, 2) * (width, height)
        else:
            box = source.truth.xyxy[cell.box]
            focus = (box[:2] + box[2:]) / 2
        needed = int(1.5 * recipe.side_px / factor)
        if min(height, width) < needed:
            laid = canvas(domain, source, needed, rng)
            focus = np.array([laid.image.shape[1], laid.image.shape[0]]) / 2
            if cell is not None:
                # Of the cells of this class, the one nearest the middle has cells on all sides.
                same = laid.truth.of(int(source.truth.class_id[cell.box])).xyxy
                centres = (same[:, :2] + same[:, 2:]) / 2
                focus = centres[np.argmin(np.linalg.norm(centres - focus, axis=1))]
            source = laid
        picture, truth = self._cut(source, focus, factor, rng)
        if recipe.mild and rng.random() < recipe.mild:
            return vary(picture, rng, recipe.augmentation.scaled(MILD)), truth
        if rng.random() < recipe.paste:
            picture, truth = self._paste(picture, truth, rng)
        return vary(picture, rng, recipe.augmentation), truth

    def _cut(
        self,
        source: TrainingField,
        focus: npt.NDArray[np.float64],
        factor: float,
        rng: np.random.Generator,
    ) -> tuple[npt.NDArray[np.uint8], Detections]:
        side = self.recipe.side_px
        turn = rng.integers(4) * np.pi / 2 if rng.random() < 0.4 else rng.uniform(0, 2 * np.pi)
        flip = -1.0 if rng.random() < 0.5 else 1.0
        stretch = np.exp(rng.normal(0, 0.05, 2))
        cos, sin = np.cos(turn), np.sin(turn)
        matrix = np.array([[cos, -sin], [sin, cos]]) @ np.diag(factor * stretch * (flip, 1.0))
        where = rng.uniform(0.18, 0.82, 2) * side
        offset = where - matrix @ focus
        affine = np.hstack([matrix, offset[:, None]])
        border = 114.0 if rng.random() < 0.5 else float(rng.uniform(60, 255))
        picture = cv2.warpAffine(
            source.image,
            affine,
            (side, side),
            flags=cv2.INTER_AREA if factor < 0.6 else cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(border, border, border),
        )
        xyxy = source.truth.xyxy
        centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2
        points = centre[:, None] + _ELLIPSE[None] * (xyxy[:, 2:] - xyxy[:, :2])[:, None]
        points = points @ matrix.T.astype(np.float32) + offset.astype(np.float32)
        turned = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
        return np.asarray(picture, np.uint8), self._visible(turned, source.truth.class_id)

    def _visible(self, xyxy: FloatArray, class_id: npt.NDArray[np.int64]) -> Detections:
        whole = np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1e-3), axis=1)
        cut = np.clip(xyxy, 0, self.recipe.side_px)
        seen = np.prod(cut[:, 2:] - cut[:, :2], axis=1)
        keep = seen / whole >= self.recipe.visible
        return Detections.truth(cut[keep], class_id[keep])

    def _paste(
        self, picture: npt.NDArray[np.uint8], truth: Detections, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.uint8], Detections]:
        """Paste in cells of any laboratory: colour and surroundings must not tell the class."""
        out = picture.copy()
        boxes, ids = list(truth.xyxy), list(truth.class_id)
        light = np.maximum(background_colour(out), 30)
        for _ in range(int(rng.integers(1, 4))):
            d, cell = self._draw_donor(rng)
            if cell is None:
                continue
            domain = self.domains[d]
            donor = domain.fields[cell.field]
            x1, y1, x2, y2 = donor.truth.xyxy[cell.box]
            factor = self.recipe.red_cell_px / domain.red_cell_px
            factor *= float(np.exp(rng.normal(0, 0.08)))
            w, h = round((x2 - x1) * factor), round((y2 - y1) * factor)
            side = self.recipe.side_px
            if min(w, h) < 6 or max(w, h) > side // 2:
                continue
            x, y = int(rng.integers(0, side - w)), int(rng.integers(0, side - h))
            new = np.array([x, y, x + w, y + h], np.float32)
            if any(
                min(new[2], b[2]) - max(new[0], b[0]) > 0.1 * w
                and min(new[3], b[3]) - max(new[1], b[1]) > 0.1 * h
                for b in boxes
            ):
                continue
            height, width = donor.image.shape[:2]
            left, top, right, bottom = (round(float(v)) for v in (x1, y1, x2, y2))
            crop = donor.image[max(top, 0) : bottom, max(left, 0) : right]
            # A piece of a cell, cut by the edge of its field, would not be cut where it is pasted.
            is_cut = left < 2 or top < 2 or right > width - 2 or bottom > height - 2
            if crop.size == 0 or (self.recipe.paste_across and is_cut):
                continue
            crop = np.asarray(cv2.resize(crop, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
            slide = self._slides[d][cell.field]
            if self.recipe.paste_across:
                # The slide and the lamp are the tile's own; of a cell that fills its crop, they
                # could not be told.
                how = replace(self.recipe.augmentation, background=0.0, uneven=0.0, jpeg=0.0)
                crop = photograph(recolour(restain(crop, rng, how, slide), rng, how), rng, how)
            if rng.random() < 0.5:
                crop = crop[::-1]
            if rng.random() < 0.5:
                crop = crop[:, ::-1]
            gain = light / np.maximum(slide, 30)
            mixed = np.clip(crop * gain, 0, 255)
            yy, xx = np.mgrid[0:h, 0:w]
            r = np.hypot((xx + 0.5) / w * 2 - 1, (yy + 0.5) / h * 2 - 1)
            alpha = np.clip((1.06 - r) * 0.5 * min(w, h) / 2.0, 0, 1)[..., None]
            area = out[y : y + h, x : x + w]
            area[:] = (alpha * mixed + (1 - alpha) * area).astype(np.uint8)
            boxes.append(new)
            ids.append(donor.truth.class_id[cell.box])
        return out, Detections.truth(np.array(boxes, np.float32), np.array(ids, np.int64))
