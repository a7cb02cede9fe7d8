"""Model cards: what is the same for all models, and numbers from the kept JSON alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from string import Template
from typing import Any

from allcell.models.registry import CLASS_TITLES, PAPER_CLASSES, ModelSpec
from allcell.models.weights import ModelFiles
from allcell.report.metrics_files import read_comparison, read_metrics, read_training
from allcell.report.paper import FOOTNOTES, METRIC_TITLES, METRICS, published
from allcell.settings import RESEARCH_USE

#: Where the card looks for the numbers, and what it calls them.
_SPLITS = (
    ("allidb1_test", "ALL-IDB1 test"),
    ("allidb1_test_int8", "ALL-IDB1 test, the 8-bit graph for live video"),
    ("bccd_held_out", "BCCD, held-out fields (healthy smears; its other fields are in training)"),
    ("pbc_held_out", "PBC, held-out fields (healthy donors; its other fields are in training)"),
)

#: Laboratories that were left out of a training of their own, to see how a model fares without.
_LEFT_OUT = (("bccd", "BCCD"), ("pbc", "PBC"))

#: What pre-training is worth is read from the difference to this model.
_UNTRAINED = "yolov5s-scratch"

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

## Data

Trained on fields of ALL-IDB1 (Donida Labati, Piuri, Scotti, ICIP 2011; free for research on \
request, not redistributable and not included here), on BCCD (MIT) and on PBC (Acevedo et al. \
2020, CC BY 4.0). Of the 107 distinct ALL-IDB1 fields, the 17 on which the paper's authors ran \
inference are the test split, never trained on and never used to choose anything; 13 are for \
validation; 8 that show a part of a test field once more are left out; the others are for \
training. ALL-IDB1 names no patients, so fields of one patient may stand on both sides of the \
split: the numbers are optimistic for new patients.

Boxes are our own (`allcell/data/annotations`): drawn by segmentation round the experts' blast \
centroids, corrected by eye; not by a haematologist. The paper's boxes are not published, so its \
Table 1 and ours are not measured on the same boxes. Cells cut by the edge count neither way. A \
blast called on a smudge is a false alarm.

## Training

$training

## Results

$results

## Beside the paper

$beside

## Where it fails

$failures

## Limits

- Few test fields, one camera, one hospital. An interval is given wherever there is one; read it.
- Patients' fields and healthy persons' fields of ALL-IDB1 differ in size, colour and company, \
and all blasts come from one laboratory. The held-out fields of BCCD and PBC (above) come from \
laboratories whose other fields, all healthy, are in training: no false blast there does not rule \
out that a model takes colours for health.
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
        weights_dir: Where `metrics/` lies.
    """
    measured = [
        (data, title, metrics)
        for data, title in _SPLITS
        if (metrics := read_metrics(weights_dir, spec.name, data)) is not None
    ]
    current = {f.sha256 for f in (files.checkpoint, files.onnx_int8) if f is not None}
    stale = [title for _, title, m in measured if m["model_sha256"] not in current]
    sections = [_section(title, metrics) for _, title, metrics in measured]
    sections += _never_seen(weights_dir, spec.name)
    if stale:
        sections.insert(0, f"**Measured with other weights, so not valid: {', '.join(stale)}.**")
    test = next((m for data, _, m in measured if data == "allidb1_test"), None)
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
        unlike=spec.unlike_paper or "the paper has no such model",
        training=_training(weights_dir, spec.name),
        results="\n\n".join(sections) if sections else "Not measured yet.",
        beside=_beside_the_paper(spec, test, read_comparison(weights_dir)),
        failures=_failures(test) if test else "Not measured yet.",
    )


def number(value: float | None, decimals: int = 3) -> str:
    """A number as cards print it."""
    return "n/a" if value is None else f"{value:.{decimals}f}"


