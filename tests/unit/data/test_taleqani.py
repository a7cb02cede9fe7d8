"""The Taleqani importer, on a folder rendered here and, where present, on Taleqani itself."""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.data.taleqani import (
    LEFT_OUT,
    SIZE_PX,
    SPLITS,
    UNSURE,
    import_taleqani,
    read_taleqani,
)
from allcell.data.yolo_sets import read_yolo
from allcell.errors import DataError
from allcell.imaging.images import encode_jpeg, size_px
from allcell.synth import FieldSpec, render

FIELDS = (
    "image,split,source\n"
    "Benign-001,train,auto\n"
    "Early-002,val,reviewed\n"
    "Pre-003,test,corrected\n"
    "Pro-004,gap,\n"
    "Pro-005,duplicate,\n"
)
BOXES = (
    "image,x1,y1,x2,y2,class\n"
    "Benign-001,56,112,112,168,healthy\n"
    "Pre-003,0,0,22.4,44.8,unsure\n"
    "Pre-003,112,56,168,112,blast\n"
    "Pre-003,200,200,224,224,smudge\n"
)


@lru_cache
def picture(width_px: int = 224) -> bytes:
    spec = FieldSpec(width_px, 224, red_cell_px=18, seed=1, blasts=2)
    return encode_jpeg(render(spec).image)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "taleqani"
    for name in ("Benign-001", "Malignant-Early-002", "Malignant-Pre-003"):
        path = folder / name.split("-")[-2] / f"WBC-{name}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(picture())
    return folder


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    paths = {"fields": tmp_path / "fields.csv", "boxes": tmp_path / "boxes.csv"}
    paths["fields"].write_text(FIELDS)
    paths["boxes"].write_text(BOXES)
    return paths


def test_import_writes_what_the_reader_reads(
    source: Path, tables: dict[str, Path], tmp_path: Path
) -> None:
    dest = tmp_path / "out"
    steps: list[tuple[int, int]] = []
    done = import_taleqani(
        source, dest, **tables, on_image=lambda n, total: steps.append((n, total))
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert done.images == {"train": 1, "val": 1, "test": 1}
    assert done.reviewed == {"train": 0, "val": 1, "test": 1}
    assert done.cells["test"] == {"blast": 1, "smudge": 1, UNSURE: 1}
    assert size_px(dest / "images" / "test" / "WBC-Malignant-Pre-003.png") == SIZE_PX
    (test,) = read_yolo(dest, "test")
    assert test.truth.class_id.tolist() == [0, 2]
    factor = SIZE_PX[0] / 224
    np.testing.assert_allclose(test.truth.xyxy[0], [112 * factor, 56, 168 * factor, 112], atol=0.01)
    np.testing.assert_allclose(test.ignore, [[0, 0, 22.4 * factor, 44.8]], atol=0.01)
    (train,) = read_yolo(dest, "train")
    assert train.truth.class_id.tolist() == [1]
    (val,) = read_yolo(dest, "val")
    assert len(val.truth) == 0, "a field without cells"


def test_the_command_says_what_it_wrote(
    source: Path, tables: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["data", "import-taleqani", str(source), str(tmp_path / "out")]
    failed = CliRunner().invoke(app, command)
    assert failed.exit_code == 1
    assert "of 3022 fields are not in" in failed.stderr
    small = partial(import_taleqani, **tables)
    monkeypatch.setattr("allcell.cli.make_data.import_taleqani", small)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "test: 1 fields, 1 of them reviewed; 1 blast, 1 smudge, 1 unsure" in done.stderr


def test_an_earlier_import_is_forgotten(
    source: Path, tables: dict[str, Path], tmp_path: Path
) -> None:
    dest = tmp_path / "out"
    import_taleqani(source, dest, **tables)
    tables["boxes"].write_text(BOXES.replace("unsure", "blast"))
    tables["fields"].write_text(FIELDS.replace("Benign-001,train,auto", "Benign-001,test,reviewed"))
    import_taleqani(source, dest, **tables)
    assert not list(dest.glob("ignore/*/*.txt"))
    assert not list(dest.glob("*/train/*"))
    assert len(read_yolo(dest, "test")) == 2


def test_a_test_field_counts_once_it_is_reviewed(
    source: Path, tables: dict[str, Path], tmp_path: Path
) -> None:
    tables["fields"].write_text(FIELDS.replace("test,corrected", "test,auto"))
    done = import_taleqani(source, tmp_path / "out", **tables)
    assert done.images == {"train": 1, "val": 1, "test_draft": 1}
    assert not (tmp_path / "out" / "images" / "test").exists()
    tables["fields"].write_text(FIELDS)
    import_taleqani(source, tmp_path / "out", **tables)
    assert not list((tmp_path / "out").glob("*/test_draft/*"))
    assert len(read_yolo(tmp_path / "out", "test")) == 1


def lose_one(folder: Path) -> None:
    next(folder.rglob("*Pre-003*")).unlink()


def lose_all(folder: Path) -> None:
    for path in folder.rglob("*.jpg"):
        path.unlink()


def add_segmented(folder: Path) -> None:
    (folder / "Segmented").mkdir()
    (folder / "Segmented" / "WBC-Benign-001.jpg").write_bytes(picture())


def stretch_one(folder: Path) -> None:
    next(folder.rglob("*Pre-003*")).write_bytes(picture(299))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lose_one, "1 of 3 fields are not in .*Pre-003", id="a picture is missing"),
        pytest.param(lose_all, "No pictures named like WBC-Benign-001.jpg", id="wrong folder"),
        pytest.param(add_segmented, "WBC-Benign-001.jpg is in .* and in", id="a picture twice"),
        pytest.param(stretch_one, "299 x 224 pixels, expected 224 x 224", id="wrong size"),
    ],
)
def test_odd_folders_are_told(
    source: Path, tables: dict[str, Path], tmp_path: Path, damage, message: str
) -> None:
    damage(source)
    with pytest.raises(DataError, match=message) as caught:
        import_taleqani(source, tmp_path / "out", **tables)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        pytest.param("boxes", "x1,", "", "x1", id="a column is missing"),
        pytest.param("boxes", "56,112,112,168", "56,112,112,68", "line 2", id="upside down"),
        pytest.param("boxes", "56,112,112,168", "56,,112,168", "line 2", id="empty"),
        pytest.param("boxes", "56,112,112,168", "56,nan,112,168", "line 2", id="not finite"),
        pytest.param("boxes", "56,112,112,168", "56,112,112,225", "line 2", id="outside"),
        pytest.param("boxes", "168,healthy", "168,cut", "line 2", id="unknown class"),
        pytest.param("boxes", "112,168,healthy", "", "line 2", id="a line too short"),
        pytest.param("boxes", "Benign-001", "Benign-009", "Benign-009", id="unknown field"),
        pytest.param("boxes", "Benign-001", "Pro-004", "line 5", id="boxes of one left out"),
        pytest.param("fields", "train", "training", "line 2", id="unknown split"),
        pytest.param("fields", "auto", "", "line 2", id="no source"),
        pytest.param("fields", "gap,", "gap,auto", "line 5", id="source of one left out"),
        pytest.param("fields", "Early-002", "Benign-001", "line 3", id="a field twice"),
        pytest.param("fields", ",split", "", "split", id="no splits"),
    ],
)
def test_odd_tables_are_told(
    tables: dict[str, Path], table: str, old: str, new: str, message: str
) -> None:
    path = tables[table]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        read_taleqani(**tables)
    assert caught.value.remedy


