"""Numbers that are withheld: why, and the user who wants to see them all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from allcell.cautions import Cautioned
from allcell.ui.shell.problems import show_cautions

Answer = TypeVar("Answer", bound=Cautioned)


class Insistence:
    """For which pictures the user wants the numbers, whatever speaks against them.

    It holds for one picture and for the reasons that were shown: another picture is withheld again,
    and so is the same one if a new reason comes up.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, frozenset[str]] = {}

    def applied(self, digest: str, answer: Answer) -> Answer:
        """An answer on a picture as the user wants it.

        Args:
            digest: Digest of the picture.
            answer: The answer.
        """
        accepted = self._kinds.get(digest, frozenset())
        wanted = _kinds(answer) <= accepted and bool(accepted)
        return answer.insist() if wanted else answer

    def put(self, digest: str, answer: Cautioned, wanted: bool) -> None:
        """Show or withhold the numbers of a picture in spite of what speaks against an answer."""
        if wanted:
            self._kinds[digest] = self._kinds.get(digest, frozenset()) | _kinds(answer)
        else:
            self.drop(digest)

    def drop(self, digest: str) -> None:
        """Forget a picture."""
        self._kinds.pop(digest, None)


def _kinds(answer: Cautioned) -> frozenset[str]:
    return frozenset(caution.kind for caution in answer.withholding)


def show_standing(answer: Cautioned, insist: Callable[[bool], None], key: str) -> None:
    """Why numbers are withheld, and the control to see them; nothing if they never were.

    Args:
        answer: What is shown below, unless it is withheld.
        insist: Called before the page's next run with whether the user wants the numbers.
        key: Prefix of the control's key.
    """
    if not answer.withholding:
        return
    with st.container(gap="small"):
        if answer.withheld:
            st.subheader("No numbers for this picture", anchor=False)
            st.markdown(
                "They could not be trusted. Nothing is said about blasts: neither that there are "
                "some, nor that there are none."
            )
        else:
            st.subheader("Not to be trusted", anchor=False)
            st.markdown(
                "You asked for the numbers of this picture all the same. Every download says so."
            )
        show_cautions(answer.withholding)
        st.button(
            "Show the numbers anyway" if answer.withheld else "Withhold the numbers again",
            icon=":material/visibility:" if answer.withheld else ":material/visibility_off:",
            on_click=insist,
            args=(answer.withheld,),
            key=f"{key}.insist",
            help="For this picture only. Everything that is then shown or downloaded is marked as "
            "not to be trusted."
            if answer.withheld
            else None,
        )
