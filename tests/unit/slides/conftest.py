"""A rendered smear, painted once for all tests of a process."""

from __future__ import annotations

import pytest

from allcell.slides.opening import open_slide
from allcell.synth.scan import SmearSpec, write_slide


@pytest.fixture(scope="session")
def smear(tmp_path_factory):
    """Blocks of 1024 px, from glass over thick, monolayer and feathered edge to glass."""
    spec = SmearSpec(16_000, 2048, red_cell_px=24, seed=2)
    return write_slide(tmp_path_factory.mktemp("smear") / "smear.tif", spec)


@pytest.fixture
def slide(smear):
    """The same, open."""
    opened = open_slide(smear.path)
    yield opened
    opened.close()
