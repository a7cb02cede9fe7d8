"""How far a teaching is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from allcell.background import state as background
from allcell.errors import TeachingError

#: Its process deletes a teaching that has this file when it ends.
DISCARD_FILE = "discard"


@dataclass(frozen=True)
class State(background.WorkState):
    """How far a teaching is.

    Attributes:
        plan: What will be done and how long it takes, in sentences; empty until it is known.
        outcome: See `allcell.teaching.judging.verdict.Outcome`; empty until it is known.
        verdict: The same in sentences.
        model: Id of the model that was made; empty if there is none.
    """

    plan: str = ""
    outcome: str = ""
    verdict: str = ""
    model: str = ""


def current_state(folder: Path) -> State:
    """How far the teaching in a folder is.

    Raises:
        TeachingError: If there is none.
    """
    try:
        return background.current_state(folder, State)
    except LookupError as error:
        raise TeachingError(
            f"There is no teaching in {folder.name}, or it is damaged.", "Begin a new one."
        ) from error
