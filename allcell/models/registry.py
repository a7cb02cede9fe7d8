"""The models that allcell knows, as a table of plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from allcell.errors import ModelError
from allcell.models.classes import CELL_CLASSES
from allcell.models.laboratory import OwnLaboratory

#: How a network's output is laid out (see `allcell.engines.decode`).
OutputLayout = Literal["anchor_based", "anchor_free", "end_to_end"]

#: Names of all classes, by number.
CLASSES = tuple(cell.name for cell in CELL_CLASSES)
#: Those that the paper has.
PAPER_CLASSES = tuple(cell.name for cell in CELL_CLASSES if cell.paper)
#: Those that are counted as white cells.
WHITE_CELLS = tuple(cell.name for cell in CELL_CLASSES if cell.role in ("blast", "white cell"))
#: Classes that the shipped weights were trained on, in the order of their output.
TRAINED_CLASSES = ("blast", "healthy", "smudge")
BLAST, HEALTHY, SMUDGE = (CLASSES.index(name) for name in TRAINED_CLASSES)

#: Names of the classes as shown to people.
CLASS_TITLES = {cell.name: cell.title for cell in CELL_CLASSES}


@dataclass(frozen=True)
class ModelSpec:
    """One detector.

    Attributes:
        name: What a command or a URL calls it.
        title: Its name as shown to people.
        summary: One sentence for the model list.
        output: Layout of the network's output.
        classes: Class names in the order of the network's output.
        red_cell_px: Diameter of a red cell, in input pixels, at which the network works best.
        stride_px: Input sides are multiples of this.
        max_input_px: Longest input side; a larger field is tiled.
        default_long_side_px: Long side of the input when the red cells cannot be measured.
        fixed_input_px: Width and height that the network requires: the whole image is fitted into
            them, whatever its scale; None for any.
        normalise_stain: Whether it was trained on fields brought to one stain, and sees them so
            (see `allcell.imaging.stain`).
        confidence: Operating threshold, chosen on validation (0 to 1).
        iou: Overlap above which two boxes are one cell (0 to 1).
        architecture: An ultralytics name, or a file in `models/architectures`.
        paper: Its name in the paper's Table 1; empty if the paper has no such model.
        unlike_paper: How it differs from the paper, for those who compare.
        laboratory: Whose smears it was taught with; None for those that allcell comes with.
    """

    name: str
    title: str
    summary: str
    output: OutputLayout
    classes: tuple[str, ...] = TRAINED_CLASSES
    red_cell_px: float = 20.0
    stride_px: int = 32
    max_input_px: int = 1280
    default_long_side_px: int = 640
    fixed_input_px: tuple[int, int] | None = None
    normalise_stain: bool = False
    confidence: float = 0.25
    iou: float = 0.5
    architecture: str = ""
    paper: str = ""
    unlike_paper: str = ""
    laboratory: OwnLaboratory | None = None


_PRETRAINING = "pre-trained on open smears instead of COCO"
_HEAD = "anchor-free head (ultralytics)"
_SCALE = "cells brought to one size instead of 1024x1024 px"

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="live",
        title="allcell live",
        summary="Small and fast, made for two laptop cores and a moving stage.",
        output="anchor_free",
        normalise_stain=True,
        confidence=0.45,
        architecture="live.yaml",
    ),
    ModelSpec(
        name="yolov5s",
        title="YOLOv5s",
        summary="The model that the paper recommends.",
        output="anchor_free",
        confidence=0.50,
        architecture="yolov5s.yaml",
        paper="YOLOv5s",
        unlike_paper=f"{_PRETRAINING}; {_HEAD}; {_SCALE}",
    ),
    ModelSpec(
        name="yolov5m",
        title="YOLOv5m",
        summary="Three times the size of YOLOv5s.",
        output="anchor_free",
        confidence=0.60,
        architecture="yolov5m.yaml",
        paper="YOLOv5m",
        unlike_paper=f"{_PRETRAINING}; {_HEAD}; {_SCALE}",
    ),
    ModelSpec(
        name="yolov5s-scratch",
        title="YOLOv5s from scratch",
        summary="The network of YOLOv5s without pre-training: what pre-training is worth.",
        output="anchor_free",
        confidence=0.40,
        architecture="yolov5s.yaml",
        paper="YOLOv5",
        unlike_paper=f"{_HEAD}; {_SCALE}",
    ),
    ModelSpec(
        name="yolov6",
        title="YOLOv6n",
        summary="The smallest YOLOv6.",
        output="anchor_free",
        confidence=0.45,
        architecture="yolov6n.yaml",
        paper="YOLOv6",
        unlike_paper=f"size n instead of s; {_PRETRAINING}; {_SCALE}",
    ),
    ModelSpec(
        name="yolov7",
        title="YOLOv7-tiny",
        summary="YOLOv7-tiny with an anchor-free head.",
        output="anchor_free",
        confidence=0.50,
        architecture="yolov7-tiny.yaml",
        paper="YOLOv7",
        unlike_paper=f"tiny instead of E6, without auxiliary heads; {_PRETRAINING}; {_HEAD}; "
        f"{_SCALE}",
    ),
)


def get_spec(name: str) -> ModelSpec:
    """The model with that name.

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


#: What the paper's CNN calls a whole field, in the order of its output.
FIELD_CLASSES = ("healthy", "cancerous")


@dataclass(frozen=True)
class ClassifierSpec:
    """One network that judges a field as a whole, without finding its cells.

    Attributes:
        name: What a command or a URL calls it.
        title: Its name as shown to people.
        summary: One sentence for the model list.
        height_px: Height of its input.
        width_px: Width of its input.
        threshold: Probability of a cancerous field (0 to 1) from which that class is suggested.
        shipped: Whether its weights are part of the project; if not, users train it themselves.
    """

    name: str
    title: str
    summary: str
    height_px: int
    width_px: int
    threshold: float = 0.5
    shipped: bool = True


CLASSIFIERS: tuple[ClassifierSpec, ...] = (
    ClassifierSpec(
        name="cnn",
        title="Whole-field CNN, 300x400",
        summary="Judges a field as a whole; the paper's CNN on a third of its input size.",
        height_px=300,
        width_px=400,
    ),
    ClassifierSpec(
        name="cnn-900x1200",
        title="Whole-field CNN, 900x1200",
        summary="The paper's CNN in full: 137.7 million parameters, too large to be shipped.",
        height_px=900,
        width_px=1200,
        shipped=False,
    ),
)


def get_classifier(name: str) -> ClassifierSpec:
    """The whole-field classifier with that name.

    Raises:
        ModelError: If there is none.
    """
    for spec in CLASSIFIERS:
        if spec.name == name:
            return spec
    raise ModelError(
        f"There is no whole-field classifier named {name!r}.",
        f"Choose one of: {', '.join(spec.name for spec in CLASSIFIERS)}.",
    )
