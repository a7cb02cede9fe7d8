"""The evaluator's JSON in `weights/metrics`, as cards, README and pages read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allcell.models.weights import ModelFiles


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def read_metrics(weights_dir: Path, name: str, data: str) -> dict[str, Any] | None:
    """The evaluator's JSON of a model on `data` (as in `allidb1_test`), if there is one."""
    return _read(weights_dir / "metrics" / f"{name}_{data}.json")


def read_current(
    weights_dir: Path, name: str, files: ModelFiles | None, data: str
) -> dict[str, Any] | None:
    """The evaluator's JSON, if it was measured with these weights; else None."""
    metrics = read_metrics(weights_dir, name, data)
    if metrics is None or files is None or metrics["model_sha256"] != files.checkpoint.sha256:
        return None
    return metrics


def read_training(weights_dir: Path, name: str) -> dict[str, Any] | None:
    """How a model was trained (see `allcell.training.facts`), if that is stored."""
    return read_metrics(weights_dir, name, "training")


def read_comparison(weights_dir: Path) -> dict[str, Any] | None:
    """All pairs of models on the test fields (see `evaluation.compare`), if they were compared."""
    return read_metrics(weights_dir, "comparison", "allidb1_test")
