"""The own-laboratory models that whoever is at this browser may use."""

from __future__ import annotations

import logging

from allcell.errors import ModelError
from allcell.own.own_model import OwnModel
from allcell.own.shelf import shelf
from allcell.ui.sessions.who import actor

log = logging.getLogger(__name__)


def own_models() -> tuple[OwnModel, ...]:
    """Those models by name; none if their folder cannot be read, which the Models page says."""
    kept = shelf()
    try:
        # Asked on every page: who it is need not be known where nothing was ever taught.
        return kept.models(actor()) if kept.folder.is_dir() else ()
    except (ModelError, OSError) as error:
        log.warning("The own-laboratory models cannot be listed: %s", error)
        return ()
