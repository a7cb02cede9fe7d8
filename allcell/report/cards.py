"""Model cards: what is the same for all models, and numbers from the evaluator's JSON alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from string import Template
from typing import Any

from allcell.models.registry import ModelSpec
from allcell.models.weights import ModelFiles
from allcell.settings import RESEARCH_USE

#: Where the card looks for the numbers, and what it calls them.
_SPLITS = (
    ("allidb1_test", "ALL-IDB1 test (17 fields)"),
    ("allidb1_test_int8", "ALL-IDB1 test, the 8-bit graph for live video"),
    ("bccd_held_out", "BCCD, held-out fields (healthy smears; its other fields are in training)"),
    ("pbc_held_out", "PBC, held-out fields (healthy donors; its other fields are in training)"),
)

_CARD = Template("""\
# $title

$notice

$summary

| | |
|---|---|
| Network | $architecture, $parameters parameters |
| Weights | `$checkpoint`, SHA-256 `$sha256` |
| Input | any size; the image is scaled so that its red cells measure $red_cell_px px |
| Operating threshold | $confidence, chosen on the validation fields |
| Licence | AGPL-3.0 (code); weights for research use |

## Data

Trained on fields of ALL-IDB1 (Donida Labati, Piuri, Scotti, ICIP 2011; free for research on \
request, not redistributable and not included here), on BCCD (MIT) and on PBC (Acevedo et al. \
2020, CC BY 4.0). Of the 107 distinct ALL-IDB1 fields, 69 are for training and 13 for validation; \
the 17 on which the paper's authors ran inference are the test split, never trained on and never \
used to choose anything; 8 more show a part of a test field once more and are left out. ALL-IDB1 \
names no patients, so fields of one patient may stand on both sides of the split: the numbers are \
optimistic for new patients.

Boxes are our own (`allcell/data/annotations`): drawn by segmentation round the experts' blast \
centroids, corrected by eye; not by a haematologist. The paper's boxes are not published, so its \
Table 1 and ours are not measured on the same boxes. Cells cut by the edge count neither way. A \
blast called on a smudge is a false alarm.

## Training

$training

## Results

$results

## Where it fails

$failures

## Limits

- $fields: small, one camera, one hospital. An interval is given wherever there is one; read it.
- Patients' fields and healthy persons' fields of ALL-IDB1 differ in size, colour and company, \
and all blasts come from one laboratory. The held-out fields of BCCD and PBC (above) come from \
laboratories whose other fields, all healthy, are in training: no false blast there does not rule \
out that a model takes colours for health. A laboratory that it never saw was not measured.
- One rule of the scale estimate (use a weak measurement rather than the default) was chosen after \
seeing false blasts on the held-out PBC fields.
- Smudge cells, dark lymphocytes and platelet clumps are the usual mistakes.
- Not a medical device. No clinical study was made.
""")


def read_metrics(weights_dir: Path, name: str, data: str) -> dict[str, Any] | None:
    """The evaluator's JSON of a model on `data` (as in `allidb1_test`), if there is one."""
    path = weights_dir / "metrics" / f"{name}_{data}.json"
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def render_card(spec: ModelSpec, files: ModelFiles, weights_dir: Path) -> str:
    """The card of a model as Markdown.

    Args:
        spec: The model.
        files: Its entry in the manifest.
        weights_dir: Where `metrics/` lies.
    """
    measured = [
        (title, metrics)
        for data, title in _SPLITS
        if (metrics := read_metrics(weights_dir, spec.name, data)) is not None
    ]
    stale = [title for title, m in measured if m["model_sha256"] != files.checkpoint.sha256]
    sections = [_section(title, metrics) for title, metrics in measured]
    if stale:
        sections.insert(0, f"**Measured with other weights, so not valid: {', '.join(stale)}.**")
    return _CARD.substitute(
        title=spec.title,
        notice=RESEARCH_USE,
        summary=spec.summary,
        architecture=f"`{spec.architecture}`",
        parameters=f"{files.parameters:,}",
        checkpoint=files.checkpoint.file,
        sha256=files.checkpoint.sha256,
        red_cell_px=f"{spec.red_cell_px:.0f}",
        confidence=f"{spec.confidence:.2f}",
        training=_training(weights_dir, spec.name),
        results="\n\n".join(sections) if sections else "Not measured yet.",
        failures=_failures(measured[0][1]) if measured else "Not measured yet.",
        fields="17 test fields",
    )


