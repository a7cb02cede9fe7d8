"""What to do about something that is missing, true for how allcell was installed.

In a checkout that is a command of make or git. Who installed the wheel has neither.
"""

from __future__ import annotations

from pathlib import Path

from allcell import settings
from allcell.errors import ModelError


def get_weights() -> str:
    """How to get a weight file that is missing or damaged."""
    if settings.INSTALLED:
        return (
            "The wheel brings the live model only. Copy the folder weights/ of allcell's "
            "repository to this computer, and name it in ALLCELL_WEIGHTS_DIR."
        )
    return "Get the project's weights/ folder whole again (for example `git checkout weights`)."


def get_packages(extra: str) -> str:
    """How to install what an optional part of allcell needs.

    Args:
        extra: Its name in pyproject.toml: app or train.
    """
    if settings.INSTALLED:
        return f'Install it with `pip install "allcell[{extra}]"`.'
    if extra == "app":
        return "Install it with `make app LITE=1`."
    return "Install everything with `make app` (without LITE=1)."


def weights_to_write() -> Path:
    """The folder into which a command may write weights, metrics and cards.

    Raises:
        ModelError: If that is the folder inside the installed package.
    """
    folder = settings.settings().weights_dir
    if settings.INSTALLED and folder == settings.PROJECT_ROOT / "weights":
        raise ModelError(
            "What this command writes would lie inside the installed package, and be lost with the "
            "next installation.",
            "Name a folder of your own in ALLCELL_WEIGHTS_DIR.",
        )
    return folder
