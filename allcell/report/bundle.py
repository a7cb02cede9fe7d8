"""All exports of many images in one ZIP."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace

from allcell.cautions import WITHHELD
from allcell.report.exports import (
    Failure,
    class_names,
    export_names,
    to_coco,
    to_summary_csv,
    to_yolo_text,
    with_classes,
)
from allcell.result import Result, boxes_csv
from allcell.settings import RESEARCH_USE
from allcell.text.names import file_stems
from allcell.text.noticed import csv_file

#: ZIP entries carry a time; with a fixed one, equal results give equal bytes.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)

NOTICE = f"""{RESEARCH_USE}

Every class in these files is suggested by a model and not confirmed by anyone. Percentages are
fractions of the cells that were detected; their intervals cover the error of sampling, not that of
the model.
"""
_RESERVED = f"""
Images that are not to be trusted. Where numbers are withheld, all boxes are of the class
"{WITHHELD}", and the image has no counts:
"""
CONTENTS = """
summary.csv  one row per image: counts, exact 95 % intervals, the names of its files, errors
annotated/   each image with its boxes
csv/         the boxes of each image, in pixels
coco.json    all boxes in COCO's format
labels/      the boxes in YOLO's format; data.yaml names the classes
"""


def _add(target: zipfile.ZipFile, name: str, content: str | bytes, *, packed: bool = False) -> None:
    entry = zipfile.ZipInfo(name, ZIP_TIME)
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    target.writestr(entry, content)


def _named_apart(results: Sequence[Result]) -> list[Result]:
    # For the whole ZIP at once: only then is the second a.jpg named a-2.jpg in every file.
    return [
        replace(result, name=name)
        for result, name in zip(results, export_names(results), strict=True)
    ]


def _stems(results: Sequence[Result]) -> list[str]:
    return file_stems(result.name for result in results)


def _notice(results: Sequence[Result], contents: str = "") -> str:
    """NOTICE.txt: the notice, and the images whose numbers are not to be trusted."""
    reserved = "".join(f"{r.name}: {r.reservation}\n" for r in results if r.reservation)
    # One line for many images: they usually differ in nothing but the time.
    how = dict.fromkeys(f"{r.model}: {r.made.sentence}\n" for r in results if r.made)
    made = f"\nHow the boxes came about:\n{''.join(how)}" if how else ""
    return f"{NOTICE}{made}{contents}{reserved and f'{_RESERVED}{reserved}'}"


def _add_labels(target: zipfile.ZipFile, results: Sequence[Result]) -> None:
    names = class_names(results)
    # JSON is valid YAML, and quotes whatever class names a user's model has.
    _add(target, "data.yaml", f"names: {json.dumps(names, ensure_ascii=False)}\n")
    for result, stem in zip(results, _stems(results), strict=True):
        found = with_classes(result, names)
        text = to_yolo_text(found, result.width_px, result.height_px)
        _add(target, f"labels/{stem}.txt", text)


def yolo_zip(results: Sequence[Result]) -> bytes:
    """YOLO labels as a ZIP, with the class names and the notice that the format has no room for.

    Args:
        results: One or many; class ids are indices into their `class_names`.
    """
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as target:
        results = _named_apart(results)
        _add(target, "NOTICE.txt", _notice(results))
        _add_labels(target, results)
    return sink.getvalue()


def bundle_zip(
    results: Sequence[Result],
    annotated_png: Iterable[bytes],
    failures: Sequence[Failure] = (),
) -> bytes:
    """All exports of many images as one ZIP.

    Args:
        results: In the order they are to be listed.
        annotated_png: One PNG for each result, in the same order; with a generator only one of
            them is in memory at a time, besides the ZIP.
        failures: Images without a result; they appear in summary.csv.

    Raises:
        ValueError: If there are more or fewer pictures than results.
    """
    sink = io.BytesIO()
    results = _named_apart(results)
    with zipfile.ZipFile(sink, "w") as target:
        _add(target, "NOTICE.txt", _notice(results, CONTENTS))
        _add(target, "summary.csv", csv_file(to_summary_csv(results, failures)))
        _add(target, "coco.json", to_coco(results))
        _add_labels(target, results)
        for result, stem, png in zip(results, _stems(results), annotated_png, strict=True):
            _add(target, f"csv/{stem}.csv", csv_file(boxes_csv([result])))
            _add(target, f"annotated/{stem}.png", png, packed=True)
    return sink.getvalue()
