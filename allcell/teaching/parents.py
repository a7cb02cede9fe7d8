"""The model that is taught: a shipped one, or one that was trained to do without a laboratory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from allcell.errors import ModelError
from allcell.models.left_out import left_out_dir, left_out_models
from allcell.models.registry import MODELS, ModelSpec, get_spec
from allcell.models.weights import model_files, verified
from allcell.settings import settings


@dataclass(frozen=True)
class Parent:
    """A model that can be taught.

    Attributes:
        spec: Its network and rules.
        of: Name of the model in the registry whose network and rules it has.
        checkpoint: Its torch weights, SHA-256 checked.
        sha256: That hash.
    """

    spec: ModelSpec
    of: str
    checkpoint: Path
    sha256: str


def find_parent(name: str) -> Parent:
    """The model with that name.

    Args:
        name: Of a model of the registry, or in `weights/left_out`.

    Raises:
        ModelError: If there is none, or its weights are missing or not those that were measured.
    """
    if name in (spec.name for spec in MODELS):
        files = model_files(name)
        return Parent(get_spec(name), name, verified(files.checkpoint), files.checkpoint.sha256)
    weights = settings().weights_dir
    for one in left_out_models(weights):
        if one.spec.name == name:
            path = verified(one.files.checkpoint, left_out_dir(weights))
            return Parent(one.spec, one.of, path, one.files.checkpoint.sha256)
    raise ModelError(
        f"There is no model named {name!r} that can be taught.",
        f"Choose one of: {', '.join(spec.name for spec in MODELS)}.",
    )
