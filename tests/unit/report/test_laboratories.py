"""The cross-laboratory table and its sentence, from made-up JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from allcell.data.laboratories import LABORATORIES
from allcell.models.left_out import left_out_dir
from allcell.models.registry import MODELS, get_classifier
from allcell.models.weights import ModelFiles, WeightFile, write_manifest
from allcell.report.laboratories.scores import (
    LABORATORY_SCORES,
    NOT_MEASURED,
    basis,
    evidence_of_unseen,
    expectation,
    model_with_twins,
    shipped_scores,
    unseen_scores,
)
from allcell.report.laboratories.tables import (
    beside_each_other,
    card_section,
    classifier_card_section,
    everything,
    laboratories_csv,
    readme_section,
)
from allcell.settings import RESEARCH_USE

SHA = "a" * 64
FILES = ModelFiles(checkpoint=WeightFile(file="x.pt", sha256=SHA, bytes=1), parameters=1)
ALL = frozenset(LABORATORIES)
EMPTY = "is not measured yet: expect it to miss blasts"


def scores(
    tp: int = 77, fp: int = 8, fn: int = 23, false: int = 3, images: int = 200, **changes: Any
) -> dict[str, Any]:
    """The evaluator's JSON: tp, fp, fn of blasts and the fields with a false blast."""
    at = {"tp": tp, "fp": fp, "fn": fn}
    at |= {
        "precision": tp / (tp + fp) if tp + fp else None,
        "recall": tp / (tp + fn) if tp + fn else None,
    }
    ap = {"ap50": 0.9, "ap50_as_shown": 0.8}
    none = dict.fromkeys(ap)
    blast = {**(ap if tp + fn else none), "at_operating_point": at}
    share = {"k": false, "n": images, "fraction": false / images, "low": 0.001, "high": 0.2}
    names = ("blast.operating_recall", "blast.operating_precision", "blast.ap50_as_shown")
    return {
        "model_sha256": SHA,
        "images": images,
        "date": "2026-01-02T03:04:05+00:00",
        "classes": {"blast": blast, "healthy": {**ap, "at_operating_point": at}},
        "intervals": {key: [0.7, 0.9] for key in names},
        "false_blasts_per_field": fp / images,
        "fields_with_false_blast": share,
        **changes,
    }


