"""Reasons not to trust an answer, and the one decision whether its numbers may be shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

#: Stands in place of the suggested class of a box whose picture is not to be trusted.
WITHHELD = "withheld"

#: What a caution is about, the most severe kind first.
CautionKind = Literal[
    "not_a_smear",
    "scale_implausible",
    "blurred",
    "exposure",
    "compressed",
    "unlike",
    "not_square",
    "models_disagree",
    "limit_reached",
    "cut_out",
    "one_of_several",
    "cut_off",
    "grey",
    "stain_unknown",
    "scale_unknown",
    "scale_weak",
]
_BY_SEVERITY = get_args(CautionKind)
#: Said already by the line on the size of the red cells.
_SAID_WITH_SCALE = ("scale_unknown", "scale_weak")


@dataclass(frozen=True)
class Caution:
    """A reason not to trust a result as it stands.

    Attributes:
        kind: What it is about, for programs: the picture as a whole, the size or the stain of its
            red cells, a limit that was reached so that cells may be missing, a cell that was cut
            out of its field, other models, or its file, of which a page was chosen or the end is
            missing, or which says that its pixels are not square.
        message: The reason, for people.
        remedy: What to do about it.
        withholds: Whether the fraction, its interval and the yes or no are withheld because of it.
    """

    kind: CautionKind
    message: str
    remedy: str
    withholds: bool = False

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Cautioned:
    """An answer on one picture, with what speaks against it.

    Pages, commands and exports decide nothing by themselves: they ask here.

    Attributes:
        warnings: Reasons not to trust it as it stands; empty if there is none.
        insisted: Whether the user wants the numbers even if a caution withholds them.
    """

    warnings: tuple[Caution, ...] = ()
    insisted: bool = False

    @property
    def withholding(self) -> tuple[Caution, ...]:
        """Those of `warnings` for which numbers are withheld, the most severe first."""
        return self._by_severity(withholds=True)

    @property
    def withheld(self) -> bool:
        """Whether no number, no class and no yes or no may be shown."""
        return bool(self.withholding) and not self.insisted

    @property
    def overruled(self) -> bool:
        """Whether its numbers are shown only because the user insists; all then say so."""
        return bool(self.withholding) and self.insisted

    @property
    def notes(self) -> tuple[Caution, ...]:
        """The others of `warnings`, the most severe first, without those on the red cells' size.

        The line on that size, which stands beside every result, says them already. What is no
        smear has no stain to be spoken of.
        """
        others = self._by_severity(withholds=False)
        idle = set(_SAID_WITH_SCALE)
        if any(caution.kind == "not_a_smear" for caution in self.warnings):
            idle.add("stain_unknown")
        return tuple(caution for caution in others if caution.kind not in idle)

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """What to tell the user, the most severe first: `withholding`, then `notes`."""
        return (*self.withholding, *self.notes)

    @property
    def standing(self) -> str:
        """What has to be said with its numbers, in one sentence; empty if nothing has to be."""
        if self.withheld:
            return "Numbers withheld: not to be trusted."
        if self.overruled:
            return "Not to be trusted: these numbers are shown because the user insisted."
        return ""

    @property
    def reservation(self) -> str:
        """`standing` and the reasons for it; empty if nothing has to be said."""
        return " ".join([self.standing, *(c.message for c in self.withholding if self.standing)])

    def _by_severity(self, *, withholds: bool) -> tuple[Caution, ...]:
        chosen = (caution for caution in self.warnings if caution.withholds == withholds)
        return tuple(sorted(chosen, key=lambda caution: _BY_SEVERITY.index(caution.kind)))

    def insist(self) -> Self:
        """The same answer with its numbers, whatever speaks against them."""
        return replace(self, insisted=True)
