"""Labelled sets of other people: COCO, Pascal VOC and YOLO give the same cells."""

import json
from pathlib import Path

import numpy as np
import pytest

from allcell.data.dataset import labelled
from allcell.data.labelled_sets import (
    LABEL_FORMAT_NAMES,
    LABEL_FORMATS,
    LabelFormat,
    class_counts,
    find_splits,
    read_labelled,
)
from allcell.data.yolo import write_dataset_yaml, write_labels
from allcell.errors import DataError
from allcell.imaging.images import encode_png

WIDTH, HEIGHT = 200, 100
#: Class, x1, y1, x2, y2.
CELLS = ((0, 20, 10, 60, 50), (1, 100, 30, 150, 80))
NAMES = ("blast", "healthy")
XML = (
    "<annotation><object><name>blast</name><bndbox><xmin>21</xmin><ymin>11</ymin><xmax>60</xmax>"
    "<ymax>50</ymax></bndbox></object><object><name>healthy</name><bndbox><xmin>101</xmin>"
    "<ymin>31</ymin><xmax>150</xmax><ymax>80</ymax></bndbox></object>{more}</annotation>"
)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.full((HEIGHT, WIDTH, 3), 200, np.uint8)))


def coco(folder, **changes):
    picture(folder / "images" / "a.png")
    content = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "categories": [{"id": n + 1, "name": name} for n, name in enumerate(NAMES)],
        "annotations": [
            {"id": n, "image_id": 7, "category_id": c + 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
            for n, (c, x1, y1, x2, y2) in enumerate(CELLS)
        ],
        **changes,
    }
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / "instances_test.json").write_text(json.dumps(content))
    return content


PLAIN_XML = XML.format(more="")


def voc(folder, text=PLAIN_XML):
    picture(folder / "JPEGImages" / "a.png")
    (folder / "Annotations").mkdir(exist_ok=True)
    (folder / "Annotations" / "a.xml").write_text(text)


def yolo(folder):
    picture(folder / "images" / "test" / "a.png")
    rows = [
        (
            c,
            (x1 + x2) / 2 / WIDTH,
            (y1 + y2) / 2 / HEIGHT,
            (x2 - x1) / WIDTH,
            (y2 - y1) / HEIGHT,
        )
        for c, x1, y1, x2, y2 in CELLS
    ]
    write_labels(folder / "labels" / "test" / "a.txt", rows)
    write_dataset_yaml(folder, ["test"])


@pytest.mark.parametrize("write", [coco, voc, yolo])
def test_all_formats_give_the_same_cells(write, tmp_path):
    write(tmp_path)
    (image,) = read_labelled(tmp_path, "test")
    assert image.path.name == "a.png"
    assert image.truth.class_id.tolist() == [0, 1]
    np.testing.assert_allclose(image.truth.xyxy, [c[1:] for c in CELLS], atol=1e-3)
    assert len(image.ignore) == 0
    assert image.centroids is None


def test_coco_crowds_and_difficult_objects_count_neither_way(tmp_path):
    content = coco(tmp_path / "coco")
    content["annotations"][0]["iscrowd"] = 1
    coco(tmp_path / "coco", annotations=content["annotations"])
    (image,) = read_labelled(tmp_path / "coco", "test")
    assert image.truth.class_id.tolist() == [1]
    assert image.ignore.tolist() == [[20, 10, 60, 50]]
    text = XML.replace("<name>blast</name>", "<name>blast</name><difficult>1</difficult>", 1)
    voc(tmp_path / "voc", text.format(more=""))
    (image,) = read_labelled(tmp_path / "voc", "test")
    assert image.ignore.tolist() == [[20, 10, 60, 50]]


def test_untrusted_names_are_mapped(tmp_path):
    coco(tmp_path, categories=[{"id": 1, "name": "L1"}, {"id": 2, "name": "RBC"}])
    with pytest.raises(DataError, match="L1, RBC"):
        read_labelled(tmp_path, "test")
    (image,) = read_labelled(tmp_path, "test", mapping={"L1": "blast", "RBC": None})
    assert image.truth.class_id.tolist() == [0]
    # A class with a name of ours needs no mapping.
    coco(tmp_path, categories=[{"id": 1, "name": "L1"}, {"id": 2, "name": "healthy"}])
    (image,) = read_labelled(tmp_path, "test", mapping={"L1": "blast"})
    assert image.truth.class_id.tolist() == [0, 1]


