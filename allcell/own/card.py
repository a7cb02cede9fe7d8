"""The card of an own-laboratory model: what it is, how it was made, how much better it became.

Types and ranges are checked where a card is written or read (`allcell.own.card_file`), not where
one is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from allcell.errors import ModelError
from allcell.models.laboratory import OwnLaboratory as OwnLaboratory
from allcell.models.registry import CLASSES, ModelSpec, get_spec

#: All ids begin with it, and no name in the registry does.
PREFIX = "lab-"
LONGEST_NAME = 60
#: Said of each such model, wherever it is shown.
NOTE = "for this laboratory"

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=10**9)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Id = Annotated[str, Field(pattern=rf"^{PREFIX}[a-z0-9](-?[a-z0-9]){{0,47}}$")]
_Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
_Line = Annotated[str, Field(max_length=200)]
_Prose = Annotated[str, Field(max_length=4000)]
_Cells = Annotated[dict[_Line, _Count], Field(max_length=32)]
_STRICT = ConfigDict(extra="forbid")


#: `full` if layers of the network were trained, `quick` if only its last step.
Method = Literal["full", "quick"]


@dataclass(frozen=True)
class Measured:
    """A number with its interval.

    Attributes:
        value: What was measured; None if it cannot be (no cell of the class was held out).
        low: Lower end of the 95 % interval; None if there is none.
        high: Upper end.
    """

    __pydantic_config__ = _STRICT

    value: _Finite | None
    low: _Finite | None = None
    high: _Finite | None = None


@dataclass(frozen=True)
class ClassScore:
    """How well one class was found in the fields that were held out.

    Attributes:
        ap: Average precision, as shown elsewhere.
        recall: At the threshold that was chosen inside the folds.
        precision: Likewise.
    """

    __pydantic_config__ = _STRICT

    ap: Measured
    recall: Measured
    precision: Measured


@dataclass(frozen=True)
class Scores:
    """How one model did on the fields that were held out.

    Attributes:
        classes: By class name.
        false_blasts_a_field: Suggested blasts that are none, on average.
    """

    __pydantic_config__ = _STRICT

    classes: Annotated[dict[_Line, ClassScore], Field(max_length=32)]
    false_blasts_a_field: Measured


@dataclass(frozen=True)
class HeldOut:
    """On what the model and its parent were compared.

    Attributes:
        fields: How many fields were held out in turn.
        cells: Their cells, by class.
        how: How it was cross-validated, in words: `by case, in 4 parts`.
    """

    __pydantic_config__ = _STRICT

    fields: _Count
    cells: _Cells
    how: _Line


@dataclass(frozen=True)
class Training:
    """What the model was made from.

    Attributes:
        fields: Reviewed fields.
        cells: Their cells, by class.
        seconds: How long the training of the final model took.
        seed: Of its random numbers.
        settings: Whatever else decides the result.
    """

    __pydantic_config__ = _STRICT

    fields: _Count
    cells: _Cells
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    seed: int
    settings: Annotated[dict[_Line, bool | int | _Finite | _Line | None], Field(max_length=64)] = (
        field(default_factory=dict)
    )


@dataclass(frozen=True)
class Forgotten:
    """What the model does on smears that its parent was trained on.

    Attributes:
        laboratory: Short name of the laboratory, or `rendered smears`.
        cell_class: The class that was measured.
        before: Average precision of the parent.
        after: Of this model.
    """

    __pydantic_config__ = _STRICT

    laboratory: _Line
    cell_class: _Line
    before: _Share
    after: _Share


@dataclass(frozen=True)
class Card:
    """What is said of one own-laboratory model.

    Attributes:
        name: What the user calls it.
        made: On which day.
        parent: Registry name of the model that was taught.
        parent_sha256: Hash of that model's weights.
        classes: In the order of the network's output.
        confidence: Operating threshold, chosen inside the folds (0 to 1).
        method: See `Method`.
        training: What it was made from.
        id: The name for files, commands and addresses; given by the shelf, empty before.
        sha256: Hash of the ONNX file; given by the shelf, empty before.
        red_cell_px: Diameter of a red cell, in input pixels, at which it works best.
        normalise_stain: Whether it sees fields brought to one stain.
        before: How the parent did on the held-out fields; None if nothing could be held out.
        after: How this model did on them.
        held_out: Which those were.
        verdict: What the comparison says, in words.
        parents_laboratories: What it does on smears of the parent's laboratories.
        familiarity: Where the smears of the laboratory lie; None to judge pictures as the parent
            does.
        owner: Login of the person whose it is; empty where nobody logs in.
        imported: Whether it came from another machine, and so is run as a stranger's network.
        app_version: Of the allcell that made it.
        note: What is said beside its name.
    """

    __pydantic_config__ = _STRICT

    name: _Name
    made: date
    parent: _Line
    parent_sha256: _Sha256 | Literal[""]
    classes: Annotated[tuple[_Line, ...], Field(min_length=1, max_length=32)]
    confidence: _Share
    method: Method
    training: Training
    id: _Id | Literal[""] = ""
    sha256: _Sha256 | Literal[""] = ""
    red_cell_px: Annotated[float, Field(ge=4, le=200, allow_inf_nan=False)] = 20.0
    normalise_stain: bool = False
    before: Scores | None = None
    after: Scores | None = None
    held_out: HeldOut | None = None
    verdict: _Prose = ""
    parents_laboratories: Annotated[tuple[Forgotten, ...], Field(max_length=64)] = ()
    familiarity: OwnLaboratory | None = None
    owner: _Line = ""
    imported: bool = False
    app_version: _Line = ""
    note: _Line = NOTE

    def spec(self) -> ModelSpec:
        """The model as the registry has it: what the card does not say is as of its parent.

        Raises:
            ModelError: If this allcell does not know the parent or a class.
        """
        again = "Use the version of allcell that made it, or teach it again."
        try:
            parent = get_spec(self.parent)
        except ModelError as error:
            raise ModelError(
                f"{self.name} was taught from {self.parent!r}, a model that this allcell does not "
                "have.",
                again,
            ) from error
        if unknown := [name for name in self.classes if name not in CLASSES]:
            raise ModelError(
                f"{self.name} has classes that this allcell does not know: {', '.join(unknown)}.",
                again,
            )
        fields = self.training.fields
        return replace(
            parent,
            name=self.id,
            title=self.name,
            summary=f"Taught from {parent.title} with {fields} reviewed "
            f"field{'' if fields == 1 else 's'}, {NOTE}.",
            classes=self.classes,
            confidence=self.confidence,
            red_cell_px=self.red_cell_px,
            normalise_stain=self.normalise_stain,
            laboratory=self.familiarity,
            architecture="",
            paper="",
            unlike_paper="",
        )
