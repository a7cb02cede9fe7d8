"""Tiles come in the same order, whoever makes them."""

import numpy as np
import pytest

from allcell.detections import Detections
from allcell.training.fields import Domain, TrainingField
from allcell.training.loading import Tiles, tile_loader
from allcell.training.tiles import TileMaker, TileRecipe

pytestmark = pytest.mark.torch


def test_worker_processes_make_the_tiles_of_each_epoch():
    image = np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    field = TrainingField("f", image, Detections.truth([(20, 20, 50, 50)], [1]))
    maker = TileMaker([Domain("a", (field,), 20.0)], [1], TileRecipe(side_px=32), 3)
    here, there = (
        tile_loader(Tiles(maker, 6), batch=4, workers=workers, pin_memory=False)
        for workers in (0, 2)
    )
    for epoch in (0, 1, 4):
        here.sampler.epoch = there.sampler.epoch = epoch
        for a, b in zip(here, there, strict=True):
            assert np.array_equal(a["img"], b["img"])
            assert a["im_file"] == b["im_file"]
            assert a["im_file"][0].startswith(f"tile-{epoch}-")
            expected = maker.make(epoch, int(a["im_file"][0].split("-")[2][:-4]))[0]
            assert np.array_equal(a["img"][0].numpy().transpose(1, 2, 0), expected)
