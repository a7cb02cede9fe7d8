import numpy as np
import pytest
from PIL import Image

from allcell.data.dataset import LabelledImage
from allcell.data.yolo_sets import read_yolo
from allcell.detections import Detections
from allcell.errors import DataError
from allcell.models.registry import BLAST, HEALTHY, SMUDGE


@pytest.fixture
def folder(tmp_path):
    """A data set of one 200 x 100 image; tests fill in the labels."""
    for part in ("images/test", "labels/test", "ignore/test", "xyc"):
        (tmp_path / part).mkdir(parents=True)
    Image.new("RGB", (200, 100), "white").save(tmp_path / "images/test/a.png")
    (tmp_path / "data.yaml").write_text("names: [blast, healthy, smudge]\n")
    return tmp_path


def label(folder, text, kind="labels"):
    (folder / kind / "test" / "a.txt").write_text(text)


def test_boxes_in_pixels(folder):
    label(folder, "2 0.5 0.5 0.5 0.5\n\n0 0.25 0.5 0.5 1\n")
    label(folder, "0.95 0.5 0.1 0.2\n", "ignore")
    (folder / "xyc/a.xyc").write_text("50\t40\n \n")
    (image,) = read_yolo(folder, "test")
    assert image.path.name == "a.png"
    assert image.truth.class_id.tolist() == [BLAST, SMUDGE]
    np.testing.assert_allclose(image.truth.xyxy, [(0, 0, 100, 100), (50, 25, 150, 75)])
    np.testing.assert_allclose(image.ignore, [(180, 40, 200, 60)], rtol=1e-6)
    np.testing.assert_allclose(image.centroids, [(50, 40)])


def test_a_polygon_stands_for_the_box_round_it(folder):
    label(folder, "1 0.5 0.2 0.75 0.5 0.5 0.8 0.25 0.5\n")
    (image,) = read_yolo(folder, "test")
    np.testing.assert_allclose(image.truth.xyxy, [(50, 20, 150, 80)])


def test_an_image_without_files_has_no_cell_and_no_expert(folder):
    (image,) = read_yolo(folder, "test")
    assert (len(image.truth), len(image.ignore), image.centroids) == (0, 0, None)


def test_an_empty_centroid_file_says_that_experts_found_none(folder):
    (folder / "xyc/a.xyc").write_text("")
    (image,) = read_yolo(folder, "test")
    assert image.centroids is not None
    assert image.centroids.shape == (0, 2)


@pytest.mark.parametrize(
    ("names", "mapping", "classes"),
    [
        pytest.param("[cancer, healthy]", None, [BLAST, HEALTHY], id="the paper's names"),
        pytest.param("{0: Healthy, 1: Blast}", None, [HEALTHY, BLAST], id="a table, other order"),
        pytest.param(
            "[RBC, WBC]", {"WBC": "healthy", "RBC": None}, [None, HEALTHY], id="red cells left out"
        ),
        pytest.param("[blast, cut]", None, [BLAST, "ignore"], id="cut cells ignored"),
    ],
)
def test_classes_by_name(folder, names, mapping, classes):
    (folder / "data.yaml").write_text(f"names: {names}\n")
    for class_id, expected in enumerate(classes):
        label(folder, f"{class_id} 0.5 0.5 0.1 0.1\n")
        (image,) = read_yolo(folder, "test", mapping=mapping)
        kept = [] if expected in (None, "ignore") else [expected]
        assert image.truth.class_id.tolist() == kept
        assert len(image.ignore) == (expected == "ignore")


