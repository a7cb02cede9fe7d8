"""Labelled sets in a ZIP that stays in memory, and what they say of themselves."""

import io
import json
import random
import stat
import struct
import zipfile

import numpy as np
import pytest

from allcell.data.class_names import IGNORED, LEFT_OUT, suggested_target
from allcell.data.labelled_sets import class_counts, find_set, find_splits, read_labelled
from allcell.data.zipped import ZipLimits, open_zip
from allcell.errors import DataError
from allcell.imaging.images import decode, encode_png
from tests.user_sets import coco_files, coco_folder, coco_zip, fields, packed

PICTURE = encode_png(np.full((60, 80, 3), 200, np.uint8))
#: class cx cy w h, and the same box in pixels of `PICTURE`.
LABEL, BOX = "0 0.5 0.5 0.25 0.5\n", [30, 15, 50, 45]
YAML = "names: [blast, healthy]\n"
XML = (
    "<annotation><object><name>{name}</name><bndbox><xmin>31</xmin><ymin>16</ymin><xmax>50</xmax>"
    "<ymax>45</ymax></bndbox></object></annotation>"
)
SMALL = ZipLimits(max_bytes=2**20, max_unpacked_bytes=2**22, max_file_bytes=3 * 2**20, max_files=20)


def entry(name="a.txt", content=b"text", **changes):
    """A ZIP of one file, with fields of its entry set to other values."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        for key, value in changes.items():
            setattr(info, key, value)
        archive.writestr(info, content)
    return out.getvalue()


def lying(content, size):
    """A ZIP whose directory says another size of its only file."""
    data = bytearray(entry(content=content))
    directory = data.rfind(b"PK\x01\x02")
    struct.pack_into("<L", data, directory + 24, size)
    return bytes(data)


def encrypted():
    data = bytearray(entry())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rfind(signature) + flags] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "not a ZIP", id="nothing"),
        pytest.param(b"names: [blast]", "not a ZIP", id="a text file"),
        pytest.param(coco_zip(1)[:-30], "is incomplete", id="cut off"),
        pytest.param(b"\0" * (2**20 + 1), "at most 1 MB", id="a large file"),
        pytest.param(encrypted(), "encrypted", id="a password"),
        pytest.param(entry("../a.txt"), "lead out", id="up"),
        pytest.param(entry("images/../../a.txt"), "lead out", id="up from within"),
        pytest.param(entry("/etc/passwd"), "lead out", id="from the root"),
        pytest.param(entry("C:/a.txt"), "lead out", id="a drive"),
        pytest.param(entry("..\\a.txt"), "lead out", id="up, on Windows"),
        pytest.param(entry("\\\\server\\a.txt"), "lead out", id="another computer"),
        pytest.param(entry("a/" * 40 + "b"), "more than 32 deep", id="too deep"),
        pytest.param(
            entry(external_attr=(stat.S_IFLNK | 0o777) << 16, create_system=3),
            "a link",
            id="a link",
        ),
        pytest.param(
            entry(compress_type=zipfile.ZIP_LZMA), "compressed in a way", id="a rare method"
        ),
        pytest.param(packed({f"{n}.txt": "" for n in range(21)}), "more than 20 files", id="many"),
        pytest.param(
            packed({f"{n}.bin": bytes(2**20 - 1) for n in range(5)}), "unpacked", id="large in sum"
        ),
        pytest.param(packed({"a.bin": bytes(3 * 2**20 + 1)}), "unpacked", id="a large one"),
        pytest.param(packed({"a.bin": bytes(2 * 2**20)}), "more than 200-fold", id="a bomb"),
        pytest.param(packed({"a": "", "a/b": ""}), "both a file and", id="a file that is a folder"),
    ],
)
def test_bad_zips_are_refused(content, message):
    with pytest.raises(DataError, match=message) as caught:
        open_zip(content, "set.zip", SMALL)
    assert caught.value.remedy


def test_a_name_that_is_there_twice_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.txt", "two")
    with pytest.raises(DataError, match="twice"):
        open_zip(out.getvalue(), "set.zip", SMALL)


def test_a_directory_without_end_is_not_read():
    data = bytearray(entry())
    struct.pack_into("<L", data, data.rfind(b"PK\x05\x06") + 12, 2**31)
    with pytest.raises(DataError, match="more than 20 files"):
        open_zip(bytes(data), "set.zip", SMALL)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        pytest.param(bytes(2**19), 100, id="it is longer than it says"),
        pytest.param(b"short", 1000, id="it is shorter than it says"),
    ],
)
def test_a_size_that_lies_is_found_on_reading(content, size):
    root = open_zip(lying(content, size), "set.zip", SMALL)
    with pytest.raises(DataError, match="is damaged"):
        (root / "a.txt").read_bytes()


def test_a_byte_that_changed_is_found_on_reading():
    data = bytearray(packed({"a.txt": "text that is here"}, zipfile.ZIP_STORED))
    data[data.find(b"text")] ^= 1
    with pytest.raises(DataError, match="is damaged"):
        (open_zip(bytes(data), "set.zip") / "a.txt").read_text()


def yolo(split="test"):
    return {
        "data.yaml": YAML,
        f"images/{split}/a.png": PICTURE,
        f"labels/{split}/a.txt": LABEL,
    }


SETS = {
    "yolo": yolo(),
    "yolo, parts first": {
        "data.yaml": YAML,
        "test/images/a.png": PICTURE,
        "test/labels/a.txt": LABEL,
    },
    "yolo, no parts": {"data.yaml": YAML, "images/a.png": PICTURE, "labels/a.txt": LABEL},
    "voc": {"Annotations/a.xml": XML.format(name="blast"), "JPEGImages/a.png": PICTURE},
    "voc, parts first": {"test/a.xml": XML.format(name="blast"), "test/a.png": PICTURE},
}


@pytest.mark.parametrize("top", ["", "my set/", "a/b/"])
@pytest.mark.parametrize("kind", SETS)
def test_every_layout_is_read_from_memory(kind, top):
    files = {f"{top}{name}": content for name, content in SETS[kind].items()}
    folder = find_set(open_zip(packed({**files, "__MACOSX/._x": "junk"}), "set.zip"))
    (split,) = find_splits(folder)
    assert split == ("all" if kind in ("yolo, no parts", "voc") else "test")
    assert class_counts(folder, split) == {"blast": 1}
    (image,) = read_labelled(folder, split)
    assert image.path.name == "a.png"
    assert image.path.stem == "a"
    np.testing.assert_allclose(image.truth.xyxy, [BOX], atol=1e-4)
    np.testing.assert_array_equal(image.pixels(), decode(PICTURE))


def test_a_zip_reads_as_its_folder_does(tmp_path):
    for name, content in coco_files(2).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    mapping = {"lymphoblast": "blast", "WBC": "healthy", "basket cell": "smudge"}
    there = read_labelled(tmp_path, "test", mapping=mapping)
    here = read_labelled(coco_folder(2), "test", mapping=mapping)
    for a, b, (_, field) in zip(there, here, fields(2), strict=True):
        assert a.path.name == b.path.name
        np.testing.assert_array_equal(a.truth.xyxy, b.truth.xyxy)
        np.testing.assert_array_equal(a.pixels(), field.image)
        np.testing.assert_array_equal(b.pixels(), field.image)


def test_an_image_beyond_the_limit_is_not_unpacked(monkeypatch):
    (image,) = read_labelled(open_zip(packed(SETS["voc"]), "set.zip"), "all")
    monkeypatch.setattr(
        "allcell.data.dataset.Limits.from_settings",
        classmethod(lambda cls: cls(max_bytes=10, max_pixels=10**6, max_images=1)),
    )
    monkeypatch.setattr(type(image.path), "read_bytes", lambda self: pytest.fail("it was read"))
    with pytest.raises(Exception, match="at most"):
        image.pixels()


BOMB = "\n".join(
    [f"a0: &a0 [{'x, ' * 9}x]", *(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}x]" for n in range(1, 9))]
)


def coco(**changes):
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "blast"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [30, 15, 20, 30]}],
        **changes,
    }
    # JSON writes an infinite number as Infinity; files that mean harm say 1e999.
    text = json.dumps(content).replace("Infinity", "1e999")
    return {"annotations/instances_test.json": text, "images/a.png": PICTURE}


def coco_box(*bbox):
    return coco(annotations=[{"image_id": 1, "category_id": 1, "bbox": bbox}])


def xml(text):
    return {"Annotations/a.xml": text, "JPEGImages/a.png": PICTURE}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param(
            coco(images=[{"id": float("inf")}]), "image inf: id inf is neither", id="an endless id"
        ),
        pytest.param(
            coco_box(int("9" * 400), 0, 5, 5), "annotation number 1: bbox", id="a huge whole number"
        ),
        pytest.param(coco_box(0, 0, 1e39, 1e39), "not in its picture", id="a huge box"),
        pytest.param(
            xml(XML.format(name="blast").replace("50<", "1e39<")),
            "object 1 .blast",
            id="huge box, voc",
        ),
        pytest.param(
            xml('<?xml version="1.0" encoding="foo"?><annotation/>'),
            "not a Pascal VOC annotation .unknown encoding: foo",
            id="an unknown encoding",
        ),
        pytest.param(
            {**SETS["voc"], "ImageSets/Main/test.txt": b"a\xff\n"},
            r"set\.zip/ImageSets/Main/test\.txt: expected plain text",
            id="a list that is no text",
        ),
        *(
            pytest.param({**yolo(), "data.yaml": text}, message, id=name)
            for name, text, message in (
                ("too deep", "[" * 1000, r"set\.zip/data\.yaml cannot be read: RecursionError"),
                ("a tag without its value", "!!timestamp x", "cannot be read: AttributeError"),
                ("a billion laughs", f"{BOMB}\nnames: *a8", "cannot be read: it holds aliases"),
                ("aliases by merging", "a: &a {x: 1}\nnames: {<<: [*a, *a]}", "holds aliases"),
                ("too large", f"# {random.Random(0).randbytes(2**19).hex()}", "larger than 1 MB"),
                ("a long name", f"names: [{'x' * 101}]", "at most 100 characters"),
                ("a long number", f"names: [0x{'f' * 5000}]", "at most 100 characters"),
                ("a list as a name", "names: [blast, [1, 2]]", "at most 100 characters"),
                ("a truth as a name", "names: [no]", "in quotes|at most 100 characters"),
            )
        ),
    ],
)
def test_odd_content_is_explained(files, message):
    root = open_zip(packed(files), "set.zip")

    def read():
        (split,) = find_splits(root)
        class_counts(root, split)
        read_labelled(root, split)

    with pytest.raises(DataError, match=message) as caught:
        read()
    assert caught.value.remedy


@pytest.mark.parametrize("names", ["[7, blast]", f"[{'x' * 100}, blast]"])
def test_numbers_and_long_names_are_names(names):
    files = {**yolo(), "data.yaml": f"names: {names}", "labels/test/a.txt": "1 0.5 0.5 0.2 0.2"}
    assert class_counts(open_zip(packed(files), "set.zip"), "test") == {"blast": 1}


@pytest.mark.parametrize("kind", [*SETS, "coco"])
def test_reading_tells_how_far_it_is_and_can_be_stopped(kind):
    root = open_zip(packed(coco() if kind == "coco" else SETS[kind]), "set.zip")
    (split,) = find_splits(root)
    calls = []
    read_labelled(root, split, on_image=lambda done, of: calls.append((done, of)))
    assert calls[-1] == (1, 1)

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_labelled(root, split, on_image=stop)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="nothing in it"),
        pytest.param({"data.yaml": YAML, "labels/all/a.txt": LABEL}, id="no images"),
        pytest.param({"data.yaml": YAML}, id="a set without labels"),
        pytest.param({**yolo(), "data.yaml": "names: 3"}, id="no names"),
        pytest.param({**yolo(), "labels/test/a.txt": "0 0.5"}, id="a wrong label"),
        pytest.param({**yolo(), "labels/test/a.txt": b"\xff"}, id="a label that is no text"),
        pytest.param({**SETS["voc"], "ImageSets/Main/all.txt": b"\xff"}, id="a list"),
        pytest.param({"Annotations/a.xml": "", "ImageSets/Main/all.txt": "b"}, id="none listed"),
    ],
)
def test_messages_do_not_say_where_a_folder_is(files, tmp_path):
    root = tmp_path / "smears"
    root.mkdir()
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    told = []
    for read in (find_splits, lambda r: class_counts(r, "all"), lambda r: read_labelled(r, "test")):
        try:
            read(root)
        except DataError as error:
            told.append(str(error))
    assert told
    assert not any(str(tmp_path) in words for words in told)


@pytest.mark.parametrize("read", [find_splits, lambda root: read_labelled(root, "test")])
def test_a_folder_that_is_gone_is_named_without_its_place(read, tmp_path):
    with pytest.raises(DataError, match=r"There is no folder gone\."):
        read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        pytest.param({**yolo("train"), **yolo("val")}, ["train", "val"], id="yolo"),
        pytest.param({**yolo(), "images/more/a.png": PICTURE}, ["test"], id="no labels, no part"),
        pytest.param(
            {"annotations/instances_val.json": "{}", "annotations/train.json": "{}"},
            ["train", "val"],
            id="coco",
        ),
        pytest.param({"test/_annotations.coco.json": "{}"}, ["test"], id="coco next to images"),
        pytest.param({"annotations.json": "{}"}, ["all"], id="coco without parts"),
        pytest.param(
            {
                "Annotations/a.xml": XML.format(name="x"),
                "ImageSets/Main/train.txt": "a\n",
                "ImageSets/Main/dog_train.txt": "a 1\n",
            },
            ["train"],
            id="voc's lists of a class are no parts",
        ),
    ],
)
def test_parts_are_found(files, splits):
    assert find_splits(open_zip(packed(files), "set.zip")) == splits


@pytest.mark.parametrize(
    "files", [{"a.png": PICTURE}, {"data.yaml": YAML}, {"readme.txt": "", "x/y.txt": ""}]
)
def test_what_holds_no_set_is_told_what_is_read(files):
    with pytest.raises(DataError, match="no labelled set") as caught:
        find_set(open_zip(packed(files), "set.zip"))
    assert "Pascal VOC" in caught.value.remedy


def test_classes_are_counted_by_the_names_of_the_set():
    counts = class_counts(coco_folder(2), "test")
    truth = np.concatenate([field.truth.class_id for _, field in fields(2)])
    names = ("lymphoblast", "WBC", "basket cell")
    assert counts == {name: int(np.sum(truth == n)) for n, name in enumerate(names)}
    # A class that no label uses needs no mapping.
    files = {**yolo(), "data.yaml": "names: [blast, RBC]\n"}
    assert class_counts(open_zip(packed(files), "s.zip"), "test") == {"blast": 1}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("blast", "blast"),
        ("Cancer", "blast"),
        ("Lymphoblast", "blast"),
        ("early pre-B", "blast"),
        ("WBC", "healthy"),
        ("white_blood_cell", "healthy"),
        ("Smudge cell", "smudge"),
        ("cut", IGNORED),
        ("RBC", LEFT_OUT),
        ("Platelets", LEFT_OUT),
        ("cell 7", None),
        ("", None),
    ],
)
def test_usual_names_are_known(name, target):
    assert suggested_target(name) == target
