"""The ALL-IDB1 importer, on a folder drawn here and, where present, on ALL-IDB1 itself."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from allcell.data.allidb1 import (
    LABELS,
    LEFT_OUT,
    OVERLAPPING_TEST,
    TEST_FIELDS,
    VALIDATION_FIELDS,
    find_fields,
    read_annotations,
    read_centroids,
    split_of,
)
from allcell.data.allidb1_check import verify_allidb1
from allcell.data.allidb1_import import import_allidb1
from allcell.data.yolo_sets import read_yolo
from allcell.errors import DataError

HEADER = "image,x1,y1,x2,y2,class,source\n"
#: One field of each split: a blast and a cut cell, a healthy cell, a smudge.
BOXES = (
    HEADER
    + "Im003_1,152,102,248,198,blast,auto\n"
    + "Im003_1,0,250,40,340,cut,corrected\n"
    + "Im034_0,150,100,250,200,healthy,auto\n"
    + "Im002_1,152,102,248,198,blast,auto\n"
    + "Im002_1,300,200,400,300,smudge,auto\n"
)


def draw(path: Path) -> None:
    """A field of 400 x 600 pixels: red cells, a white cell round (200, 150) and one at the edge."""
    image = np.full((400, 600, 3), (185, 195, 200), np.uint8)
    for y in range(30, 400, 70):
        for x in range(30, 600, 75):
            cv2.circle(image, (x, y), 28, (132, 140, 190), -1, cv2.LINE_AA)
    for x, y in ((200, 150), (8, 295)):
        cv2.circle(image, (x, y), 70, (185, 195, 200), -1, cv2.LINE_AA)
        cv2.circle(image, (x, y), 48, (140, 45, 85), -1, cv2.LINE_AA)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "ALL_IDB1"
    (folder / "xyc").mkdir(parents=True)
    for name in ("Im002_1", "Im003_1", "Im034_0", "Im108_0"):
        draw(folder / "im" / f"{name}.jpg")
        text = "200 150\n" if name.endswith("_1") else ""
        (folder / "xyc" / f"{name}.xyc").write_text(text)
    return folder


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    path = tmp_path / "boxes.csv"
    path.write_text(BOXES)
    return path


def test_the_split_is_fixed() -> None:
    assert len(TEST_FIELDS) == len(set(TEST_FIELDS)) == 17
    assert len(VALIDATION_FIELDS) == len(set(VALIDATION_FIELDS)) == 13
    assert not set(TEST_FIELDS) & set(VALIDATION_FIELDS)
    assert not set(VALIDATION_FIELDS) & (set(OVERLAPPING_TEST) | set(OVERLAPPING_TEST.values()))
    assert set(OVERLAPPING_TEST.values()) <= set(TEST_FIELDS)
    assert {split_of(field) for field in OVERLAPPING_TEST} == {"train"}
    assert [split_of(f) for f in ("Im003_1", "Im034_0", "Im002_1", *LEFT_OUT)] == [
        "test",
        "val",
        "train",
        None,
    ]


def test_import_writes_what_the_reader_reads(source: Path, boxes: Path, tmp_path: Path) -> None:
    dest = tmp_path / "out"
    written = import_allidb1(source, dest, annotations=boxes, keep_overlapping=True)
    assert written.images == {"train": 1, "val": 1, "test": 1}
    assert written.cells["test"] == {"blast": 1, "cut": 1}
    (test,) = read_yolo(dest, "test")
    np.testing.assert_allclose(test.truth.xyxy, [[152, 102, 248, 198]], atol=0.01)
    np.testing.assert_allclose(test.ignore, [[0, 250, 40, 340]], atol=0.01)
    assert test.centroids is not None
    assert test.centroids.tolist() == [[200, 150]]
    (train,) = read_yolo(dest, "train")
    assert train.truth.class_id.tolist() == [0, 2]
    (val,) = read_yolo(dest, "val")
    assert val.truth.class_id.tolist() == [1]
    copied = dest / "images" / "test" / "Im003_1.jpg"
    assert copied.read_bytes() == (source / "im" / "Im003_1.jpg").read_bytes(), "unchanged"
    assert not list(dest.rglob("Im108*"))


def test_fields_that_overlap_a_test_field_are_left_out(
    source: Path, boxes: Path, tmp_path: Path
) -> None:
    dest = tmp_path / "out"
    import_allidb1(source, dest, annotations=boxes, keep_overlapping=True)
    written = import_allidb1(source, dest, annotations=boxes)
    assert "train" not in written.images
    assert not list(dest.glob("*/train/Im002_1.*")), "the earlier import is forgotten"


def test_segmented_boxes_instead_of_shipped_ones(source: Path, tmp_path: Path) -> None:
    dest = tmp_path / "out"
    written = import_allidb1(source, dest, boxes="segment", annotations=tmp_path / "none.csv")
    assert written.cells["test"] == {"blast": 1, "cut": 1}
    assert written.cells["val"] == {"healthy": 1, "cut": 1}, "no centroid, no blast"
    (test,) = read_yolo(dest, "test")
    np.testing.assert_allclose(test.truth.xyxy, [[152, 102, 248, 198]], atol=4)


def test_other_centroids_are_read(source: Path, tmp_path: Path) -> None:
    others = tmp_path / "others.csv"
    others.write_text("image,x,y\nIm034_0,200,150\n")
    written = import_allidb1(source, tmp_path / "out", boxes="segment", other_centroids=others)
    assert written.cells["val"]["healthy"] == 1
    others.write_text("image,x\nIm034_0,200\n")
    with pytest.raises(DataError, match="centroids"):
        import_allidb1(source, tmp_path / "out", boxes="segment", other_centroids=others)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("200\n", id="one number"),
        pytest.param("200 150 3\n", id="three numbers"),
        pytest.param("200, 150\n", id="commas"),
        pytest.param("x y\n", id="words"),
        pytest.param("nan 150\n", id="not finite"),
        pytest.param("200 15\xe9\n", id="not ASCII"),
        pytest.param("", id="no blast in a field named as positive"),
        pytest.param(None, id="missing"),
    ],
)
def test_odd_centroid_files_are_told(
    source: Path, boxes: Path, tmp_path: Path, text: str | None
) -> None:
    path = source / "xyc" / "Im003_1.xyc"
    if text is None:
        path.unlink()
    else:
        path.write_text(text, encoding="latin-1")
    with pytest.raises(DataError) as caught:
        import_allidb1(source, tmp_path / "out", annotations=boxes)
    assert "Im003_1" in caught.value.message
    assert caught.value.remedy


def test_blasts_in_a_field_named_as_negative_are_told(source: Path) -> None:
    (source / "xyc" / "Im034_0.xyc").write_text("200 150\n")
    with pytest.raises(DataError, match="Im034_0 has blast"):
        find_fields(source)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("x1,", "", "x1", id="a column is missing"),
        pytest.param("152,102,248,198,blast", "152,102,248,98,blast", "line 2", id="upside down"),
        pytest.param("152,102,248,198,blast", "152,,248,198,blast", "line 2", id="empty"),
        pytest.param("152,102,248,198,blast", "nan,1,2,3,blast", "line 2", id="not finite"),
        pytest.param("198,blast", "198,cancer", "line 2", id="unknown class"),
        pytest.param("Im003_1,152", "photo,152", "line 2", id="unknown name"),
        pytest.param("248,198,blast", "", "line 2", id="a line too short"),
        pytest.param("152,102,248,198,blast", "152,102,648,198,blast", "600 x 400", id="outside"),
        pytest.param("Im034_0,", "Im035_0,", "Im034_0", id="a field without boxes"),
    ],
)
def test_odd_annotations_are_told(
    source: Path, boxes: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    boxes.write_text(BOXES.replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        import_allidb1(source, tmp_path / "out", annotations=boxes)
    assert caught.value.remedy


def test_missing_folders_are_told(source: Path, boxes: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No pictures"):
        import_allidb1(tmp_path / "nowhere", tmp_path / "out", annotations=boxes)
    with pytest.raises(DataError, match="cannot be read"):
        import_allidb1(source, tmp_path / "out", annotations=tmp_path / "none.csv")
    with pytest.raises(DataError, match="over its source"):
        import_allidb1(source, source, annotations=boxes)


def test_verify_finds_nothing_wrong(source: Path, boxes: Path, tmp_path: Path) -> None:
    mask = np.zeros((400, 600), np.uint8)
    cv2.rectangle(mask, (152, 102), (247, 197), 255, -1)
    (tmp_path / "masks").mkdir()
    assert cv2.imwrite(str(tmp_path / "masks" / "Im003_1_WBCs.tif"), mask)
    check = verify_allidb1(source, annotations=boxes, masks=tmp_path / "masks")
    assert check.sound
    assert check.counts() == {"blast": 2, "cut": 1, "healthy": 1, "smudge": 1}
    assert check.counts("val") == {"healthy": 1}
    assert check.median_mask_iou == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        pytest.param("152,102,248", "210,102,248", ("lost_centroids", 1), id="centroid outside"),
        pytest.param("152,102,248", "210,102,248", ("odd_blasts", 1), id="blast without centroid"),
        pytest.param("0,250,40,340,cut", "100,50,240,190,blast", ("lost_centroids", 1), id="two"),
        pytest.param("0,250,40", "-9,250,40", ("outside", 1), id="off the picture"),
    ],
)
def test_verify_tells_findings(
    source: Path, boxes: Path, old: str, new: str, finding: tuple[str, int]
) -> None:
    boxes.write_text(BOXES.replace(old, new, 1))
    check = verify_allidb1(source, annotations=boxes)
    (field,) = (f for f in check.fields if f.field == "Im003_1")
    assert getattr(field, finding[0]) == finding[1]
    assert not field.sound
    assert not check.sound


def test_verify_tells_what_is_missing(source: Path, boxes: Path) -> None:
    boxes.write_text(BOXES.replace("Im034_0", "Im035_0"))
    check = verify_allidb1(source, annotations=boxes)
    assert (check.without_boxes, check.without_picture) == (("Im034_0",), ("Im035_0",))
    assert not check.sound
    assert check.median_mask_iou is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(TEST_FIELDS, {"blast": 78, "healthy": 29, "smudge": 23, "cut": 30}, id="test"),
        pytest.param(
            VALIDATION_FIELDS, {"blast": 61, "healthy": 28, "smudge": 26, "cut": 24}, id="val"
        ),
    ],
)
def test_shipped_boxes_by_split(fields: tuple[str, ...], expected: dict[str, int]) -> None:
    known = read_annotations()
    assert {label: sum(known[f].count()[label] for f in fields) for label in LABELS} == expected


def test_shipped_boxes_of_all_fields() -> None:
    known = read_annotations()
    assert len(known) == 107
    assert sum(cells.count()["blast"] for cells in known.values()) == 510
    for name, cells in known.items():
        assert set(cells.sources) <= {"auto", "corrected"}
        assert bool(cells.count()["blast"]) == name.endswith("_1")


@pytest.mark.data
def test_shipped_boxes_fit_the_experts(allidb1_dir: Path) -> None:
    check = verify_allidb1(allidb1_dir)
    assert check.sound, [field for field in check.fields if not field.sound]
    for field in check.fields:
        assert field.counts.get("blast", 0) == field.centroids, field.field


@pytest.mark.data
def test_every_field_is_readable(allidb1_dir: Path) -> None:
    found = find_fields(allidb1_dir)
    assert len(found) == 107
    assert {*TEST_FIELDS, *VALIDATION_FIELDS} <= set(found)
    total = sum(len(read_centroids(allidb1_dir / "xyc" / f"{field}.xyc")) for field in found)
    assert total == 510
