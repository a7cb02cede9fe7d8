"""The fit of the gate, on invented traits."""

import numpy as np

from allcell.imaging.familiarity.reference import laboratory_traits
from allcell.imaging.familiarity.traits import NAMES
from allcell.training.familiarity import Traced, copied, fit, piece


def invented(source, role, middle, rng):
    return [Traced(source, role, rng.normal(middle, 1.0, len(NAMES))) for _ in range(60)]


def test_smears_others_and_laboratories_are_told_apart():
    rng = np.random.default_rng(0)
    here, there = invented("here", "field", 0.0, rng), invented("there", "field", 6.0, rng)
    others = invented("text", "other", -6.0, rng)
    known = fit([*here, *there, *others])
    rows = {
        name: np.stack([one.traits for one in group])
        for name, group in (("here", here), ("there", there), ("others", others))
    }
    assert (known.smear_scores(rows["here"]) > 0).all()
    assert (known.smear_scores(rows["others"]) < 0).all()
    assert np.mean(known.strangeness(rows["there"]) <= 1) > 0.95
    assert np.mean(known.without("there").strangeness(rows["there"]) > 1) > 0.95
    here_known = next(lab for lab in known.laboratories if lab.name == "here")
    assert here_known.distances(laboratory_traits(rows["here"])).mean() < 1


def test_copies_and_pieces_are_the_same_for_the_same_dice():
    image = np.random.default_rng(1).integers(0, 256, (260, 320, 3), np.uint8)
    for make in (copied, piece):
        first, second = (make(image, np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert first.shape != image.shape
