"""allcell.synth.scan: rendered slides, their files and their truth."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from allcell.__main__ import app
from allcell.slides.opening import open_slide
from allcell.synth import SmearSpec, render_slide, write_slide
from allcell.synth.scan import Part
from tests.slide_files import APERIO

SPEC = SmearSpec(2500, 1500, seed=5, layout="monolayer")


@pytest.fixture(scope="module")
def rendered():
    return render_slide(SPEC)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_slide(tmp_path_factory.mktemp("scan") / "a.tif", SPEC)


@pytest.mark.slow
def test_the_file_shows_what_is_rendered(rendered, written):
    slide = open_slide(written.path)
    assert slide.size_px == (2500, 1500)
    assert slide.mpp == pytest.approx(0.25)
    off = np.abs(slide.read(0, 0, 2500, 1500).astype(int) - rendered.image)
    assert off.mean() < 2
    assert np.array_equal(written.truth.xyxy, rendered.truth.xyxy)
    assert np.array_equal(written.truth.class_id, rendered.truth.class_id)
    assert [level.downsample for level in slide.levels] == [1, 2, 4]
    whole = slide.read(0, 0, 1250, 750, 1).astype(int)
    halves = rendered.image.reshape(750, 2, 1250, 2, 3).mean(axis=(1, 3))
    assert np.abs(whole - halves).mean() < 3


@pytest.mark.slow
def test_blocks_fit_each_other(rendered):
    """Neighbouring pixels differ no more across the edge of a block than elsewhere."""
    image = rendered.image.astype(int)
    for axis in (0, 1):
        steps = np.abs(np.diff(image, axis=axis)).mean(axis=(1 - axis, 2))
        edges = [n for n in (1023, 2047) if n < len(steps)]
        for edge in edges:
            around = steps[edge - 12 : edge + 13]
            assert steps[edge] < around.mean() + 3 * around.std()


@pytest.mark.slow
def test_the_truth_lies_on_nuclei(rendered):
    assert len(rendered.truth) > 20
    for x1, y1, x2, y2 in rendered.truth.xyxy.astype(int):
        cell = rendered.image[y1:y2, x1:x2]
        assert (cell[..., 1] < 0.5 * rendered.image[..., 1].max()).mean() > 0.15


def test_a_smear_goes_from_glass_to_glass():
    spec = SmearSpec(60_000, 40_000)
    stretches = spec.stretches()
    assert [part for _, _, part in stretches] == [
        *(Part.EMPTY, Part.THICK, Part.MONOLAYER, Part.FEATHERED, Part.EMPTY),
    ]
    assert all(before[1] <= after[0] for before, after in pairwise(stretches))
    layer = next(right - left for left, right, part in stretches if part is Part.MONOLAYER)
    assert layer > 30_000
    plain = SmearSpec(6000, 5000, layout="monolayer").stretches()
    assert plain == [(0, 6000, Part.MONOLAYER)]


@pytest.mark.parametrize(
    "wrong",
    [{"width_px": 100}, {"height_px": 70_000}, {"red_cell_px": 5}, {"blasts": -1}, {"seed": -1}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_no_slide_can_be(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SmearSpec(**wrong)
    with pytest.raises(ValueError, match="100,000,000"):
        render_slide(SmearSpec(20_000, 20_000))


@pytest.mark.slow
def test_equal_tiles_are_stored_once(tmp_path):
    written = write_slide(tmp_path / "a.tif", SmearSpec(9000, 3000, seed=1, layout="monolayer"))
    with tifffile.TiffFile(written.path) as file:
        offsets = file.pages[0].dataoffsets
    assert len(set(offsets)) < 0.6 * len(offsets)
    assert written.path.stat().st_size < 9e6


@pytest.mark.slow
def test_openslide_reads_it_too(tmp_path):
    openslide = pytest.importorskip("openslide")
    about = APERIO.format(1500, 1000)
    write_slide(tmp_path / "a.svs", SmearSpec(1500, 1000), description=about)
    theirs = openslide.OpenSlide(tmp_path / "a.svs")
    ours = open_slide(tmp_path / "a.svs")
    assert theirs.properties["openslide.vendor"] == "aperio"
    assert float(theirs.properties["openslide.mpp-x"]) == ours.mpp == 0.25
    region = np.asarray(theirs.read_region((100, 200), 0, (600, 500)))[..., :3]
    assert np.abs(region.astype(int) - ours.read(100, 200, 600, 500)).max() <= 2


@pytest.mark.slow
def test_the_command_writes_a_slide_and_its_truth(tmp_path):
    slide, truth = tmp_path / "a.tif", tmp_path / "a.json"
    command = ["sample", "--slide", str(slide), "--size", "1200", "900", "--truth", str(truth)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    about = json.loads(truth.read_text())
    assert about["size_px"] == [1200, 900]
    assert about["mpp"] == 0.25
    assert {cell["class"] for cell in about["cells"]} <= {"blast", "healthy", "smudge"}
    assert open_slide(slide).size_px == (1200, 900)
    assert "already exists" in CliRunner().invoke(app, command).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "No file was named", id="nothing"),
        pytest.param(["a.png", "--slide", "b.tif"], "one of them at a time", id="both"),
        pytest.param(["a.png", "--truth", "b.json"], "belongs to a slide", id="truth of a field"),
        pytest.param(["--slide", "b.tif", "--size", "9", "9"], "expected 512", id="too small"),
        pytest.param(["--slide", "no/such/b.tif"], "no folder", id="no folder"),
    ],
)
def test_what_the_command_refuses(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["sample", *arguments])
    assert done.exit_code == 1
    assert message in done.output
    assert list(tmp_path.iterdir()) == []
