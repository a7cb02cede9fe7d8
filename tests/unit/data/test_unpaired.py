"""Pictures without labels, and labels without a picture, are counted and named."""

import json

import pytest

from allcell.data.labelled_sets import class_counts, find_set, part_of, read_labelled, set_notes
from allcell.data.zipped import open_zip
from allcell.errors import DataError
from tests.unit.data.test_odd_sets import LABEL, OTHER, PICTURE, coco, in_folder, xml, yolo
from tests.user_sets import packed

THIRD = PICTURE + b"\0"
VOC = {"Annotations/a.xml": xml(), "JPEGImages/a.png": PICTURE}
LISTED_TWICE = json.loads(coco()["annotations/instances_test.json"])
LISTED_TWICE["images"].append({"id": 2, "file_name": "gone.png"})
LISTED_TWICE["annotations"].append({**LISTED_TWICE["annotations"][0], "id": 6, "image_id": 2})
COCO_ORPHAN = coco() | {"annotations/instances_test.json": json.dumps(LISTED_TWICE)}

#: Files, pictures that are read, and what is said of the others.
NOTED = {
    "yolo, all have labels, one of them empty": (
        yolo(**{"images/test/b.png": OTHER, "labels/test/b.txt": ""}),
        ["a", "b"],
        [],
    ),
    "yolo, a picture without a label file": (
        yolo(**{"images/test/b.png": OTHER}),
        ["a", "b"],
        ["1 of 2 pictures has no label file (b.png): counted as without cells"],
    ),
    "yolo, two of them": (
        yolo(**{"images/test/b.png": OTHER, "images/test/c.png": THIRD}),
        ["a", "b", "c"],
        ["2 of 3 pictures have no label file (such as b.png): counted as without cells"],
    ),
    "yolo, labels without a picture": (
        yolo(**{"labels/test/ghost.txt": LABEL}),
        ["a"],
        ["1 of 2 labelled pictures has no picture (ghost.txt): left out"],
    ),
    "yolo, a list beside the labels": (
        yolo(**{"labels/test/classes.txt": "blast\nhealthy"}),
        ["a"],
        [],
    ),
    "yolo, elsewhere than in the folder of its name": (
        yolo(**{"images/own/b.png": OTHER, "labels/own/b.txt": LABEL})
        | {"data.yaml": "names: [blast, healthy]\ntest: images/own\n"},
        ["b"],
        ["test is smears/images/own, as data.yaml says, not smears/images/test"],
    ),
    "voc, all have labels": (VOC, ["a"], []),
    "voc, a picture without labels": (
        VOC | {"JPEGImages/b.png": OTHER},
        ["a"],
        ["1 of 2 pictures has no labels (b.png): left out"],
    ),
    "voc, labels without a picture": (
        VOC | {"Annotations/ghost.xml": xml(name="ghost.png")},
        ["a"],
        ["1 of 2 labelled pictures has no picture (ghost.xml): left out"],
    ),
    "voc, a picture of another part": (
        VOC | {"JPEGImages/b.png": OTHER, "ImageSets/Main/test.txt": "a\n"},
        ["a"],
        [],
    ),
    "coco, all have labels": (coco(), ["a"], []),
    "coco, a picture of another part": (coco() | {"images/b.png": OTHER}, ["a"], []),
    "coco, undivided, a picture that is not listed": (
        {
            "annotations.json": coco()["annotations/instances_test.json"],
            "images/a.png": PICTURE,
            "images/b.png": OTHER,
        },
        ["a"],
        ["1 of 2 pictures has no labels (b.png): left out"],
    ),
    "coco, labels without a picture": (
        COCO_ORPHAN,
        ["a"],
        ["1 of 2 labelled pictures has no picture (gone.png): left out"],
    ),
}


@pytest.mark.parametrize(("files", "names", "notes"), NOTED.values(), ids=NOTED)
def test_what_has_no_partner_is_said(files, names, notes, tmp_path):
    inner = {f"smears/{name}": content for name, content in files.items()}
    for root in (in_folder(files, tmp_path / "smears"), open_zip(packed(inner), "x.zip")):
        folder = find_set(root)
        part = part_of(folder, "test")
        assert [item.called for item in read_labelled(folder, part)] == names
        assert [note.replace("x.zip/", "") for note in set_notes(folder, part)] == notes
        assert class_counts(folder, part) == {"blast": 1}, "labels left out are not counted"


@pytest.mark.parametrize(
    ("difficult", "note"),
    [
        pytest.param([1, 1], "all 2 objects are marked difficult", id="all"),
        pytest.param([0, 1], "1 of 2 objects are marked difficult", id="1"),
    ],
)
def test_objects_that_are_set_aside_as_difficult_are_said(difficult, note):
    before, cell, after = xml().partition(xml()[xml().index("<object>") : xml().index("</ann")])
    cells = [cell.replace("<bndbox>", f"<difficult>{n}</difficult><bndbox>") for n in difficult]
    files = VOC | {"Annotations/a.xml": before + "".join(cells) + after}
    assert set_notes(open_zip(packed(files), "s.zip"), "all") == [f"{note}: they count neither way"]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({k: v for k, v in VOC.items() if k.endswith("xml")}, id="voc"),
        pytest.param({k: v for k, v in coco().items() if k.endswith("json")}, id="coco"),
    ],
)
def test_labels_alone_are_refused(files):
    root = open_zip(packed(files), "s.zip")
    with pytest.raises(DataError, match="image"):
        read_labelled(root, "test")
