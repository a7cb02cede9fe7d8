"""The card of a whole-field classifier: numbers from the stored JSON alone."""

from __future__ import annotations

import csv
from pathlib import Path
from string import Template
from typing import Any

from allcell.models.registry import ClassifierSpec
from allcell.models.weights import ModelFiles
from allcell.report.documents.card_sections import number, share_text
from allcell.report.laboratories.tables import classifier_card_section
from allcell.report.metrics_files import read_metrics, read_training
from allcell.report.paper import CNN_FOOTNOTE
from allcell.settings import RESEARCH_USE

_CARD = Template("""\
# $title

$notice

$summary It says one thing about a whole field (holds a blast, or not); it finds no cells and \
counts none.

| | |
|---|---|
| Network | the paper's layers at $height x $width px (its own input: 900 x 1200), \
$parameters parameters |
| Weights | `$checkpoint`, SHA-256 `$sha256`$absent |
| Input | the middle of a field at 4:3, brought to $width x $height px |
| Operating threshold | $threshold, the paper's (the larger of two outputs); nothing was chosen |
| Licence | AGPL-3.0 (code); weights for research use |

## In other laboratories

$laboratories

## Data

Trained on the training fields of ALL-IDB1 (Donida Labati, Piuri, Scotti, ICIP 2011; free for \
research on request, not redistributable and not included here); its class is whether a field \
holds a blast. The 17 test fields, on which the paper's authors ran inference, were never trained \
on and never used to choose anything. ALL-IDB1 names no patients: the numbers are optimistic for \
new patients.

## Training

$training

## Results

$results

## Limits

- 17 fields. Read the interval.
- In ALL-IDB1 patients' fields differ from healthy persons' in colour and the other cells in view. \
A classifier of whole fields can learn that instead of blasts, and does not say where it looked.
- It was never trained on another laboratory's smears, and its probability is not calibrated.
- Not a medical device. No clinical study was made.
""")


def render_classifier_card(spec: ClassifierSpec, files: ModelFiles, weights_dir: Path) -> str:
    """The card of a whole-field classifier as Markdown.

    Args:
        spec: The model.
        files: Its entry in the manifest.
        weights_dir: Folder that holds `metrics/`.
    """
    facts = read_training(weights_dir, spec.name)
    metrics = read_metrics(weights_dir, spec.name, "allidb1_test")
    return _CARD.substitute(
        title=spec.title,
        notice=RESEARCH_USE,
        summary=spec.summary,
        height=spec.height_px,
        width=spec.width_px,
        parameters=f"{files.parameters:,}",
        checkpoint=files.checkpoint.file,
        sha256=files.checkpoint.sha256,
        absent="" if spec.shipped else "; too large to be shipped",
        threshold=f"{spec.threshold:.2f}",
        laboratories=classifier_card_section(weights_dir, spec, files),
        training=_training(weights_dir, spec, facts)
        if facts
        else "How it was trained is not on record.",
        results=_results(metrics, files) if metrics else "Not measured yet.",
    )


def _training(weights_dir: Path, spec: ClassifierSpec, facts: dict[str, Any] | None) -> str:
    if facts is None:
        return "How it was trained is not on record."
    recipe = facts["recipe"]
    path = weights_dir / "metrics" / f"{spec.name}_training.csv"
    with path.open(encoding="utf-8", newline="") as file:
        watched = [float(row["val/accuracy"]) for row in csv.DictReader(file)][-10:]
    return (
        "As in the paper: "
        f"{facts['epochs']} epochs over {facts['training_fields'][recipe['data']]} "
        f"fields, Adam, cross-entropy, batch {recipe['batch']}; flips, rotation by any angle and "
        "zoom; the last epoch's weights. Over the last ten epochs the accuracy on validation was "
        f"{min(watched):.2f} to {max(watched):.2f}. Seed {recipe['seed']}, {facts['hours']:.1f} "
        f"hours on {facts['device']} with {facts['threads'] or 'all'} thread"
        f"{'' if facts['threads'] == 1 else 's'}, torch {facts['versions']['torch']}. Settings: "
        f"`{spec.name}` in `allcell/training/recipes.yaml`; curve: "
        f"`weights/metrics/{spec.name}_training.csv`."
    )


def _results(m: dict[str, Any], files: ModelFiles) -> str:
    counts, copies = m["counts"], m["as_the_paper_counted"]
    stale = (
        "**Measured with other weights, so not valid.**\n\n"
        if m["model_sha256"] != files.checkpoint.sha256
        else ""
    )
    wrong = [
        f"{name} ({'cancerous' if f['cancerous'] else 'healthy'}, {number(f['probability'], 2)})"
        for name, f in m["fields"].items()
        if (f["probability"] >= m["settings"]["operating_threshold"]) != f["cancerous"]
    ]
    return "\n".join(
        [
            f"{stale}ALL-IDB1 test, {m['images']} fields, {m['date'][:10]}, {m['device']}.",
            "",
            f"- {share_text('Fields judged rightly', counts['accuracy'])}",
            f"- {share_text('Fields with blasts, called cancerous', counts['sensitivity'])}",
            f"- {share_text('Fields without blasts, called healthy', counts['specificity'])}",
            f"- {copies['title'][:1].upper()}{copies['title'][1:]}: {copies['accuracy']['k']} of "
            f"{copies['accuracy']['n']} right ({number(copies['accuracy']['fraction'])}). The "
            f"paper: {CNN_FOOTNOTE}",
            f"- Judged wrongly (what it is, probability of cancerous): {', '.join(wrong)}."
            if wrong
            else "- No field was judged wrongly.",
        ]
    )
