"""Who is at this browser, and what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

if TYPE_CHECKING:
    from allcell.records.kept import Actor

#: Who corrects where nobody has to log in.
ANYONE = "reviewer"


def secrets() -> dict[str, Any]:
    """Streamlit's secrets; empty where there are none."""
    try:
        return dict(st.secrets)
    except (FileNotFoundError, StreamlitSecretNotFoundError):
        return {}


def actor() -> Actor:
    """Who acts: the login, or `ANYONE` where `[auth]` is not in Streamlit's secrets.

    `readers` under `[allcell]` there lists who may only read.
    """
    # Imported here: the records take a while, which pages without cases need not wait for.
    from allcell.records.kept import Actor

    held = secrets()
    if "auth" not in held:
        return Actor(ANYONE)
    user = st.user.to_dict()
    name = str(user.get("email") or user.get("sub") or user.get("name") or "")
    readers = held.get("allcell", {}).get("readers", ())
    return Actor(name, logged_in=True, reader=not name or name in readers)
