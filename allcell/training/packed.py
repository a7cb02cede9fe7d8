"""Datasets at the size that training needs, with what was measured on their pictures.

A field of 12 megapixels is read, cleaned, measured and scaled once; a training elsewhere then needs
a twentieth of the bytes, and starts in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from allcell.data.dataset import LabelledImage, OnImage
from allcell.data.yolo_sets import read_yolo
from allcell.errors import DataError
from allcell.imaging.scale import estimate_red_cell
from allcell.imaging.stain import Image, StainRuler, measure_stain
from allcell.models.registry import CLASSES, get_spec
from allcell.training.augment import paint_over_arrows
from allcell.training.recipe import Recipe, TileSource, load_recipe

#: Fields are kept at this many times the tiles' magnification, so that enlarged tiles stay sharp.
STORED_ZOOM = 1.6
_MEASURED = "measured.json"
#: WebP quality at which a picture takes an eighth of its bytes and no edge of a cell is lost.
QUALITY = 92


@dataclass(frozen=True, eq=False)
class MeasuredField:
    """What is known of one field.

    Attributes:
        red_cell_px: Diameter of a red cell in its pixels.
        ruler: Its stain; None if it could not be measured.
    """

    red_cell_px: float
    ruler: StainRuler | None


def measured_sizes(items: Iterable[LabelledImage], fallback_px: float) -> list[float]:
    """Red-cell diameter of each field, px; the usual one of the set where it cannot be measured."""

    def size(item: LabelledImage) -> float | None:
        found = estimate_red_cell(item.pixels())
        return found.diameter_px if found.reliable else None

    with ThreadPoolExecutor() as pool:
        measured = list(pool.map(size, items))
    reliable = [px for px in measured if px is not None]
    usual = float(np.median(reliable)) if reliable else fallback_px
    return [usual if px is None else px for px in measured]


def sizes_of(
    data_dir: Path,
    split: str,
    items: list[LabelledImage],
    known_px: float | None,
    fallback_px: float,
) -> tuple[list[float], dict[str, MeasuredField] | None]:
    """Red-cell diameters of a split's fields, in px, and all that was measured if it is packed.

    Args:
        data_dir: A dataset folder.
        split: train, val, ...
        items: The split's fields.
        known_px: Their diameter where one microscope took them all, in the original pictures.
        fallback_px: Diameter if none can be measured.
    """
    packed = read_measured(data_dir, split)
    if packed is not None:
        return [packed[item.path.stem].red_cell_px for item in items], packed
    return [known_px] * len(items) if known_px else measured_sizes(items, fallback_px), None


def paint_over(image: Image, xyxy: Any) -> Image:
    """Inpaint boxes (N, 4), so that cells without a label are not learnt as background."""
    if len(xyxy) == 0:
        return image
    mask = np.zeros(image.shape[:2], np.uint8)
    for x1, y1, x2, y2 in np.rint(xyxy).astype(int):
        mask[max(0, y1 - 2) : y2 + 3, max(0, x1 - 2) : x2 + 3] = 255
    return np.asarray(cv2.inpaint(image, mask, 4, cv2.INPAINT_TELEA), dtype=np.uint8)


def cleaned(
    item: LabelledImage, image: Image, factor: float, clean: bool, *, arrows: bool = True
) -> Image:
    """A field scaled by `factor`; if `clean`, without unlabelled cells and drawn `arrows`."""
    if clean and arrows:
        image = paint_over_arrows(image)
    how = cv2.INTER_AREA
    scaled = np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=how), np.uint8)
    return paint_over(scaled, item.ignore * np.float32(factor)) if clean else scaled


def pack(
    data_dir: Path,
    split: str,
    destination: Path,
    red_cell_px: float,
    *,
    known_red_cell_px: float | None = None,
    clean: bool = True,
    quality: int = QUALITY,
    on_image: OnImage | None = None,
) -> int:
    """Write one split of a YOLO dataset for training.

    Args:
        data_dir: The dataset.
        split: train, val, ...
        destination: Dataset folder to write into.
        red_cell_px: Red-cell diameter of the network in pixels; fields are kept at
            `STORED_ZOOM` times that and never enlarged.
        known_red_cell_px: The diameter in the source images where one microscope took them all;
            None measures each field.
        clean: Paint over drawn arrows and over cells that have no label (cut by the edge).
        quality: Of the WebP files, 1 to 100.
        on_image: Called with the number of images written and their total.

    Returns:
        Number of fields.

    Raises:
        DataError: If the dataset cannot be read.
    """
    items = read_yolo(data_dir, split)
    stored_px = red_cell_px * STORED_ZOOM
    sizes, _ = sizes_of(data_dir, split, items, known_red_cell_px, stored_px)
    images, labels = destination / "images" / split, destination / "labels" / split
    for folder in (images, labels):
        folder.mkdir(parents=True, exist_ok=True)
    (destination / "data.yaml").write_text(
        yaml.safe_dump({"names": dict(enumerate(CLASSES))}), encoding="utf-8"
    )
    measured: dict[str, Any] = {}
    for done, (item, size) in enumerate(zip(items, sizes, strict=True), 1):
        image = item.pixels()
        ruler = measure_stain(image, size)
        factor = min(1.0, stored_px / size)
        small = cleaned(item, image, factor, clean)
        _, data = cv2.imencode(".webp", small[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
        stem = item.path.stem
        (images / f"{stem}.webp").write_bytes(data.tobytes())
        (labels / f"{stem}.txt").write_text(_rows(item, image), encoding="utf-8")
        measured[stem] = {"red_cell_px": size * factor, "ruler": _plain(ruler)}
        if on_image:
            on_image(done, len(items))
    (destination / f"{split}-{_MEASURED}").write_text(json.dumps(measured), encoding="utf-8")
    return len(items)


def pack_recipes(
    recipes: Sequence[str], data: Path, out: Path, quality: int = QUALITY
) -> Iterator[tuple[str, str, int]]:
    """Pack what some recipes train and validate on.

    Args:
        recipes: Names in `recipes.yaml`, all of networks of one magnification.
        data: Folder that holds the datasets.
        out: Folder to write them into, under the same names.
        quality: Of the WebP files, 1 to 100.

    Yields:
        Name, split and number of fields of each part that is done.

    Raises:
        DataError: If a dataset cannot be read, a recipe is not a detector's, or its network sees
            cells at another size.
    """
    wanted: dict[tuple[str, str], TileSource] = {}
    sizes = set()
    for name in recipes:
        recipe = load_recipe(name)
        if not isinstance(recipe, Recipe):
            raise DataError(f"{name} is not a detector's recipe.", "Name a detector's recipe.")
        sizes.add(get_spec(recipe.model).red_cell_px)
        for source in recipe.sources:
            wanted[source.name, "train"] = source
        validated = TileSource(name=recipe.validation, share=1, clean=True)
        wanted[recipe.validation, "val"] = validated
    if len(sizes) != 1:
        raise DataError("These networks see cells at different sizes.", "Pack them one by one.")
    for (name, split), source in wanted.items():
        count = pack(
            data / name,
            split,
            out / name,
            sizes.copy().pop(),
            known_red_cell_px=source.known_red_cell_px,
            clean=source.clean,
            quality=quality,
        )
        yield name, split, count


def _rows(item: LabelledImage, image: Image) -> str:
    height, width = image.shape[:2]
    lines = []
    for (x1, y1, x2, y2), kind in zip(item.truth.xyxy, item.truth.class_id, strict=True):
        box = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        lines.append(f"{int(kind)} " + " ".join(f"{v:.6f}" for v in box))
    return "".join(f"{line}\n" for line in lines)


def _plain(ruler: StainRuler | None) -> dict[str, Any] | None:
    if ruler is None:
        return None
    values = asdict(ruler)
    return values | {"shade": None if ruler.shade is None else ruler.shade.tolist()}


def _ruler(values: dict[str, Any] | None) -> StainRuler | None:
    if values is None:
        return None
    shade, nuclei = values["shade"], values["nuclei"]
    return StainRuler(
        light=tuple(values["light"]),
        density=tuple(values["density"]),
        red_cells=values["red_cells"],
        nuclei=None if nuclei is None else tuple(nuclei),
        shade=None if shade is None else np.asarray(shade, np.float32),
    )


def read_measured(data_dir: Path, split: str) -> dict[str, MeasuredField] | None:
    """What `pack` measured, by the stem of the field's file; None if the dataset is not packed.

    Raises:
        DataError: If the file is damaged.
    """
    path = data_dir / f"{split}-{_MEASURED}"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            stem: MeasuredField(float(one["red_cell_px"]), _ruler(one["ruler"]))
            for stem, one in content.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name} in {data_dir.name} is damaged: {error}.", "Pack the dataset anew."
        ) from error
