"""Loaded models and rendered samples; all browser sessions share them, except a user's models."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from allcell.classifier import FieldClassifier
from allcell.detector import Detector
from allcell.imaging.images import RGBImage, encode_jpeg, encode_png
from allcell.own.finding import find_model, is_own_model
from allcell.own.opening import open_model
from allcell.settings import settings
from allcell.synth.field import render
from allcell.synth.samples import SEPIA, TAUGHT, Sample, samples
from allcell.synth.spec import FieldSpec
from allcell.ui.sessions.who import actor
from allcell.ui.shell.user_models import user_model

#: Models in memory at a time; the least recently used one is evicted.
MAX_DETECTORS = 3
#: A thumbnail shows the sample's own cells, rendered this much smaller.
THUMBNAIL_SCALE = 0.25


def get_detector(name: str) -> Detector:
    """A model ready to run; concurrent calls queue.

    A model is loaded once for all sessions. One that the user added belongs to this session: call
    this in the script's own thread.

    Args:
        name: Name of a model that whoever is at this browser may use.

    Raises:
        ModelError: If there is no such model, or its weights cannot be used.
        DeviceError: If the device in the settings is not available.
    """
    added = user_model(name)
    return added.detector if added else _shared_detector(checked(name))


def checked(name: str) -> str:
    """The name of a model that is shared by all sessions, if this one may use it.

    Raises:
        ModelError: If it is an own-laboratory model of somebody else's, or is gone.
    """
    return find_model(name, actor()).spec.name if is_own_model(name) else name


def forget_detector(name: str) -> None:
    """Let go of a model that was deleted."""
    _shared_detector.clear(name)


@st.cache_resource(max_entries=MAX_DETECTORS, show_spinner="Loading the model")
def _shared_detector(name: str) -> Detector:
    return open_model(name, device=settings().device)


@st.cache_resource(max_entries=MAX_DETECTORS, show_spinner="Loading the model")
def get_field_classifier(name: str) -> FieldClassifier:
    """A whole-field model ready to run, loaded once for all sessions; concurrent calls queue.

    Args:
        name: Its name in the registry.

    Raises:
        ModelError: If there is no such model, or its weights cannot be used.
        DeviceError: If the device in the settings is not available.
    """
    return FieldClassifier.open(name, device=settings().device)


def _sample(name: str) -> Sample:
    return {sample.name: sample for sample in samples()}[name]


def _render(spec: FieldSpec) -> RGBImage:
    return render(spec).image


@st.cache_resource(show_spinner=False)
def sample_png(name: str) -> bytes:
    """A sample of the gallery, rendered, as a PNG file.

    Raises:
        KeyError: If there is no such sample.
    """
    return encode_png(_render(_sample(name).spec))


@st.cache_resource(show_spinner="Rendering the fields")
def unknown_fields() -> tuple[tuple[str, bytes], ...]:
    """Names and PNG files of the fields of a laboratory that no model knows."""
    return tuple(
        (
            f"{SEPIA.name} field {number} (synthetic).png",
            encode_png(_render(SEPIA.field(number))),
        )
        for number in range(1, TAUGHT + 1)
    )


@st.cache_resource(show_spinner=False)
def sample_thumbnail(name: str) -> bytes:
    """A sample of the gallery, or the first field of `unknown_fields`, small, as a JPEG file.

    Raises:
        KeyError: If there is no such sample.
    """
    spec = SEPIA.field(1) if name == SEPIA.name else _sample(name).spec
    small = replace(
        spec,
        width_px=round(THUMBNAIL_SCALE * spec.width_px),
        height_px=round(THUMBNAIL_SCALE * spec.height_px),
        red_cell_px=THUMBNAIL_SCALE * spec.red_cell_px,
    )
    return encode_jpeg(_render(small), quality=88)