def test_a_category_that_no_box_has_needs_no_mapping(tmp_path):
    categories = [{"id": n + 1, "name": name} for n, name in enumerate((*NAMES, "cells"))]
    coco(tmp_path, categories=categories)
    assert len(read_labelled(tmp_path, "test")) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"annotations": None},
        {"annotations": [{"image_id": 8, "category_id": 1, "bbox": [0, 0, 5, 5]}]},
        {"annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, 0, 5]}]},
        {"annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, float("nan"), 5]}]},
        {"images": [{"id": 7}]},
        {"categories": {}},
    ],
)
def test_malformed_coco_is_refused(changes, tmp_path):
    coco(tmp_path, **changes)
    with pytest.raises(DataError, match="not a COCO annotation file"):
        read_labelled(tmp_path, "test")


def test_images_outside_of_the_set_are_not_read(tmp_path):
    picture(tmp_path / "secret.png")
    coco(tmp_path / "set", images=[{"id": 7, "file_name": "../../secret.png"}])
    with pytest.raises(DataError, match=r"secret\.png is not in set"):
        read_labelled(tmp_path / "set", "test")


@pytest.mark.parametrize(
    "text",
    [
        "no xml",
        XML.format(more="<object><name>blast</name></object>"),
        XML.replace("<xmax>60</xmax>", "<xmax>5</xmax>").format(more=""),
        XML.replace("<xmax>60</xmax>", "<xmax>inf</xmax>").format(more=""),
        '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><annotation>&d;</annotation>',
    ],
)
def test_malformed_voc_is_refused(text, tmp_path):
    voc(tmp_path, text)
    with pytest.raises(DataError, match="not a Pascal VOC annotation"):
        read_labelled(tmp_path, "test")


def test_voc_image_sets_choose_the_split(tmp_path):
    voc(tmp_path)
    (tmp_path / "Annotations" / "b.xml").write_text("<annotation/>")
    picture(tmp_path / "JPEGImages" / "b.png")
    sets = tmp_path / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    (sets / "test.txt").write_text("a 1\n")
    (sets / "train.txt").write_text("b\n\n")
    assert [i.path.stem for i in read_labelled(tmp_path, "test")] == ["a"]
    assert [i.path.stem for i in read_labelled(tmp_path, "train")] == ["b"]


def test_an_empty_folder_is_told_what_is_read(tmp_path):
    with pytest.raises(DataError, match="no labelled set") as caught:
        read_labelled(tmp_path, "test")
    assert "Pascal VOC" in caught.value.remedy
    with pytest.raises(DataError, match="There is no folder"):
        read_labelled(tmp_path / "nowhere", "test")


def in_csv(data_dir, split, **_):
    rows = [line.split(",") for line in (data_dir / f"{split}.csv").read_text().splitlines()]
    return [labelled(data_dir / name, [(kind, [0, 0, 9, 9])]) for name, kind in rows]


CSV = LabelFormat(
    name="CSV",
    layout="<split>.csv",
    recognise=lambda data_dir, split: (data_dir / f"{split}.csv").is_file(),
    splits=lambda data_dir: {path.stem for path in data_dir.glob("*.csv")} or None,
    read=in_csv,
    counts=lambda data_dir, split: {"blast": len(in_csv(data_dir, split))},
)


def test_a_new_label_format_is_one_row(tmp_path, monkeypatch):
    monkeypatch.setattr("allcell.data.labelled_sets.LABEL_FORMATS", (*LABEL_FORMATS, CSV))
    picture(tmp_path / "a.png")
    with pytest.raises(DataError) as caught:
        find_splits(tmp_path)
    assert caught.value.remedy.endswith("JPEGImages/) and CSV (<split>.csv).")
    (tmp_path / "val.csv").write_text("a.png,blast\n")
    assert find_splits(tmp_path) == ["val"]
    assert class_counts(tmp_path, "val") == {"blast": 1}
    (image,) = read_labelled(tmp_path, "val")
    assert image.has_blast


@pytest.mark.parametrize("write", [coco, voc, yolo])
def test_a_folder_is_of_one_format_only(write, tmp_path):
    write(tmp_path)
    fit = [known.name for known in LABEL_FORMATS if known.splits(tmp_path) is not None]
    assert [name.rpartition(" ")[2].lower() for name in fit] == [write.__name__]
    assert [k.name for k in LABEL_FORMATS if k.recognise(tmp_path, "test")] == fit


def test_readme_names_the_label_formats():
    assert f"a labelled set ({LABEL_FORMAT_NAMES};" in Path("README.md").read_text("utf-8")
