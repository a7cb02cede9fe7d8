"""The numbers in the README: written from the stored JSON, between two markers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allcell.errors import DataError
from allcell.models.registry import CLASSIFIERS, MODELS, PAPER_CLASSES, ModelSpec
from allcell.models.weights import read_manifest
from allcell.report.documents.gate import gate_section
from allcell.report.documents.gpu_check import card_section
from allcell.report.laboratories.scores import model_with_twins
from allcell.report.laboratories.tables import readme_section
from allcell.report.metrics_files import read_metrics
from allcell.report.paper import CNN_FOOTNOTE, METRICS, published
from allcell.text.words import SCORE_TITLES

BEGIN, END = "<!-- results: written by `allcell cards` -->", "<!-- end of results -->"


def fill(readme: str, weights_dir: Path) -> str:
    """The README with its results rewritten.

    Args:
        readme: Its text, with the lines `BEGIN` and `END`.
        weights_dir: Folder that holds `metrics/`.

    Raises:
        DataError: If a marker is missing.
    """
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise DataError("The README has lost its markers.", f"Restore {BEGIN} and {END}.")
    parts = [readme_section(weights_dir, model_with_twins()), gate_section(weights_dir)]
    parts += [part(weights_dir) for part in _PARTS]
    return f"{head}{BEGIN}\n\n" + "\n\n".join(p for p in parts if p) + f"\n\n{END}{tail}"


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}".removeprefix("0")


def _current(weights_dir: Path, data: str) -> list[tuple[ModelSpec, dict[str, Any]]]:
    """Each model's JSON on `data`, if it was measured with the weights of the manifest."""
    manifest = read_manifest(weights_dir)
    found = []
    for spec in MODELS:
        metrics = read_metrics(weights_dir, spec.name, data)
        files = manifest.get(spec.name)
        if metrics and files and metrics["model_sha256"] == files.checkpoint.sha256:
            found.append((spec, metrics))
    return found


#: The APs of the first table: each as shown, and as YOLOv5 counts.
_APS = ("ap50_as_shown", "ap50", "ap50_95_as_shown", "ap50_95")


def _accuracy(weights_dir: Path) -> str:
    rows = []
    dates = set()
    for spec, m in _current(weights_dir, "allidb1_test"):
        dates.add(m["date"][:10])
        # JSON of earlier versions has no AP as shown.
        scores = [_number(m["classes"][c].get(key)) for c in PAPER_CLASSES for key in _APS]
        found = _number(m["centroids"]["recall"]) if m["centroids"] else "n/a"
        rows.append(f"| `{spec.name}` | {' | '.join(scores)} | {found} |")
    if not rows:
        return ""
    titles = [f"{c} {SCORE_TITLES[key]}" for c in PAPER_CLASSES for key in _APS]
    return "\n".join(
        [
            f"**ALL-IDB1, the 17 test fields** (our boxes, on a CPU, {', '.join(sorted(dates))}). "
            "Intervals are in the cards.",
            "",
            f"| model | {' | '.join(titles)} | expert blasts found |",
            f"|---|{'---|' * len(titles)}---|",
            *rows,
        ]
    )


def _table_1(weights_dir: Path) -> str:
    rows = []
    for spec, m in _current(weights_dir, "allidb1_test"):
        scores = [_number(m["classes"][c][key]) for c in PAPER_CLASSES for key in METRICS]
        rows.append(f"| `{spec.name}` | {' | '.join(scores)} |")
        if paper := published(spec.name):
            theirs = [_number(paper.value(c, key)) for c in PAPER_CLASSES for key in METRICS]
            both = [
                f"{SCORE_TITLES[key]} {_number(value)}"
                for key in METRICS
                if (value := paper.value("all", key)) is not None
            ]
            title = f"paper: {paper.name}"
            if both:
                title += f" (both classes: {', '.join(both)})"
            rows.append(f"| *{title}* | {' | '.join(theirs)} |")
    if not rows:
        return ""
    titles = [f"{c} {SCORE_TITLES[key]}" for c in PAPER_CLASSES for key in METRICS]
    return "\n".join(
        [
            "**Beside the paper's Table 1**, on the same fields. The paper's numbers are on its "
            "own boxes and images. P and R at the confidence of the best F1. What differs from "
            "the paper is in the cards.",
            "",
            f"| model | {' | '.join(titles)} |",
            f"|---|{'---|' * len(titles)}",
            *rows,
        ]
    )


