"""The numbers in the README: written from the kept JSON, between two markers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allcell.errors import DataError
from allcell.models.registry import MODELS
from allcell.report.cards import read_metrics

BEGIN, END = "<!-- results: written by `allcell cards` -->", "<!-- end of results -->"


def fill(readme: str, weights_dir: Path) -> str:
    """The README with its results written anew.

    Args:
        readme: Its text, with the lines `BEGIN` and `END`.
        weights_dir: Where `metrics/` lies.

    Raises:
        DataError: If a marker is missing.
    """
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise DataError("The README has lost its markers.", f"Restore {BEGIN} and {END}.")
    parts = [_accuracy(weights_dir), _laboratories(weights_dir), _speed(weights_dir)]
    return f"{head}{BEGIN}\n\n" + "\n\n".join(p for p in parts if p) + f"\n\n{END}{tail}"


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}".removeprefix("0")


def _accuracy(weights_dir: Path) -> str:
    rows = []
    dates = set()
    for spec in MODELS:
        m = read_metrics(weights_dir, spec.name, "allidb1_test")
        if m is None:
            continue
        dates.add(m["date"][:10])
        blast, healthy = m["classes"]["blast"], m["classes"]["healthy"]
        near = m["centroids"] or {"recall": None, "precision": None}
        cells = [
            _number(value)
            for value in (
                *(blast[key] for key in ("ap50", "ap50_95")),
                *(healthy[key] for key in ("ap50", "ap50_95")),
                *(near[key] for key in ("recall", "precision")),
            )
        ]
        rows.append(f"| `{spec.name}` | {' | '.join(cells)} |")
    if not rows:
        return ""
    return "\n".join(
        [
            f"**ALL-IDB1, the 17 test fields** (our boxes, on a CPU, {', '.join(sorted(dates))}). "
            "The paper's YOLOv5s, on its own boxes: blast .972 / .832, healthy .831 / .627.",
            "",
            "| model | blast mAP@0.5 | @0.5:0.95 | healthy mAP@0.5 | @0.5:0.95 "
            "| expert blasts found | precision |",
            "|---|---|---|---|---|---|---|",
            *rows,
        ]
    )


def _laboratories(weights_dir: Path) -> str:
    rows = []
    for spec in MODELS:
        for data, title in (("bccd_held_out", "BCCD"), ("pbc_held_out", "PBC")):
            m = read_metrics(weights_dir, spec.name, data)
            if m is not None:
                rows.append(
                    f"| `{spec.name}` | {title}, {m['images']} fields "
                    f"| {_number(m['false_blasts_per_field'])} "
                    f"| {_number(m['white_cells']['recall'])} |"
                )
    if not rows:
        return ""
    return "\n".join(
        [
            "**Healthy smears of two other laboratories**: fields kept out of all training, though "
            "other fields of theirs are in it, each at its own estimated scale. There is no blast "
            "in them.",
            "",
            "| model | data | false blasts a field | white cells found |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def _speed(weights_dir: Path) -> str:
    rows = []
    notes = []
    for spec in MODELS:
        for precision in ("int8", "full"):
            path = weights_dir / "metrics" / f"{spec.name}_speed_{precision}.json"
            if not path.is_file():
                continue
            m: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            size = "x".join(map(str, m["input_px"]))
            rows.append(
                f"| `{spec.name}`, {m['runtime']} | {size} | {m['total']['median']:.1f} / "
                f"{m['total']['p95']:.1f} | {m['fps']:.0f} | {m['over_engine']:.2f} |"
            )
            if (paper := m.get("against_paper")) is not None:
                graph = "8-bit" if precision == "int8" else "full precision"
                notes.append(
                    f"In turn with it, frame by frame in one run, `ultralytics` with the paper's "
                    f"YOLOv5s network at 1024 px on torch took {paper['theirs']['median']:.0f} ms "
                    f"(median) and `{spec.name}` ({graph}) {paper['ours']['median']:.1f} ms: "
                    f"{paper['times_faster']:.0f} times faster. ({m['machine']}, {m['date']})"
                )
    if not rows:
        return ""
    return "\n".join(
        [
            "**Speed** (`make bench`): a 1280x720 frame to boxes, scale known, nothing else "
            "running. The paper's figure is 80 frames a second on a Tesla P100.",
            "",
            "| model and runtime | input | ms, median / p95 | frames/s | times the bare engine |",
            "|---|---|---|---|---|",
            *rows,
            "",
            *notes,
        ]
    )
