"""Sections of a model card, from the evaluator's JSON alone, and how a card prints a number."""

from __future__ import annotations

from collections import Counter
from typing import Any

from allcell.evaluation.intervals import (
    UNDECIDED,
    ShownInterval,
    class_interval,
    counts_interval,
    difference_interval,
    interval_of,
    score_text,
)
from allcell.evaluation.spread import spread_note_of
from allcell.models.registry import CLASS_TITLES, PAPER_CLASSES, ModelSpec
from allcell.report.paper import FOOTNOTES, METRICS, published, published_error
from allcell.report.table1 import MEANS
from allcell.statistics import too_few_images
from allcell.text.words import AS_SHOWN, AS_YOLOV5_COUNTS, SCORE_TITLES

#: The baseline that shows what pre-training is worth.
_UNTRAINED = "yolov5s-scratch"

_NOT_DECISIVE = "no decisive difference"
_SHOWN_DIFFERENCES = {
    "blast.ap50_as_shown": f"blast {SCORE_TITLES['ap50_as_shown']}",
    "healthy.ap50_as_shown": f"healthy {SCORE_TITLES['ap50_as_shown']}",
    "map50_95_as_shown": f"mean {SCORE_TITLES['ap50_95_as_shown']}",
    "blast.ap50": f"blast {SCORE_TITLES['ap50']}",
    "healthy.ap50": f"healthy {SCORE_TITLES['ap50']}",
    "map50_95": f"mean {SCORE_TITLES['ap50_95']}",
}


def number(value: float | None, decimals: int = 3) -> str:
    """A number as cards print it."""
    return "n/a" if value is None else f"{value:.{decimals}f}"


def with_interval(value: float | None, interval: ShownInterval) -> str:
    """A number and its interval: `0.994 (0.973 to 1.000)`."""
    return score_text(value, interval, number, missing="n/a")


def _of_counts(metrics: dict[str, Any], what: str, metric: str) -> str:
    """P or R, with its interval, of `white_cells` or `centroids` at the operating threshold."""
    interval = metrics["intervals"][f"{what}.{metric}"]
    shown = counts_interval(interval, metrics["images"], metric, metrics[what])
    return with_interval(metrics[what][metric], shown)


def section(title: str, metrics: dict[str, Any]) -> str:
    """The scores on one data set, as a table and sentences.

    Args:
        title: What the card calls the data set.
        metrics: The evaluator's JSON.
    """
    intervals, images = metrics["intervals"], metrics["images"]
    few = too_few_images(images)
    lines = [
        f"### {title}",
        "",
        f"{images} fields, {metrics['date'][:10]}, {metrics['device']}. "
        + (
            f"No intervals (n/a): {few}. "
            if few
            else "In parentheses: 95 % bootstrap intervals over the fields. "
        )
        + "tp, fp, fn at confidence "
        f"{metrics['settings']['operating_confidence']:.2f}; P and R as YOLOv5 "
        f"prints them, at the confidence of the best F1 ({metrics['best_f1_confidence']:.2f}).",
        "",
        f"| class | cells | {' | '.join(SCORE_TITLES.values())} | tp | fp | fn |",
        f"|---|---|{'---|' * len(SCORE_TITLES)}---|---|---|",
    ]
    for name, c in metrics["classes"].items():
        if c["cells"] == 0 and c["at_operating_point"]["fp"] == 0:
            continue
        at = c["at_operating_point"]
        scores = [
            with_interval(c.get(key), class_interval(intervals, images, name, key, c))
            for key in SCORE_TITLES
        ]
        row = [name, c["cells"], *scores, at["tp"], at["fp"], at["fn"]]
        lines.append(f"| {' | '.join(map(str, row))} |")
    if spread := spread_note_of(metrics):
        lines += ["", spread]
    lines += [
        "",
        "White cells found, whatever their class: "
        f"{_of_counts(metrics, 'white_cells', 'recall')}. "
        f"False blasts per field: {number(metrics['false_blasts_per_field'])}. "
        + share_text("Fields with a false blast", metrics["fields_with_false_blast"]),
    ]
    if metrics["centroids"] is not None:
        lines.append(
            f"Expert blast centroids: recall {_of_counts(metrics, 'centroids', 'recall')}, "
            f"precision {_of_counts(metrics, 'centroids', 'precision')}."
        )
    if metrics["sensitivity"]["n"]:
        lines.append(
            share_text("Fields with blasts in which one was suggested", metrics["sensitivity"])
            + " "
            + share_text("Fields without blasts in which none was", metrics["specificity"])
            + " "
            + share_text(
                "Healthy cells in fields with blasts, found and called healthy",
                metrics["healthy_with_blasts"],
            )
        )
    blast = metrics["classes"]["blast"]
    if blast["cells"]:
        lines += ["", _froc(blast, metrics["settings"]["calibration_floor"])]
        if blast["calibration"]:
            ece = interval_of(intervals["blast.ece"], images)
            lines.append(
                "Calibration of blasts (expected calibration error, from confidence "
                f"{metrics['settings']['calibration_floor']:.2f}): "
                f"{with_interval(blast['calibration']['ece'], ece)}."
            )
    return "\n".join(lines)


