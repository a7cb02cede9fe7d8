"""A case as one ZIP with everything in it, and the way back."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from allcell.errors import ReviewError
from allcell.formats.pixels import RGBImage
from allcell.imaging.images import decode, encode_png
from allcell.report.bundle import ZIP_TIME
from allcell.report.case import drawings, labels, tables
from allcell.report.case.contents import CaseContents
from allcell.report.case.fhir import to_fhir
from allcell.report.case.pdf import to_pdf
from allcell.report.slide import cells_of_case, slide_csv, slide_of_case
from allcell.review.signing import ReviewSignature, content_hash, content_json, content_of
from allcell.review.suggestions import picture_hash
from allcell.settings import RESEARCH_USE, settings

#: Largest `case.json` that is read: some 100,000 cells.
_MOST_BYTES = 200 * 2**20
_SIGNATURES: TypeAdapter[tuple[ReviewSignature, ...]] = TypeAdapter(tuple[ReviewSignature, ...])

_NOTICE = f"""{RESEARCH_USE}

{{status}}

Percentages are fractions of the cells that were detected or added; their intervals cover the error
of sampling, not that of model or reviewer.

report.pdf   counts, fields with boxes, cells by class, signatures
cells.csv    every cell of every field, with what was suggested and what became of it
counts.csv   the counts before and after review, with exact 95 % intervals
coco.json    the counted fields in COCO's format, for images/
yolo/        the same in YOLO's format
geojson/     the same for QuPath: drag a file onto its picture
slide/       of a slide: all cells in pixels of it, for QuPath and as a table
fhir.json    a preliminary DiagnosticReport (FHIR R4)
images/      the pictures, without their names and metadata; of all fields
annotated/   the pictures with their boxes
case.json    the case for allcell, which reads this ZIP as a case and as a labelled set
"""


def case_zip(contents: CaseContents) -> bytes:
    """All files of a case. Two ZIPs of one case differ in `made_at` alone.

    Raises:
        RecordError: If a picture is missing or damaged.
    """
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as target:
        _add(target, "NOTICE.txt", _NOTICE.format(status=contents.status))
        _add(target, "report.pdf", to_pdf(contents), packed=True)
        _add(target, "cells.csv", tables.cells_csv(contents))
        _add(target, "counts.csv", tables.counts_csv(contents))
        _add(target, "coco.json", labels.to_case_coco(contents))
        _add(target, "fhir.json", to_fhir(contents))
        _add(target, "case.json", case_json(contents))
        names = json.dumps(labels.class_order(contents), ensure_ascii=False)
        _add(target, "yolo/data.yaml", f"names: {names}\n")
        if slide_of_case(contents.review):
            _add(target, "slide/cells.geojson", labels.to_slide_geojson(contents))
            _add(target, "slide/cells.csv", slide_csv(cells_of_case(contents.review)))
        for one in contents.review.fields:
            stem, image = contents.stems[one.sha256], contents.pictures(one.sha256)
            _add(target, f"images/{stem}.png", encode_png(image), packed=True)
            drawn = drawings.annotated(contents, one, image)
            _add(target, f"annotated/{stem}.png", encode_png(drawn), packed=True)
            if one.counted:
                _add(target, f"yolo/labels/{stem}.txt", labels.yolo_labels(contents, one))
                _add(target, f"geojson/{stem}.geojson", labels.to_geojson(contents, one))
    return sink.getvalue()


def _add(target: zipfile.ZipFile, name: str, content: str | bytes, *, packed: bool = False) -> None:
    entry = zipfile.ZipInfo(name, ZIP_TIME)
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    target.writestr(entry, content)


def case_json(contents: CaseContents) -> bytes:
    """The case for allcell itself: its content exactly, and its signatures."""
    head = {
        "allcell": "case",
        "format": 1,
        "notice": RESEARCH_USE,
        "label": contents.label,
        "version": contents.version,
        "content_sha256": contents.content_sha256,
        "exported_at": contents.made_at.isoformat(),
        "signatures": json.loads(_SIGNATURES.dump_json(contents.signatures)),
        "content": json.loads(content_json(contents.review)),
    }
    return json.dumps(head, ensure_ascii=False, indent=1).encode()


def read_case_zip(file: Path) -> CaseContents:
    """A case from a ZIP that `case_zip` made. Its edits before the export are not in it.

    Args:
        file: The ZIP.

    Raises:
        ReviewError: If it is none, or was changed.
        OSError: If it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as source:
            if source.getinfo("case.json").file_size > _MOST_BYTES:
                raise ReviewError("case.json is too large for a case.", _AGAIN)
            head = json.loads(source.read("case.json"))
        review = content_of(json.dumps(head["content"]))
        signatures = _SIGNATURES.validate_python(head["signatures"])
        said = str(head["content_sha256"])
        label, version = str(head["label"]), int(head["version"])
        made_at = datetime.fromisoformat(head["exported_at"])
    except (zipfile.BadZipFile, LookupError, TypeError, ValueError, ValidationError) as error:
        raise ReviewError(f"{file.name} is no case that allcell exported.", _AGAIN) from error
    if content_hash(review) != said:
        raise ReviewError(f"The case in {file.name} was changed after it was exported.", _AGAIN)
    held = CaseContents(review, _nothing, made_at)
    pictures = _loader(file, {sha256: f"images/{stem}.png" for sha256, stem in held.stems.items()})
    return CaseContents(review, pictures, made_at, label, version=version, signatures=signatures)


_AGAIN = "Export the case again, and leave the ZIP as it is."


def _nothing(sha256: str) -> RGBImage:
    raise LookupError(sha256)


def _loader(file: Path, names: dict[str, str]) -> Callable[[str], RGBImage]:
    def load(sha256: str) -> RGBImage:
        try:
            with zipfile.ZipFile(file) as source:
                if source.getinfo(names[sha256]).file_size > settings().max_upload_bytes:
                    raise ReviewError(f"The picture {names[sha256]} is too large.", _AGAIN)
                image = decode(source.read(names[sha256]))
        except (zipfile.BadZipFile, KeyError) as error:
            raise ReviewError(f"The picture {names.get(sha256)} is missing.", _AGAIN) from error
        if picture_hash(image) != sha256:
            raise ReviewError(f"The picture {names[sha256]} was changed.", _AGAIN)
        return image

    return load
