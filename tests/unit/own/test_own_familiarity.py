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
from allcell.own.card_file import card_json, read_card
from allcell.synth import random_spec, render
from allcell.synth.others import KINDS, render_other
from allcell.teaching.familiarity import fit_laboratory
from tests.own_models import card, laboratory

#: Rows: what of the red, green and blue density of a usual stain each of the three becomes.
GREENISH = ((0.9, 0.1, 0.2), (0.1, 0.35, 0.1), (0.2, 0.5, 0.6))
BROWNISH = ((0.25, 0.1, 0.0), (0.2, 0.6, 0.2), (0.2, 1.0, 1.2))
USUAL = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
#: What says that a picture is not of a known laboratory.
STRANGE = {"unlike", "not_a_smear"}


@cache
def smear(seed, stain=GREENISH):
    """A rendered smear in a stain that no laboratory of the training has."""
    image = render(random_spec(seed, 480, 360)).image
    density = -np.log((image.astype(np.float64) + 1) / 256)
    return (256 * np.exp(-density @ np.array(stain).T) - 1).clip(0, 255).astype(np.uint8)


@cache
def own(fields=8, **more):
    return replace(fit_laboratory([smear(900 + n) for n in range(fields)]), **more)


def kinds(image, told=None):
    return {f.kind for f in judge(image, resolve_scale(image), known=reference_for(told))}


def known(images, told=None):
    """Share of pictures that pass as smears of a known laboratory."""
    return np.mean([not STRANGE & kinds(image, told) for image in images])


@pytest.mark.slow
@pytest.mark.parametrize("fields", [pytest.param(n, id=f"{n} fields") for n in (3, 8, 20)])
def test_smears_of_the_laboratory_are_known_then_and_others_are_not(fields):
    theirs = [smear(2000 + n) for n in range(12)]
    others = [smear(3000 + n, BROWNISH) for n in range(6)]
    assert known(theirs) == 0  # as allcell comes
    assert known(theirs, own(fields)) >= 0.9
    assert known(others) == known(others, own(fields)) == 0


@pytest.mark.slow
def test_the_parents_laboratories_stay_known_only_if_they_were_rehearsed():
    theirs = [smear(n, USUAL) for n in (908, 912, 919, 925, 933)]
    assert known(theirs) == known(theirs, own()) == 1
    assert known(theirs, own(parents_known=False)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_smear_is_still_told(kind):
    picture = render_other(kind, 70_001, 500, 400)
    severe = [f.severe for f in judge(picture, resolve_scale(picture), known=reference_for(own()))]
    assert any(severe)


@pytest.mark.slow
def test_a_picture_without_cells_in_the_colours_of_the_laboratory_is_no_smear():
    """The stain is known then, and what tells smears still looks at everything else."""
    shuffled = smear(2000).reshape(-1, 3).copy()
    np.random.default_rng(0).shuffle(shuffled)
    assert STRANGE & kinds(shuffled.reshape(smear(2000).shape), own())


@pytest.mark.slow
def test_the_cautions_of_a_result_follow_the_model():
    taught = replace(get_spec("live"), name="lab-a", laboratory=own())

    def said(spec):
        return {caution.kind for caution in judged(spec, smear(2000)).about}

    assert STRANGE & said(get_spec("live"))
    assert not STRANGE & said(taught)


@pytest.mark.slow
def test_the_numbers_stand_on_the_card():
    told = fit_laboratory([smear(900)])
    assert told == fit_laboratory([smear(900)])
    assert told.fields == 1
    written = card_json(card(familiarity=told))
    assert len(written) < 30_000
    assert read_card(written.encode(), "here").familiarity == told


def test_without_a_field_nothing_is_told():
    with pytest.raises(DataError, match="no field"):
        fit_laboratory([])


def described(**more):
    return laboratory(len(LABORATORY_TRAITS), traits=LABORATORY_TRAITS, **more)


def test_a_laboratory_is_one_more():
    told = reference_for(described())
    assert [lab.name for lab in told.laboratories] == [
        *(lab.name for lab in reference().laboratories),
        OWN,
    ]
    alone = reference_for(described(parents_known=False))
    assert [lab.name for lab in alone.laboratories] == [OWN]


SIZE = len(LABORATORY_TRAITS)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(None, id="no laboratory"),
        pytest.param(laboratory(SIZE), id="told by other traits"),
        pytest.param(described(mean=(0.0,)), id="a mean that is too short"),
        pytest.param(described(inverse=((1.0,),)), id="a spread that is too small"),
        pytest.param(described(inverse=((1.0,) * 3,) * SIZE), id="one that is not square"),
        pytest.param(described(inverse=((1.0,) * SIZE,) * SIZE), id="one without an end"),
        pytest.param(
            described(
                inverse=tuple(
                    tuple(float(i == j) + (i < j) for j in range(SIZE)) for i in range(SIZE)
                )
            ),
            id="one that is not symmetric",
        ),
    ],
)
def test_what_cannot_be_used_changes_nothing(told):
    assert reference_for(told) is reference()
