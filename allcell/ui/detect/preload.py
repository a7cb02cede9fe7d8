"""Imports what the first result needs while the user is still choosing a picture."""

from __future__ import annotations

import importlib
import threading
from functools import cache

#: scipy, pandas and ONNX Runtime; together more than a second on a laptop. Never torch.
_MODULES = ("allcell.ui.detect.workspace", "allcell.engines.onnx_engine")


@cache
def start() -> None:
    """Start the imports in the background, once per process."""
    threading.Thread(target=_import_all, name="allcell-preload", daemon=True).start()


def _import_all() -> None:
    for module in _MODULES:
        importlib.import_module(module)
