"""Who may use and change an own-laboratory model: as with cases (`allcell.records.access`).

Without a login all models are one user's. With one, a model is its owner's alone, or everybody's to
use where whoever runs allcell said so.
"""

from __future__ import annotations

from typing import Protocol

from allcell.errors import ModelError
from allcell.own.card import Card

#: The owner of a model that everybody who logs in may use, and nobody who does may change.
EVERYONE = "*"


class Who(Protocol):
    """Who acts: see `allcell.records.kept.Actor`."""

    @property
    def name(self) -> str:
        """As the login says."""
        ...

    @property
    def logged_in(self) -> bool:
        """Whether a login says so."""
        ...

    @property
    def reader(self) -> bool:
        """Whether they may only look."""
        ...


def owner_of_new(card: Card, who: Who | None) -> str:
    """Whose a model is that someone adds.

    Args:
        card: Names the owner if nobody in particular adds it.
        who: Who adds it.
    """
    if who is None:
        return card.owner
    return who.name if who.logged_in else ""


def may_use(card: Card, who: Who | None) -> bool:
    """Whether someone may see a model and run it; None is whoever may read the files."""
    return who is None or not who.logged_in or card.owner in (who.name, EVERYONE)


def may_change(card: Card, who: Who | None) -> bool:
    """Whether someone may rename, give away and delete a model."""
    return who is None or (not who.reader and (not who.logged_in or card.owner == who.name))


def refuse_reader(who: Who | None) -> None:
    """Refuse someone who may only look.

    Raises:
        ModelError: If they may.
    """
    if who is not None and who.reader:
        raise ModelError("You may look, but not change anything.", "Ask whoever runs allcell here.")
