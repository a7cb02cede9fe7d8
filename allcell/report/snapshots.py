"""The snapshots of a live session as one ZIP."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence

from allcell.environment.provenance import Provenance, values_of
from allcell.imaging.images import encode_png
from allcell.imaging.scale import Scale
from allcell.report.bundle import ZIP_TIME, bundle_zip
from allcell.report.exports import export_names
from allcell.result import Result
from allcell.settings import RESEARCH_USE
from allcell.stream.snapshots import Snapshot
from allcell.text.noticed import csv_file

SESSION_COLUMNS = (
    "image",
    "taken_at_utc",
    "model",
    "runtime",
    "confidence",
    "iou",
    "hidden_classes",
    "allcell_version",
    "weights_sha256",
)


def to_result(snapshot: Snapshot) -> Result:
    """A snapshot as a `Result`, so that exactly what was shown is exported."""
    height, width = snapshot.frame.shape[:2]
    size = snapshot.red_cell_px
    return Result(
        snapshot.name,
        width,
        height,
        snapshot.spec.name,
        snapshot.detections,
        snapshot.spec.classes,
        snapshot.timing,
        Scale(size, "default" if size is None else "measured"),
        made=Provenance(
            snapshot.confidence, snapshot.iou, snapshot.weights_sha256, snapshot.taken_at
        ),
        warnings=snapshot.warnings,
        insisted=snapshot.insisted,
    )


def snapshots_zip(snapshots: Sequence[Snapshot]) -> bytes:
    """Frames with and without boxes, CSV, COCO, YOLO labels, and how each was taken.

    Args:
        snapshots: In the order they are to be listed.
    """
    results = [to_result(snapshot) for snapshot in snapshots]
    annotated = (
        encode_png(result.draw(snapshot.frame))
        for result, snapshot in zip(results, snapshots, strict=True)
    )
    sink = io.BytesIO(bundle_zip(results, annotated))
    names = export_names(results)
    with zipfile.ZipFile(sink, "a") as target:
        target.writestr(
            zipfile.ZipInfo("session.csv", ZIP_TIME), csv_file(_session_csv(snapshots, results))
        )
        for snapshot, name in zip(snapshots, names, strict=True):
            target.writestr(zipfile.ZipInfo(f"raw/{name}", ZIP_TIME), encode_png(snapshot.frame))
    return sink.getvalue()


def _session_csv(snapshots: Sequence[Snapshot], results: Sequence[Result]) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([*SESSION_COLUMNS, RESEARCH_USE])
    names = export_names(results)
    for snapshot, result, name in zip(snapshots, results, names, strict=True):
        writer.writerow(
            [
                name,
                f"{snapshot.taken_at:%Y-%m-%dT%H:%M:%S}Z",
                snapshot.spec.name,
                snapshot.runtime,
                f"{snapshot.confidence:.2f}",
                f"{snapshot.iou:.2f}",
                " ".join(snapshot.hidden_classes),
                *values_of(result.made)[2:4],
                "",
            ]
        )
    return sink.getvalue()
