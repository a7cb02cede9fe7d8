"""Model cards: the text that all share, and how each model was trained."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any

from allcell.data.laboratories import LABORATORIES, Laboratory
from allcell.evaluation.intervals import NO_WIDTH
from allcell.models.left_out import sets_seen
from allcell.models.registry import ModelSpec
from allcell.models.weights import ModelFiles
from allcell.report.documents.card_sections import beside_the_paper, failures, section
from allcell.report.laboratories.tables import card_section
from allcell.report.metrics_files import read_comparison, read_metrics, read_training
from allcell.report.unlike_paper import saw_test_scores, unlike_paper
from allcell.settings import RESEARCH_USE
from allcell.text.words import SCORE_TITLES

#: The data sets of a card in full, by the names of their files, with their titles.
_SPLITS = (
    ("allidb1_test", "ALL-IDB1 test"),
    ("allidb1_test_int8", "ALL-IDB1 test, the 8-bit graph for live video"),
    *(
        (f"{laboratory.name}_{laboratory.test}", f"{laboratory.title} {laboratory.test}")
        for laboratory in LABORATORIES.values()
        if laboratory.name != "allidb1"
    ),
)

#: What the test fields were used for.
_NEVER = "never trained on and never used to choose anything"
_TEST_SCORE_SEEN = (
    "never trained on; no threshold was chosen by them, and no checkpoint by its score there, but "
    "the rule that chose this model's checkpoint (see Training) was made after a test score had "
    "been seen"
)

#: What chose the checkpoint.
_CHOSEN_BY = SCORE_TITLES["ap50_95"]

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
| Unlike the paper | $unlike |
| Licence | AGPL-3.0 (code); weights for research use |

## In other laboratories

$laboratories

## Data

$sources Of the 107 distinct ALL-IDB1 fields, the 17 on which the paper's authors ran \
inference are the test split, $test_use; 13 are for \
validation; 8 that show part of a test field again are left out; the others are for \
training. ALL-IDB1 names no patients, so fields of one patient may be on both sides of the \
split: the numbers are optimistic for new patients.

Boxes are our own (`allcell/data/annotations`): segmented around the experts' blast \
centroids and corrected by eye, not by a haematologist. The paper's boxes are not published, so \
its Table 1 and ours are not measured on the same boxes. Cells cut by the edge count neither way. \
A blast called on a smudge is a false alarm.

## Training

$training

## Results

$results

## Compared with the paper

$beside

## Where it fails

$failures

## Limits

- Few test fields; those of ALL-IDB1 are from one camera and one hospital. Wherever an \
interval is given, read it. $no_width
- Patients' fields and healthy persons' fields of ALL-IDB1 differ in size, colour and the other \
cells in view, and all blasts that it learned come from $blasts. The held-out fields of healthy \
laboratories (above) come from where other fields, all healthy, are in training, if it has seen \
them: the absence of false blasts there does not rule out that a model takes a laboratory's \
colours as a sign of health.
- One rule of the scale estimate (use a weak measurement rather than the default) was chosen after \
seeing false blasts on the held-out PBC fields.
- Smudge cells, dark lymphocytes and platelet clumps are the usual mistakes.
- Not a medical device. No clinical study was made.
""")


def render_card(spec: ModelSpec, files: ModelFiles, weights_dir: Path) -> str:
    """The card of a model as Markdown.

    Args:
        spec: The model.
        files: Its entry in the manifest.
        weights_dir: Folder that holds `metrics/`.
    """
    measured = [
        (data, title, metrics)
        for data, title in _SPLITS
        if (metrics := read_metrics(weights_dir, spec.name, data)) is not None
    ]
    current = {f.sha256 for f in (files.checkpoint, files.onnx_int8) if f is not None}
    stale = [title for _, title, m in measured if m["model_sha256"] not in current]
    sections = [section(title, metrics) for _, title, metrics in measured]
    if stale:
        sections.insert(0, f"**Measured with other weights, so not valid: {', '.join(stale)}.**")
    facts = read_training(weights_dir, spec.name)
    test = next((m for data, _, m in measured if data == "allidb1_test"), None)
    return _CARD.substitute(
        title=spec.title,
        notice=RESEARCH_USE,
        no_width=NO_WIDTH,
        summary=spec.summary,
        architecture=f"`{spec.architecture}`",
        parameters=f"{files.parameters:,}",
        checkpoint=files.checkpoint.file,
        sha256=files.checkpoint.sha256,
        red_cell_px=f"{spec.red_cell_px:.0f}",
        confidence=f"{spec.confidence:.2f}",
        unlike=unlike_paper(spec, files, facts, test) or "the paper has no such model",
        test_use=_TEST_SCORE_SEEN if saw_test_scores(facts) else _NEVER,
        laboratories=card_section(weights_dir, spec.name),
        sources=_sources(facts),
        blasts=_blasts(facts),
        training=_training(facts, spec.name),
        results="\n\n".join(sections) if sections else "Not measured yet.",
        beside=beside_the_paper(spec, test, read_comparison(weights_dir)),
        failures=failures(test) if test else "Not measured yet.",
    )


