"""Teaching in torch: it learns, goes on where it was stopped, and exports what it learned."""

import errno

import numpy as np
import pytest
import torch

from allcell.engines.onnx_engine import OnnxEngine
from allcell.errors import ModelError
from allcell.models.checkpoint import load_network
from allcell.models.registry import get_spec
from allcell.models.weights import model_files, verified
from allcell.teaching.material import read_lesson
from allcell.training import adapt
from allcell.training.adapting import AdaptSettings, AdaptTiles, shown_fields
from tests.teaching_fields import rendered_lesson

pytestmark = pytest.mark.torch

LIVE = get_spec("live")
CPU = torch.device("cpu")


class StopError(Exception):
    """Raised to stop a training."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lesson")
    rendered_lesson(2).write(folder)
    return shown_fields(read_lesson(folder).images, LIVE, AdaptSettings())


@pytest.fixture(scope="module")
def parent():
    return verified(model_files("live").checkpoint)


def tiles_of(shown, **values):
    settings = AdaptSettings(
        **{"tiles": 12, "tile_px": 96, "batch": 4, "rehearsal": 0.0, "average": 1.0, **values}
    )
    return AdaptTiles(shown, None, LIVE, settings)


def numbers(network):
    """Its weights and statistics, without the counter of batches."""
    return {name: v for name, v in network.state_dict().items() if v.is_floating_point()}


def same(one, other, off=1e-4):
    return all(
        torch.allclose(value.float(), other[name].float(), atol=off) for name, value in one.items()
    )


def test_it_learns_and_tells_each_step(shown, parent, tmp_path):
    told = []
    taught = adapt.adapt(
        parent, tiles_of(shown), tmp_path / "kept", on_step=lambda *step: told.append(step)
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert not same(numbers(taught), numbers(load_network(parent, CPU, fuse=False)))


def test_the_parent_is_averaged_in(shown, parent, tmp_path):
    before = numbers(load_network(parent, CPU, fuse=False))
    kept = adapt.adapt(parent, tiles_of(shown, average=0.0), tmp_path / "a")
    assert same(numbers(kept), before)
    whole = numbers(adapt.adapt(parent, tiles_of(shown), tmp_path / "b"))
    half = numbers(adapt.adapt(parent, tiles_of(shown, average=0.5), tmp_path / "c"))
    mean = {name: (whole[name] + value) / 2 for name, value in before.items()}
    assert same(half, mean)


def test_frozen_statistics_are_the_parents(shown, parent, tmp_path):
    before = numbers(load_network(parent, CPU, fuse=False))
    frozen = adapt.adapt(parent, tiles_of(shown, frozen_statistics=True), tmp_path / "a")
    after = numbers(frozen)
    statistics = [name for name in after if "running" in name]
    assert statistics
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    assert not same(before, after)


@pytest.mark.parametrize("keep_every_s", [0.0, 60.0], ids=["kept each step", "kept when stopped"])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(shown, parent, tmp_path, keep_every_s):
    whole = adapt.adapt(parent, tiles_of(shown), tmp_path / "whole", key="a")
    kept, told = tmp_path / "kept", []

    def stop(done, of):
        told.append(done)
        if done == 2:
            raise StopError

    how = {"key": "a", "on_step": stop, "keep_every_s": keep_every_s}
    with pytest.raises(StopError):
        adapt.adapt(parent, tiles_of(shown), kept, **how)
    resumed = adapt.adapt(parent, tiles_of(shown), kept, **how)
    assert told == [1, 2, 3]
    assert same(numbers(resumed), numbers(whole), 1e-3)


@pytest.mark.parametrize("damage", ["another training", "cut", "not tensors"])
def test_what_was_kept_of_another_training_or_is_damaged_is_not_used(
    shown, parent, tmp_path, damage
):
    kept, told = tmp_path / "kept", []
    adapt.adapt(parent, tiles_of(shown), kept, key="a")
    if damage == "cut":
        kept.write_bytes(kept.read_bytes()[:1000])
    elif damage == "not tensors":
        torch.save({"key": "a", "step": parent}, kept)  # a path is code to be run: refused
    key = "b" if damage == "another training" else "a"
    adapt.adapt(parent, tiles_of(shown), kept, key=key, on_step=lambda done, of: told.append(done))
    assert told == [1, 2, 3]


def test_a_full_disk_is_told(shown, parent, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(adapt, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        adapt.adapt(parent, tiles_of(shown), tmp_path / "kept", keep_every_s=0)


def test_the_exported_file_answers_as_torch_does(shown, parent, tmp_path):
    tiles = tiles_of(shown)
    picture = np.ascontiguousarray(tiles.make(0)[0])
    network = adapt.adapt(parent, tiles, tmp_path / "kept")
    adapt.export(network, tmp_path / "taught.onnx", picture)
    adapt.export_parent(parent, tmp_path / "parent.onnx", picture)
    taught, before = (
        OnnxEngine(tmp_path / f"{name}.onnx").run(picture) for name in ("taught", "parent")
    )
    assert np.abs(taught - before).max() > 0.01
    # Any size, as all our graphs.
    wide = OnnxEngine(tmp_path / "taught.onnx").run(np.full((96, 160, 3), 200, np.uint8))
    assert wide.shape[0] == 4 + len(LIVE.classes)
    assert sorted(path.name for path in tmp_path.glob("*.onnx*")) == ["parent.onnx", "taught.onnx"]


def test_a_file_that_answers_otherwise_is_not_kept(shown, parent, tmp_path, monkeypatch):
    tiles = tiles_of(shown, learning_rate=0.01)
    picture = np.ascontiguousarray(tiles.make(0)[0])
    network = adapt.adapt(parent, tiles, tmp_path / "kept")
    written = adapt.export_network

    def another(model, target):
        written(load_network(parent, CPU), target)

    monkeypatch.setattr(adapt, "export_network", another)
    with pytest.raises(ModelError, match="answers otherwise"):
        adapt.export(network, tmp_path / "taught.onnx", picture)
    assert not list(tmp_path.glob("*.onnx*"))


def test_the_speed_of_a_tile_is_measured(shown, parent):
    assert 0 < adapt.seconds_a_tile(parent, tiles_of(shown), steps=1) < 60
