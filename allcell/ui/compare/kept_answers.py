"""What the models said of the test fields, as the evaluator kept it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from allcell.evaluation.evidence import Evidence
from allcell.evaluation.predictions import Predictions
from allcell.models.registry import MODELS, ModelSpec
from allcell.models.weights import read_manifest
from allcell.settings import settings


@dataclass(frozen=True, eq=False)
class KeptAnswers:
    """One model on the test fields.

    Attributes:
        spec: The model.
        predictions: Its answers, with the truth.
        evidence: The same, matched.
    """

    spec: ModelSpec
    predictions: Predictions
    evidence: Evidence


@st.cache_resource(show_spinner=False, max_entries=32)
def _read(path: str, modified_ns: int, size: int) -> tuple[Predictions, Evidence]:
    """Read and matched once; a threshold then only counts."""
    with open(path, encoding="utf-8") as file:
        answers = Predictions.from_json(file.read())
    return answers, Evidence.of(answers)


def kept_answers() -> list[KeptAnswers]:
    """Of the models whose answers were kept with the weights that are here."""
    weights = settings().weights_dir
    manifest = read_manifest(weights)
    found = []
    for spec in MODELS:
        path = weights / "metrics" / "predictions" / f"{spec.name}_allidb1_test.json"
        if spec.name not in manifest or not path.is_file():
            continue
        stat = path.stat()
        answers, evidence = _read(str(path), stat.st_mtime_ns, stat.st_size)
        if answers.setting.model_sha256 == manifest[spec.name].checkpoint.sha256:
            found.append(KeptAnswers(spec, answers, evidence))
    return found