class Weights:
    """A folder of weights whose models are measured as a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "metrics").mkdir()
        left_out_dir(folder).mkdir()
        write_manifest(folder, {"live": FILES, "yolov7": FILES})

    def saw(self, model: str, *laboratories: str) -> None:
        content = {
            "recipe": {"model": model.split("-without-")[0], "validation": laboratories[0]},
            "training_fields": dict.fromkeys(laboratories, 9),
            "start": "random weights",
        }
        self._write(f"{model}_training", content)

    def measured(self, model: str, laboratory: str, content: dict[str, Any]) -> None:
        self._write(f"{model}_{laboratory}_{LABORATORIES[laboratory].test}", content)

    def twins(self, *laboratories: str) -> None:
        names = [f"live-without-{laboratory}" for laboratory in laboratories]
        write_manifest(left_out_dir(self.folder), dict.fromkeys(names, FILES))
        for name, laboratory in zip(names, laboratories, strict=True):
            self.saw(name, *sorted(ALL - {laboratory}))

    def _write(self, stem: str, content: dict[str, Any]) -> None:
        path = self.folder / "metrics" / f"{stem}.json"
        path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    made = Weights(tmp_path)
    made.saw("live", *sorted(ALL))
    made.saw("yolov7", "allidb1", "bccd", "pbc")
    return made


def sentence(weights: Weights, name: str = "live") -> str:
    evidence = evidence_of_unseen(weights.folder, name)
    return f"{expectation(evidence)} {basis(evidence)}".rstrip()


def test_nothing_measured_is_said_and_no_number_invented(weights: Weights) -> None:
    said = sentence(weights)
    assert EMPTY in said
    assert not any(letter.isdigit() for letter in said)
    assert set(beside_each_other(weights.folder, "live")["Blasts found, never saw it"]) == {
        NOT_MEASURED,
        "no blasts",
    }
    # Without facts nobody knows what a model has seen, so its numbers say nothing of the unseen.
    (weights.folder / "metrics" / "yolov7_training.json").unlink()
    weights.measured("yolov7", "taleqani", scores())
    assert EMPTY in sentence(weights, "yolov7")
    assert shipped_scores(weights.folder, "yolov7")[0].seen_in_words == "not on record"


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        pytest.param(
            {"taleqani": scores()},
            "expect it to find about 77 of 100 blasts; of 100 cells that it calls blasts, about "
            "91 are. Measured on Taleqani (200 fields) by small networks like it",
            id="one laboratory",
        ),
        pytest.param(
            {"taleqani": scores(), "allidb1": scores(60, 30, 40, images=17)},
            "expect it to find 60 to 77 of 100 blasts; of 100 cells that it calls blasts, 67 to "
            "91 are.",
            id="the range over laboratories",
        ),
        pytest.param(
            {"taleqani": scores(tp=0, fp=0, fn=9)},
            "expect it to find fewer than 1 of 100 blasts; it calls no cell a blast there.",
            id="no blast is called",
        ),
        pytest.param(
            {"taleqani": scores(tp=999, fp=0, fn=1)},
            "expect it to find about 99 of 100 blasts; of 100 cells that it calls blasts, about "
            "100 are.",
            id="100 is said of all only",
        ),
        pytest.param(
            {"taleqani": scores(), "bccd": scores(0, 5, 0, false=5, images=100)},
            "In smears of healthy persons there, expect a false blast in about 5 of 100 fields.",
            id="healthy smears",
        ),
        pytest.param(
            {"bccd": scores(0, 0, 0, false=0), "pbc": scores(0, 5, 0, false=4)},
            "How many blasts it finds in a laboratory that it has not seen is not measured yet. In "
            "smears of healthy persons there, expect a false blast in 0 to 2 of 100 fields.",
            id="healthy smears alone",
        ),
        pytest.param(
            {"bccd": scores(0, 0, 0, false=0)},
            "expect a false blast in fewer than 1 of 100 fields.",
            id="no false blast is not never",
        ),
    ],
)
def test_the_sentence_is_built_from_the_numbers(
    weights: Weights, measured: dict[str, dict[str, Any]], words: str
) -> None:
    weights.twins(*measured)
    for laboratory, content in measured.items():
        weights.measured(f"live-without-{laboratory}", laboratory, content)
    said = sentence(weights)
    assert words in said
    lacking = [lab.title for lab in LABORATORIES.values() if lab.name not in measured]
    assert all(title in said.split("Not measured yet: ")[1] for title in lacking)


def test_where_a_model_was_trained_its_own_numbers_are_no_evidence(weights: Weights) -> None:
    weights.measured("live", "taleqani", scores())
    assert EMPTY in sentence(weights)


def test_a_model_that_never_saw_a_laboratory_speaks_for_itself(weights: Weights) -> None:
    weights.saw("live", "allidb1", "pbc")
    weights.measured("live", "taleqani", scores(50, 50, 50))
    weights.twins("taleqani")
    weights.measured("live-without-taleqani", "taleqani", scores())
    assert "find about 50 of 100" in sentence(weights)
    weights.measured("yolov7", "taleqani", scores(20, 0, 80))
    weights.measured("yolov7", "allidb1", scores(99, 0, 1))
    said = sentence(weights, "yolov7")
    assert "find about 20 of 100" in said
    assert said.endswith("Measured on Taleqani (200 fields). Not measured yet: Chula.")


def test_a_model_that_has_seen_it_is_not_taken_for_one_that_has_not(weights: Weights) -> None:
    weights.twins("taleqani")
    weights.saw("live-without-taleqani", *sorted(ALL))
    weights.measured("live-without-taleqani", "taleqani", scores())
    assert EMPTY in sentence(weights)


@pytest.mark.parametrize("which", ["live-without-taleqani", "live"])
def test_numbers_of_other_weights_are_left_out(weights: Weights, which: str) -> None:
    weights.twins("taleqani")
    weights.measured(which, "taleqani", scores(model_sha256="b" * 64))
    assert all(one.metrics is None for one in everything(weights.folder))


def test_one_row_a_laboratory_never_seen_beside_shipped(weights: Weights) -> None:
    weights.twins("taleqani")
    weights.measured("live-without-taleqani", "taleqani", scores())
    weights.measured("live", "taleqani", scores(95, 5, 5))
    weights.measured("live", "chula", scores(0, 4, 0, false=0))
    table = beside_each_other(weights.folder, "live").set_index("Laboratory")
    assert list(table.index) == [lab.title for lab in LABORATORIES.values()]
    row = table.loc["Taleqani"]
    assert row["Blasts found, never saw it"] == ".770 (.700 to .900)"
    assert row["Blasts found, allcell live"] == ".950 (.700 to .900)"
    assert row["Fields with a false blast, never saw it"] == ".015 (.001 to .200, exact)"
    assert row["Blasts, AP@0.5 as YOLOv5 counts, never saw it"] == ".900 (n/a)"
    assert row["allcell live has seen it"] == "yes"
    healthy = table.loc["Chula"]
    assert healthy["Right when it says blast, allcell live"] == "no blasts"
    assert healthy["False blasts a field, allcell live"] == ".020 (n/a)"
    assert healthy["Healthy, AP@0.5 as shown, never saw it"] == NOT_MEASURED
    assert table.loc["ALL-IDB1"]["Blasts found, allcell live"] == NOT_MEASURED


def test_the_csv_has_every_number_with_its_interval(weights: Weights) -> None:
    weights.twins("taleqani")
    weights.measured("live-without-taleqani", "taleqani", scores())
    weights.measured("yolov7", "chula", scores(0, 4, 0))
    rows = list(csv.DictReader(io.StringIO(laboratories_csv(everything(weights.folder)))))
    assert len(rows) == len(LABORATORY_SCORES) + 4, "a healthy laboratory has no scores of blasts"
    assert RESEARCH_USE in rows[0]
    first = rows[0]
    assert (first["model"], first["trained_without_it"], first["has_seen_it"]) == (
        "live-without-taleqani",
        "True",
        "False",
    )
    assert (first["value"], first["value_95_low"], first["value_95_kind"]) == (
        "0.77",
        "0.7",
        "bootstrap",
    )


def test_a_card_has_the_sentence_and_both_rows_above_all(weights: Weights) -> None:
    weights.twins("taleqani")
    weights.measured("live-without-taleqani", "taleqani", scores())
    card = card_section(weights.folder, "live")
    assert card.startswith("**In a laboratory that it has not seen, expect it to find about 77")
    assert "| Taleqani | live, trained without it | never | .770 (.700 to .900) |" in card
    assert f"| Taleqani | allcell live | yes | {NOT_MEASURED} |" in card
    of_another = card_section(weights.folder, "yolov7")
    assert "trained without it" not in of_another, "no recipe leaves a laboratory out for it"
    assert of_another.startswith("**How well it does")


def test_the_readme_has_both_and_all_that_are_shipped(weights: Weights) -> None:
    weights.twins("taleqani")
    weights.measured("live-without-taleqani", "taleqani", scores())
    weights.measured("live", "taleqani", scores(95, 5, 5))
    weights.measured("yolov7", "taleqani", scores(50, 5, 50))
    text = readme_section(weights.folder, "live")
    assert "| Taleqani | yes | .770 / .950 |" in text
    assert f"| ALL-IDB1 | yes | {NOT_MEASURED} |" in text
    assert "| Taleqani | YOLOv7-tiny | never | .500 |" in text


def test_a_classifier_is_judged_by_whole_fields(weights: Weights) -> None:
    spec = get_classifier("cnn")
    weights._write(
        "cnn_training",
        {
            "recipe": {"model": "cnn", "data": "allidb1"},
            "training_fields": {"allidb1": 9},
            "start": "random weights",
        },
    )
    empty = classifier_card_section(weights.folder, spec, FILES)
    assert "**What it says of a laboratory that it has not seen is not measured yet.**" in empty

    def judged(cancerous: tuple[int, int], healthy: tuple[int, int]) -> dict[str, Any]:
        counts = {
            key: {"k": k, "n": n, "fraction": k / n if n else None, "low": 0.1, "high": 0.9}
            for key, (k, n) in (("sensitivity", cancerous), ("specificity", healthy))
        }
        return {"model_sha256": SHA, "counts": counts}

    weights.measured("cnn", "allidb1", judged((7, 7), (10, 10)))
    weights.measured("cnn", "taleqani", judged((30, 100), (20, 50)))
    weights.measured("cnn", "bccd", judged((0, 0), (5, 100)))
    card = classifier_card_section(weights.folder, spec, FILES)
    assert (
        "**In laboratories that it has not seen, it called 30 of 100 fields with blasts cancerous "
        "and 25 of 150 fields without blasts healthy.**"
    ) in card, "fields of the laboratory of its training are not counted"
    assert "| BCCD | never | none | 5 of 100 (0.100 to 0.900) |" in card


def test_the_model_beside_is_one_of_the_registry() -> None:
    assert model_with_twins() in {spec.name for spec in MODELS}
    assert unseen_scores(Path("nowhere"), model_with_twins())
