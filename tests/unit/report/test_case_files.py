"""A reviewed case as files: each says what the review says, and can be read back."""

import csv
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from allcell.data.labelled_sets import find_set, open_set, read_labelled
from allcell.environment.provenance import PROVENANCE_COLUMNS
from allcell.errors import ReviewError
from allcell.report.case.case_zip import case_json, case_zip, read_case_zip
from allcell.report.case.contents import CaseContents
from allcell.report.case.drawings import annotated, bar_um
from allcell.report.case.fhir import to_fhir
from allcell.report.case.labels import class_order, to_case_coco, to_geojson, yolo_labels
from allcell.report.case.pdf import to_pdf
from allcell.report.case.tables import cells_csv, counts_csv
from allcell.review import edits
from allcell.review.case_review import CaseReview
from allcell.review.counting import counts
from allcell.review.labels import LabelSet, own_label, suggested_own
from allcell.review.signing import content_hash, signature
from allcell.review.suggestions import picture_hash
from allcell.settings import RESEARCH_USE
from tests.review_cases import WHO, at, field, origin, refs

IMAGE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
OTHER = IMAGE[::-1].copy()
A = replace(
    field("a", ("blast", "blast", "healthy", "smudge", "healthy"), origin=origin(um_per_px=0.2)),
    sha256=picture_hash(IMAGE),
    title="Edge <b>",
    cautions=("Unlike the laboratories of the training.",),
)
B = replace(field("b", withheld="This is no smear."), sha256=picture_hash(OTHER))
PICTURES = {A.sha256: IMAGE, B.sha256: OTHER}


def reviewed():
    """Cell 1 a neutrophil, 3 none, 5 unidentified, 6 added; 2 and 4 confirmed."""
    review = CaseReview(LabelSet(suggested_own()), (A, B))
    review = edits.reclassify(review, refs(A, 1), "neutrophil", WHO, at())
    review = edits.remove(review, refs(A, 3), WHO, at())
    review = edits.reclassify(review, refs(A, 5), "unidentified", WHO, at())
    review, _ = edits.add(review, A.sha256, (300, 100.5, 350, 160), "blast", WHO, at())
    return edits.confirm(review, refs(A, 2, 4), WHO, at())


def contents(review=None, **changed):
    values = {
        "label": "Case 7",
        "case_id": "ab" * 16,
        "trail": (12, "cd" * 32),
        "made_at": at(60),
        **changed,
    }
    return CaseContents(review or reviewed(), PICTURES.__getitem__, **values)


def signed(review=None):
    given = signature(review or reviewed(), "Dr. Ada Weiß", "Reviewed", at(9), 1)
    return contents(review, signatures=(given,))


def rows(content):
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_the_cells_as_csv():
    found = rows(cells_csv(contents()))
    assert [(r["field"], r["cell"], r["class"], r["state"], r["counted"]) for r in found[:6]] == [
        ("field-001", "1", "neutrophil", "confirmed", "yes"),
        ("field-001", "2", "blast", "confirmed", "yes"),
        ("field-001", "3", "healthy", "removed", "no"),
        ("field-001", "4", "smudge", "confirmed", "yes"),
        ("field-001", "5", "unidentified", "confirmed", "yes"),
        ("field-001", "6", "blast", "confirmed", "yes"),
    ]
    first, added = found[0], found[5]
    assert (first["suggested_class"], first["confidence"]) == ("blast", "0.9000")
    assert (added["suggested_class"], added["confidence"], added["y1_px"]) == ("", "", "100.50")
    assert {row["counted"] for row in found[6:]} == {"no"}
    assert found[6]["remark"] == "This is no smear."
    for name in (*PROVENANCE_COLUMNS, "model", "runtime", "red_cell_px", "um_per_px"):
        assert first[name], name
    assert RESEARCH_USE in first


def test_the_counts_as_csv_are_those_of_the_review():
    found = {row["class"]: row for row in rows(counts_csv(signed()))}
    blast = found["blast"]
    assert (blast["suggested"], blast["reviewed"]) == ("2", "2")
    share = counts(reviewed(), "confirmed").blast_share
    assert float(blast["reviewed_high_percent"]) == round(100 * share.high, 1)
    assert blast["white_cells_reviewed"] == "3"
    assert found["smudge"]["reviewed_per_100_white_cells"] == "33.3"
    assert found["smudge"]["reviewed_percent"] == ""
    assert "reviewed by Dr. Ada Weiß" in blast["status"]


