"""Style sheets and scripts of our own components, served by the app itself."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

#: The folder of these files.
ASSETS = Path(__file__).parents[1] / "assets"


@lru_cache(maxsize=32)
def asset(name: str) -> str:
    """The text of a file in `ui/assets`."""
    return (ASSETS / name).read_text(encoding="utf-8")
