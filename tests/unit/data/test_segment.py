"""Segmentation of white cells, on pictures drawn here and, where present, on ALL-IDB1."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from allcell.boxes import iou
from allcell.data.allidb1 import read_centroids
from allcell.data.allidb1_import import segment_field
from allcell.data.segment import segment_blasts, segment_white_cells
from allcell.data.stain import optical_density
from allcell.errors import DataError

RED_CELL_PX = 60.0
GROUND = (200, 195, 185)
RED_CELL = (190, 140, 132)
NUCLEUS = (85, 45, 140)
PALE_NUCLEUS = (160, 120, 178)
CYTOPLASM = (150, 145, 200)

Image = npt.NDArray[np.uint8]


def field() -> Image:
    """A field of 600 x 800 pixels with red cells and no white one."""
    image = np.full((600, 800, 3), GROUND, np.uint8)
    for y in range(40, 600, 90):
        for x in range(40, 800, 95):
            cv2.circle(image, (x, y), int(RED_CELL_PX / 2), RED_CELL, -1, cv2.LINE_AA)
    return image


def clear(image: Image, x: int, y: int, radius: int) -> None:
    cv2.circle(image, (x, y), radius, GROUND, -1, cv2.LINE_AA)


def white_cell(image: Image, x: int, y: int, radius: int = 48, rim: int = 10) -> tuple[int, ...]:
    """Draw a cell with cytoplasm; its box."""
    cv2.circle(image, (x, y), radius, CYTOPLASM, -1, cv2.LINE_AA)
    cv2.circle(image, (x, y), radius - rim, NUCLEUS, -1, cv2.LINE_AA)
    return (x - radius, y - radius, x + radius, y + radius)


def overlap(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    first, second = (np.asarray(v, np.float32).reshape(1, 4) for v in (a, b))
    return float(iou(first, second)[0, 0])


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0], ids=["small", "as drawn", "magnified"])
def test_box_encloses_nucleus_and_cytoplasm(scale: float) -> None:
    image = field()
    clear(image, 400, 300, 90)
    truth = np.array(white_cell(image, 400, 300, rim=16)) * scale
    image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale), np.uint8)
    box = segment_blasts(image, [[405 * scale, 295 * scale]], RED_CELL_PX * scale)
    assert box.shape == (1, 4)
    assert overlap(box, truth) > 0.9


def test_box_leaves_a_touching_red_cell_out() -> None:
    image = field()
    clear(image, 400, 300, 130)
    cv2.circle(image, (400 + 48 + 26, 300), 30, RED_CELL, -1, cv2.LINE_AA)
    truth = white_cell(image, 400, 300)
    assert overlap(segment_blasts(image, [[400, 300]], RED_CELL_PX), truth) > 0.9


@pytest.mark.parametrize("gap", [0, -8], ids=["touching", "pressed together"])
def test_touching_blasts_are_split_at_their_centroids(gap: int) -> None:
    image = field()
    clear(image, 400, 300, 170)
    left = white_cell(image, 400 - 48, 300)
    right = white_cell(image, 400 + 48 + gap, 300)
    boxes = segment_blasts(image, [[400 + 50, 305], [400 - 50, 296]], RED_CELL_PX)
    assert overlap(boxes[0], right) > 0.85, "in the order of the centroids"
    assert overlap(boxes[1], left) > 0.85


def test_neighbour_without_a_centroid_is_not_swallowed() -> None:
    image = field()
    clear(image, 400, 300, 170)
    blast = white_cell(image, 350, 300)
    other = white_cell(image, 448, 300)
    assert overlap(segment_blasts(image, [[350, 300]], RED_CELL_PX), blast) > 0.85
    (found,) = segment_white_cells(image, RED_CELL_PX, blast_centroids=[[350, 300]])
    assert overlap(found.xyxy, other) > 0.85


def test_other_centroids_split_what_shape_alone_does_not() -> None:
    image = field()
    clear(image, 400, 300, 170)
    cv2.ellipse(image, (400, 300), (85, 45), 0, 0, 360, NUCLEUS, -1, cv2.LINE_AA)
    assert len(segment_white_cells(image, RED_CELL_PX)) == 1
    points = [[360, 300], [440, 300], [100, 100]]
    assert len(segment_white_cells(image, RED_CELL_PX, other_centroids=points)) == 2


def draw_round(image: Image) -> None:
    clear(image, 400, 300, 80)
    white_cell(image, 400, 300)


def draw_at_edge(image: Image) -> None:
    clear(image, 20, 300, 90)
    white_cell(image, 20, 300)


def draw_pale_star(image: Image) -> None:
    clear(image, 400, 300, 150)
    turn = np.linspace(0, 2 * np.pi, 29)[:-1]
    radius = np.where(np.arange(28) % 2, 55, 110)
    star = np.stack([400 + radius * np.cos(turn), 300 + radius * np.sin(turn)], axis=1)
    cv2.fillPoly(image, [np.rint(star).astype(np.int32)], PALE_NUCLEUS, cv2.LINE_AA)
    draw_at_edge(image)


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        pytest.param(draw_round, ["healthy"], id="a whole round cell"),
        pytest.param(draw_at_edge, ["cut"], id="a cell at the edge is cut"),
        pytest.param(draw_pale_star, ["cut", "smudge"], id="a pale ragged nucleus is a smudge"),
    ],
)
def test_suggestions(draw: object, expected: list[str]) -> None:
    image = field()
    assert callable(draw)
    draw(image)
    assert sorted(c.suggestion for c in segment_white_cells(image, RED_CELL_PX)) == expected


def test_platelets_and_red_cells_are_no_white_cells() -> None:
    image = field()
    cv2.circle(image, (400, 310), 9, NUCLEUS, -1, cv2.LINE_AA)
    assert segment_white_cells(image, RED_CELL_PX) == []


def test_uneven_light_does_not_matter() -> None:
    image = field()
    clear(image, 120, 120, 90)
    truth = white_cell(image, 120, 120)
    shade = np.linspace(0.55, 1.0, 800)[None, :, None]
    image = (image * shade).astype(np.uint8)
    assert abs(float(np.median(optical_density(image)[60:80, 360:440, 1]))) < 0.1
    assert overlap(segment_blasts(image, [[120, 120]], RED_CELL_PX), truth) > 0.9


def test_no_centroids_no_boxes() -> None:
    assert segment_blasts(field(), [], RED_CELL_PX).shape == (0, 4)


def test_centroid_on_bare_ground_gets_a_tiny_box_round_itself() -> None:
    image = np.full((200, 300, 3), GROUND, np.uint8)
    ((x1, y1, x2, y2),) = segment_blasts(image, [[150, 100]], RED_CELL_PX)
    assert x1 <= 150 <= x2
    assert y1 <= 100 <= y2
    assert x2 - x1 < RED_CELL_PX / 4


@pytest.mark.parametrize(
    ("image", "centroids", "red_cell_px", "message"),
    [
        pytest.param(np.zeros((60, 60), np.uint8), [], 40.0, "RGB", id="grey"),
        pytest.param(np.zeros((60, 60, 3), np.float32), [], 40.0, "RGB", id="not bytes"),
        pytest.param(field(), [], 0.0, "diameter", id="unknown magnification"),
        pytest.param(field(), [], float("nan"), "diameter", id="magnification not a number"),
        pytest.param(field(), [[1, 2, 3]], 40.0, "shape", id="three coordinates"),
        pytest.param(field(), [[np.nan, 3]], 40.0, "finite", id="not finite"),
        pytest.param(field(), [[300, 300], [300, 300]], 40.0, "Two centroids", id="doubled"),
    ],
)
def test_odd_input_is_told(
    image: Image, centroids: list[list[float]], red_cell_px: float, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        segment_blasts(image, centroids, red_cell_px)
    assert caught.value.remedy


@pytest.mark.data
def test_segmented_blasts_agree_with_the_expert_masks(allidb1_dir: Path) -> None:
    folder = os.environ.get("ALLCELL_OPEN_DATA")
    if not folder:
        pytest.skip("set ALLCELL_OPEN_DATA to a folder with allidb1/masks")
    masks = sorted((Path(folder) / "allidb1" / "masks").glob("*_WBCs.tif"))
    assert masks, "no masks in ALLCELL_OPEN_DATA"
    values = []
    for path in masks:
        name = path.name.removesuffix("_WBCs.tif")
        centroids = read_centroids(allidb1_dir / "xyc" / f"{name}.xyc")
        cells = segment_field(allidb1_dir / "im" / f"{name}.jpg", centroids)
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        _, parts, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8))
        middles = (cells.xyxy[:, :2] + cells.xyxy[:, 2:]) / 2
        columns, rows = np.clip(middles, 0, np.array(mask.shape[::-1]) - 1).astype(int).T
        owner = parts[rows, columns]
        for cell in np.flatnonzero(np.array(cells.labels) == "blast"):
            if owner[cell] and np.sum(owner == owner[cell]) == 1:
                x, y, w, h = stats[owner[cell], :4]
                values.append(overlap(cells.xyxy[cell], (x, y, x + w, y + h)))
    assert len(values) >= 40, "lone blasts in the ten masked fields"
    assert float(np.median(values)) >= 0.9
    assert float(np.quantile(values, 0.05)) >= 0.8
