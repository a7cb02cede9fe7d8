"""Where the parts of a YOLO set lie: what `data.yaml` says is followed, or refused by name."""

import pytest

from allcell.data.labelled_sets import class_counts, find_set, find_splits, part_of, read_labelled
from allcell.data.zipped import open_zip
from allcell.errors import DataError
from tests.unit.data.test_odd_sets import LABEL, OTHER, PICTURE, YAML, in_folder
from tests.user_sets import packed


def field(images, name="a", picture=PICTURE, cells=1):
    """A picture and its labels, by the folder of the picture."""
    labels = "labels".join(images.rsplit("images", 1))
    return {f"{images}/{name}.png": picture, f"{labels}/{name}.txt": LABEL + "1" + LABEL[1:]} | (
        {f"{labels}/{name}.txt": LABEL} if cells == 1 else {}
    )


def made(said, *fields):
    files = {"data.yaml": YAML + said}
    for one in fields:
        files |= one
    return files


#: The set, and number of cells of each picture by its name in results.
FOLLOWED = {
    "another folder than the usual one": (
        made(
            "test: images/holdout\n",
            field("images/test"),
            field("images/holdout", "b", OTHER, cells=2),
        ),
        {"b": 2},
    ),
    "two folders": (
        made("test: [images/a, images/b]\n", field("images/a"), field("images/b", "a", OTHER, 2)),
        {"a/a": 1, "b/a": 2},
    ),
    "a folder for each patient": (
        made(
            "test: [test/p0/images, test/p1/images]\n",
            field("test/p0/images"),
            field("test/p1/images", "a", OTHER, 2),
        ),
        {"test/p0/a": 1, "test/p1/a": 2},
    ),
    "below a path of the set": (
        made("path: part\ntest: images/holdout\n", field("part/images/holdout", cells=2)),
        {"a": 2},
    ),
    "a path of another computer": (
        made(
            "test: /home/me/smears/images/holdout\n", field("images/test"), field("images/holdout")
        ),
        {"a": 1},
    ),
    "windows' path of another computer": (
        made(
            "test: C:\\Users\\me\\images\\holdout\n",
            field("images/test"),
            field("images/holdout", cells=2),
        ),
        {"a": 2},
    ),
    "a path that was given apart": (
        made(
            "path: /home/me/smears\ntest: images/holdout/\n",
            field("images/test"),
            field("images/holdout", cells=2),
        ),
        {"a": 2},
    ),
    "as roboflow writes it": (
        made("train: ../train/images\nval: ../valid/images\ntest: ../test/images\n")
        | field("test/images")
        | field("train/images", "b", OTHER, 2),
        {"a": 1},
    ),
    "the pictures of all parts in one folder": (
        made("test: images\n", field("images", cells=2)),
        {"a": 2},
    ),
    "labels beside the pictures": (
        made("test: slides\n", {"slides/a.png": PICTURE, "slides/a.txt": LABEL}),
        {"a": 1},
    ),
    "a list, though there is such a folder": (
        made(
            "test: test.txt\n",
            field("images/test"),
            field("images/test", "b", OTHER, 2),
            {"test.txt": "./images/test/b.png\n"},
        ),
        {"b": 2},
    ),
    "a list of another folder": (
        made(
            "test: test.txt\n",
            field("images/test"),
            field("images/holdout", "a", OTHER, 2),
            {"test.txt": "/data/smears/images/holdout/a.png\n"},
        ),
        {"holdout/a": 2},
    ),
    "two lists": (
        made(
            "test: [one.txt, two.txt]\n",
            field("images"),
            field("images", "b", OTHER, 2),
            {"one.txt": "a.png\n", "two.txt": "b.png\n"},
        ),
        {"a": 1, "b": 2},
    ),
}


@pytest.mark.parametrize(("files", "cells"), FOLLOWED.values(), ids=FOLLOWED)
def test_what_data_yaml_says_is_followed(files, cells, tmp_path):
    for root in (in_folder(files, tmp_path / "smears"), open_zip(packed(files), "smears.zip")):
        folder = find_set(root)
        images = read_labelled(folder, "test")
        assert {item.called: len(item.truth) for item in images} == cells
        assert sum(class_counts(folder, part_of(folder, "test")).values()) == sum(cells.values())


REFUSED = {
    "a folder that is not there": (
        made("test: images/holdout\n", field("images/test")),
        ["data.yaml: test is images/holdout, which is no folder in"],
    ),
    "one of two": (
        made("test: [images/test, images/more]\n", field("images/test")),
        ["data.yaml: test is images/more, which is no folder in"],
    ),
    "all pictures for a part that is not there": (
        made("test: ../p1/images\n", field("images/test"), field("images", "b", OTHER)),
        ["data.yaml: test is ../p1/images, which is no folder in"],
    ),
    "folders and lists": (
        made("test: [images/test, test.txt]\n", field("images/test")) | {"test.txt": "a.png"},
        ["test names folders and lists"],
    ),
    "a folder without labels": (
        made("test: images/holdout\n", field("images/test"), {"images/holdout/b.png": OTHER}),
        ["There is no folder", "labels/holdout"],
    ),
}


@pytest.mark.parametrize(("files", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_there_is_named(files, words, tmp_path):
    for root in (in_folder(files, tmp_path / "smears"), open_zip(packed(files), "smears.zip")):
        with pytest.raises(DataError) as refused:
            read_labelled(find_set(root), "test")
        for part in words:
            assert part in str(refused.value)
        assert str(tmp_path) not in str(refused.value)


def test_parts_go_by_their_folders_unless_data_yaml_calls_them_otherwise():
    usual = made("train: ../train/images\nval: ../valid/images\n", field("train/images"))
    usual |= field("valid/images", "b", OTHER)
    assert find_splits(open_zip(packed(usual), "s.zip")) == ["train", "valid"]
    other = made("test: images/holdout\ntrain: images/train\n", field("images/holdout"))
    assert find_splits(open_zip(packed(other), "s.zip")) == ["holdout", "test"]