def with_interval(value: float | None, interval: list[float] | None) -> str:
    """A number and its interval: `0.994 (0.973 to 1.000)`."""
    if value is None or interval is None:
        return number(value)
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _section(title: str, metrics: dict[str, Any]) -> str:
    intervals = metrics["intervals"]
    lines = [
        f"### {title}",
        "",
        f"{metrics['images']} fields, {metrics['date'][:10]}, {metrics['device']}. In parentheses: "
        "95 % bootstrap intervals over the fields. tp, fp, fn at confidence "
        f"{metrics['settings']['operating_confidence']:.2f}; P and R as YOLOv5 "
        f"prints them, at the confidence of the best F1 ({metrics['best_f1_confidence']:.2f}).",
        "",
        "| class | cells | P | R | mAP@0.5 | mAP@0.5:0.95 | tp | fp | fn |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, c in metrics["classes"].items():
        if c["cells"] == 0 and c["at_operating_point"]["fp"] == 0:
            continue
        at = c["at_operating_point"]
        scores = [with_interval(c[key], intervals[f"{name}.{key}"]) for key in METRICS]
        row = [name, c["cells"], *scores, at["tp"], at["fp"], at["fn"]]
        lines.append(f"| {' | '.join(map(str, row))} |")
    cells = metrics["white_cells"]
    lines += [
        "",
        "White cells found, whatever their class: "
        f"{with_interval(cells['recall'], intervals['white_cells.recall'])}. "
        f"False blasts a field: {number(metrics['false_blasts_per_field'])}. "
        + share_text("Fields with a false blast", metrics["fields_with_false_blast"]),
    ]
    if (centroids := metrics["centroids"]) is not None:
        lines.append(
            "Expert blast centroids: recall "
            f"{with_interval(centroids['recall'], intervals['centroids.recall'])}, precision "
            f"{with_interval(centroids['precision'], intervals['centroids.precision'])}."
        )
    if metrics["sensitivity"]["n"]:
        lines.append(
            share_text("Fields with blasts in which one was suggested", metrics["sensitivity"])
            + " "
            + share_text("Fields without in which none was", metrics["specificity"])
            + " "
            + share_text(
                "Healthy cells in fields with blasts, found and called healthy",
                metrics["healthy_with_blasts"],
            )
        )
    blast = metrics["classes"]["blast"]
    if blast["cells"]:
        froc = ", ".join(f"{number(s)} at {rate}" for rate, s in blast["froc"].items())
        lines += ["", f"Blast sensitivity by false alarms a field (FROC): {froc}."]
        if blast["calibration"]:
            lines.append(
                "Calibration of blasts (expected calibration error, from confidence "
                f"{metrics['settings']['calibration_floor']:.2f}): "
                f"{with_interval(blast['calibration']['ece'], intervals['blast.ece'])}."
            )
    return "\n".join(lines)


def _never_seen(weights_dir: Path, name: str) -> list[str]:
    """How the same network fares in a laboratory that its training left out, where measured."""
    lines = []
    for data, title in _LEFT_OUT:
        run = f"{name}-without-{data}"
        m = read_metrics(weights_dir, run, f"{data}_held_out")
        facts = read_training(weights_dir, run)
        if m is None or facts is None:
            continue
        false = m["false_blasts_per_field"]
        interval = m["intervals"]["false_blasts_per_field"]
        found = m["white_cells"]["recall"]
        lines.append(
            f"- Trained without {title} ({facts['epochs']} epochs, `{run}`): "
            f"{with_interval(false, interval)} false blasts a field on the same "
            f"{m['images']} fields, {share_text('fields with one', m['fields_with_false_blast'])} "
            f"White cells found: {with_interval(found, m['intervals']['white_cells.recall'])}."
        )
    if not lines:
        return []
    return ["### A laboratory that it never saw\n\n" + "\n".join(lines)]


def share_text(what: str, share: dict[str, Any]) -> str:
    """A proportion of the JSON with its exact interval, as cards print it."""
    return (
        f"{what}: {share['k']} of {share['n']} "
        f"(exact 95 % interval {number(share['low'])} to {number(share['high'])})."
    )


def _beside_the_paper(
    spec: ModelSpec, test: dict[str, Any] | None, comparison: dict[str, Any] | None
) -> str:
    paper = published(spec.name)
    parts = []
    if paper and test:
        lines = [
            f"Its {paper.name}, on its own images and boxes, beside ours on the 17 test fields:",
            "",
            "| class | metric | published | measured | difference |",
            "|---|---|---|---|---|",
        ]
        for class_name in PAPER_CLASSES:
            for metric in METRICS:
                theirs, ours = (
                    paper.value(class_name, metric),
                    test["classes"][class_name][metric],
                )
                if theirs is None or ours is None:
                    continue
                lines.append(
                    f"| {class_name} | {METRIC_TITLES[metric]} | {theirs:.3f} "
                    f"| {with_interval(ours, test['intervals'][f'{class_name}.{metric}'])} "
                    f"| {ours - theirs:+.3f} |"
                )
        for metric, key in (("ap50", "map50"), ("ap50_95", "map50_95")):
            if (theirs := paper.value("all", metric)) is not None:
                lines.append(
                    f"| all | {METRIC_TITLES[metric]} | {theirs:.3f} "
                    f"| {with_interval(test[key], test['intervals'][key])} "
                    f"| {test[key] - theirs:+.3f} |"
                )
        notes = [FOOTNOTES[0], *(FOOTNOTES[i - 1] for i in paper.footnotes)]
        parts += ["\n".join(lines), " ".join(notes)]
    if comparison and spec.name != _UNTRAINED:
        against = [d for d in comparison["differences"] if _pair(d) == {spec.name, _UNTRAINED}]
        rows = [_difference(d, spec.name) for d in against if d["measure"] in _SHOWN_DIFFERENCES]
        if rows:
            parts.append(
                f"Against `{_UNTRAINED}`, the same training fields and no pre-training (paired "
                "over the fields; p adjusted after Holm over all pairs of models): "
                + "; ".join(rows)
                + "."
            )
    return "\n\n".join(parts) if parts else "The paper has no such model."


_SHOWN_DIFFERENCES = {
    "blast.ap50": "blast mAP@0.5",
    "healthy.ap50": "healthy mAP@0.5",
    "map50_95": "mean mAP@0.5:0.95",
}


def _pair(difference: dict[str, Any]) -> set[str]:
    return {difference["first"], difference["second"]}


def _difference(d: dict[str, Any], name: str) -> str:
    sign = 1 if d["first"] == name else -1
    low, high = sorted(sign * bound for bound in d["interval"])
    verdict = f"p {d['p_adjusted']:.3f}" if d["decisive"] else "no decisive difference"
    what = _SHOWN_DIFFERENCES[d["measure"]]
    return f"{what} {sign * d['value']:+.3f} ({low:+.3f} to {high:+.3f}), {verdict}"


def _failures(metrics: dict[str, Any]) -> str:
    """The confusion matrix, and where each mistake was made."""
    names = [*metrics["classes"], "background"]
    lines = [
        "On the ALL-IDB1 test fields, at the operating threshold. Rows are cells, columns what "
        "they were called; background is a box on no cell, or a cell without box.",
        "",
        f"| | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *(
            f"| {name} | {' | '.join(str(n) for n in row)} |"
            for name, row in zip(names, metrics["confusion"], strict=True)
        ),
        "",
    ]
    made = Counter(
        (_mistake(m), metrics["fields"][m["image"]]["name"]) for m in metrics["mistakes"]
    )
    kinds = sorted({kind for kind, _ in made})
    if not kinds:
        return "\n".join([*lines, "No mistake was made there."])
    for kind in kinds:
        fields = sorted((field, n) for (k, field), n in made.items() if k == kind)
        where = ", ".join(f"{field}{f' ({n})' if n > 1 else ''}" for field, n in fields)
        lines.append(f"- {kind[:1].upper()}{kind[1:]}: {sum(n for _, n in fields)}, in {where}.")
    return "\n".join(lines)