def test_no_text_of_a_user_is_a_formula():
    formula = "=HYPERLINK(1)"
    review = CaseReview(LabelSet((own_label(formula, "X"),)), (replace(A, title=formula),))
    review = edits.reclassify(review, refs(A, 1), formula, WHO, at())
    for table in (cells_csv(contents(review)), counts_csv(contents(review))):
        for row in csv.reader(io.StringIO(table.decode("utf-8-sig"))):
            assert not any(value.startswith("=") for value in row)


def test_coco_is_equal_to_the_review():
    case = contents()
    coco = json.loads(to_case_coco(case))
    [image] = coco["images"]
    assert (image["file_name"], image["width"]) == ("field-001.png", 400)
    assert image["weights_sha256"] == "ab" * 32
    names = {c["id"]: c["name"] for c in coco["categories"]}
    found = {a["cell"]: (names[a["category_id"]], a["bbox"]) for a in coco["annotations"]}
    one = case.review.field(A.sha256)
    expected = {}
    for cell in one.cells:
        if cell.state != "removed":
            x1, y1, x2, y2 = cell.xyxy
            expected[cell.number] = (cell.label, [x1, y1, x2 - x1, y2 - y1])
    assert found == expected
    assert [a["score"] for a in coco["annotations"]][-1] is None


def test_yolo_is_in_the_order_of_the_classes():
    case = contents()
    lines = yolo_labels(case, case.review.field(A.sha256)).splitlines()
    names = [class_order(case)[int(line.split()[0])] for line in lines]
    assert names == ["neutrophil", "blast", "smudge", "unidentified", "blast"]


def test_qupath_gets_detections_with_classes():
    shapely = pytest.importorskip("shapely")
    case = contents()
    text = to_geojson(case, case.review.field(A.sha256))
    collection = json.loads(text)
    shapes = shapely.from_geojson(text)
    assert all(shape.is_valid and shape.exterior.is_closed for shape in shapes.geoms)
    assert shapes.geoms[-1].bounds == (300, 100.5, 350, 160)
    assert {f["properties"]["objectType"] for f in collection["features"]} == {"detection"}
    by_name = {f["properties"]["name"]: f["properties"] for f in collection["features"]}
    assert by_name["1"]["classification"] == {"name": "neutrophil", "color": [68, 187, 153]}
    assert by_name["1"]["measurements"] == {"confidence": 0.9}
    assert "3" not in by_name
    assert json.loads(to_geojson(case, A))["features"][0]["id"] == collection["features"][0]["id"]


@pytest.mark.slow
def test_fhir_is_valid_preliminary_and_names_nobody_but_the_reviewer():
    from fhir.resources.R4B.bundle import Bundle

    bundle = Bundle.model_validate_json(to_fhir(signed()))
    report, *rest = [entry.resource for entry in bundle.entry]
    assert report.status == "preliminary"
    assert report.subject is None
    assert report.conclusion.startswith(RESEARCH_USE)
    assert report.resultsInterpreter[0].display == "Dr. Ada Weiß (Reviewed)"
    found = {f"urn:uuid:{one.id}": one for one in rest}
    linked = [found[one.reference] for one in report.result]
    blast = next(one for one in linked if one.code.text.startswith("Blast"))
    share = counts(reviewed(), "confirmed").blast_share
    assert float(blast.valueQuantity.value) == round(100 * share.fraction, 1)
    assert float(blast.component[-1].valueQuantity.value) == round(100 * share.high, 1)
    assert all(one.code.coding is None for one in linked)
    device = found[blast.device.reference]
    assert "weights abababababab" in device.note[0].text
    assert to_fhir(signed()) == to_fhir(signed())


def words(pdf):
    pdfium = pytest.importorskip("pypdfium2")
    document = pdfium.PdfDocument(pdf)
    return " ".join(page.get_textpage().get_text_bounded() for page in document).split()


@pytest.mark.slow
def test_the_report_says_everything():
    text = " ".join(words(to_pdf(signed())))
    share = counts(reviewed(), "confirmed").blast_share
    for said in (
        "Case: Case 7",
        "reviewed by Dr. Ada Weiß on 01 March 2026, 12:00 UTC",
        f"66.7 % ({100 * share.low:.1f} to {100 * share.high:.1f})",
        "field-001: Unlike the laboratories of the training.",
        "field-002: Not counted. This is no smear.",
        "lowest confidence 0.35, largest overlap 0.50",
        "Runtime: ONNX Runtime.",
        "ab" * 32,
        A.sha256,
        "Edge <b>",
        f"Content {content_hash(reviewed())}",
        "12 entries",
        "Neutrophil: 1",
        "1 / 6",
    ):
        assert said in text, said
    assert text.count(RESEARCH_USE) >= 4
    assert to_pdf(signed()) == to_pdf(signed())


