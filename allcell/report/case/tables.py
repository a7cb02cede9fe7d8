"""A case as tables: every cell, and the counts before and after review."""

from __future__ import annotations

from collections.abc import Iterator

from allcell.report.case.contents import ORIGIN_COLUMNS, CaseContents, provenance
from allcell.result import CONFIDENCE_DECIMALS, PIXEL_DECIMALS
from allcell.review.cells import FieldReview
from allcell.review.counting import ReviewCounts, counts
from allcell.statistics import Proportion
from allcell.text.names import spreadsheet_text
from allcell.text.noticed import csv_file, noticed_csv

CELL_COLUMNS = (
    *("field", "title", "cell", "class", "state", "suggested_class", "confidence"),
    *("x1_px", "y1_px", "x2_px", "y2_px", "counted", "remark", *ORIGIN_COLUMNS),
    *("picture_sha256", "case_version", "case_content_sha256"),
)
COUNT_COLUMNS = (
    *("class", "role", "suggested", "reviewed"),
    *("suggested_percent", "suggested_low_percent", "suggested_high_percent"),
    *("reviewed_percent", "reviewed_low_percent", "reviewed_high_percent"),
    *("suggested_per_100_white_cells", "reviewed_per_100_white_cells"),
    *("white_cells_suggested", "white_cells_reviewed", "unreviewed_cells", "status"),
    *("case_version", "case_content_sha256"),
)


def cells_csv(contents: CaseContents) -> bytes:
    """One row per cell of every field, removed ones included: UTF-8 with a byte-order mark."""
    rows = (row for one in contents.review.fields for row in _cell_rows(contents, one))
    return csv_file(noticed_csv(CELL_COLUMNS, rows))


def _cell_rows(contents: CaseContents, one: FieldReview) -> Iterator[list[str]]:
    said = " ".join(filter(None, [one.why_not_counted, *one.cautions]))
    origin = [_plain(value) for value in provenance(one).values()]
    last = [one.sha256, str(contents.version), contents.content_sha256]
    for cell in one.cells:
        confidence = cell.confidence
        yield [
            *(contents.stems[one.sha256], spreadsheet_text(one.title), str(cell.number)),
            *(spreadsheet_text(cell.label), cell.state, spreadsheet_text(cell.suggested or "")),
            "" if confidence is None else f"{confidence:.{CONFIDENCE_DECIMALS}f}",
            *(f"{side:.{PIXEL_DECIMALS}f}" for side in cell.xyxy),
            "yes" if one.counted and cell.counts else "no",
            *(spreadsheet_text(said), *origin, *last),
        ]


def _plain(value: object) -> str:
    return "" if value is None else spreadsheet_text(str(value))


def counts_csv(contents: CaseContents) -> bytes:
    """One row per class: k of n with exact 95 % intervals, as suggested and as confirmed."""
    before, after = counts(contents.review, "suggested"), counts(contents.review, "confirmed")
    rows = []
    for label, count in after.listed():
        rows.append(
            [
                *(spreadsheet_text(label.name), label.role),
                *(str(before.by_label.get(label.name, 0)), str(count)),
                *_percent(before.share(label.name)),
                *_percent(after.share(label.name)),
                *(_per_100(found, label.name, label.role) for found in (before, after)),
                *(str(before.white_cells), str(after.white_cells), str(after.unreviewed)),
                *(spreadsheet_text(contents.status), str(contents.version)),
                contents.content_sha256,
            ]
        )
    return csv_file(noticed_csv(COUNT_COLUMNS, rows))


def _percent(share: Proportion | None) -> list[str]:
    if share is None or share.fraction is None:
        return [""] * 3
    return [f"{100 * value:.1f}" for value in (share.fraction, share.low, share.high)]


def _per_100(found: ReviewCounts, label: str, role: str) -> str:
    value = found.per_100(label) if role in ("smudge", "other") else None
    return "" if value is None else f"{value:.1f}"
