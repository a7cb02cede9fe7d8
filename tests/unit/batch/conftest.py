"""Tests that start worker processes."""

import sys
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def _main_is_no_page(monkeypatch):
    """A test of a page that ran before leaves it as `__main__`, which workers would run anew."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
