"""Sets as people have them: what is unambiguous is read, what is not is named by file and line."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from allcell.data.checked import check_pictures
from allcell.data.labelled_sets import (
    class_counts,
    find_set,
    find_splits,
    open_set,
    part_of,
    read_labelled,
)
from allcell.data.zipped import open_zip
from allcell.detections import Detections
from allcell.errors import DataError, ImageError
from allcell.imaging.images import encode_png
from allcell.report.bundle import bundle_zip
from allcell.report.exports import to_coco
from tests.unit.report.test_exports import make
from tests.user_sets import packed

PICTURE = encode_png(np.full((60, 80, 3), 200, np.uint8))
OTHER = encode_png(np.full((60, 80, 3), 100, np.uint8))
#: class cx cy w h, and the same box in pixels of `PICTURE`.
LABEL, BOX = "0 0.5 0.5 0.25 0.5\n", [30, 15, 50, 45]
YAML = "names: [blast, healthy]\n"


def yolo(label=LABEL, **other):
    return {"data.yaml": YAML, "images/test/a.png": PICTURE, "labels/test/a.txt": label} | other


def renamed(files, **names):
    """Files under other names; a dot in a name is written as two underscores."""
    return {names.get(name, name): content for name, content in files.items()}


def xml(more="", name="a.png"):
    return (
        f"<annotation><filename>{name}</filename>{more}<object><name>blast</name><bndbox>"
        "<xmin>31</xmin><ymin>16</ymin><xmax>50</xmax><ymax>45</ymax></bndbox></object>"
        "</annotation>"
    )


def coco(name="a.png", path="images/a.png", *, image=None, annotation=None, **changes):
    content = {
        "images": [{"id": 1, "file_name": name, **(image or {})}],
        "categories": [{"id": 1, "name": "blast"}],
        "annotations": [
            {"id": 5, "image_id": 1, "category_id": 1, "bbox": [30, 15, 20, 30]}
            | (annotation or {})
        ],
        **changes,
    }
    return {"annotations/instances_test.json": json.dumps(content), path: PICTURE}


def in_folder(files, folder):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def only_cell(root):
    folder = find_set(root)
    part = part_of(folder, "test")
    assert class_counts(folder, part) == {"blast": 1}
    (image,) = read_labelled(folder, "test")
    assert image.truth.class_id.tolist() == [0]
    return image


BOM = b"\xef\xbb\xbf"
#: With a folder's name in Chinese.
ENCODED = '<?xml version="1.0" encoding="{}"?>' + xml("<folder>\u8840</folder>")
TAKEN = {
    "a mac's files beside the labels": yolo(
        **{"labels/test/._a.txt": b"\0\x05\x16", "images/test/._a.png": b"\0\x05\x16"}
    ),
    "a mac's files beside voc's": {
        "Annotations/a.xml": xml(),
        "Annotations/._a.xml": b"\0\x05\x16",
        "JPEGImages/a.png": PICTURE,
    },
    "a mark before the labels": yolo(BOM + LABEL.encode()),
    "labels in utf-16": yolo(LABEL.encode("utf-16")),
    "a mark before the json": {
        name: BOM + text.encode() if isinstance(text, str) else text
        for name, text in coco().items()
    },
    "capital suffixes": {
        "data.yaml": YAML,
        "images/test/A.PNG": PICTURE,
        "labels/test/A.TXT": LABEL,
    },
    "names that differ in case": {
        "data.yaml": YAML,
        "images/test/Im1.png": PICTURE,
        "labels/test/IM1.txt": LABEL,
    },
    "folders with capitals": {
        "data.yaml": YAML,
        "Images/test/a.png": PICTURE,
        "Labels/test/a.txt": LABEL,
    },
    "voc, a suffix of two cases": {"Annotations/a.xml": xml(), "JPEGImages/a.Png": PICTURE},
    "voc, named only inside": {
        "Annotations/0001.xml": xml(name="a.png"),
        "JPEGImages/a.png": PICTURE,
    },
    "voc, two pictures of a name": {
        "Annotations/a.xml": xml(name="a.png"),
        "JPEGImages/a.png": PICTURE,
        "JPEGImages/a.jpg": PICTURE,
    },
    "voc, in folders": {"Annotations/p1/a.xml": xml(), "JPEGImages/p1/a.png": PICTURE},
    "voc, folders in small letters": {"annotations/a.xml": xml(), "images/a.png": PICTURE},
    "voc, a list with suffixes": {
        "Annotations/a.xml": xml(),
        "JPEGImages/a.png": PICTURE,
        "ImageSets/Main/test.txt": "a.png\n",
    },
    "voc, a size of zero": {
        "Annotations/a.xml": xml("<size><width>0</width><height>0</height></size>"),
        "JPEGImages/a.png": PICTURE,
    },
    "coco, another case": coco("A.PNG"),
    "coco, backslashes": coco("sub\\a.png", "images/sub/a.png"),
    "coco, a path of another computer": coco("C:\\Users\\me\\smears\\a.png"),
    "coco, a path of another folder": coco("/data/smears/a.png"),
    "coco, accents in two ways": coco("Mu\u0308ller.png", "images/M\u00fcller.png"),
    "coco, a name as in a web address": coco("a%20b%C3%BC.png", "images/a bü.png"),
    "coco, ids as text": coco(image={"id": "1"}, annotation={"image_id": "1"}),
    "coco, ids that are words": coco(
        image={"id": "im-a"}, annotation={"image_id": "im-a", "category_id": 1}
    ),
    "coco, ids with a point": coco(annotation={"image_id": 1.0, "category_id": 1.0}),
    "coco, no crowd, as text": coco(annotation={"iscrowd": "0"}),
    "coco, no crowd, as a truth": coco(annotation={"iscrowd": False}),
    "coco, a size that is not known": coco(image={"width": 0, "height": None}),
    "coco, a size": coco(image={"width": 80, "height": 60}),
    "data.yml": {"data.yml": YAML, **{k: v for k, v in yolo().items() if k != "data.yaml"}},
    "another yaml": {"smears.yaml": YAML, **{k: v for k, v in yolo().items() if k != "data.yaml"}},
    "numbers in quotes": yolo() | {"data.yaml": "names: {'0': blast, '1': healthy}"},
    "a sixth value": yolo("0 0.5 0.5 0.25 0.5 0.93\n"),
    "the same line twice": yolo(LABEL),
    "a readme beside the folder": {
        "README.md": "Smears.",
        "docs/how.txt": "",
        **{f"smears/{k}": v for k, v in yolo().items()},
    },
    "a list of classes beside the labels": yolo(
        **{"labels/test/classes.txt": "blast\nhealthy\n", "images/test/b.txt": "x"}
    ),
    "label studio's list of classes": {
        "classes.txt": "blast\nhealthy\n",
        "notes.json": '{"categories": []}',
        "images/a.png": PICTURE,
        "labels/a.txt": LABEL,
    },
    "labelImg's list of classes": {
        "images/a.png": PICTURE,
        "labels/classes.txt": "blast\nhealthy\n",
        "labels/a.txt": LABEL,
    },
    "labels beside the pictures": {
        "data.yaml": YAML,
        "test/a.png": PICTURE,
        "test/a.txt": LABEL,
    },
    "all in one folder": {
        "classes.txt": "blast\nhealthy\n",
        "a.png": PICTURE,
        "a.txt": LABEL,
    },
    "a list of the pictures of each part": {
        "data.yaml": f"{YAML}train: /once/train.txt\ntest: ./test.txt\n",
        "train.txt": "images/b.png\n",
        "test.txt": "/once/smears/images/a.png\n\n",
        "images/a.png": PICTURE,
        "images/b.png": OTHER,
        "labels/a.txt": LABEL,
        "labels/b.txt": LABEL * 3,
    },
    "key points after the box": yolo("0 0.5 0.5 0.25 0.5 0.1 0.1 0.9 0.9\n")
    | {"data.yaml": f"{YAML}kpt_shape: [2, 2]"},
    "voc with a web address": {
        "Annotations/a.xml": xml().replace("<annotation>", '<annotation xmlns="http://voc">'),
        "JPEGImages/a.png": PICTURE,
    },
    "coco, turned by nothing": coco(annotation={"attributes": {"rotation": 0.0}}),
    "voc, in an encoding of China": {
        "Annotations/a.xml": ENCODED.format("gb2312").encode("gb2312"),
        "JPEGImages/a.png": PICTURE,
    },
    "voc, as .net writes it": {
        "Annotations/a.xml": ENCODED.format("utf-16").encode(),
        "JPEGImages/a.png": PICTURE,
    },
    "voc, a size with a point": {
        "Annotations/a.xml": xml("<size><width>80.0</width><height>60.0</height></size>"),
        "JPEGImages/a.png": PICTURE,
    },
    "voc, beside the pictures, as labelImg has it": {"a.xml": xml(), "a.png": PICTURE},
    "voc, beside the pictures, capital suffixes": {"A.XML": xml(name="A.JPG"), "A.PNG": PICTURE},
    "voc, beside other xml": {"a.xml": xml(), "a.png": PICTURE, "settings.xml": "<other/>"},
    "voc, beside the pictures in a folder": {"images/a.xml": xml(), "images/a.png": PICTURE},
    "voc, as fiftyone writes it": {"labels/a.xml": xml(), "data/a.png": PICTURE},
    "yolo, make-sense's list of classes": {
        "labels.txt": "blast\nhealthy",
        "a.png": PICTURE,
        "a.txt": LABEL,
    },
    "yolo, roboflow's lists of classes": {
        "train/_darknet.labels": "blast\nhealthy\n",
        "test/_darknet.labels": "blast\nhealthy",
        "test/a.png": PICTURE,
        "test/a.txt": LABEL,
    },
    "coco, polygons alone": coco(
        annotation={"bbox": [], "segmentation": [[30, 15, 50, 20, 50, 45, 40, 45]]}
    ),
    "coco, labels.json beside a folder of pictures": {
        name.replace("annotations/instances_test", "labels").replace("images/", "data/"): content
        for name, content in coco().items()
    },
    "pictures without a cell": yolo() | {"labels/test/c.txt": ""},
}


@pytest.mark.parametrize("files", TAKEN.values(), ids=TAKEN)
def test_what_is_unambiguous_is_read(files, tmp_path):
    for root in (in_folder(files, tmp_path / "smears"), open_zip(packed(files), "smears.zip")):
        image = only_cell(root)
        np.testing.assert_allclose(image.truth.xyxy, [BOX], atol=1e-3)
        assert len(image.ignore) == 0


@pytest.mark.parametrize(
    ("line", "box"),
    [
        pytest.param("0 1.0004 0.5 0.1 0.2", [76.032, 24, 80, 36], id="a rounding beyond the end"),
        pytest.param("0 -0.01 0.5 0.1 0.2", [0, 24, 3.2, 36], id="before the beginning"),
        pytest.param("0 0.5 0.5 1.02 1.02", [0, 0, 80, 60], id="larger than the picture"),
    ],
)
def test_labels_are_cut_off_at_the_edge(line, box):
    image = only_cell(open_zip(packed(yolo(line)), "s.zip"))
    np.testing.assert_allclose(image.truth.xyxy, [box], atol=1e-3)


@pytest.mark.parametrize(
    ("annotation", "box"),
    [({"bbox": [-3, 15, 53, 30]}, [0, 15, 50, 45]), ({"bbox": [70, 50, 14, 12]}, [70, 50, 80, 60])],
)
def test_coco_boxes_are_cut_off_at_the_edge(annotation, box):
    image = only_cell(open_zip(packed(coco(annotation=annotation)), "s.zip"))
    np.testing.assert_allclose(image.truth.xyxy, [box])


def test_large_cells_in_the_middle_are_not_taken_for_corners():
    files = yolo("0 0.5 0.5 0.9 0.8\n1 0.4 0.4 0.8 0.7\n")
    assert len(read_labelled(open_zip(packed(files), "s.zip"), "test")[0].truth) == 2


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.99])
def test_a_zip_that_was_cut_off_is_called_incomplete(keep, tmp_path):
    content = packed(yolo())
    (tmp_path / "s.zip").write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(DataError, match=r"s\.zip is incomplete.*Copy it again"):
        open_set(tmp_path / "s.zip")


def test_a_label_that_is_there_twice_is_one_cell():
    image = read_labelled(open_zip(packed(yolo(LABEL * 2 + "1" + LABEL[1:])), "s.zip"), "test")[0]
    assert image.truth.class_id.tolist() == [0, 1], "another class on the same box is another cell"


def test_a_file_that_may_not_be_read_is_named_without_its_place(tmp_path, monkeypatch):
    folder = in_folder(yolo(), tmp_path / "smears")
    read = Path.read_bytes

    def refuse(path):
        if path.suffix == ".txt":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"a\.txt cannot be read \(Permission denied") as refused:
        read_labelled(folder, "test")
    assert str(tmp_path) not in str(refused.value)


TWO = [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]
PATIENTS = {
    f"{kind}/test/p{n}/a.{suffix}": content
    for n in (1, 2)
    for kind, suffix, content in (("images", "png", PICTURE), ("labels", "txt", LABEL))
}
REFUSED = {
    "coco, two images of an id": (
        coco(images=TWO) | {"images/b.png": OTHER},
        ["the id 1 stands for two, a.png and b.png"],
    ),
    "coco, an image of two ids": (
        coco(images=[TWO[0], {"id": 2, "file_name": "a.png"}]),
        ["images 1 and 2 are one file", "a.png", "once"],
    ),
    "coco, two categories of an id": (
        coco(categories=[{"id": 1, "name": "blast"}, {"id": 1, "name": "healthy"}]),
        ["the id 1 stands for two, blast and healthy"],
    ),
    "coco, an image that is not there": (
        coco(annotation={"image_id": 77}),
        ["annotation 5 is of image 77, which is not among them"],
    ),
    "coco, a category that is not there": (
        coco(annotation={"category_id": 77}),
        ["annotation 5 is of category 77, which is not among them"],
    ),
    "coco, an id that is none": (coco(image={"id": None}), ["id None is neither"]),
    "coco, a truth as id": (coco(image={"id": True}), ["id True is neither"]),
    "coco, an odd crowd": (coco(annotation={"iscrowd": "no"}), ["annotation 5", "'no'"]),
    "coco, three numbers": (coco(annotation={"bbox": [1, 2, 3]}), ["annotation 5: bbox [1, 2, 3]"]),
    "coco, an annotation without image": (
        coco(annotations=[{"category_id": 1, "bbox": [1, 2, 3, 4]}]),
        ["annotation number 1 has no image_id"],
    ),
    "coco, results": (
        {"annotations/instances_test.json": "[]", "images/a.png": PICTURE},
        ["it is a list"],
    ),
    "coco, a list twice": (
        {
            "annotations/instances_test.json": '{"images": [], "images": []}',
            "images/a.png": PICTURE,
        },
        ["'images' is said twice"],
    ),
    "coco, another size": (
        coco(image={"width": 160, "height": 120}),
        ["a.png has 80 x 60 pixels", "for a picture of 160 x 120"],
    ),
    "coco, another size, as pandas writes it": (
        coco(image={"width": 160.0, "height": 120.0}),
        ["a.png has 80 x 60 pixels", "for a picture of 160 x 120"],
    ),
    "coco, another size, as text": (
        coco(image={"width": "160", "height": "120"}),
        ["a.png has 80 x 60 pixels", "for a picture of 160 x 120"],
    ),
    "coco, four digits": (coco(annotation={"bbox": "1234"}), ["bbox 1234, expected x, y"]),
    "coco, outside": (
        coco(annotation={"bbox": [90, 15, 20, 30]}),
        ["annotation 5", "a.png", "not in its picture of 80 x 60"],
    ),
    "coco, two pictures of a name": (
        coco("/data/a.png", "p1/a.png") | {"p2/a.png": OTHER},
        ["could be p1/a.png or p2/a.png"],
    ),
    "coco, only annotated pictures": (
        coco(path="annotated/a.png"),
        ["The image a.png is not in", "boxes are drawn on them"],
    ),
    "coco, a name too long for any file": (
        coco("a" * 5000 + ".png"),
        ["The image aaaa", "is not in"],
    ),
    "coco, a name that no file can have": (coco("a\0\n.png"), ["The image a??.png is not in"]),
    "yolo, a line break in a name": (
        renamed(yolo("x"), **{"images/test/a.png": "images/test/a\nb.png"})
        | {"labels/test/a\nb.txt": "x"},
        ["a?b.txt, line 1: expected numbers"],
    ),
    "voc, another size": (
        {
            "Annotations/a.xml": xml("<size><width>60</width><height>80</height></size>"),
            "JPEGImages/a.png": PICTURE,
        },
        ["a.png has 80 x 60 pixels (turned upright", "60 x 80"],
    ),
    "voc, another size with a point": (
        {
            "Annotations/a.xml": xml("<size><width>160.0</width><height>120.0</height></size>"),
            "JPEGImages/a.png": PICTURE,
        },
        ["a.png has 80 x 60 pixels", "for a picture of 160 x 120"],
    ),
    "voc, an encoding that is not said": (
        {
            "Annotations/a.xml": xml("<folder>M\xfcller</folder>").encode("latin-1"),
            "JPEGImages/a.png": PICTURE,
        },
        ["a.xml does not say its encoding", "Save it as UTF-8"],
    ),
    "voc, an encoding that is none of texts": (
        {"Annotations/a.xml": ENCODED.format("punycode"), "JPEGImages/a.png": PICTURE},
        ["a.xml", "unknown encoding punycode"],
    ),
    "voc, a name that is not there": (
        {
            "Annotations/a.xml": xml(),
            "JPEGImages/a.png": PICTURE,
            "ImageSets/Main/test.txt": "a\nb\n",
        },
        ["test.txt, line 2 names b, which has no annotation"],
    ),
    "voc, an object without a place": (
        {
            "Annotations/a.xml": xml("<object><name>blast</name></object>"),
            "JPEGImages/a.png": PICTURE,
        },
        ["a.xml", "object 1 (blast) has no bndbox"],
    ),
    "voc, two pictures of a name": (
        {
            "Annotations/a.xml": xml(name="x"),
            "JPEGImages/a.png": PICTURE,
            "JPEGImages/a.jpg": OTHER,
        },
        ["a.xml may be of", "a.jpg", "a.png"],
    ),
    "yolo, two pictures of a label": (
        yolo(**{"images/test/a.jpg": PICTURE}),
        ["a.jpg and", "a.png share the labels", "a.txt"],
    ),
    "yolo, labels of other pictures": (
        renamed(yolo(), **{"images/test/a.png": "images/test/a_rf.png"}),
        ["a.txt belongs to no picture", "a_rf.png has no labels"],
    ),
    "yolo, a name twice": (yolo() | {"data.yaml": "names: {0: blast, 0: healthy}"}, ["twice"]),
    "yolo, a number in two ways": (
        yolo() | {"data.yaml": "names: {0: blast, '0': healthy}"},
        ["no list of classes"],
    ),
    "yolo, far outside": (yolo("\n0 1.2 0.5 0.1 0.1"), ["a.txt, line 2: expected fractions"]),
    "yolo, two corners instead of centre and size": (
        yolo("0 0.1 0.1 0.2 0.2\n0 0.6 0.6 0.9 0.9\n"),
        ["a.txt, line 2: expected class, centre, width and height", "not two corners"],
    ),
    "coco, turned": (
        coco(annotation={"attributes": {"rotation": 45.0}}),
        ["annotation 5 is turned by 45.0 degrees"],
    ),
    "voc, turned": (
        {
            "Annotations/a.xml": xml().replace(
                "<bndbox>",
                "<attributes><attribute><name>rotation</name><value>30.5</value></attribute>"
                "</attributes><bndbox>",
            ),
            "JPEGImages/a.png": PICTURE,
        },
        ["object 1 (blast) is turned by 30.5 degrees"],
    ),
    "yolo, no class names": (
        {"images/a.png": PICTURE, "labels/a.txt": LABEL},
        ["label files found (a.txt), but no class names", "Add classes.txt"],
    ),
    "yolo, beside its pictures, no class names": (
        {"a.png": PICTURE, "labels_my-project/a.txt": LABEL},
        ["label files found (a.txt), but no class names"],
    ),
    "yolo, numbered from 1": (
        yolo("1" + LABEL[1:]) | {"data.yaml": "names: {1: blast, 2: healthy}"},
        ["data.yaml numbers its classes from 1 to 2; YOLO numbers them from 0"],
    ),
    "yolo, lists of parts that differ": (
        {
            "train/_darknet.labels": "blast\nhealthy\n",
            "test/_darknet.labels": "healthy\nblast\n",
            "test/a.png": PICTURE,
            "test/a.txt": LABEL,
        },
        ["_darknet.labels names the classes", "correct one of the two"],
    ),
    "coco, fractions": (
        coco(annotation={"bbox": [0.4, 0.25, 0.25, 0.5]}),
        ["all its boxes lie within 1 pixel: they seem to be fractions", "Write them in pixels"],
    ),
    "voc, fractions": (
        {
            "Annotations/a.xml": xml()
            .replace("31", "0.4")
            .replace("16", "0.2")
            .replace("50", "0.6")
            .replace("45", "0.8"),
            "JPEGImages/a.png": PICTURE,
        },
        ["a.xml", "all its boxes lie within 1 pixel"],
    ),
    "yolo, at the edge without a part inside": (
        yolo("0 1.09 0.5 0.1 0.1"),
        ["a.txt, line 1: expected a box with an area, in the image"],
    ),
    "yolo, a picture of another kind": (
        yolo(**{"images/test/b.xcf": b"", "labels/test/b.txt": LABEL}),
        ["b.xcf has labels, but is not a kind of picture"],
    ),
    "yolo, two lists of classes": (
        yolo(**{"labels/classes.txt": "healthy\nblast\n"}),
        ["data.yaml names the classes blast, healthy, but", "labels/classes.txt healthy, blast"],
    ),
    "yolo, a list with a picture that is not there": (
        {
            "data.yaml": f"{YAML}test: test.txt\n",
            "test.txt": "a.png\nb.png\n",
            "images/a.png": PICTURE,
            "labels/a.txt": LABEL,
        },
        ["test.txt, line 2: expected a picture in", "not b.png"],
    ),
    "yolo, pictures alone": (
        {"smears/data.yaml": YAML, "smears/images/test/a.png": PICTURE},
        ["smears", "seems to be YOLO", "labels/<split>"],
    ),
    "voc, another program's": (
        {
            "Annotations/a.xml": xml().replace("annotation>", "cells>"),
            "JPEGImages/a.png": PICTURE,
        },
        ["a.xml", "it holds <cells>"],
    ),
    "coco, a mask instead of a box": (
        coco(annotation={"bbox": [], "segmentation": {"counts": "abc", "size": [60, 80]}}),
        ["annotation 5: bbox []"],
    ),
    "several sets": (
        {f"{top}/{k}": v for top in ("a", "b") for k, v in yolo().items()},
        ["holds several labelled sets: a and b"],
    ),
}


@pytest.mark.parametrize(("files", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_is_named(files, words, tmp_path):
    for root in (in_folder(files, tmp_path / "smears"), open_zip(packed(files), "smears.zip")):
        with pytest.raises(DataError) as refused:
            read_labelled(find_set(root), "test")
        assert refused.value.remedy
        assert str(tmp_path) not in str(refused.value)
        for part in words:
            assert part in str(refused.value)


def test_two_classes_of_a_name_are_one():
    rows = "".join(f"{n % 3} 0.{n} 0.5 0.1 0.1\n" for n in range(1, 10))
    root = open_zip(packed(yolo(rows) | {"data.yaml": "names: [blast, healthy, blast]"}), "s.zip")
    assert class_counts(root, "test") == {"blast": 6, "healthy": 3}
    categories = [{"id": n, "name": "blast"} for n in (1, 2)]
    annotations = [
        {"image_id": 1, "category_id": n, "bbox": [9 * n, 15, 20, 30]} for n in (1, 2, 2)
    ]
    files = coco(categories=categories, annotations=annotations)
    assert class_counts(open_zip(packed(files), "s.zip"), "test") == {"blast": 3}


def test_pictures_in_folders_keep_the_name_that_tells_them_apart():
    files = {"data.yaml": YAML, **PATIENTS}
    images = read_labelled(open_zip(packed(files), "s.zip"), "test")
    assert [image.called for image in images] == ["p1/a", "p2/a"]
    assert [len(image.truth) for image in images] == [1, 1]


@pytest.mark.parametrize(
    ("files", "asked", "part"),
    [
        pytest.param({"valid": 1, "train": 1}, "val", "valid", id="valid for val"),
        pytest.param({"val": 1, "train": 1}, "validation", "val", id="val for validation"),
        pytest.param({"Test": 1}, "test", "Test", id="a capital"),
    ],
)
def test_a_part_goes_by_several_names(files, asked, part):
    content = {"data.yaml": YAML}
    for name in files:
        content |= {f"{name}/images/a.png": PICTURE, f"{name}/labels/a.txt": LABEL}
    root = open_zip(packed(content), "s.zip")
    assert part_of(root, asked) == part
    assert len(read_labelled(root, asked)) == 1


def test_a_part_that_is_not_there_is_refused_with_those_that_are():
    root = open_zip(packed(renamed_parts("train", "valid")), "s.zip")
    with pytest.raises(DataError, match="no part 'test'; it has train and valid") as refused:
        read_labelled(root, "test")
    assert "--split train" in refused.value.remedy


def renamed_parts(*parts):
    files = {"data.yaml": YAML}
    for part in parts:
        files |= {f"images/{part}/a.png": PICTURE, f"labels/{part}/a.txt": LABEL}
    return files


def test_all_parts_can_be_read_at_once():
    root = open_zip(packed(renamed_parts("train", "valid")), "s.zip")
    assert [image.called for image in read_labelled(root, "all")] == ["train/a", "valid/a"]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({"test": "te:st", "labels": "labels"}, id="a colon"),
        pytest.param({"": "./"}, id="a dot"),
        pytest.param({"/": "\\"}, id="backslashes"),
        pytest.param({"/": "//"}, id="two slashes"),
    ],
)
def test_zips_of_odd_programs_are_read(names):
    def odd(name):
        for old, new in names.items():
            name = name.replace(old, new) if old else new + name
        return name

    root = open_zip(packed({odd(name): content for name, content in yolo().items()}), "s.zip")
    (part,) = find_splits(root)
    (image,) = read_labelled(root, part)
    np.testing.assert_allclose(image.truth.xyxy, [BOX], atol=1e-3)


class _Coded(zipfile.ZipInfo):
    """An entry whose name is written in a code page, without saying so."""

    page = "cp437"

    def _encodeFilenameFlags(self):  # noqa: N802 - zipfile's
        return self.filename.encode(self.page), self.flag_bits


def coded(files, page):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            entry = _Coded(name)
            entry.page = page
            archive.writestr(entry, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("coding", "name"),
    [
        pytest.param("cp932", "表", id="Shift-JIS: its second byte is a backslash"),
        pytest.param("cp932", "細胞テスト", id="Shift-JIS"),
        pytest.param("cp932", "テスト", id="Shift-JIS that looks like letters of the West"),
        pytest.param("cp437", "Müller", id="the first PC's"),
        pytest.param("cp850", "Müller Søren", id="Western Europe, DOS"),
        pytest.param("cp1252", "Müller", id="Western Europe, Windows"),
        pytest.param("gb18030", "细胞图像", id="China"),
        pytest.param("utf-8", "細胞", id="Linux, without the flag"),
    ],
)
def test_zips_that_do_not_say_how_names_are_coded(coding, name):
    # The annotations, which are UTF-8, name the picture as it is called.
    root = open_zip(coded(coco(f"{name}.png", f"images/{name}.png"), coding), "s.zip")
    assert len(only_cell(root).truth) == 1


def test_our_own_coco_is_read_back_with_the_pictures(tmp_path):
    results = [make("a.png"), make("b.png")]
    size = results[0].width_px, results[0].height_px
    files = {"slide-7-coco.json": to_coco(results)}
    for result in results:
        out = io.BytesIO()
        Image.new("RGB", size).save(out, "png")
        files[result.name] = out.getvalue()
    for top in ("", "export/"):
        root = find_set(
            open_zip(packed({f"{top}{name}": data for name, data in files.items()}), "s.zip")
        )
        assert find_splits(root) == ["all"]
        for image, result in zip(read_labelled(root, "test"), results, strict=True):
            shown = result.shown_boxes
            expected = Detections.truth(shown.xyxy, shown.class_id)
            found = [image.truth.of(n).xyxy for n in (0, 1)]
            wanted = [
                expected.of(n).xyxy
                for name in ("blast", "healthy")
                for n in [result.shown_classes.index(name)]
            ]
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_allclose(np.sort(a, axis=0), np.sort(b, axis=0), atol=0.02)


def test_broken_pictures_are_found_before_any_model_runs():
    cut = PICTURE[:-30]
    files = yolo() | {
        "images/test/b.png": cut,
        "labels/test/b.txt": "",
        "images/test/c.png": cut,
        "labels/test/c.txt": "",
    }
    images = read_labelled(open_zip(packed(files), "s.zip"), "test")
    with pytest.raises(ImageError, match=r"2 of 3 images cannot be read. 'b\.png'"):
        check_pictures(images)
    steps = []
    check_pictures(images[:1], lambda done, of: steps.append((done, of)))
    assert steps == [(1, 1)]


@pytest.mark.parametrize(
    ("label", "refused"),
    [
        pytest.param("", True, id="without its cell"),
        pytest.param(LABEL, False, id="as it is"),
    ],
)
def test_a_picture_that_is_there_twice_must_have_the_same_labels(label, refused):
    files = yolo(**{"images/test/a copy.png": PICTURE, "labels/test/a copy.txt": label})
    images = read_labelled(open_zip(packed(files), "s.zip"), "test")
    if not refused:
        check_pictures(images)
        return
    with pytest.raises(DataError, match=r"a copy\.png and a\.png are the same picture with other"):
        check_pictures(images)


@pytest.mark.parametrize("place", ["images/", "", None])
def test_our_own_zip_is_read_back_with_the_pictures(place):
    result = make("a.png")
    out = io.BytesIO()
    Image.new("RGB", (result.width_px, result.height_px)).save(out, "png")
    with zipfile.ZipFile(io.BytesIO(bundle_zip([result], [out.getvalue()]))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    if place is None:
        # The picture with the boxes on it is there, the picture itself is not.
        with pytest.raises(DataError, match=r"a\.png is not in .*boxes are drawn on them"):
            read_labelled(open_zip(packed(files), "s.zip"), "test")
        return
    files[f"{place}a.png"] = out.getvalue()
    root = find_set(open_zip(packed(files), "s.zip"))
    (image,) = read_labelled(root, "test")
    assert image.path.at == f"{place}a.png"
    assert len(image.truth) == len(result.shown_boxes)


@pytest.mark.parametrize("kind", ["folder", "zip", "yaml", "wrapped"])
def test_a_set_is_opened_by_what_a_user_has(kind, tmp_path):
    folder = in_folder(yolo(), tmp_path / "x" / "smears")
    (tmp_path / "smears.zip").write_bytes(packed(yolo()))
    given = {
        "folder": folder,
        "zip": tmp_path / "smears.zip",
        "yaml": folder / "data.yaml",
        "wrapped": tmp_path / "x",
    }
    assert len(read_labelled(open_set(given[kind]), "test")) == 1


@pytest.mark.parametrize(
    ("name", "words"), [("no.zip", "no folder or ZIP"), ("a.txt", "neither a folder nor a ZIP")]
)
def test_what_is_no_set_is_refused(name, words, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataError, match=words):
        open_set(tmp_path / name)