def _fields(weights_dir: Path) -> str:
    rows = []
    for spec in CLASSIFIERS:
        m = read_metrics(weights_dir, spec.name, "allidb1_test")
        if m is None:
            continue
        right, copies = m["counts"]["accuracy"], m["as_the_paper_counted"]["accuracy"]
        rows.append(
            f"| `{spec.name}`: {spec.title} | {right['k']} of {right['n']} "
            f"({_number(right['low'])} to {_number(right['high'])}) "
            f"| {copies['k']} of {copies['n']} |"
        )
    if not rows:
        return ""
    return "\n".join(
        [
            f"**The whole-field CNN** on the same fields. The paper: {CNN_FOOTNOTE}",
            "",
            "| model | fields right (exact 95 % interval) | rotated copies right |",
            "|---|---|---|",
            *rows,
        ]
    )


def _raced(
    spec: ModelSpec, speed: dict[str, Any], raced: dict[str, Any], parameters: int | None
) -> str:
    """Both sides of the race with the paper's network: network, size, precision, runtime."""
    # JSON before version 0.3 does not say what ran on the other side.
    reference = raced.get("reference") or {"network": "YOLOv5s", "runtime": "ultralytics on torch"}
    theirs = [
        _millions(reference.get("parameters")),
        f"{reference.get('long_side_px', 1024)} px on the long side",
        reference.get("precision", ""),
        reference["runtime"],
    ]
    ours = [_millions(parameters), f"{'x'.join(map(str, speed['input_px']))} px", speed["runtime"]]
    return (
        f"Alternating frame by frame in one run, {reference['network']} "
        f"({', '.join(filter(None, theirs))}) took {raced['theirs']['median']:.0f} ms (median), "
        f"`{spec.name}` ({', '.join(filter(None, ours))}) {raced['ours']['median']:.1f} ms: "
        f"{raced['times_faster']:.0f} times faster, the smaller network and input included. "
        f"({speed['machine']}, {speed['date']})"
    )


def _millions(parameters: int | None) -> str:
    return f"{parameters / 1e6:.1f} million parameters" if parameters else ""


def _speed(weights_dir: Path) -> str:
    rows = []
    notes = []
    manifest = read_manifest(weights_dir)
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
                files = manifest.get(spec.name)
                notes.append(_raced(spec, m, paper, files.parameters if files else None))
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


def _photographs(weights_dir: Path) -> str:
    """Folders of photographs, and where the time of a large one goes."""
    paragraphs = []
    for spec in MODELS:
        folder = _kept(weights_dir, f"{spec.name}_folder")
        if folder is not None:
            early_mb, late_mb = folder["resident_mb"]
            paragraphs.append(
                f"**Folders** (`python -m allcell benchmark --folder {folder['images']}`): of "
                f"{folder['images']} rendered JPEGs of {_size(folder)}, from file to boxes with "
                f"`{spec.name}`, their scale measured, {folder['ahead_per_s']:.1f} a second, "
                f"{folder['threads']} at once; one by one in the same run "
                f"{folder['one_by_one_per_s']:.1f}. Memory {early_mb:.0f} MB after a tenth of them "
                f"and {late_mb:.0f} MB at the end. {_where(folder)}"
            )
        one = _kept(weights_dir, f"{spec.name}_photograph")
        if one is not None:
            stages = ", ".join(
                f"{name} {stage['median']:.0f}" for name, stage in one["stages"].items()
            )
            paragraphs.append(
                f"**A photograph** (`python -m allcell benchmark --photograph`): a JPEG of "
                f"{_size(one)} takes {one['whole']['median']:.0f} ms from file to result; by "
                f"stage, medians in ms: {stages}. {_where(one)}"
            )
    return "\n\n".join(paragraphs)


def _kept(weights_dir: Path, name: str) -> dict[str, Any] | None:
    path = weights_dir / "metrics" / f"{name}.json"
    found: dict[str, Any] | None = None
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
    return found


def _size(measured: dict[str, Any]) -> str:
    return "x".join(map(str, measured["size_px"]))


def _where(measured: dict[str, Any]) -> str:
    return f"({measured['machine']}, {measured['runtime']}, {measured['date']})"


#: The parts of the results after those of the laboratories, in order; empty ones are left out.
_PARTS = (_accuracy, _table_1, _fields, _speed, _photographs, card_section)
