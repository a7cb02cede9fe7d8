"""Single cells cut out on black, laid on a slide."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.data.single_cells import SingleCells, import_single_cells
from allcell.data.yolo_sets import read_yolo
from allcell.errors import DataError
from allcell.imaging.images import encode_png
from allcell.imaging.stain import REFERENCE_LIGHT

NUCLEUS = (66, 25, 75)


def cut_out(x: int, y: int, radius: int) -> np.ndarray:
    image = np.zeros((120, 120, 3), np.uint8)
    return cv2.circle(image, (x, y), radius, NUCLEUS, -1)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("leukemia", "healthy"):
        (tmp_path / "copy" / folder).mkdir(parents=True)
        for n in range(3):
            picture = encode_png(cut_out(50 + 4 * n, 60, 22))
            (tmp_path / "copy" / folder / f"{folder[0]}{n}.png").write_bytes(picture)
    return tmp_path / "copy"


def test_each_cell_lies_on_the_reference_slide_in_its_box(copy: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    done = import_single_cells(
        copy, tmp_path / "out", each=3, on_image=lambda n, total: steps.append((n, total))
    )
    assert done == SingleCells(blasts=3, healthy=3)
    assert steps[-1] == (6, 6)
    cells = {item.path.stem: item for item in read_yolo(tmp_path / "out", "train")}
    assert {stem: item.truth.class_id.tolist() for stem, item in cells.items()} == {
        **{f"l{n}": [0] for n in range(3)},
        **{f"h{n}": [1] for n in range(3)},
    }
    item = cells["l0"]
    x1, y1, x2, y2 = item.truth.xyxy[0]
    assert (x2 - x1, y2 - y1) == pytest.approx((42, 42), abs=2)
    pixels = item.pixels()
    assert pixels[2, 2] == pytest.approx(REFERENCE_LIGHT, abs=1)
    middle = pixels[int((y1 + y2) / 2), int((x1 + x2) / 2)]
    # Light times exp(-density): 206 exp(-.55) - 1, 201 exp(-1.25) - 1, 193 exp(-.22) - 1.
    assert middle == pytest.approx([118, 56, 153], abs=2)


def test_the_same_seed_draws_the_same_cells(copy: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        import_single_cells(copy, tmp_path / name, each=1, seed=3)
    a, b = (sorted(p.name for p in (tmp_path / n).rglob("*.png")) for n in "ab")
    assert a == b
    assert len(a) == 2


@pytest.mark.parametrize(
    ("picture", "each", "message"),
    [
        pytest.param(None, 4, "3 pictures, expected at least 4", id="too few"),
        pytest.param(np.zeros((40, 40, 3), np.uint8), 4, "not show a cell", id="all black"),
        pytest.param(np.full((40, 40, 3), 90, np.uint8), 4, "not show a cell", id="a field"),
    ],
)
def test_what_does_not_fit_is_told(
    copy: Path, tmp_path: Path, picture: np.ndarray | None, each: int, message: str
) -> None:
    if picture is not None:
        (copy / "leukemia" / "odd.png").write_bytes(encode_png(picture))
        (copy / "healthy" / "odd.png").write_bytes(encode_png(picture))
    with pytest.raises(DataError, match=message):
        import_single_cells(copy, tmp_path / "out", each=each)


def test_the_command_names_what_it_expects(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["data", "import-cnmc", str(tmp_path), str(tmp_path / "out")])
    assert done.exit_code != 0
    assert "leukemia/ and healthy/" in done.stderr