def test_a_missing_table_is_told(tables: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        read_taleqani(tables["fields"], tmp_path / "none.csv")


def test_it_is_not_written_over_its_source(source: Path, tables: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="over its source"):
        import_taleqani(source, source.parent, **tables)


def test_the_split_is_fixed() -> None:
    fields = read_taleqani().values()
    splits = Counter(field.split for field in fields)
    assert splits == {"train": 1981, "val": 228, "test": 813, "gap": 194, "duplicate": 40}
    assert Counter(field.stage for field in fields) == {
        "Benign": 504,
        "Early": 985,
        "Pre": 963,
        "Pro": 804,
    }
    for stage in ("Benign", "Early", "Pre", "Pro"):
        numbers = {
            split: [int(f.name[-3:]) for f in fields if f.stage == stage and f.split == split]
            for split in SPLITS
        }
        assert max(numbers["train"]) < min(numbers["val"]), "neighbours are often of one slide"
        assert max(numbers["val"]) < min(numbers["test"])


def test_the_counts_in_the_readme_are_those_of_the_boxes() -> None:
    readme = Path("allcell/data/annotations/README.md").read_text(encoding="utf-8")
    section = readme.split("# Boxes of Taleqani")[1]
    classes = ("blast", "healthy", "smudge", UNSURE)
    fields = read_taleqani().values()
    for split, title in zip(SPLITS, ("training", "validation", "test"), strict=True):
        chosen = [field for field in fields if field.split == split]
        cells = Counter(box.label for field in chosen for box in field.boxes)
        sources = Counter(field.source for field in chosen)
        (row,) = re.findall(rf"^\| {title} \|(.+)\|$", section, re.MULTILINE)
        expected = [
            len(chosen),
            *(cells[name] for name in classes),
            sources["reviewed"],
            sources["corrected"],
        ]
        assert [int(number.replace(",", "")) for number in row.split("|")] == expected, split
    assert all(not field.boxes for field in fields if field.split in LEFT_OUT)


@pytest.mark.slow
def test_taleqani_itself(tmp_path: Path) -> None:
    folder = Path(os.environ.get("ALLCELL_TALEQANI") or "/nonexistent")
    if not folder.is_dir():
        pytest.skip("ALLCELL_TALEQANI names no folder with the authors' pictures")
    done = import_taleqani(folder, tmp_path / "out")
    assert done.images == {"train": 1981, "val": 228, "test": 813}
    for split in SPLITS:
        cells = sum(len(item.truth) for item in read_yolo(tmp_path / "out", split))
        assert cells == sum(n for name, n in done.cells[split].items() if name != UNSURE)
