"""The models that allcell knows: data that can be read at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from allcell.errors import ModelError

#: How a network's output is laid out (see `allcell.engines.decode`).
OutputLayout = Literal["anchor_based", "anchor_free", "end_to_end"]

CLASSES = ("blast", "healthy", "smudge")
BLAST, HEALTHY, SMUDGE = range(3)

#: As people read them; the paper says cancer and healthy.
CLASS_TITLES = {"blast": "Blast", "healthy": "Healthy WBC", "smudge": "Smudge"}


@dataclass(frozen=True)
class ModelSpec:
    """One detector.

    Attributes:
        name: What a command or a URL calls it.
        title: What a person reads.
        summary: One sentence for the model list.
        output: Layout of the network's output.
        classes: Class names in the order of the network's output.
        red_cell_px: Diameter of a red cell, in input pixels, at which the network sees best.
        stride_px: Input sides are multiples of this.
        max_input_px: Longest input side; a larger field is tiled.
        default_long_side_px: Long side of the input when the red cells cannot be measured.
        confidence: Operating threshold, chosen on validation (0 to 1).
        iou: Overlap above which two boxes are one cell (0 to 1).
        architecture: An ultralytics name, or a file in `models/architectures`.
    """

    name: str
    title: str
    summary: str
    output: OutputLayout
    classes: tuple[str, ...] = CLASSES
    red_cell_px: float = 20.0
    stride_px: int = 32
    max_input_px: int = 1280
    default_long_side_px: int = 640
    confidence: float = 0.25
    iou: float = 0.5
    architecture: str = ""


MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="live",
        title="allcell live",
        summary="Small and fast, made for two laptop cores and a moving stage.",
        output="anchor_free",
        confidence=0.40,
        architecture="live.yaml",
    ),
)


def get_spec(name: str) -> ModelSpec:
    """The model of that name.

    Raises:
        ModelError: If there is none.
    """
    for spec in MODELS:
        if spec.name == name:
            return spec
    raise ModelError(
        f"There is no model named {name!r}.",
        f"Choose one of: {', '.join(spec.name for spec in MODELS)}.",
    )
