"""Which block lies where on a rendered slide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from allcell.detections import Detections
from allcell.synth.scan.block import Block, Painter
from allcell.synth.scan.smear import Part, SmearSpec
from allcell.synth.slide import SyntheticField

#: Different blocks of a monolayer, and of everything else.
_MONOLAYERS, _OTHERS = 4, 1
#: One block in so many of a monolayer is out of focus, on slides with at least as many.
_BLURRED_ONE_IN = 40
#: Most pixels that `render_slide` makes: 300 MB.
_MOST_PX = 100_000_000


@dataclass(frozen=True)
class Key:
    """What tells one block from another."""

    left: Part
    right: Part
    variant: int
    sharp: bool = True


def plan(spec: SmearSpec) -> list[list[Key]]:
    """The block at each place, row by row."""
    rng = np.random.default_rng([spec.seed, 47])
    many = spec.layout == "smear" and spec.rows * spec.columns >= _BLURRED_ONE_IN
    rows = []
    for _ in range(spec.rows):
        row = []
        for column in range(spec.columns):
            left, right = spec.part_at(column), spec.part_at(column + 1)
            layer = left is right is Part.MONOLAYER
            sharp = not (layer and many and rng.integers(_BLURRED_ONE_IN) == 0)
            variants = _MONOLAYERS if layer and sharp else _OTHERS
            row.append(Key(left, right, int(rng.integers(variants)), sharp))
        rows.append(row)
    return rows


def paint_all(
    spec: SmearSpec,
    places: list[list[Key]],
    use: Callable[[Key, Block], None],
    on_progress: Callable[[float], None] = lambda _: None,
) -> None:
    """Paint each different block once, and hand it over.

    Args:
        spec: The slide.
        places: What `plan` says.
        use: Called with each block; it is not kept here.
        on_progress: Called with how much is done, 0 to 1.
    """
    painter = Painter(spec)
    different = sorted(
        {key for row in places for key in row},
        key=lambda key: (key.left.value, key.right.value, key.variant, key.sharp),
    )
    for done, key in enumerate(different):
        # Parts must differ in their inner cells, too, although their numbers begin anew.
        number = 16 * done + key.variant
        use(key, painter.paint(key.left, key.right, number, sharp=key.sharp))
        on_progress((done + 1) / len(different))


def truth_of(spec: SmearSpec, places: list[list[Key]], truths: dict[Key, Detections]) -> Detections:
    """The white cells of a slide, in pixels of its finest level, those cut by its edge left out."""
    found = []
    for row, keys in enumerate(places):
        for column, key in enumerate(keys):
            cells = truths[key]
            shift = np.array([column, row, column, row], np.float32) * spec.block_px
            boxes = cells.xyxy + shift
            whole = (boxes[:, 2] <= spec.width_px) & (boxes[:, 3] <= spec.height_px)
            found.append(Detections.truth(boxes[whole], cells.class_id[whole]))
    return Detections.concatenate(found)


def render_slide(spec: SmearSpec) -> SyntheticField:
    """A slide in memory, without compression.

    Args:
        spec: The slide, of at most 100 million pixels.

    Raises:
        ValueError: If it is larger.
    """
    if spec.width_px * spec.height_px > _MOST_PX:
        raise ValueError(
            f"expected at most {_MOST_PX:,} pixels, got {spec.width_px}x{spec.height_px}"
        )
    places = plan(spec)
    side = spec.block_px
    image = np.empty((spec.rows * side, spec.columns * side, 3), np.uint8)
    truths: dict[Key, Detections] = {}

    def lay(key: Key, block: Block) -> None:
        truths[key] = block.truth
        for row, keys in enumerate(places):
            for column, other in enumerate(keys):
                if other == key:
                    top, left = row * side, column * side
                    image[top : top + side, left : left + side] = block.image

    paint_all(spec, places, lay)
    whole = np.ascontiguousarray(image[: spec.height_px, : spec.width_px])
    return SyntheticField(whole, truth_of(spec, places, truths), spec.red_cell_px)