def _froc(scores: dict[str, Any], lowest: float) -> str:
    """The FROC of what a user sees; as YOLOv5 counts in JSON before version 0.3."""
    known = scores.get("froc_as_shown")
    kind = AS_SHOWN if known else AS_YOLOV5_COUNTS
    rates = known or scores["froc"]
    froc = ", ".join(f"{number(s)} at {rate}" for rate, s in rates.items())
    reach = (
        f" No threshold from {lowest:.2f} up finds more than {number(scores['reach_as_shown'])}."
        if known
        else ""
    )
    return f"Blast sensitivity by false alarms per field (FROC), {kind}: {froc}.{reach}"


def share_text(what: str, share: dict[str, Any]) -> str:
    """A proportion of the JSON with its exact interval, as cards print it."""
    return (
        f"{what}: {share['k']} of {share['n']} "
        f"(exact 95 % interval {number(share['low'])} to {number(share['high'])})."
    )


def beside_the_paper(
    spec: ModelSpec, test: dict[str, Any] | None, comparison: dict[str, Any] | None
) -> str:
    """The paper's numbers next to ours, and what pre-training was worth.

    Args:
        spec: The model.
        test: The evaluator's JSON on the test fields; None if it was not measured there.
        comparison: See `metrics_files.read_comparison`.
    """
    paper = published(spec.name)
    parts = []
    if paper and test:
        lines = [
            f"The paper's {paper.name} on its own images and boxes, ours on the 17 test fields:",
            "",
            f"| class | metric | published | measured | difference | AP {AS_SHOWN}, measured |",
            "|---|---|---|---|---|---|",
        ]
        for class_name in PAPER_CLASSES:
            for metric in METRICS:
                theirs, ours = (
                    paper.value(class_name, metric),
                    test["classes"][class_name][metric],
                )
                if theirs is None or ours is None:
                    continue
                shown = class_interval(
                    test["intervals"],
                    test["images"],
                    class_name,
                    metric,
                    test["classes"][class_name],
                )
                lines.append(
                    f"| {class_name} | {SCORE_TITLES[metric]} | {theirs:.3f} "
                    f"| {with_interval(ours, shown)} "
                    f"| {ours - theirs:+.3f} | {_as_shown(test, class_name, metric)} |"
                )
        for metric in METRICS:
            if (theirs := paper.value("all", metric)) is not None:
                key = MEANS[metric]
                shown = interval_of(test["intervals"][key], test["images"])
                lines.append(
                    f"| all | {SCORE_TITLES[metric]} | {theirs:.3f} "
                    f"| {with_interval(test[key], shown)} "
                    f"| {test[key] - theirs:+.3f} | {_as_shown(test, 'all', metric)} |"
                )
        notes = [FOOTNOTES[0], published_error(), *(FOOTNOTES[i - 1] for i in paper.footnotes)]
        parts += ["\n".join(lines), " ".join(notes)]
    if comparison and spec.name != _UNTRAINED:
        against = [d for d in comparison["differences"] if _pair(d) == {spec.name, _UNTRAINED}]
        rows = [_difference(d, spec.name) for d in against if d["measure"] in _SHOWN_DIFFERENCES]
        if rows:
            # Before version 0.3 each score was adjusted for by itself.
            family = (
                f"{len(comparison['differences'])} comparisons of models and scores"
                if "draws" in comparison
                else "pairs of models"
            )
            parts.append(
                f"Compared with `{_UNTRAINED}`, which has the same training fields and no "
                f"pre-training (paired over the fields; p Holm-adjusted over all {family}): "
                + "; ".join(rows)
                + "."
            )
    return "\n\n".join(parts) if parts else "The paper has no such model."


def _as_shown(test: dict[str, Any], class_name: str, metric: str) -> str:
    """AP as shown beside the AP that the paper has; empty for P and R."""
    if metric not in MEANS:
        return ""
    key = f"{metric}_as_shown"
    scores = test if class_name == "all" else test["classes"][class_name]
    name = MEANS[key] if class_name == "all" else f"{class_name}.{key}"
    shown = interval_of(test["intervals"].get(name), test["images"])
    return with_interval(scores.get(MEANS[key] if class_name == "all" else key), shown)


def _pair(difference: dict[str, Any]) -> set[str]:
    return {difference["first"], difference["second"]}


def _difference(d: dict[str, Any], name: str) -> str:
    sign = 1 if d["first"] == name else -1
    what = _SHOWN_DIFFERENCES[d["measure"]]
    if d["interval"] is None:
        return f"{what} {sign * d['value']:+.3f} (n/a), {UNDECIDED}"
    shown = difference_interval(d["interval"], turned=sign < 0)
    p = f"p {d['p_adjusted']:.3f}"
    # JSON before version 0.3 knows no edge.
    verdict = p if d["decisive"] else f"on the edge, {p}" if d.get("edge") else _NOT_DECISIVE
    return f"{what} {sign * d['value']:+.3f} ({shown.text(_signed)}), {verdict}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def failures(metrics: dict[str, Any]) -> str:
    """The confusion matrix, and where each mistake was made."""
    names = [*metrics["classes"], "background"]
    lines = [
        "On the ALL-IDB1 test fields, at the operating threshold. Rows are true classes, columns "
        "predicted ones; background is a box on no cell, or a cell without a box.",
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
        return "\n".join([*lines, "No mistakes were made there."])
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
        return f"{truth} boxed off centre" if m["kind"] == "off centre" else f"{truth} missed"
    return {
        "doubled": f"second box on a cell, called {called}",
        "off centre": f"box off the centre of a cell, called {called}",
        "background": f"box on no white cell, called {called}",
    }[m["kind"]]
