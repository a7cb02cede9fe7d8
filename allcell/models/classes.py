"""The classes of cells: a new class is a row of `CELL_CLASSES`, and everything else follows it.

Models keep the classes they were trained with (`ModelSpec.classes`): a row here only says how a
class is counted, drawn and called wherever a model or a data set has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: How the line of a box is drawn.
LineStyle = Literal["solid", "dashed", "dotted"]

#: What a class counts as. Blasts and white cells together are all white cells, of which blasts are
#: a share; smudges are given per 100 white cells; other cells are counted on their own.
Role = Literal["blast", "white cell", "smudge", "other"]


@dataclass(frozen=True)
class CellClass:
    """One class of cells.

    Attributes:
        name: Its name in data, files and commands.
        title: One cell, as shown to people.
        heading: Heading above a count.
        plural: Form in a sentence, after a number.
        brief: The same where there is little room.
        row: Row of a table of scores.
        role: What it counts as.
        colour: RGB, 0 to 255, bright enough for dark text on it.
        line: Differs from that of other classes, for the colour-blind and for greyscale prints.
        paper: Its name in the paper; empty if the paper has no such class.
        column: Column of the summary CSV, placed by its role; empty if its count follows from the
            others.
        sure_names: What data sets call it, in lower case, besides `name`: taken without asking.
        likely_names: Names for the user to confirm, in lower case with single spaces.
    """

    name: str
    title: str
    heading: str
    plural: str
    brief: str
    row: str
    role: Role
    colour: tuple[int, int, int]
    line: LineStyle
    paper: str = ""
    column: str = ""
    sure_names: tuple[str, ...] = ()
    likely_names: tuple[str, ...] = ()


#: The position of a class is its number in data sets and stored predictions: append new ones.
CELL_CLASSES: tuple[CellClass, ...] = (
    CellClass(
        name="blast",
        title="Blast",
        heading="Blasts",
        plural="blasts",
        brief="blasts",
        row="Blasts",
        role="blast",
        colour=(255, 214, 10),  # as in the paper's Figure 3
        line="solid",
        paper="cancer",
        column="blasts",
        sure_names=("cancer",),
        likely_names=(
            "blasts", "blast cell", "cancerous", "cancer cell", "lymphoblast", "lymphoblasts",
            "all", "all cell", "l1", "l2", "l3", "leukemia", "leukemic", "leukemic cell",
            "leukaemic", "leukaemia", "positive", "malignant",
            "early", "pre", "pro", "early pre b", "pre b", "pro b", "probable blast",
        ),
    ),
    CellClass(
        name="healthy",
        title="Healthy WBC",
        heading="Healthy WBC",
        plural="healthy white cells",
        brief="healthy",
        row="Healthy white cells",
        role="white cell",
        colour=(255, 120, 190),  # as in the paper's Figure 3
        line="dashed",
        paper="healthy",
        likely_names=(
            "healthy wbc", "healthy cell", "wbc", "wbcs", "white blood cell", "white blood cells",
            "white cell", "leukocyte", "leucocyte", "normal", "normal cell", "hem", "benign",
            "normal wbc", "white blood", "negative",
            "lymphocyte", "neutrophil", "monocyte", "eosinophil", "basophil",
        ),
    ),
    CellClass(
        name="smudge",
        title="Smudge",
        heading="Smudges",
        plural="smudges",
        brief="smudges",
        row="Smudge cells",
        role="smudge",
        colour=(150, 176, 200),
        line="dotted",
        column="smudges",
        likely_names=(
            "smudge cell", "smudged", "smear cell", "basket", "basket cell", "gumprecht shadow",
        ),
    ),
)  # fmt: skip
