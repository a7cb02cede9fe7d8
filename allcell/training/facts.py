"""Facts of a training run: written next to its checkpoints, kept with the weights, put on cards."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from allcell.environment.versions import installed_versions
from allcell.models.weights import sha256
from allcell.training.recipe import CnnRecipe, Recipe

FACTS = "facts.json"
#: The column that chooses the checkpoint of a detector: mAP@0.5:0.95 on validation.
CHOSEN_BY = "metrics/mAP50-95(B)"


def note_facts(
    recipe: Recipe | CnnRecipe,
    data_dir: Path,
    run_dir: Path,
    *,
    weights: Path | None,
    device: str,
    threads: int,
) -> None:
    """Record how a run was started; a resumed run keeps its first record.

    Args:
        recipe: The training recipe.
        data_dir: Folder of the datasets.
        run_dir: Folder of the run.
        weights: The checkpoint it starts from; None for random weights.
        device: As torch names it.
        threads: CPU threads; 0 = torch's default.
    """
    path = run_dir / FACTS
    if path.is_file():
        return
    names = (
        [recipe.data]
        if isinstance(recipe, CnnRecipe)
        else [source.name for source in recipe.sources]
    )
    facts: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"),
        "training_fields": {name: _fields(data_dir / name) for name in names},
        "start": {"file": weights.name, "sha256": sha256(weights)} if weights else "random weights",
        "device": device,
        "threads": threads,
        "versions": installed_versions(),
    }
    if weights and (before := weights.parent.parent / FACTS).is_file():
        facts["pretraining"] = read_facts(before.parent)
    run_dir.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def note_taken(run_dir: Path, checkpoint: Path, suggested_confidence: float) -> None:
    """Record which of a run's two checkpoints was chosen.

    Args:
        run_dir: Folder of the run.
        checkpoint: best.pt or last.pt.
        suggested_confidence: Operating threshold that the validation fields suggest for it, 0 to 1
            (see `allcell.evaluation.evaluate.suggest_confidence`).
    """
    path = run_dir / FACTS
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    facts |= {"taken": checkpoint.stem, "suggested_confidence": suggested_confidence}
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_facts(run_dir: Path) -> dict[str, Any]:
    """How a run was started, and from its curve how long it took and which epoch was chosen."""
    facts: dict[str, Any] = json.loads((run_dir / FACTS).read_text(encoding="utf-8"))
    with (run_dir / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = [{k.strip(): v for k, v in row.items()} for row in csv.DictReader(file)]
    facts["epochs"] = len(rows)
    facts["hours"] = round(_seconds(rows) / 3600, 2)
    if CHOSEN_BY in rows[0] and facts.get("taken") != "last":
        facts["taken_epoch"] = int(max(rows, key=lambda row: float(row[CHOSEN_BY]))["epoch"])
    else:
        facts["taken_epoch"] = len(rows)
    return facts


def _seconds(rows: list[dict[str, str]]) -> float:
    """Time spent; the curve's clock restarts where a run was interrupted."""
    total = before = 0.0
    for row in rows:
        now = float(row["time"])
        total += now - before if now >= before else now
        before = now
    return total


def _fields(dataset: Path) -> int:
    return sum(1 for _ in (dataset / "images" / "train").iterdir())
