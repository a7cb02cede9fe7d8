"""Leukemic cells in blood-smear images: detection, counting, comparison. Research use only.

>>> import allcell
>>> result = allcell.detect("smear.png")
>>> result.counts.blasts
5

Everything here is loaded on first use: `import allcell` itself takes almost no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from allcell.environment import (
    offline as offline,  # before any library that could call home is imported
)

if TYPE_CHECKING:
    from allcell.api import detect, open_detector, read_image
    from allcell.counts import Counts
    from allcell.detections import Detections
    from allcell.detector import Detector
    from allcell.errors import AllcellError
    from allcell.result import Result

__version__ = "0.3.0"

__all__ = [
    "AllcellError",
    "Counts",
    "Detections",
    "Detector",
    "Result",
    "__version__",
    "detect",
    "open_detector",
    "read_image",
]

_HOMES = {
    "AllcellError": "errors",
    "Counts": "counts",
    "Detections": "detections",
    "Detector": "detector",
    "Result": "result",
    "detect": "api",
    "open_detector": "api",
    "read_image": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Kept in the module, so that later look-ups do not come here.
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
