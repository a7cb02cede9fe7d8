"""The importers of healthy smears, on folders made here and, where present, on the real ones."""

from __future__ import annotations

import os
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.data.open_smears import OpenSmears, import_open_smears
from allcell.data.yolo_sets import read_yolo
from allcell.errors import DataError
from allcell.imaging.images import encode_jpeg
from allcell.synth import FieldSpec, render

#: Slides of Chula with a kind of cell before them, as in its pictures' names.
TRAINED = ("E-8", "N-2B", "H-M-8")
HELD_OUT = ("N-3B", "E-3B", "B-59", "L-5Bb")


@lru_cache
def smear(width_px: int, height_px: int) -> bytes:
    """A JPEG file: a rendered smear at the left, and empty slide as wide as it takes."""
    field = render(FieldSpec(120, 90, red_cell_px=14, seed=1, neutrophils=1)).image
    image = np.full((height_px, width_px, 3), 220, np.uint8)
    image[:90, :120] = field
    return encode_jpeg(image)


def add(folder: Path, stem: str, jpeg: bytes, labels: str | None) -> None:
    """A picture and, if it has some, its labels."""
    if not (folder / "labels").is_dir():
        (folder / "images").mkdir(parents=True)
        (folder / "labels").mkdir()
    (folder / "images" / f"{stem}.jpg").write_bytes(jpeg)
    if labels is not None:
        (folder / "labels" / f"{stem}.txt").write_text(labels)


@pytest.fixture
def bccd(tmp_path: Path) -> Path:
    jpeg = smear(640, 480)
    for n in range(364):
        add(tmp_path / "bccd", f"BloodImage_{n:05}", jpeg, "1 .1 .1 .1 .1\n0 .5 .5 .2 .2\n")
    return tmp_path / "bccd"


@pytest.fixture
def chula(tmp_path: Path) -> Path:
    jpeg = smear(1440, 900)
    groups = (*HELD_OUT, *TRAINED)
    for n in range(500):
        part = tmp_path / "chula" / "WBC_Samples" / ("train" if n % 3 else "valid")
        labels = None if n < 15 else f"{n % 5} .5 .5 .2 .2\n"
        add(part, f"{groups[n % len(groups)]}_{n:04}", jpeg, labels)
    return tmp_path / "chula"


def names(folder: Path, split: str) -> list[str]:
    return sorted(path.stem for path in (folder / "images" / split).iterdir())


def test_of_bccd_the_last_fields_are_held_out_and_only_white_cells_kept(
    bccd: Path, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    done = import_open_smears(
        "bccd", bccd, tmp_path / "out", on_image=lambda n, total: steps.append((n, total))
    )
    assert done == OpenSmears(train=240, held_out=124, unlabelled=0)
    assert names(tmp_path / "out", "held_out") == [f"BloodImage_{n:05}" for n in range(240, 364)]
    assert steps == [(n, 364) for n in range(1, 365)]
    first = read_yolo(tmp_path / "out", "held_out")[0]
    assert first.truth.class_id.tolist() == [1]
    np.testing.assert_allclose(first.truth.xyxy, [[256, 192, 384, 288]], atol=0.01)
    copied = tmp_path / "out" / "images" / "train" / "BloodImage_00000.jpg"
    assert copied.read_bytes() == (bccd / "images" / "BloodImage_00000.jpg").read_bytes()


def test_of_pbc_every_sixth_is_held_out_and_no_erythroblast_kept(tmp_path: Path) -> None:
    jpeg = smear(360, 363)
    for n in range(12):
        add(tmp_path / "pbc", f"p{n:02}", jpeg, f"{n % 7} .5 .5 .2 .2\n")
    done = import_open_smears("pbc", tmp_path / "pbc", tmp_path / "out")
    assert done == OpenSmears(train=10, held_out=2, unlabelled=0)
    assert names(tmp_path / "out", "held_out") == ["p00", "p06"]
    cells = {item.path.stem: len(item.truth) for item in read_yolo(tmp_path / "out", "train")}
    assert {stem for stem, n in cells.items() if n == 0} == {"p02", "p09"}


def test_of_chula_whole_slides_are_held_out(chula: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["data", "import-chula", str(chula), str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    numbers = {split: len(names(tmp_path / "out", split)) for split in ("train", "held_out")}
    assert sum(numbers.values()) == 485
    assert "{train} training and {held_out} held-out pictures".format(**numbers) in done.stderr
    assert "15 pictures without labels were left out" in done.stderr
    groups = {
        split: {stem.rpartition("_")[0] for stem in names(tmp_path / "out", split)}
        for split in ("train", "held_out")
    }
    assert groups == {"train": set(TRAINED), "held_out": set(HELD_OUT)}
    kinds = Counter(
        int(kind)
        for split in groups
        for item in read_yolo(tmp_path / "out", split)
        for kind in item.truth.class_id
    )
    assert kinds == {1: 485}, "each kind of white cell is healthy"


def test_an_unknown_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'txl'") as caught:
        import_open_smears("txl", tmp_path, tmp_path / "out")
    assert "bccd, pbc, chula" in caught.value.remedy


def test_a_wrong_folder_is_told(bccd: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No JPEG pictures of Chula"):
        import_open_smears("chula", bccd / "labels", tmp_path / "out")
    with pytest.raises(DataError, match="over its source"):
        import_open_smears("bccd", bccd, bccd)


def lose_a_picture(bccd: Path) -> None:
    (bccd / "images" / "BloodImage_00007.jpg").unlink()


def lose_labels(bccd: Path) -> None:
    (bccd / "labels" / "BloodImage_00007.txt").unlink()


def shrink_a_picture(bccd: Path) -> None:
    (bccd / "images" / "BloodImage_00007.jpg").write_bytes(smear(320, 240))


def spoil_labels(bccd: Path) -> None:
    (bccd / "labels" / "BloodImage_00007.txt").write_text("0 .5 .5 wide\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lose_a_picture, "363 pictures of BCCD, expected 364", id="a picture missing"),
        pytest.param(lose_labels, "1 of 364 .* BloodImage_00007.jpg", id="labels missing"),
        pytest.param(shrink_a_picture, "320 x 240 pixels, expected 640 x 480", id="wrong size"),
        pytest.param(spoil_labels, "BloodImage_00007.txt has a line", id="labels unreadable"),
    ],
)
def test_incomplete_copies_are_told(bccd: Path, tmp_path: Path, damage, message: str) -> None:
    damage(bccd)
    with pytest.raises(DataError, match=message) as caught:
        import_open_smears("bccd", bccd, tmp_path / "out")
    assert caught.value.remedy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("bccd", OpenSmears(240, 124, 0), id="BCCD"),
        pytest.param("pbc", OpenSmears(1100, 220, 0), id="PBC"),
        pytest.param("chula", OpenSmears(329, 156, 15), id="Chula"),
    ],
)
def test_the_real_data_sets(tmp_path: Path, name: str, expected: OpenSmears) -> None:
    folder = Path(os.environ.get("ALLCELL_OPEN_DATA") or "/nonexistent") / name
    if not folder.is_dir():
        pytest.skip(f"ALLCELL_OPEN_DATA names no folder with {name}/")
    assert import_open_smears(name, folder, tmp_path / "out") == expected
    assert len(read_yolo(tmp_path / "out", "held_out")) == expected.held_out