def _number(value: float | None, decimals: int = 3) -> str:
    return "n/a" if value is None else f"{value:.{decimals}f}"


def _section(title: str, metrics: dict[str, Any]) -> str:
    lines = [
        f"### {title}",
        "",
        f"{metrics['images']} images, {metrics['date'][:10]}, {metrics['device']}, confidence "
        f"{metrics['settings']['operating_confidence']:.2f} for tp, fp, fn; P and R as YOLOv5 "
        f"prints them, at the confidence of the best F1 ({metrics['best_f1_confidence']:.2f}).",
        "",
        "| class | cells | P | R | mAP@0.5 | mAP@0.5:0.95 | tp | fp | fn |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, c in metrics["classes"].items():
        if c["cells"] == 0 and c["at_operating_point"]["fp"] == 0:
            continue
        at = c["at_operating_point"]
        scores = [_number(c[key]) for key in ("precision", "recall", "ap50", "ap50_95")]
        row = [name, c["cells"], *scores, at["tp"], at["fp"], at["fn"]]
        lines.append(f"| {' | '.join(map(str, row))} |")
    cells = metrics["white_cells"]
    lines += [
        "",
        f"White cells found, whatever their class: {_number(cells['recall'])}. "
        f"False blasts a field: {_number(metrics['false_blasts_per_field'])}. "
        + _share("Fields with a false blast", metrics["fields_with_false_blast"]),
    ]
    if (centroids := metrics["centroids"]) is not None:
        lines.append(
            f"Expert blast centroids: recall {_number(centroids['recall'])}, "
            f"precision {_number(centroids['precision'])}."
        )
    if metrics["sensitivity"]["n"]:
        lines.append(
            _share("Fields with blasts in which one was suggested", metrics["sensitivity"])
            + " "
            + _share("Fields without in which none was", metrics["specificity"])
        )
    return "\n".join(lines)


def _share(what: str, share: dict[str, Any]) -> str:
    return (
        f"{what}: {share['k']} of {share['n']} "
        f"(exact 95 % interval {_number(share['low'])} to {_number(share['high'])})."
    )


def _failures(metrics: dict[str, Any]) -> str:
    blast, healthy = metrics["classes"]["blast"], metrics["classes"]["healthy"]
    b, h = blast["at_operating_point"], healthy["at_operating_point"]
    return (
        f"On the ALL-IDB1 test fields, at the operating threshold, {b['fn']} of {blast['cells']} "
        f"blasts were missed or called something else; of {healthy['cells']} healthy white cells, "
        f"{h['fn']}. Boxes that were called blast and are none: {b['fp']}; called healthy and are "
        f"none: {h['fp']}."
    )


def _training(weights_dir: Path, name: str) -> str:
    path = weights_dir / "metrics" / f"{name}_training.csv"
    if not path.is_file():
        return "The training curve is not kept."
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    best = max(rows, key=lambda row: float(row["metrics/mAP50-95(B)"]))
    hours = float(rows[-1]["time"]) / 3600
    return (
        f"{len(rows)} epochs, {hours:.1f} hours on one thread of a CPU; the "
        f"checkpoint is epoch {best['epoch']}, the best by mAP@0.5:0.95 on the validation fields. "
        f"From random weights: COCO's were not to be had. Settings: `{name}` in "
        f"`allcell/training/recipes.yaml`; curve: `weights/metrics/{path.name}`."
    )
