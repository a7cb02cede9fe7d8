"""What a model is shown when it is taught."""

from dataclasses import replace

import numpy as np
import pytest

from allcell.models.registry import get_spec
from allcell.teaching.material import read_lesson
from allcell.training.adapting import (
    AdaptSettings,
    AdaptTiles,
    rendered_fields,
    shown_fields,
)
from allcell.training.augment import Augmentation
from tests.teaching_fields import rendered_lesson

PLAIN = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
SETTINGS = AdaptSettings(tiles=16, tile_px=96, raw_share=0.5, augmentation=PLAIN)
LIVE = get_spec("live")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lesson")
    rendered_lesson(3).write(folder)
    return read_lesson(folder).images


@pytest.mark.slow
def test_fields_are_shown_at_one_size_and_in_both_ways_of_staining(images):
    shown = shown_fields(images, LIVE, SETTINGS)
    assert [share for _, share in shown.domains] == [0.5, 0.5]
    normalised, raw = (domain.fields[0].image for domain, _ in shown.domains)
    assert normalised.shape == raw.shape
    assert not np.array_equal(normalised, raw)
    # 24 px a red cell in the pictures, 32 px in the tiles' source.
    assert raw.shape[0] / 360 == pytest.approx(32 / 24, rel=0.1)
    raw_only = shown_fields(images[:1], replace(LIVE, normalise_stain=False), SETTINGS)
    assert [share for _, share in raw_only.domains] == [1.0]


@pytest.mark.slow
def test_some_of_the_fields_and_none_of_the_others(images):
    shown = shown_fields(images, LIVE, SETTINGS)
    some = shown.of([2, 0])
    for (domain, _), (chosen, _) in zip(shown.domains, some.domains, strict=True):
        assert [one.name for one in chosen.fields] == [domain.fields[n].name for n in (2, 0)]


@pytest.mark.slow
def test_the_share_of_rehearsed_tiles_is_what_was_asked_for(images):
    settings = replace(SETTINGS, rehearsal=0.25)
    tiles = AdaptTiles(
        shown_fields(images, LIVE, settings), rendered_fields(LIVE, settings), LIVE, settings
    )
    alone = AdaptTiles(shown_fields(images, LIVE, settings), None, LIVE, settings)
    other = [n for n in range(16) if not np.array_equal(tiles.make(n)[0], alone.make(n)[0])]
    assert other == [3, 7, 11, 15]
    one, again = tiles.batch(0), tiles.batch(0)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(one, again, strict=True))


@pytest.mark.parametrize(
    "wrong", [{"tiles": 0}, {"rehearsal": 1.5}, {"average": -0.1}], ids=lambda one: next(iter(one))
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="shares from 0 to 1"):
        AdaptSettings(**wrong)