@pytest.mark.parametrize(
    ("names", "mapping", "message"),
    [
        pytest.param("[WBC, blast, RBC]", None, "WBC, RBC", id="unknown names are listed"),
        pytest.param("[WBC]", {"RBC": None}, "WBC", id="not in the mapping"),
        pytest.param("[WBC]", {"WBC": "white"}, "white", id="mapped to no class of ours"),
        pytest.param("3", None, "no list of classes", id="a number"),
        pytest.param("{2: blast}", None, "no list of classes", id="a table that begins at 2"),
        pytest.param(
            "{1: blast}",
            None,
            "from 1 to 1; YOLO numbers them from 0",
            id="a table from 1",
        ),
        pytest.param("{0: blast, x: cut}", None, "no list of classes", id="a table with a word"),
        pytest.param("[blast", None, "cannot be read", id="broken yaml"),
    ],
)
def test_classes_that_do_not_fit(folder, names, mapping, message):
    (folder / "data.yaml").write_text(f"names: {names}\n")
    label(folder, "".join(f"{n} 0.5 0.5 0.1 0.1\n" for n in range(names.count(",") + 1)))
    with pytest.raises(DataError, match=message):
        read_yolo(folder, "test", mapping=mapping)


@pytest.mark.parametrize("mapping", [None, {"blast": "blast"}])
def test_a_class_without_cells_needs_no_mapping(folder, mapping):
    (folder / "data.yaml").write_text("names: [RBC, blast, type 7]\n")
    label(folder, "1 0.5 0.5 0.1 0.1\n")
    (image,) = read_yolo(folder, "test", mapping=mapping)
    assert image.truth.class_id.tolist() == [BLAST]


def test_boxes_fit_a_picture_that_lies_on_its_side(folder):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (200, 100), "white").save(folder / "images/test/a.png", exif=exif)
    label(folder, "0 0.5 0.5 0.5 0.5\n")
    (image,) = read_yolo(folder, "test")
    np.testing.assert_allclose(image.truth.xyxy, [(25, 50, 75, 150)])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param("labels", "0 0.5 0.5 0.1\n", id="a number short"),
        pytest.param("labels", "0 0.5 0.5 0.1 0.1 9\n", id="a sixth that is no confidence"),
        pytest.param("labels", "3 0.5 0.5 0.1 0.1\n", id="no such class"),
        pytest.param("labels", "0.5 0.5 0.5 0.1 0.1\n", id="half a class"),
        pytest.param("labels", "0 100 50 20 20\n", id="pixels"),
        pytest.param("labels", "0 0.5 0.5 nan 0.1\n", id="not a number"),
        pytest.param("labels", "0 0.5 0.5 0 0.1\n", id="no area"),
        pytest.param("labels", "blast 0.5 0.5 0.1 0.1\n", id="a word"),
        pytest.param("ignore", "0 0.5 0.5 0.1 0.1\n", id="ignored boxes have no class"),
    ],
)
def test_malformed_labels_name_file_and_line(folder, kind, text):
    label(folder, "\n" + text, kind)
    with pytest.raises(DataError, match=r"a\.txt, line 2: expected"):
        read_yolo(folder, "test")


@pytest.mark.parametrize("text", ["10 20 30", "10", "201 5", "-1 5", "ten 5"])
def test_malformed_centroids(folder, text):
    (folder / "xyc/a.xyc").write_text(text)
    with pytest.raises(DataError, match=r"a\.xyc, line 1: expected"):
        read_yolo(folder, "test")


def test_labels_that_are_no_text(folder):
    (folder / "labels/test/a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="plain text"):
        read_yolo(folder, "test")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("images/test/a.png", "no image"),
        ("labels/test", "no folder"),
        ("data.yaml", "cannot be read"),
    ],
)
def test_what_must_be_there(folder, missing, message):
    path = folder / missing
    path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(DataError, match=message):
        read_yolo(folder, "test")


@pytest.mark.parametrize(
    ("classes", "centroids", "expected"),
    [
        pytest.param([HEALTHY, BLAST], None, True, id="a blast box"),
        pytest.param([HEALTHY], None, False, id="only healthy cells"),
        pytest.param([], [(3, 4)], True, id="an expert's centroid alone"),
        pytest.param([], [], False, id="an expert found none"),
    ],
)
def test_an_image_has_a_blast(tmp_path, classes, centroids, expected):
    truth = Detections.truth([(0, 0, 5, 5)] * len(classes), classes)
    points = None if centroids is None else np.array(centroids, np.float32).reshape(-1, 2)
    item = LabelledImage(tmp_path / "a.png", truth, np.zeros((0, 4), np.float32), points)
    assert item.has_blast is expected
