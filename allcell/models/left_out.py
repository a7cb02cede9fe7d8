"""Which laboratories a model has seen, and the models that were trained to do without one.

The latter show how well a network does in a laboratory that it never saw. Their weights are in
`weights/left_out`, with a manifest of their own; they are measured, not offered to anybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from allcell.models.registry import ModelSpec, get_spec
from allcell.models.weights import ModelFiles, read_manifest

#: Folder of their weights, below that of the shipped ones.
LEFT_OUT = "left_out"


@dataclass(frozen=True)
class LeftOutModel:
    """A model that never saw some of the laboratories.

    Attributes:
        spec: Its network and rules, under its own name.
        of: Name of the model in the registry whose network and rules it has.
        files: Its entry in the manifest of `LEFT_OUT`.
        seen: Names of the data sets that it has seen (see `sets_seen`).
    """

    spec: ModelSpec
    of: str
    files: ModelFiles
    seen: frozenset[str]


def left_out_dir(weights_dir: Path) -> Path:
    """Folder of the models that do without a laboratory, below the folder of all weights."""
    return weights_dir / LEFT_OUT


def sets_seen(facts: Mapping[str, Any]) -> frozenset[str] | None:
    """The data sets that a model has seen: for training, for validation, or in its pre-training.

    Args:
        facts: Of its training, see `allcell.training.facts`.

    Returns:
        Their names; None if the model starts from a checkpoint whose training is not on record.
    """
    recipe = facts["recipe"]
    # A classifier is validated on the data set that it is trained on.
    seen = {*facts["training_fields"], recipe.get("validation") or recipe["data"]}
    before = facts.get("pretraining")
    if before is None:
        return frozenset(seen) if facts["start"] == "random weights" else None
    earlier = sets_seen(before)
    return None if earlier is None else earlier | seen


def has_seen(facts: Mapping[str, Any] | None, laboratory: str) -> bool | None:
    """Whether a model has seen a laboratory's smears.

    Args:
        facts: See `sets_seen`; None if its training is not on record.
        laboratory: Name of the laboratory.

    Returns:
        None if that is not on record.
    """
    seen = sets_seen(facts) if facts is not None else None
    return None if seen is None else laboratory in seen


def as_trained(recipe: Mapping[str, Any]) -> ModelSpec:
    """The model of the registry that a recipe trains, seeing images as in that training.

    Args:
        recipe: As `allcell.training.recipe.Recipe` dumps it.

    Raises:
        ModelError: If the registry has no such model.
    """
    return replace(get_spec(recipe["model"]), normalise_stain=recipe.get("normalise_stain", False))


def left_out_models(weights_dir: Path) -> tuple[LeftOutModel, ...]:
    """The models in `LEFT_OUT` of which it is on record what they have seen.

    Args:
        weights_dir: Folder that holds `metrics/`, with the facts, and `LEFT_OUT`.
    """
    found = []
    for name, files in read_manifest(left_out_dir(weights_dir)).items():
        path = weights_dir / "metrics" / f"{name}_training.json"
        if not path.is_file():
            continue
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        seen = sets_seen(facts)
        if seen is None:
            continue
        spec = as_trained(facts["recipe"])
        # Its own validation chose it: the shipped model's may have been on fields of the
        # laboratory that this one never saw.
        confidence = facts.get("suggested_confidence", spec.confidence)
        spec = replace(spec, name=name, confidence=confidence)
        found.append(LeftOutModel(spec, facts["recipe"]["model"], files, seen))
    return tuple(found)


def without(models: tuple[LeftOutModel, ...], laboratory: str, of: str) -> LeftOutModel | None:
    """The model that never saw a laboratory; of several, the one that has seen most others.

    Args:
        models: From `left_out_models`.
        laboratory: Name of the laboratory.
        of: Name of the model in the registry whose network it must have.
    """
    fit = [m for m in models if laboratory not in m.seen and m.of == of]
    return min(fit, key=lambda m: (-len(m.seen), m.spec.name), default=None)