@pytest.mark.slow
def test_a_draft_says_that_it_is_one_and_what_cannot_be_printed():
    draft = CaseReview(LabelSet(), (replace(A, title="標本"),))
    text = " ".join(words(to_pdf(contents(draft))))
    assert "Draft of version 1, not signed" in text
    assert "cells 1, 2, 3, 4, 5 not reviewed" in text
    assert "Characters that this report cannot print" in text
    assert "1 / 1?" in text


@pytest.mark.parametrize(
    ("um_per_px", "width_px", "length_um"),
    [(0.1, 1200, 20), (0.2, 400, 10), (0.05, 4000, 20), (3.0, 60, 20), (9.0, 60, 50)],
)
def test_a_scale_bar_has_a_round_length(um_per_px, width_px, length_um):
    assert bar_um(um_per_px, width_px) == length_um


def test_a_scale_bar_stands_where_micrometres_are_known():
    case = contents()
    one = case.review.field(A.sha256)
    with_bar = annotated(case, one, IMAGE)
    without = annotated(case, replace(one, origin=origin()), IMAGE)
    assert with_bar.shape[0] > 300
    changed = np.argwhere((with_bar[:300] != without[:300]).any(axis=2))
    assert changed[:, 0].min() > 200
    # 10 µm at 0.2 µm a pixel.
    dark = (with_bar[280:296, 250:] == 20).all(axis=2)
    assert dark.sum(axis=1).max() == 50


def test_solid_is_confirmed_and_dashed_is_suggested():
    wide = replace(A.cells[0], xyxy=(20, 100, 120, 200))
    lone = replace(A, cells=(wide,))
    done = replace(lone, cells=(replace(wide, state="confirmed"),))
    case = contents()
    yellow = [
        ((annotated(case, one, IMAGE)[:300] == (255, 214, 10)).all(axis=2)).sum(axis=1)[200]
        for one in (lone, done)
    ]
    assert 0 < yellow[0] < 0.7 * yellow[1]
    gone = replace(lone, cells=(replace(wide, state="removed"),))
    np.testing.assert_array_equal(annotated(case, gone, IMAGE)[:240, :], IMAGE[:240, :])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    file = tmp_path_factory.mktemp("case") / "case.zip"
    file.write_bytes(case_zip(signed()))
    return file


@pytest.mark.slow
def test_the_zip_is_read_back_as_the_case_it_was(exported):
    back = read_case_zip(exported)
    assert back.review.fields == reviewed().fields
    assert back.review.labels == reviewed().labels
    assert (back.label, back.version, back.signatures) == ("Case 7", 1, signed().signatures)
    np.testing.assert_array_equal(back.pictures(A.sha256), IMAGE)


@pytest.mark.slow
def test_the_zip_is_read_as_a_labelled_set(exported):
    folder = find_set(open_set(exported))
    mapping = {"neutrophil": "healthy"}
    [image] = read_labelled(folder, "", mapping=mapping)
    assert len(image.truth) == 4
    np.testing.assert_array_equal(image.pixels(), IMAGE)


@pytest.mark.slow
def test_nothing_of_the_source_is_in_the_zip_and_equal_cases_give_equal_bytes(exported):
    with zipfile.ZipFile(exported) as source:
        names = source.namelist()
        assert source.read("NOTICE.txt").decode().startswith(RESEARCH_USE)
    assert "images/field-002.png" in names
    assert "yolo/labels/field-002.txt" not in names
    assert exported.read_bytes() == case_zip(signed())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda files: files.pop("case.json"), "no case that allcell", id="none"),
        pytest.param(
            lambda files: files.update({"case.json": b"[]"}), "no case that allcell", id="no object"
        ),
        pytest.param(
            lambda files: files.update(
                {"case.json": files["case.json"].replace(b'"smudge"', b'"blast"')}
            ),
            "was changed after it was exported",
            id="a class changed",
        ),
    ],
)
def test_a_zip_that_is_no_case_or_another(tmp_path, change, message):
    files = {"case.json": case_json(contents())}
    change(files)
    file = tmp_path / "case.zip"
    with zipfile.ZipFile(file, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    with pytest.raises(ReviewError, match=message):
        read_case_zip(file)


def test_a_picture_that_was_changed_is_refused(tmp_path):
    file = tmp_path / "case.zip"
    from allcell.imaging.images import encode_png

    with zipfile.ZipFile(file, "w") as target:
        target.writestr("case.json", case_json(contents()))
        target.writestr("images/field-001.png", encode_png(OTHER))
    back = read_case_zip(file)
    with pytest.raises(ReviewError, match="was changed"):
        back.pictures(A.sha256)
    with pytest.raises(ReviewError, match="is missing"):
        back.pictures(B.sha256)
