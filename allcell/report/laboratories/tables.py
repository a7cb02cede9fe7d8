"""The cross-laboratory table for pages, files, cards and the README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from allcell.data.laboratories import LABORATORIES
from allcell.models.left_out import has_seen
from allcell.models.registry import MODELS, ClassifierSpec
from allcell.models.weights import ModelFiles
from allcell.report.laboratories.scores import (
    LABORATORY_SCORES,
    NOT_MEASURED,
    SCORES_NOTE,
    SEEN_NOTE,
    SEEN_WORDS,
    UNSEEN_NOTE,
    LaboratoryScores,
    basis,
    every_detector,
    evidence_of_unseen,
    expectation,
    shipped_scores,
    unseen_by_laboratory,
    unseen_scores,
)
from allcell.report.metrics_files import read_current, read_training
from allcell.settings import RESEARCH_USE
from allcell.text.words import BOTH_APS

#: The command that measures all of it.
COMMAND = "python -m allcell evaluate --laboratories --data FOLDER"
LABORATORY, FIELDS, MODEL, SEEN = "Laboratory", "Fields", "Model", "Has seen it"
NEVER = "never saw it"


def beside_each_other(weights_dir: Path, name: str) -> pd.DataFrame:
    """One row for each laboratory: each score of the model that never saw it, then as shipped.

    Args:
        weights_dir: Folder that holds the manifests and `metrics/`.
        name: A detector of the registry, of whose network there are models without a laboratory.
    """
    twins = unseen_by_laboratory(weights_dir, name)
    rows = []
    for own in shipped_scores(weights_dir, name):
        twin = twins.get(own.laboratory.name)
        row = {LABORATORY: own.laboratory.title}
        for score, title in LABORATORY_SCORES.items():
            row[f"{title}, {NEVER}"] = twin.text(score) if twin else NOT_MEASURED
            row[f"{title}, {own.title}"] = own.text(score)
        row[f"{own.title} has seen it"] = own.seen_in_words
        row[FIELDS] = _fields(own) or (_fields(twin) if twin else "")
        rows.append(row)
    return pd.DataFrame(rows)


def one_below_the_other(
    scores: Sequence[LaboratoryScores], *, intervals: bool = True
) -> pd.DataFrame:
    """One row for each laboratory and model; numbers with or without their intervals."""
    return pd.DataFrame(
        [
            {
                LABORATORY: one.laboratory.title,
                MODEL: one.title,
                SEEN: one.seen_in_words,
                **_texts(one, intervals=intervals),
                FIELDS: _fields(one),
            }
            for one in scores
        ]
    )


def _texts(scores: LaboratoryScores, *, intervals: bool) -> dict[str, str]:
    """All scores by their titles; what is not measured is said once, in the first."""
    if scores.metrics is None:
        first, *others = LABORATORY_SCORES.values()
        return {first: NOT_MEASURED, **dict.fromkeys(others, "")}
    return {
        title: scores.text(score, interval=intervals) for score, title in LABORATORY_SCORES.items()
    }


def everything(weights_dir: Path) -> tuple[LaboratoryScores, ...]:
    """All models, laboratory by laboratory; in each those first that were trained without it."""
    twins = [scores for spec in MODELS for scores in unseen_scores(weights_dir, spec.name)]
    return by_laboratory((*twins, *every_detector(weights_dir)))


def of_one_detector(weights_dir: Path, name: str) -> tuple[LaboratoryScores, ...]:
    """A detector of the registry and the models with its network, laboratory by laboratory."""
    return by_laboratory((*unseen_scores(weights_dir, name), *shipped_scores(weights_dir, name)))


def by_laboratory(scores: Sequence[LaboratoryScores]) -> tuple[LaboratoryScores, ...]:
    """The same in the order of `LABORATORIES`, otherwise in the given order."""
    order = list(LABORATORIES)
    return tuple(sorted(scores, key=lambda one: order.index(one.laboratory.name)))


def laboratories_csv(scores: Sequence[LaboratoryScores]) -> str:
    """One row per number that is measured; the last column is empty, with the notice as its title.

    Args:
        scores: Models in laboratories.
    """
    columns = (
        *("laboratory", "split", "fields", "model", "trained_without_it", "has_seen_it"),
        *("score", "value", "value_95_low", "value_95_high", "value_95_kind", "measured"),
    )
    rows = [
        (
            one.laboratory.name,
            one.laboratory.test,
            one.metrics["images"],
            one.model,
            not one.shipped,
            one.seen,
            title,
            one.value(score),
            one.interval(score).low,
            one.interval(score).high,
            one.interval(score).kind,
            one.metrics["date"][:10],
        )
        for one in scores
        if one.metrics is not None
        for score, title in LABORATORY_SCORES.items()
        if one.value(score) is not None
    ]
    table = pd.DataFrame(rows, columns=pd.Index(columns)).assign(**{RESEARCH_USE: ""})
    return str(table.to_csv(index=False, float_format="%.6g"))


def pipe_table(table: pd.DataFrame) -> str:
    """A table of text in Markdown, without a library that only the app needs."""
    rows = [list(map(str, table)), ["---"] * len(table.columns), *table.astype(str).to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def laboratories_text(weights_dir: Path) -> str:
    """The table for a terminal: a block for each laboratory, a line for each model in it."""
    lines = []
    scores = everything(weights_dir)
    for laboratory in LABORATORIES.values():
        mine = [one for one in scores if one.laboratory is laboratory]
        lines.append(f"{laboratory.title} ({laboratory.test})")
        for one in mine:
            if one.metrics is not None:
                texts = _texts(one, intervals=True).items()
                said = "; ".join(f"{title}: {text}" for title, text in texts)
                lines.append(f"  {one.title}, has seen it: {one.seen_in_words}; {said}")
        lacking = [one.title for one in mine if one.metrics is None]
        lines += [f"  {NOT_MEASURED}: {', '.join(lacking)}"] if lacking else []
    return "\n".join(lines)


def card_section(weights_dir: Path, name: str) -> str:
    """The section of a detector's card: what to expect where it has never been, and the numbers.

    Args:
        weights_dir: See `beside_each_other`.
        name: Name of the detector.
    """
    evidence = evidence_of_unseen(weights_dir, name)
    caveats = [f"{lab.title}: {lab.about}" for lab in LABORATORIES.values()]
    return "\n\n".join(
        [
            f"**{expectation(evidence)}** {basis(evidence)}".rstrip(),
            pipe_table(one_below_the_other(of_one_detector(weights_dir, name))),
            f"{SCORES_NOTE} {SEEN_NOTE} {BOTH_APS} In parentheses: 95 % intervals.",
            "\n".join(f"- {caveat}" for caveat in caveats),
        ]
    )


def classifier_card_section(weights_dir: Path, spec: ClassifierSpec, files: ModelFiles) -> str:
    """The same for a whole-field classifier: the fields that it judged rightly.

    Args:
        weights_dir: See `beside_each_other`.
        spec: The classifier.
        files: Its entry in the manifest.
    """
    facts = read_training(weights_dir, spec.name)
    rows, unseen = [], []
    for laboratory in LABORATORIES.values():
        part = f"{laboratory.name}_{laboratory.test}"
        metrics = read_current(weights_dir, spec.name, files, part)
        seen = has_seen(facts, laboratory.name)
        row = {LABORATORY: laboratory.title, SEEN: SEEN_WORDS[seen]}
        for title, key in _JUDGED.items():
            share = metrics["counts"][key] if metrics else None
            row[title] = (
                NOT_MEASURED
                if share is None
                else f"{share['k']} of {share['n']} ({share['low']:.3f} to {share['high']:.3f})"
                if share["n"]
                else "none"
            )
            if share and share["n"] and seen is False:
                unseen.append((key, share["k"], share["n"]))
        rows.append(row)
    return f"**{_judges(unseen)}**\n\n{pipe_table(pd.DataFrame(rows))}\n\nExact 95 % intervals."


_JUDGED = {
    "Fields with blasts, called cancerous": "sensitivity",
    "Fields without blasts, called healthy": "specificity",
}


def _judges(unseen: Sequence[tuple[str, int, int]]) -> str:
    """What to expect of a classifier in a laboratory that it never saw, over all of them."""
    parts = []
    for key, words in (
        ("sensitivity", "{k} of {n} fields with blasts cancerous"),
        ("specificity", "{k} of {n} fields without blasts healthy"),
    ):
        counts = [(k, n) for which, k, n in unseen if which == key]
        if counts:
            k, n = map(sum, zip(*counts, strict=True))
            parts.append(words.format(k=k, n=n))
    if not parts:
        return "What it says of a laboratory that it has not seen is not measured yet."
    return f"In laboratories that it has not seen, it called {' and '.join(parts)}."


def readme_section(weights_dir: Path, name: str) -> str:
    """The README's part: the sentence, one row a laboratory, and all shipped detectors.

    Args:
        weights_dir: See `beside_each_other`.
        name: The detector that stands beside the models without a laboratory.
    """
    evidence = evidence_of_unseen(weights_dir, name)
    twins = unseen_by_laboratory(weights_dir, name)
    rows = []
    for own in shipped_scores(weights_dir, name):
        twin = twins.get(own.laboratory.name)
        row = {LABORATORY: own.laboratory.title, f"`{name}` has seen it": own.seen_in_words}
        for score, head in LABORATORY_SCORES.items():
            unseen, shipped = (
                one.text(score, interval=False) if one else "" for one in (twin, own)
            )
            row[head] = shipped if unseen == shipped else f"{unseen} / {shipped}"
        rows.append(row)
    measured = [scores for scores in every_detector(weights_dir) if scores.metrics is not None]
    return "\n\n".join(
        (
            f"**In other laboratories: what to expect of `{name}`.** {expectation(evidence)} "
            f"{basis(evidence)}".rstrip(),
            f"`{COMMAND}` measures this. In each cell: a model that never saw the laboratory / "
            f"`{name}` as it is shipped. {UNSEEN_NOTE} {SCORES_NOTE} {SEEN_NOTE} {BOTH_APS} "
            "Intervals are in the cards.",
            pipe_table(pd.DataFrame(rows)),
            "All shipped detectors, where they are measured:",
            pipe_table(one_below_the_other(measured, intervals=False)),
        )
    )


def _fields(scores: LaboratoryScores) -> str:
    return str(scores.metrics["images"]) if scores.metrics else ""
