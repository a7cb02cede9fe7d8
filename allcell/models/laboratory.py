"""Where the smears of one laboratory lie, as plain numbers that a model may carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

_Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class OwnLaboratory:
    """The laboratory that a model was taught for (see `allcell.imaging.familiarity.reference`).

    Attributes:
        traits: Names of the traits, in the order of the numbers.
        mean: Mean of each.
        inverse: Inverse covariance, a row for each.
        usual: Distance within which nearly all of its smears lie.
        fields: From how many pictures that was told.
        lowest_smear_score: Lowest log odds to be smears that its pictures have, by what allcell
            comes with (`Reference.smear_scores`); one like them is not taken for anything else.
        parents_known: Whether smears of the parent's laboratories still count as known: only if
            the training kept what the parent had learned of them.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    traits: tuple[str, ...]
    mean: tuple[_Finite, ...]
    inverse: tuple[tuple[_Finite, ...], ...]
    usual: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    fields: Annotated[int, Field(ge=0)]
    lowest_smear_score: _Finite = 0.0
    parents_known: bool = True
