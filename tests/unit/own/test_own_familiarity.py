"""A taught model knows the smears of its laboratory, and tells others as unlike."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from allcell.analysis import judged
from allcell.errors import DataError
from allcell.imaging.familiarity import judge
from allcell.imaging.familiarity.reference import OWN, reference, reference_for
from allcell.imaging.familiarity.traits import LABORATORY_TRAITS
from allcell.imaging.scale import resolve_scale
from allcell.models.registry import get_spec
from allcell.synth import random_spec, render
from allcell.synth.others import render_other
from allcell.teaching.familiarity import fit_laboratory
from tests.own_models import laboratory

#: Rows: what of the red, green and blue density of a usual stain each of the three becomes.
GREENISH = ((0.9, 0.1, 0.2), (0.1, 0.35, 0.1), (0.2, 0.5, 0.6))
BROWNISH = ((0.25, 0.1, 0.0), (0.2, 0.6, 0.2), (0.2, 1.0, 1.2))


@cache
def smear(seed, stain=GREENISH):
    """A rendered smear in a stain that no laboratory of the training has."""
    image = render(random_spec(seed, 640, 480)).image
    density = -np.log((image.astype(np.float64) + 1) / 256)
    return (256 * np.exp(-density @ np.array(stain).T) - 1).clip(0, 255).astype(np.uint8)


@cache
def own(fields=8):
    return fit_laboratory([smear(900 + n) for n in range(fields)])


def kinds(image, laboratory=None):
    return {f.kind for f in judge(image, resolve_scale(image), known=reference_for(laboratory))}


def share(images, laboratory=None):
    """Share of pictures in which the gate finds nothing about where they are from."""
    wrong = {"unlike", "not_a_smear"}
    return np.mean([not wrong & kinds(image, laboratory) for image in images])


@pytest.mark.slow
@pytest.mark.parametrize("fields", [pytest.param(n, id=f"{n} fields") for n in (1, 3, 8, 20)])
def test_smears_of_the_laboratory_are_known_then_and_others_are_not(fields):
    told = own(fields)
    theirs = [smear(2000 + n) for n in range(12)]
    others = [smear(3000 + n, BROWNISH) for n in range(12)]
    assert share(theirs) == 0  # as allcell comes
    assert share(theirs, told) >= 0.9
    assert share(others) == share(others, told) == 0


@pytest.mark.slow
def test_what_is_no_smear_is_still_told():
    for kind in ("text", "histology"):
        pass
