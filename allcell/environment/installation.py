"""What to do about something that is missing, true for how allcell was installed.

In a checkout that is a command of make or git. Those who installed the wheel have neither.
"""

from __future__ import annotations

from pathlib import Path

from allcell import settings
from allcell.errors import ModelError

#: Packages of the extras that make does not install, as pip wants them.
_BESIDE = {"batch": "pyarrow", "login": "authlib httpx", "ray": '"ray[data]"'}


def get_weights() -> str:
    """How to get a weight file that is missing or damaged."""
    if settings.INSTALLED:
        return (
            "The wheel includes only the live model. Copy the weights/ folder of allcell's "
            "repository to this computer, and set ALLCELL_WEIGHTS_DIR to it."
        )
    return "Restore the project's weights/ folder (for example with `git checkout weights`)."


def get_packages(extra: str) -> str:
    """How to install what an optional part of allcell needs.

    Args:
        extra: Its name in pyproject.toml.
    """
    if extra in _BESIDE and not settings.INSTALLED:
        return f"Install it with `pip install -c constraints.txt {_BESIDE[extra]}`."
    if settings.INSTALLED:
        return f'Install it with `pip install "allcell[{extra}]"`.'
    if extra in ("app", "openvino"):
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
            "This command would write into the installed package, and the next installation would "
            "delete what it wrote.",
            "Set ALLCELL_WEIGHTS_DIR to a folder of your own.",
        )
    return folder
