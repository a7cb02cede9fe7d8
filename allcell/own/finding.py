"""Every model by its name: those that allcell comes with, and those of this laboratory."""

from __future__ import annotations

from dataclasses import dataclass

from allcell.errors import ModelError
from allcell.models.registry import MODELS, ModelSpec
from allcell.models.weights import ModelFiles, model_files
from allcell.own.access import Who
from allcell.own.card import PREFIX
from allcell.own.own_model import OwnModel
from allcell.own.shelf import shelf


@dataclass(frozen=True)
class KnownModel:
    """A model that was found by its name.

    Attributes:
        spec: The model.
        own: Its files and card if it is of this laboratory; None if allcell comes with it.
    """

    spec: ModelSpec
    own: OwnModel | None = None

    def files(self) -> ModelFiles:
        """Its weights.

        Raises:
            ModelError: If it has none here, or they are damaged.
        """
        return model_files(self.spec.name) if self.own is None else self.own.files()


def find_model(name: str, who: Who | None = None) -> KnownModel:
    """The model with that name, which only this function looks up.

    Args:
        name: Name in the registry, or name or id of an own-laboratory model.
        who: For whom; None for whoever may read the files.

    Raises:
        ModelError: If there is none.
    """
    for spec in MODELS:
        if spec.name == name:
            return KnownModel(spec)
    if (own := shelf().find(name, who)) is not None:
        return KnownModel(own.spec, own)
    names = [
        *(spec.name for spec in MODELS),
        *(f"{one.card.id} ({one.card.name})" for one in shelf().models(who)),
    ]
    raise ModelError(f"There is no model named {name!r}.", f"Choose one of: {', '.join(names)}.")


def is_own_model(name: str) -> bool:
    """Whether a model's name is the id of an own-laboratory model, there or not."""
    return name.startswith(PREFIX)
