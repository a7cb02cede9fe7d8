"""Which models can be used here, and what to do about those that cannot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from allcell.engines.opening import has_torch
from allcell.environment.installation import get_packages, get_weights
from allcell.errors import AllcellError
from allcell.models.registry import CLASSIFIERS, MODELS, ClassifierSpec, ModelSpec
from allcell.models.weights import ModelFiles, compiled_path, read_manifest
from allcell.own.finding import is_own_model
from allcell.own.own_model import OwnModel
from allcell.settings import settings
from allcell.ui.sessions.own_models import own_models
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.user_models import UserModel, is_user_model, user_model, user_models

Model = TypeVar("Model")


@dataclass(frozen=True)
class Listing:
    """A model as it stands on this machine.

    Attributes:
        spec: The model.
        files: Its weights; None if it has none here, or the user added it.
        missing: What keeps it from being used, in one sentence; empty if it is usable.
        remedy: What to do about that; empty if it is usable.
        user_model: The model if the user added it; None for all others.
        own: The model if it was taught for this laboratory; None for all others.
    """

    spec: ModelSpec | ClassifierSpec
    files: ModelFiles | None
    missing: str = ""
    remedy: str = ""
    user_model: UserModel | None = None
    own: OwnModel | None = None

    @property
    def usable(self) -> bool:
        """Whether it can run here."""
        return not self.missing

    @property
    def sha256(self) -> str:
        """Hash of the checkpoint, or of the ONNX file if that is all; empty if there is none."""
        if self.user_model is not None:
            return self.user_model.network.sha256
        if self.own is not None:
            return self.own.card.sha256
        return self.files.checkpoint.sha256 if self.files is not None else ""

    @property
    def compiles(self) -> bool:
        """Whether its first use has to make an ONNX file first, which takes a while."""
        return (
            self.usable
            and self.files is not None
            and self.files.onnx is None
            and not compiled_path(self.files.checkpoint).is_file()
        )


def short_title(spec: ModelSpec | ClassifierSpec) -> str:
    """A model's display title where a table has little room."""
    if isinstance(spec, ClassifierSpec):
        return f"CNN {spec.height_px}x{spec.width_px}"
    return spec.title


def listing(spec: ModelSpec | ClassifierSpec) -> Listing:
    """Whether one model can be used here. Looks for files and packages; loads nothing.

    Raises:
        ModelError: If the user added it and removed it again.
    """
    if is_user_model(spec.name):
        return Listing(spec, None, user_model=user_model(spec.name))
    if is_own_model(spec.name):
        return _own_listing(spec)
    weights = settings().weights_dir
    files = read_manifest(weights).get(spec.name)
    train = f"Train it with `python -m allcell train {spec.name}`"
    if files is None:
        return Listing(
            spec,
            None,
            "It has no weights here.",
            f"{train}, or copy its files into {weights.name}/.",
        )
    shipped = files.onnx is not None
    needed = files.onnx or files.checkpoint
    if not (weights / needed.file).is_file():
        if isinstance(spec, ClassifierSpec) and not spec.shipped:
            return Listing(
                spec, files, "Its weights are too large to be shipped.", f"{train} --release."
            )
        return Listing(
            spec,
            files,
            f"Its weight file {needed.file} is missing.",
            get_weights(),
        )
    if not shipped and not compiled_path(files.checkpoint).is_file() and not has_torch():
        return Listing(
            spec,
            files,
            "It comes without an ONNX file, and compiling one needs torch and ultralytics, which "
            "this light installation leaves out.",
            f"{get_packages('train')} Or choose another model.",
        )
    return Listing(spec, files)


def _own_listing(spec: ModelSpec | ClassifierSpec) -> Listing:
    found = next((one for one in own_models() if one.card.id == spec.name), None)
    if found is not None:
        return Listing(spec, None, own=found)
    return Listing(
        spec, None, "It is no longer kept here.", "Choose another model, or import it again."
    )


def loading(spec: ModelSpec | ClassifierSpec) -> AbstractContextManager[None]:
    """A spinner while a model is prepared; nothing if that is too quick to notice."""
    if not listing(spec).compiles:
        return nullcontext()
    return st.spinner(
        f"Preparing {spec.title} for this computer. A few seconds, the first time only."
    )


def ready(spec: ModelSpec | ClassifierSpec, open_model: Callable[[str], Model]) -> Model | None:
    """A model ready to run; None if it cannot be used, which the page then says.

    Args:
        spec: The model.
        open_model: Loads it by name.
    """
    try:
        with loading(spec):
            return open_model(spec.name)
    except AllcellError as error:
        show_problem(error)
        return None


def catalog() -> tuple[Listing, ...]:
    """All models: those of the registry, detectors first; of this laboratory; the user's."""
    added = (Listing(model.spec, None, user_model=model) for model in user_models().values())
    return (
        *(listing(spec) for spec in MODELS),
        *(listing(spec) for spec in CLASSIFIERS),
        *(Listing(one.spec, None, own=one) for one in own_models()),
        *added,
    )
