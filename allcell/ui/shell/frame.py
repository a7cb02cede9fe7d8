"""What surrounds every page: the name of the app and the research-use notice."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Protocol, runtime_checkable

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.pages_manager import PagesManager

from allcell.environment.installation import get_packages
from allcell.errors import AllcellError
from allcell.settings import RESEARCH_USE, settings
from allcell.ui.server import ask_nobody
from allcell.ui.sessions.ending import watch_session
from allcell.ui.shell.assets import ASSETS, asset
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.user_models import user_models
from allcell.ui.shell.wording import plain

#: A cell with its nucleus, in a teal that suits both themes.
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 118 28" width="118" height="28">
<circle cx="14" cy="14" r="11" fill="none" stroke="#1c8480" stroke-width="2.4"/>
<circle cx="15.5" cy="15" r="5.6" fill="#1c8480"/>
<text x="34" y="20.5" font-family="system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
 font-size="19" font-weight="600" fill="#1c8480">allcell</text></svg>"""
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 28 28" width="64" height="64">
<circle cx="14" cy="14" r="11.5" fill="none" stroke="#1c8480" stroke-width="3"/>
<circle cx="15.5" cy="15" r="6" fill="#1c8480"/></svg>"""

_FRAMED = "allcell.framed"
_PAGE, _STAYS = "allcell.page", "allcell.page_stays"


def frame(pages: Sequence[StreamlitPage], current: StreamlitPage) -> None:
    """Logo, styles, the notice, a phone's menu; called once in each run, before the page.

    The notice stays at the foot of the window and cannot be dismissed. On a narrow screen Streamlit
    moves its menu into a drawer that stays open over the page; a row of links takes its place.

    Args:
        pages: The pages in the menu.
        current: The page that is about to run.
    """
    ask_nobody()
    st.session_state[_FRAMED] = True
    st.session_state[_STAYS] = st.session_state.get(_PAGE) == current.title
    st.session_state[_PAGE] = current.title
    st.logo(LOGO, size="large")
    st.html(ASSETS / "frame.css")
    st.html(f'<div class="allcell-notice" role="note">{RESEARCH_USE}</div>')
    ask_before_leaving()
    with st.container(key="allcell-phone-menu", horizontal=True, gap="xsmall"):
        for page in pages:
            st.page_link(page, width="content")
    try:
        settings()
    except AllcellError as error:  # on every page, in words, rather than somewhere in its middle
        show_problem(error)
        st.stop()
    watch_session()
    require_login()
    _who_is_here()


def require_login() -> None:
    """Where `[auth]` is in Streamlit's secrets, show no page to who has not logged in."""
    try:
        wanted = "auth" in st.secrets
    except (FileNotFoundError, StreamlitSecretNotFoundError):
        return
    if not wanted:
        return
    # Without a login the user has no such attribute.
    if getattr(st.user, "is_logged_in", False):
        return
    st.title("Log in", anchor=False)
    st.markdown("This allcell is for people whom its operator knows.")
    if missing := [name for name in ("authlib", "httpx") if find_spec(name) is None]:
        show_problem(AllcellError(f"Logins need {' and '.join(missing)}.", get_packages("login")))
        st.stop()
    st.button("Log in", type="primary", on_click=st.login, key="allcell.login")
    st.stop()


def _who_is_here() -> None:
    """Who has logged in, and the way out; nothing where nobody has to log in."""
    if not getattr(st.user, "is_logged_in", False):
        return
    with st.container(
        key="allcell-login", horizontal=True, horizontal_alignment="right", gap="small"
    ):
        st.caption(plain(str(st.user.get("email") or st.user.get("name") or "")))
        st.button("Log out", type="tertiary", on_click=st.logout, key="allcell.logout")


def page_stays() -> bool:
    """Whether the run before this one showed the same page."""
    return bool(st.session_state.get(_STAYS))


def require_frame() -> None:
    """Run app.py instead if a page runs on its own, without its frame and the notice.

    Until app.py has called `st.navigation` once, Streamlit treats every file in pages/ as a page of
    its own, and the first visitor to a fresh server may enter by the address of one. The flag that
    this call sets is set here, so that the same address leads to the same page, within its frame.
    """
    if _FRAMED not in st.session_state:
        PagesManager.uses_pages_directory = False
        st.rerun()
    require_login()


@runtime_checkable
class Losable(Protocol):
    """What a session keeps under a key of its own and a reload of the page would lose."""

    @property
    def would_be_lost(self) -> bool:
        """Whether it holds any of the user's work."""
        ...


def ask_before_leaving() -> None:
    """Let the browser ask before it reloads or closes the page while the session holds work."""
    kept = st.session_state.values()
    held = bool(user_models()) or any(
        value.would_be_lost for value in kept if isinstance(value, Losable)
    )
    _tell_browser("allcell-leaving", {"held": held})


def announce(words: str) -> None:
    """Have a screen reader read something out when it changes; nothing is shown.

    Args:
        words: One or two sentences.
    """
    _tell_browser("allcell-announcer", {"said": words})


def _tell_browser(key: str, data: dict[str, object]) -> None:
    st.components.v2.component("allcell_frame", js=asset("frame.js"))(key=key, data=data)
