"""The files that leave allcell: readable by others, safe to open, and never without the notice."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pycocotools.coco import COCO

from allcell.cautions import Caution
from allcell.detections import Detections
from allcell.detector import Timing
from allcell.environment.provenance import Provenance
from allcell.imaging.draw import draw
from allcell.imaging.scale import Scale
from allcell.report import bundle, exports
from allcell.report.exports import Failure
from allcell.result import Result, boxes_csv
from allcell.settings import RESEARCH_USE

TIMING = Timing(preprocess_ms=1.0, inference_ms=8.23456, postprocess_ms=0.25, total_ms=9.5)
CLASSES = ("blast", "healthy", "smudge")
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MADE = Provenance(0.4, 0.5, "ab" * 32, WHEN, "1.2.3")
#: The same as exports write it.
WRITTEN = {
    "lowest_confidence": "0.40",
    "largest_overlap": "0.50",
    "allcell_version": "1.2.3",
    "weights_sha256": "ab" * 32,
    "analysed_at_utc": "2026-01-02T03:04:05Z",
}


def make(name: str = "smear.jpg", class_id: tuple[int, ...] = (0, 1, 2, 0)) -> Result:
    """A field of 200x100 with one 20x10 box a cell, side by side."""
    xyxy = [[20 * i, 30, 20 * i + 20, 40] for i in range(len(class_id))]
    found = Detections(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.array([0.9, 0.8, 0.7, 0.6], np.float32)[: len(class_id)],
        np.array(class_id, np.int64),
    )
    return Result(name, 200, 100, "live", found, CLASSES, TIMING, Scale(19.5, "given"), made=MADE)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("class_id", "expected"),
    [
        pytest.param((0, 1, 2, 0), (2, 3, 1), id="smudges are not white cells"),
        pytest.param((), (0, 0, 0), id="an empty field"),
        pytest.param((2, 2), (0, 0, 2), id="smudges only"),
    ],
)
def test_counts(class_id: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    counts = make(class_id=class_id).counts
    assert (counts.blasts, counts.white_cells, counts.smudges) == expected


def test_counts_go_by_name_not_by_position() -> None:
    foreign = replace(make(), classes=("RBC", "blast", "healthy"))
    assert foreign.counts.blasts == 1
    assert foreign.counts.white_cells == 2
    assert foreign.highest_blast_confidence == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("classes", "empty"),
    [
        pytest.param(("blast", "healthy"), ["smudges"], id="no smudges"),
        pytest.param(("blast", "RBC"), ["smudges", "blast_percent_of_detected"], id="only blasts"),
        pytest.param(("healthy", "RBC"), ["blasts", "blast_percent_of_detected"], id="no blasts"),
    ],
)
def test_what_a_model_does_not_know_is_not_counted(
    classes: tuple[str, ...], empty: list[str]
) -> None:
    lacking = replace(make(class_id=(0, 1, 0)), classes=classes)
    [row] = rows(exports.to_summary_csv([lacking]))
    for column in empty:
        assert row[column] == ""
    assert ("blast_percent_of_detected" in empty) == (lacking.counts.blast_share.n == 0)


def test_the_columns_of_the_summary_stay() -> None:
    assert exports.to_summary_csv([]).splitlines() == [
        "image,files,model,width_px,height_px,blasts,white_cells,blast_percent_of_detected,"
        "exact_95_low_percent,exact_95_high_percent,highest_blast_confidence,smudges,"
        "smudges_per_100_white_cells,red_cell_px,total_ms,warnings,lowest_confidence,"
        "largest_overlap,allcell_version,weights_sha256,analysed_at_utc,error,"
        f"{RESEARCH_USE}"
    ]


def test_share_has_the_exact_interval() -> None:
    share = make(class_id=(0, 1, 1, 1)).counts.blast_share
    assert (share.k, share.n) == (1, 4)
    # Clopper-Pearson of 1 in 4, from published tables.
    assert (share.low, share.high) == pytest.approx((0.0063, 0.8059), abs=5e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"width_px": 0}, "positive size", id="no width"),
        pytest.param({"classes": ("blast",)}, "expected 0 to 0, got 0 to 2", id="class unnamed"),
    ],
)
def test_result_refuses(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(make(), **change)


# --- CSV ----------------------------------------------------------------------------------------


def test_csv_has_one_row_a_box() -> None:
    first, *rest = rows(boxes_csv([make()]))
    assert len(rest) == 3
    assert first == {
        "image": "smear.jpg",
        "model": "live",
        "cell": "1",
        "suggested_class": "blast",
        "confidence": "0.9000",
        "x1_px": "0.00",
        "y1_px": "30.00",
        "x2_px": "20.00",
        "y2_px": "40.00",
        "reservation": "",
        **WRITTEN,
        RESEARCH_USE: "",
    }


def test_an_image_without_cells_has_a_row_that_says_0() -> None:
    table = rows(boxes_csv([make("a.png", ()), make("b.png", (1, 1))]))
    assert [(row["image"], row["cell"]) for row in table] == [
        *[("a.png", "0"), ("b.png", "1"), ("b.png", "2")]
    ]
    assert table[0]["suggested_class"] == ""


def test_a_withheld_image_without_boxes_has_no_number() -> None:
    caution = Caution("blurred", "It is blurred.", "Focus.", withholds=True)
    (row,) = rows(boxes_csv([replace(make("a.png", ()), warnings=(caution,))]))
    assert (row["cell"], row["suggested_class"]) == ("", "withheld")
    assert "It is blurred." in row["reservation"]


def test_images_of_one_name_keep_the_folder_that_tells_them_apart() -> None:
    results = [make(f"/data/{name}") for name in ("ward-1/a.jpg", "ward-2/a.jpg", "ward-1/b.jpg")]
    names = list(dict.fromkeys(row["image"] for row in rows(boxes_csv(results))))
    assert names == ["ward-1/a.jpg", "ward-2/a.jpg", "b.jpg"]


def test_tables_open_in_a_spreadsheet() -> None:
    content = bundle.bundle_zip([make()], iter([b""]))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in ("summary.csv", "csv/smear.csv"):
            assert archive.read(name).startswith(b"\xef\xbb\xbf"), name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("=HYPERLINK(A1)", id="equals"),
        pytest.param("+1+1", id="plus"),
        pytest.param("-1+1", id="minus"),
        pytest.param("@SUM(A1)", id="at"),
        pytest.param("\t=1", id="tab before"),
        pytest.param(" =1", id="space before"),
        pytest.param("\uff1d1", id="wide equals"),
    ],
)
@pytest.mark.parametrize("column", ["image", "model", "suggested_class"])
def test_csv_cell_is_never_a_formula(name: str, column: str) -> None:
    field = {"image": "name", "model": "model", "suggested_class": "classes"}[column]
    result = replace(make(), **{field: (name,) * 3 if field == "classes" else name})
    cell = rows(boxes_csv([result]))[0][column]
    assert cell.startswith("'")


def test_csv_keeps_an_awkward_name_in_one_cell() -> None:
    (first, *_) = rows(boxes_csv([make('a, "b"; c.jpg')]))
    assert first["image"] == "a, _b_; c.jpg"


def test_summary_counts_and_failures() -> None:
    text = exports.to_summary_csv(
        [make("a.jpg"), make("a.png", ())], [Failure("x/bad.jpg", "=cut short\nat byte 7")]
    )
    full, empty, failed = rows(text)
    assert (full["blasts"], full["white_cells"], full["smudges"]) == ("2", "3", "1")
    assert full["blast_percent_of_detected"] == "66.7"
    assert full["smudges_per_100_white_cells"] == "33.3"
    assert (full["files"], empty["files"]) == ("a", "a-2")
    assert empty["blast_percent_of_detected"] == empty["exact_95_high_percent"] == ""
    assert (failed["image"], failed["blasts"]) == ("bad.jpg", "")
    assert failed["error"] == "'=cut short at byte 7"


# --- COCO, YOLO, JSON ---------------------------------------------------------------------------


def test_coco_is_read_by_pycocotools(tmp_path: Path) -> None:
    file = tmp_path / "coco.json"
    foreign = replace(make("b.jpg"), classes=("healthy", "blast", "RBC"))
    file.write_text(exports.to_coco([make("a.jpg"), make("a.jpg"), foreign]))
    coco = COCO(str(file))
    assert RESEARCH_USE in coco.dataset["info"]["description"]
    assert [image["file_name"] for image in coco.loadImgs([1, 2, 3])] == [
        "a.jpg",
        "a-2.jpg",
        "b.jpg",
    ]
    blast = coco.getCatIds(catNms=["blast"])
    assert len(coco.getAnnIds(imgIds=[1], catIds=blast)) == 2
    assert len(coco.getAnnIds(imgIds=[3], catIds=blast)) == 1  # by name, not by number
    annotation = coco.loadAnns(coco.getAnnIds(imgIds=[1]))[1]
    assert annotation["bbox"] == [20, 30, 20, 10]
    assert annotation["area"] == 200
    assert annotation["score"] == 0.8


def test_coco_of_nothing_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "coco.json"
    file.write_text(exports.to_coco([make(class_id=())]))
    assert COCO(str(file)).getAnnIds() == []


@pytest.mark.parametrize(
    ("xyxy", "expected"),
    [
        pytest.param([20, 30, 40, 40], "1 0.150000 0.350000 0.100000 0.100000\n", id="inside"),
        pytest.param([-20, 0, 20, 10], "1 0.050000 0.050000 0.100000 0.100000\n", id="cut"),
        pytest.param([200, 0, 240, 10], "", id="outside"),
        pytest.param([50, 50, 50, 60], "", id="without area"),
    ],
)
def test_yolo_text(xyxy: list[float], expected: str) -> None:
    found = Detections.truth([xyxy], [1])
    assert exports.to_yolo_text(found, 200, 100) == expected


def test_json_line_is_what_the_command_line_promises() -> None:
    line = make("folder/smear\n.jpg", (0,)).to_json()
    assert "\n" not in line
    assert json.loads(line) == {
        "image": "folder/smear\n.jpg",
        "width": 200,
        "height": 100,
        "model": "live",
        "detections": [
            {"cell": 1, "class": "blast", "confidence": 0.9, "xyxy": [0.0, 30.0, 20.0, 40.0]}
        ],
        "provenance": {**WRITTEN, "lowest_confidence": 0.4, "largest_overlap": 0.5},
        "notice": RESEARCH_USE,
        "warnings": [],
        "withheld": False,
        "reservation": "",
        "timing_ms": {
            "preprocess": 1.0,
            "inference": 8.235,
            "postprocess": 0.25,
            "total": 9.5,
        },
    }


# --- ZIP ----------------------------------------------------------------------------------------


def unpack(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode("utf-8-sig") for name in archive.namelist()}


def test_bundle_holds_every_file_apart() -> None:
    results = [make("../a.jpg"), make("a.jpg", (1,)), make("a.png", ())]
    files = unpack(bundle.bundle_zip(results, iter([b"one", b"two", b"three"])))
    stems = ("a", "a-2", "a-3")
    assert set(files) == {
        *("NOTICE.txt", "summary.csv", "coco.json", "data.yaml"),
        *(f"annotated/{stem}.png" for stem in stems),
        *(f"csv/{stem}.csv" for stem in stems),
        *(f"labels/{stem}.txt" for stem in stems),
    }
    assert [files[f"annotated/{stem}.png"] for stem in stems] == ["one", "two", "three"]
    assert [len(files[f"labels/{stem}.txt"].splitlines()) for stem in stems] == [4, 1, 0]
    # The same name in every file of the ZIP.
    assert rows(files["csv/a-2.csv"])[0]["image"] == "a-2.jpg"
    summary = rows(files["summary.csv"])
    assert [row["files"] for row in summary] == list(stems)
    assert [row["image"] for row in summary] == ["a.jpg", "a-2.jpg", "a.png"]


def test_bundle_needs_a_picture_for_each_result() -> None:
    with pytest.raises(ValueError, match="shorter"):
        bundle.bundle_zip([make(), make()], [b"one"])


def test_equal_results_give_equal_bytes() -> None:
    assert bundle.bundle_zip([make()], [b"p"]) == bundle.bundle_zip([make()], [b"p"])


def test_yolo_classes_of_two_models_share_one_list() -> None:
    foreign = replace(make("b.jpg", (0,)), classes=("RBC: 'x'", "blast", "healthy"))
    files = unpack(bundle.yolo_zip([make("a.jpg", (0,)), foreign]))
    assert yaml.safe_load(files["data.yaml"])["names"] == [*CLASSES, "RBC: 'x'"]
    assert files["labels/a.txt"].startswith("0 ")
    assert files["labels/b.txt"].startswith("3 ")


@pytest.mark.parametrize("class_id", [(0, 1), ()], ids=["cells found", "no cell found"])
def test_no_export_without_the_notice(class_id: tuple[int, ...]) -> None:
    result = make(class_id=class_id)
    assert RESEARCH_USE in boxes_csv([result])
    assert RESEARCH_USE in exports.to_summary_csv([result])
    assert RESEARCH_USE in exports.to_coco([result])
    assert RESEARCH_USE in unpack(bundle.yolo_zip([result]))["NOTICE.txt"]
    files = unpack(bundle.bundle_zip([result], [b"png"]))
    assert RESEARCH_USE in files["NOTICE.txt"]
    assert RESEARCH_USE in files["csv/smear.csv"]


#: Every file that can hold it: threshold, overlap, version, weights, date, number of the cell.
TOLD = {
    "boxes": (lambda r: rows(boxes_csv([r]))[2], {**WRITTEN, "cell": "3"}),
    "summary": (lambda r: rows(exports.to_summary_csv([r]))[0], WRITTEN),
    "table": (lambda r: r.to_pandas().iloc[2].to_dict(), {**WRITTEN, "cell": 3}),
    "COCO, image": (
        lambda r: json.loads(exports.to_coco([r]))["images"][0],
        {**WRITTEN, "lowest_confidence": 0.4, "largest_overlap": 0.5},
    ),
    "COCO, box": (lambda r: json.loads(exports.to_coco([r]))["annotations"][2], {"cell": 3}),
}


@pytest.mark.parametrize(("read", "expected"), TOLD.values(), ids=TOLD)
def test_every_export_says_how_it_was_made(read: Any, expected: dict[str, object]) -> None:
    told = read(make())
    assert {key: told.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda r: bundle.yolo_zip([r, r]), id="YOLO, which has no room for it"),
        pytest.param(lambda r: bundle.bundle_zip([r, r], [b"", b""]), id="everything"),
    ],
)
def test_the_notice_says_once_how_the_boxes_were_made(pack: Any) -> None:
    notice = unpack(pack(make()))["NOTICE.txt"]
    sentence = (
        "live: allcell 1.2.3, weights abababababab, lowest confidence 0.40, "
        "largest overlap 0.50, 2026-01-02."
    )
    assert notice.count(sentence) == 1


def test_the_number_of_a_box_in_coco_is_not_that_of_its_row() -> None:
    outside = make()
    outside.detections.xyxy[0] += 1000
    boxes = json.loads(exports.to_coco([outside]))["annotations"]
    assert [(box["id"], box["cell"]) for box in boxes] == [(1, 2), (2, 3), (3, 4)]


def test_the_annotated_picture_has_the_numbers_and_says_how_it_was_made() -> None:
    image = np.full((100, 200, 3), 230, np.uint8)
    result, unknown = make(), replace(make(), made=None)
    bare = draw(image, result.detections, CLASSES)
    assert (result.draw(image)[:100] != bare[:100]).any(), "numbered labels"
    assert result.draw(image).shape[0] > unknown.draw(image).shape[0], "one more line below"


def test_warnings_stand_in_the_summary() -> None:
    caution = Caution("limit_reached", "Too many.", "Use a part.")
    [row] = rows(exports.to_summary_csv([replace(make(), warnings=(caution,))]))
    assert row["warnings"] == "Too many. Use a part."
