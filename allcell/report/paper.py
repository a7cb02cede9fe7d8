"""The paper's Table 1 and its own numbers, as published. Ours are in the evaluator's JSON.

Source: E. Chen, R. Liao, M. Y. Shalaginov, T. H. Zeng, "Real-time Detection of Acute Lymphoblastic
Leukemia Cells Using Deep Learning", IEEE 2022, document 9995131; the footnotes from the notebooks
that the authors published with it (github.com/echen053/all-cell-detection).
"""

from __future__ import annotations

from dataclasses import dataclass

from allcell.statistics import clopper_pearson

#: Scores of the table, in its order, by the names of the evaluator's JSON. Its AP is as YOLOv5
#: counts.
METRICS = ("precision", "recall", "ap50", "ap50_95")


@dataclass(frozen=True)
class PublishedModel:
    """One model of Table 1; None where the paper has no number.

    Attributes:
        name: The paper's name for it.
        ours: Name of our model that it is compared with.
        blast: Values of `METRICS` for cancer cells, 0 to 1.
        healthy: The same for healthy cells.
        every: The same for both classes together.
        inference_ms: Time for one image.
        footnotes: Numbers of `FOOTNOTES`, from 1.
        parameters_millions: Size of its network, as the notebooks print it; None if they do not.
    """

    name: str
    ours: str
    blast: tuple[float | None, ...]
    healthy: tuple[float | None, ...]
    every: tuple[float | None, ...]
    inference_ms: float
    footnotes: tuple[int, ...] = ()
    parameters_millions: float | None = None

    def value(self, class_name: str, metric: str) -> float | None:
        """The published number of blast, healthy or all; None if there is none."""
        row = {"blast": self.blast, "healthy": self.healthy, "all": self.every}[class_name]
        return row[METRICS.index(metric)]


_NONE = (None, None, None, None)

TABLE_1: tuple[PublishedModel, ...] = (
    PublishedModel(
        "YOLOv5s",
        "yolov5s",
        blast=(0.885, 0.985, 0.972, 0.832),
        healthy=(0.811, 0.787, 0.831, 0.627),
        every=_NONE,
        inference_ms=12.3,
        footnotes=(2,),
        parameters_millions=7.0,
    ),
    PublishedModel(
        "YOLOv5m",
        "yolov5m",
        blast=(0.936, 0.955, 0.981, 0.861),
        healthy=(0.788, 0.800, 0.853, 0.654),
        every=_NONE,
        inference_ms=21.9,
        parameters_millions=20.0,
    ),
    PublishedModel(
        "YOLOv5",
        "yolov5s-scratch",
        blast=(0.679, 0.970, 0.853, 0.642),
        healthy=(0.736, 0.558, 0.703, 0.401),
        every=_NONE,
        inference_ms=22.0,
        footnotes=(3,),
        parameters_millions=7.0,
    ),
    PublishedModel(
        "YOLOv6",
        "yolov6",
        blast=_NONE,
        healthy=_NONE,
        every=(None, None, 0.644, 0.548),
        inference_ms=16.0,
        footnotes=(4,),
    ),
    PublishedModel(
        "YOLOv7",
        "yolov7",
        blast=(0.554, 1.00, 0.737, 0.608),
        healthy=(0.425, 0.814, 0.429, 0.330),
        every=_NONE,
        inference_ms=42.7,
        footnotes=(5,),
    ),
)

#: What the published numbers leave unsaid. The first footnote is about the whole table.
FOOTNOTES: tuple[str, ...] = (
    "Scored on the validation split that also chose the checkpoint (17 images, 66 cancer and 60 "
    "healthy boxes of the authors' own), so it is optimistic. The split's file list and the boxes "
    "are not published, so published and measured are not on the same images and boxes. P and R "
    "are YOLOv5's, at the confidence of the best F1. Times are from a Google Colab GPU, such as a "
    "Tesla P100.",
    "The notebook prints 1.1 ms pre-process + 10.9 ms inference + 1.0 ms NMS at 1024 px; the paper "
    "quotes 12.3 ms as 80 frames a second.",
    "The network of YOLOv5s from random weights.",
    "The .548 is COCO's AP[.50:.95] for large boxes; for all boxes the same run printed .423.",
    "The notebook shows YOLOv7-E6 with auxiliary heads.",
)

#: Boxes behind the published numbers, by class (the authors' notebooks).
BOXES = {"blast": 66, "healthy": 60}


def published_error() -> str:
    """Why a published number outside our interval proves nothing, with one of them as an example.

    The paper gives no errors. Its counts follow from R, P and the number of boxes.
    """
    paper, boxes = TABLE_1[1], BOXES["blast"]
    precision, recall = paper.blast[:2]
    if precision is None or recall is None:
        return ""
    found = round(recall * boxes)
    called = round(found / precision)
    low, high = clopper_pearson(found, called)
    return (
        "The published numbers have errors too, which the paper does not give: the P of "
        f"{paper.name} for cancer cells ({precision:.3f}) is about {found} of {called} boxes, "
        f"exact 95 % interval {low:.3f} to {high:.3f}. So a published number outside our interval "
        "does not show that the two differ."
    )


#: The paper's figure for the speed of YOLOv5s on its GPU.
PAPER_FPS = 80.0

#: The CNN's reported accuracy is 128 of 129.
CNN_RIGHT, CNN_COPIES, CNN_FIELDS = 128, 129, 16
CNN_FOOTNOTE = (
    "99.22 % = 128 of 129 rotated copies of 16 fields (16 test fields x 8 rotations, and one "
    "positive copied into the negative folder): 16 independent fields, not 129."
)


def published(model: str) -> PublishedModel | None:
    """The row of Table 1 that our model of that name is compared with, if there is one."""
    return next((row for row in TABLE_1 if row.ours == model), None)
