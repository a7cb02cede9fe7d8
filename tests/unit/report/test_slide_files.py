"""The cells of a slide as files, read back at the right places."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from pyarrow import parquet

from allcell.environment.provenance import Provenance
from allcell.report.case.case_zip import case_zip, read_case_zip
from allcell.report.case.contents import CaseContents
from allcell.report.case.labels import to_slide_geojson
from allcell.report.slide import (
    cells_of_case,
    cells_of_sweep,
    slide_csv,
    slide_geojson,
    slide_of_case,
    slide_parquet,
)
from allcell.review.case_review import CaseReview
from allcell.review.cells import FieldOrigin, FieldReview, ReviewedCell
from allcell.review.places import SlidePlace
from allcell.review.signing import content_hash, content_json, content_of
from allcell.review.suggestions import picture_hash
from allcell.scanning.regions import Regions, detect_region
from allcell.scanning.seen import SeenCells
from tests.unit.scanning.slides import (
    RED_CELL_PX,
    SIDE_PX,
    SPEC,
    FindsSquares,
    FixedRulers,
    squares,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)
CORNERS = [(50, 40), (700, 60), (330, 610), (1000, 900)]
COLOURS = {"blast": (255, 0, 0)}


@pytest.fixture(scope="module")
def seen() -> SeenCells:
    slide = squares((1200, 1000), CORNERS)
    found = SeenCells(Regions.of(slide, RED_CELL_PX, SPEC))
    for region in found.regions.all():
        found.add(detect_region(FindsSquares(), slide, found.regions, region, FixedRulers()))
    return found


def corners_in(geojson: str) -> list[tuple[float, float]]:
    """Left and top of each outline, sorted; the outlines are squares of the right size."""
    corners = []
    for feature in json.loads(geojson)["features"]:
        ring = np.array(feature["geometry"]["coordinates"][0])
        assert (ring[0] == ring[-1]).all(), "a closed ring"
        low, high = ring.min(axis=0), ring.max(axis=0)
        assert high - low == pytest.approx([SIDE_PX, SIDE_PX], abs=2)
        corners.append((round(low[0]), round(low[1])))
    return sorted(corners)


def test_geojson_has_each_cell_where_it_lies_on_the_slide(seen) -> None:
    text = slide_geojson("s", cells_of_sweep(seen), COLOURS, "Not reviewed.")
    assert corners_in(text) == sorted(CORNERS)
    content = json.loads(text)
    assert content["allcell"]["status"] == "Not reviewed."
    first = content["features"][0]["properties"]
    assert first["classification"] == {"name": "blast", "color": [255, 0, 0]}
    assert first["objectType"] == "detection"
    again = slide_geojson("s", cells_of_sweep(seen), COLOURS, "Not reviewed.")
    assert again == text, "the same names for the same cells"


def test_tables_say_the_same(seen) -> None:
    made = Provenance(0.45, 0.5, "ab" * 32, AT, "0.3.0")
    rows = list(csv.DictReader(io.StringIO(slide_csv(cells_of_sweep(seen), made))))
    assert sorted((round(float(r["x1_px"])), round(float(r["y1_px"]))) for r in rows) == sorted(
        CORNERS
    )
    assert {r["weights_sha256"] for r in rows} == {"ab" * 32}
    table = parquet.read_table(io.BytesIO(slide_parquet(cells_of_sweep(seen), made)))
    listed = table.to_pylist()
    assert [r["cell"] for r in listed] == [int(r["cell"]) for r in rows]
    assert [r["x1_px"] for r in listed] == pytest.approx([float(r["x1_px"]) for r in rows])
    assert [r["region_column"] for r in listed] == [int(r["region_column"]) for r in rows]
    assert table.schema.metadata[b"weights_sha256"] == b"ab" * 32
    assert table.schema.metadata[b"notice"]


def test_a_slide_without_cells_gives_whole_files() -> None:
    assert json.loads(slide_geojson("s", [], COLOURS))["features"] == []
    assert len(slide_csv([]).splitlines()) == 1
    assert parquet.read_table(io.BytesIO(slide_parquet([]))).num_rows == 0


def _field(image, place: SlidePlace | None, **changes) -> FieldReview:
    cells = (
        ReviewedCell(1, (10, 20, 34, 44), "blast", "blast", 0.9, "confirmed"),
        ReviewedCell(2, (50, 20, 74, 44), "blast", "blast", 0.8, "removed"),
        ReviewedCell(3, (90, 20, 114, 44), "healthy", state="confirmed"),
    )
    origin = FieldOrigin("live", "", 0.45, 0.5, AT, "0.3.0")
    field = FieldReview(
        picture_hash(image), image.shape[1], image.shape[0], "Field 1", origin, cells, place=place
    )
    return replace(field, **changes)


def _picture(seed: int):
    return np.random.default_rng(seed).integers(0, 255, (80, 160, 3), np.uint8)


def test_a_reviewed_case_is_exported_in_pixels_of_the_slide() -> None:
    images = [_picture(0), _picture(1), _picture(2)]
    fields = (
        _field(images[0], SlidePlace("s", 1000, 2000, 1)),
        _field(images[1], SlidePlace("s", 40_000, 500, 2)),
        _field(images[2], SlidePlace("s", 0, 0, 1), left_out="Blurred."),
    )
    review = CaseReview(fields=fields)
    assert slide_of_case(review) == "s"
    boxes = [cell.box for cell in cells_of_case(review)]
    assert boxes == [
        (1010, 2020, 1034, 2044),
        (1090, 2020, 1114, 2044),
        (40_020, 540, 40_068, 588),
        (40_180, 540, 40_228, 588),
    ]
    pictures = {one.sha256: image for one, image in zip(fields, images, strict=True)}
    contents = CaseContents(review, pictures.__getitem__, AT)
    features = json.loads(to_slide_geojson(contents))["features"]
    assert features[2]["geometry"]["coordinates"][0][0] == [40_020, 540]
    assert [f["properties"]["metadata"]["state"] for f in features] == ["confirmed"] * 4


@pytest.mark.parametrize(
    ("places", "slide"),
    [
        pytest.param([SlidePlace("a", 0, 0, 1), SlidePlace("b", 0, 0, 1)], "", id="two slides"),
        pytest.param([SlidePlace("a", 0, 0, 1), None], "", id="a picture of no slide besides"),
        pytest.param([None, None], "", id="pictures"),
    ],
)
def test_pictures_of_several_slides_have_no_coordinates_in_common(places, slide) -> None:
    fields = tuple(_field(_picture(i), place) for i, place in enumerate(places))
    assert slide_of_case(CaseReview(fields=fields)) == slide


@pytest.mark.slow
def test_a_case_read_back_from_its_zip_knows_its_places(tmp_path) -> None:
    image = _picture(0)
    review = CaseReview(fields=(_field(image, SlidePlace("s", 1000, 2000, 1.5)),))
    file = tmp_path / "case.zip"
    file.write_bytes(case_zip(CaseContents(review, lambda _: image, AT)))
    names = zipfile.ZipFile(file).namelist()
    assert {"slide/cells.geojson", "slide/cells.csv"} <= set(names)
    assert read_case_zip(file).review.fields[0].place == SlidePlace("s", 1000, 2000, 1.5)


def test_what_was_signed_before_there_were_slides_keeps_its_hash() -> None:
    without = CaseReview(fields=(_field(_picture(0), None),))
    assert b"place" not in content_json(without)
    # As version 0.2 wrote it.
    assert content_hash(content_of(content_json(without))) == content_hash(without)
    placed = CaseReview(fields=(_field(_picture(0), SlidePlace("s", 1, 2, 1)),))
    assert content_of(content_json(placed)).fields == placed.fields
    assert content_hash(placed) != content_hash(without)