def _mistake(m: dict[str, Any]) -> str:
    truth, called = (CLASS_TITLES.get(m[key], "").lower() for key in ("truth", "called"))
    truth, called = truth.replace("wbc", "white cell"), called.replace("wbc", "white cell")
    if m["kind"] == "wrong class":
        return f"{truth} called {called}"
    if truth:
        return f"{truth} boxed off its centre" if m["kind"] == "off centre" else f"{truth} missed"
    return {
        "doubled": f"second box on a cell, called {called}",
        "off centre": f"box beside a cell, called {called}",
        "background": f"box on no white cell, called {called}",
    }[m["kind"]]


def _training(weights_dir: Path, name: str) -> str:
    facts = read_training(weights_dir, name)
    if facts is None:
        return "How it was trained is not kept."
    chosen = {
        "best": "the best by mAP@0.5:0.95 on the validation fields, and better there than the last",
        "last": "the last: on the validation fields it is better (mAP@0.5:0.95 of blasts and "
        "healthy cells) than the one with the curve's best score. This rule was made when the test "
        "score of that one had been seen; the choice itself looks at validation alone",
    }.get(facts.get("taken", ""), "the best by mAP@0.5:0.95 on the validation fields")
    text = f"{_run(facts)} The checkpoint is epoch {facts['taken_epoch']}, {chosen}. "
    if (before := facts.get("pretraining")) is not None:
        text += (
            "It starts from a pre-training on open smears and synthetic fields, not from COCO as "
            f"the paper's, whose weights were not to be had: {_run(before)} "
        )
    elif facts["start"] == "random weights":
        text += "It starts from random weights. "
    else:
        text += f"It starts from the checkpoint {facts['start']['file']}. "
    return text + (
        f"Settings: `{name}` in `allcell/training/recipes.yaml`; curve: "
        f"`weights/metrics/{name}_training.csv`."
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