def _training(facts: dict[str, Any] | None, name: str) -> str:
    if facts is None:
        return "How it was trained is not on record."
    chosen = {
        "best": f"the best by mean {_CHOSEN_BY} on the validation fields, and better there than "
        "the last",
        "last": f"the last: on the validation fields it is better (mean {_CHOSEN_BY} of blasts and "
        "healthy cells) than the one with the curve's best score. This rule was made after the "
        "test score of that one had been seen; the choice itself uses validation alone",
    }.get(facts.get("taken", ""), f"the best by mean {_CHOSEN_BY} on the validation fields")
    text = f"{_run(facts)} The checkpoint is epoch {facts['taken_epoch']}, {chosen}. "
    if (before := facts.get("pretraining")) is not None and "synthetic" in before[
        "training_fields"
    ]:
        text += (
            "It starts from a pre-training on open smears and synthetic fields, not on COCO as in "
            f"the paper, since COCO's weights were not available: {_run(before)} "
        )
    elif before is not None:
        text += "It starts from earlier trainings of the same network, the last one first. "
        while before is not None:
            text += f"{_run(before)} "
            before = before.get("pretraining")
    elif facts["start"] == "random weights":
        text += "It starts from random weights. "
    else:
        text += f"It starts from the checkpoint {facts['start']['file']}. "
    return text + (
        f"Settings: `{name}` in `allcell/training/recipes.yaml`; curve: "
        f"`weights/metrics/{name}_training.csv`."
    )


def _seen(facts: dict[str, Any] | None) -> list[Laboratory]:
    """The laboratories that a model was trained on, the best known first."""
    seen = (sets_seen(facts) if facts else None) or frozenset()
    return [laboratory for laboratory in LABORATORIES.values() if laboratory.name in seen]


def _sources(facts: dict[str, Any] | None) -> str:
    """Whose fields a model was trained on, and what may be done with them."""
    if not (seen := _seen(facts)):
        return "Which data sets it was trained on is not on record."
    named = "; ".join(
        f"{one.title} ({one.citation}; {one.licence}; "
        f"{'' if one.redistributable else 'not redistributable and '}not included here)"
        for one in seen
    )
    return f"Trained on fields of {named}."


def _blasts(facts: dict[str, Any] | None) -> str:
    """Where the blasts come from that a model was trained on."""
    count = sum(one.has_blasts for one in _seen(facts))
    return {0: "laboratories that are not on record", 1: "one laboratory"}.get(
        count, f"{count} laboratories"
    )


def _run(facts: dict[str, Any]) -> str:
    recipe = facts["recipe"]
    views = facts["epochs"] * recipe["tiles_per_epoch"]
    shares = ", ".join(
        f"{facts['training_fields'][s['name']]} of {s['name']} (share {s['share']:g})"
        for s in recipe["sources"]
    )
    versions = facts["versions"]
    return (
        f"{facts['epochs']} epochs of {recipe['tiles_per_epoch']} tiles of {recipe['tile_px']} px "
        f"({views:,} views), {recipe['optimizer']}, batch {recipe['batch']}, seed "
        f"{recipe['seed']}, {facts['hours']:.1f} hours on {facts['device']} with "
        f"{facts['threads'] or 'all'} thread{'' if facts['threads'] == 1 else 's'}"
        f"{', the network in bfloat16' if recipe.get('bfloat16') else ''}; "
        f"ultralytics {versions['ultralytics']}, torch {versions['torch']}. "
        f"Tiles are cut from training fields: {shares}."
    )
