"""The classes a reviewer can give a cell: the model's, two bins, and up to twelve of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from allcell.errors import ReviewError
from allcell.models.classes import CELL_CLASSES, LineStyle
from allcell.text.words import one_line

#: What a label counts as. `white cell` and `blast` make up the differential, `smudge` and `other`
#: are given per 100 of these, the last two count as nothing.
LabelRole = Literal["blast", "white cell", "smudge", "other", "unidentified", "not a cell"]

UNIDENTIFIED = "unidentified"
NOT_A_CELL = "not a cell"
MAX_OWN_LABELS = 12
#: Longest name of a label of one's own, in characters.
MAX_LABEL_LENGTH = 40


@dataclass(frozen=True)
class CellLabel:
    """One class that a reviewer can choose.

    Attributes:
        name: Its name in records and files.
        title: One cell, as shown to people.
        plural: Form in a sentence, after a number.
        key: The key that gives it to the selected cells, one capital letter or digit.
        role: What it counts as.
        colour: RGB, 0 to 255, bright enough for dark text on it.
        line: Line of a box, for the colour-blind.
        own: Whether the user defined it.
    """

    name: str
    title: str
    plural: str
    key: str
    role: LabelRole
    colour: tuple[int, int, int]
    line: LineStyle = "solid"
    own: bool = False


_KEYS = {"blast": "B", "healthy": "H", "smudge": "S"}

#: Those of the models, then the two bins. Their keys are reserved.
FIXED_LABELS: tuple[CellLabel, ...] = (
    *(
        CellLabel(
            cell.name,
            # The bin holds what CellaVision calls smudges and artefacts.
            "Smudge or artefact" if cell.name == "smudge" else cell.title,
            "smudges and artefacts" if cell.name == "smudge" else cell.plural,
            _KEYS[cell.name],
            cell.role,
            cell.colour,
            cell.line,
        )
        for cell in CELL_CLASSES
        if cell.name in _KEYS
    ),
    CellLabel(UNIDENTIFIED, "Unidentified", "unidentified", "U", "unidentified", (235, 235, 235)),
    CellLabel(NOT_A_CELL, "Not a cell", "not cells", "N", "not a cell", (170, 170, 170), "dotted"),
)
RESERVED_KEYS = frozenset(label.key for label in FIXED_LABELS)

#: Colours of labels of one's own, by their place: twelve that can be told apart on a stained smear
#: (after Paul Tol's light and muted schemes).
_COLOURS = (
    *((119, 221, 255), (68, 187, 153), (187, 204, 51), (238, 136, 102), (153, 221, 255)),
    *((255, 170, 187), (221, 204, 119), (136, 204, 238), (204, 187, 255), (170, 170, 0)),
    *((102, 204, 170), (255, 190, 120)),
)

#: Names, plurals, keys and roles that are offered. An erythroblast is no white cell: it is given
#: per 100 of them.
SUGGESTED_OWN: tuple[tuple[str, str, str, LabelRole], ...] = (
    ("lymphocyte", "lymphocytes", "L", "white cell"),
    ("neutrophil", "neutrophils", "G", "white cell"),
    ("monocyte", "monocytes", "M", "white cell"),
    ("eosinophil", "eosinophils", "E", "white cell"),
    ("basophil", "basophils", "A", "white cell"),
    ("erythroblast", "erythroblasts", "R", "other"),
    ("prolymphocyte", "prolymphocytes", "P", "white cell"),
)


def own_label(name: str, key: str, role: LabelRole = "white cell", *, place: int = 0) -> CellLabel:
    """A label of the user's own.

    Args:
        name: What it is called, up to `MAX_LABEL_LENGTH` characters; shown as text wherever it
            stands.
        key: One letter or digit; not one of `RESERVED_KEYS`.
        role: `white cell` for what is part of the differential, `other` for what is given per 100.
        place: Its place among the labels of one's own, from 0: the colour follows from it.

    Raises:
        ReviewError: If name, key or role cannot be used.
    """
    cleaned = one_line(name, MAX_LABEL_LENGTH + 1)
    letter = key.strip().upper()
    if not 0 < len(cleaned) <= MAX_LABEL_LENGTH:
        raise ReviewError(
            f"A class is called by 1 to {MAX_LABEL_LENGTH} characters, got {len(name.strip())}.",
            "Choose a shorter name, or any name at all.",
        )
    if len(letter) != 1 or not (letter.isascii() and letter.isalnum()):
        raise ReviewError(f"A class has one letter or digit as its key, got {key!r:.20}.")
    if letter in RESERVED_KEYS:
        raise ReviewError(
            f"The key {letter} belongs to another class.",
            f"Choose any but {', '.join(sorted(RESERVED_KEYS))}.",
        )
    if role not in ("white cell", "other"):
        raise ReviewError(f"A class of your own counts as white cell or other, got {role!r}.")
    plural = next((many for one, many, *_ in SUGGESTED_OWN if one == cleaned.lower()), cleaned)
    colour = _COLOURS[place % len(_COLOURS)]
    title = cleaned[:1].upper() + cleaned[1:]
    return CellLabel(cleaned, title, plural, letter, role, colour, "solid", own=True)


def suggested_own() -> tuple[CellLabel, ...]:
    """The labels that are offered, as `own_label` makes them."""
    return tuple(
        own_label(name, key, role, place=place)
        for place, (name, _, key, role) in enumerate(SUGGESTED_OWN)
    )


@dataclass(frozen=True)
class LabelSet:
    """All labels of a case.

    Attributes:
        own: Those of the user, in the order they are shown.

    Raises:
        ReviewError: If there are more than `MAX_OWN_LABELS`, or two have one name or one key.
    """

    own: tuple[CellLabel, ...] = ()

    def __post_init__(self) -> None:
        if len(self.own) > MAX_OWN_LABELS:
            raise ReviewError(
                f"A case has up to {MAX_OWN_LABELS} classes of your own, got {len(self.own)}.",
                "Remove one of them first.",
            )
        for what, values in (
            ("name", [label.name.casefold() for label in self.all]),
            ("key", [label.key for label in self.all]),
        ):
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ReviewError(
                    f"Two classes have the {what} {twice[0]}.", f"Give one of them another {what}."
                )

    @property
    def all(self) -> tuple[CellLabel, ...]:
        """The models' labels, the user's, then the two bins."""
        models = tuple(label for label in FIXED_LABELS if label.name in _KEYS)
        return (*models, *self.own, *FIXED_LABELS[len(models) :])

    @cached_property
    def by_name(self) -> Mapping[str, CellLabel]:
        """The labels by name."""
        return {label.name: label for label in self.all}

    def named(self, name: str) -> CellLabel:
        """The label with that name.

        Raises:
            ReviewError: If there is none.
        """
        try:
            return self.by_name[name]
        except KeyError:
            raise ReviewError(
                f"There is no class {name!r:.60} in this case.",
                f"Choose one of: {', '.join(self.by_name)}.",
            ) from None

    def for_key(self, key: str) -> CellLabel | None:
        """The label that a key gives; None if it is no label's."""
        return next((label for label in self.all if label.key == key.upper()), None)
