"""Synthetic smears: the same seed shows the same slide, and the truth is exact."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from allcell.models.registry import BLAST, HEALTHY, SMUDGE
from allcell.synth import (
    Camera,
    FieldSpec,
    Kind,
    Stain,
    SyntheticSlide,
    expose,
    random_spec,
    render,
    render_cell,
    samples,
)
from allcell.synth.samples import SEPIA

#: No camera artefacts: what remains is the slide itself.
STILL = Camera(focus_blur=0, sharpening=0, gradient=0, vignette=0, noise=0, jpeg_quality=0)

#: Nothing but what a test adds.
BARE = FieldSpec(
    width_px=360, height_px=300, red_cell_px=30, platelets=0, red_coverage=0, camera=STILL
)

CROWDED = FieldSpec(
    width_px=320,
    height_px=240,
    red_cell_px=20,
    seed=3,
    blasts=5,
    neutrophils=2,
    lymphocytes=3,
    monocytes=1,
    eosinophils=1,
    smudges=2,
    platelets=15,
    platelet_clumps=2,
    clumping=0.6,
)

ONE_OF_EACH = [(kind, {f"{kind.value}s": 1}) for kind in Kind]


def test_same_seed_gives_the_same_photograph_and_another_seed_another() -> None:
    first, again, other = render(CROWDED), render(CROWDED), render(replace(CROWDED, seed=4))
    assert first.image.shape == (240, 320, 3)
    assert first.image.dtype == np.uint8
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.truth.xyxy, again.truth.xyxy)
    assert (first.image != other.image).mean() > 0.1


@pytest.mark.parametrize(
    ("x", "y"),
    [
        pytest.param(0, 0, id="the field itself"),
        pytest.param(-150, -111, id="negative coordinates"),
        pytest.param(301, 226, id="corner of four tiles"),
        pytest.param(7 * 320 + 5, -3 * 240 + 9, id="far away, never laid from the origin"),
    ],
)
def test_overlapping_views_agree_pixel_for_pixel(x: int, y: int) -> None:
    spec = replace(CROWDED, camera=Camera(focus_blur=0.04, sharpening=0.5))
    large = SyntheticSlide(spec).view(x, y, 200, 150)
    slide = SyntheticSlide(spec)
    slide.view(x - 90, y + 60, 70, 70)  # another order of asking must not matter
    for dx, dy, width, height in ((0, 0, 97, 61), (53, 40, 147, 110), (101, 77, 1, 1)):
        small = slide.view(x + dx, y + dy, width, height)
        np.testing.assert_array_equal(small.image, large.image[dy : dy + height, dx : dx + width])


def test_boxes_of_overlapping_views_agree() -> None:
    slide = SyntheticSlide(CROWDED)
    whole = slide.view(0, 0, 320, 240).truth.xyxy
    moved = slide.view(-40, -25, 400, 300).truth.xyxy - np.array([40, 25, 40, 25], np.float32)
    inside = whole[(whole[:, :2] > 0).all(1) & (whole[:, 2] < 320) & (whole[:, 3] < 240)]
    assert len(inside) >= 5
    assert {tuple(box) for box in inside} <= {tuple(box) for box in moved}


def test_field_is_the_view_at_the_origin_through_the_camera() -> None:
    view = SyntheticSlide(CROWDED).view(0, 0)
    photo = render(CROWDED)
    np.testing.assert_array_equal(photo.image, expose(view.image, CROWDED.camera, CROWDED.seed))
    np.testing.assert_array_equal(photo.truth.xyxy, view.truth.xyxy)


@pytest.mark.parametrize(("kind", "count"), ONE_OF_EACH, ids=[k.value for k, _ in ONE_OF_EACH])
def test_box_is_where_the_picture_changes(kind: Kind, count: dict[str, Any]) -> None:
    width, height = BARE.width_px, BARE.height_px
    compared = 0
    for seed in range(20):
        spec = replace(BARE, seed=seed, **count)
        cells = SyntheticSlide(spec).white_cells(-60, -60, width + 120, height + 120)
        if len(cells) != 1:
            continue  # cells of the surrounding slide reach in; only a lone one can be compared
        field = SyntheticSlide(spec).view(0, 0)
        empty = SyntheticSlide(replace(BARE, seed=seed)).view(0, 0)
        changed = np.abs(field.image.astype(int) - empty.image).max(axis=2)
        # A pixel that is half covered differs by at least half of the palest dye.
        rows, columns = np.nonzero(changed >= 8)
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert len(field.truth) == 1
        # Threads that trail from a smudge are faint, so its picture may change outside the box.
        slack = 1 if kind is not Kind.SMUDGE else 0.5 * BARE.red_cell_px
        np.testing.assert_allclose(field.truth.xyxy[0], seen, atol=slack)
        compared += 1
        if compared == 2:
            return
    pytest.fail("no seed gave a lone cell")


@pytest.mark.parametrize("kind", list(Kind), ids=[kind.value for kind in Kind])
def test_single_cell_box_bounds_the_half_covered_pixels(kind: Kind) -> None:
    rgba, (x1, y1, x2, y2) = render_cell(kind, 40, np.random.default_rng(1))
    assert rgba.dtype == np.float32
    assert 0 <= rgba.min() <= rgba.max() <= 1
    covered = rgba[..., 3] >= 0.5
    assert covered[y1:y2, x1:x2].sum() == covered.sum() > 0
    for edge in (covered[y1, :], covered[y2 - 1, :], covered[:, x1], covered[:, x2 - 1]):
        assert edge.any()


@pytest.mark.parametrize(
    ("kind", "smallest_um", "largest_um"),
    [
        (Kind.BLAST, 9.0, 20.0),
        (Kind.NEUTROPHIL, 11.0, 17.0),
        (Kind.LYMPHOCYTE, 6.5, 12.5),
        (Kind.MONOCYTE, 12.5, 22.0),
        (Kind.EOSINOPHIL, 11.0, 17.5),
        (Kind.SMUDGE, 8.0, 30.0),
    ],
    ids=lambda value: value.value if isinstance(value, Kind) else None,
)
def test_cells_have_their_natural_size(kind: Kind, smallest_um: float, largest_um: float) -> None:
    for seed in range(12):
        _, (x1, y1, x2, y2) = render_cell(kind, 30, np.random.default_rng(seed))
        assert smallest_um <= max(x2 - x1, y2 - y1) * 7.5 / 30 <= largest_um


def test_twice_the_red_cell_is_twice_every_box() -> None:
    spec = replace(CROWDED, red_cell_px=24, width_px=384, height_px=288, smudges=0)
    twice = replace(spec, red_cell_px=48, width_px=768, height_px=576)
    small, large = render(spec).truth, render(twice).truth
    np.testing.assert_array_equal(small.class_id, large.class_id)
    np.testing.assert_allclose(large.xyxy, 2 * small.xyxy, atol=3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_field_holds_exactly_the_counts(seed: int) -> None:
    spec = replace(CROWDED, seed=seed)
    cells = SyntheticSlide(spec).white_cells(0, 0, spec.width_px, spec.height_px)
    assert Counter(cell.kind for cell in cells) == Counter(spec.counts())


def test_densest_allowed_field_still_holds_its_counts() -> None:
    spec = replace(CROWDED, blasts=20, neutrophils=4, lymphocytes=6, clumping=1.0)
    assert spec.white_coverage() > 0.36
    cells = SyntheticSlide(spec).white_cells(0, 0, spec.width_px, spec.height_px)
    assert Counter(cell.kind for cell in cells) == Counter(spec.counts())


def test_no_white_cell_lies_on_another() -> None:
    spec = replace(CROWDED, blasts=20, clumping=1.0)
    # Beyond the field too: neighbouring tiles must give way to each other.
    cells = SyntheticSlide(spec).white_cells(-320, -240, 960, 720)
    place = np.array([(c.x_um, c.y_um, c.radius_um) for c in cells])
    gap = np.hypot(place[:, None, 0] - place[:, 0], place[:, None, 1] - place[:, 1])
    np.fill_diagonal(gap, np.inf)
    assert len(cells) > 100
    assert (gap / (place[:, None, 2] + place[:, 2])).min() > 0.85


@pytest.mark.parametrize(
    ("kind", "class_id"),
    [
        (Kind.BLAST, BLAST),
        (Kind.NEUTROPHIL, HEALTHY),
        (Kind.LYMPHOCYTE, HEALTHY),
        (Kind.MONOCYTE, HEALTHY),
        (Kind.EOSINOPHIL, HEALTHY),
        (Kind.SMUDGE, SMUDGE),
    ],
    ids=lambda value: value.value if isinstance(value, Kind) else None,
)
def test_classes_are_those_of_the_detectors(kind: Kind, class_id: int) -> None:
    count: dict[str, Any] = {f"{kind.value}s": 3}
    truth = SyntheticSlide(replace(BARE, **count)).view(0, 0).truth
    assert len(truth) >= 1
    assert set(truth.class_id.tolist()) == {class_id}
    assert (truth.confidence == 1).all()


@pytest.mark.parametrize(
    ("visible", "has_box"),
    [
        pytest.param(0.8, True, id="mostly in view"),
        pytest.param(0.5, True, id="half in view"),
        pytest.param(0.25, False, id="a quarter in view"),
    ],
)
def test_cell_cut_by_the_edge(visible: float, has_box: bool) -> None:
    slide = SyntheticSlide(replace(BARE, seed=1, eosinophils=1))
    box = slide.view(-100, -100, 560, 500).truth.xyxy - 100
    x1, y1, x2, y2 = box[np.argmin(np.abs(box - 150).sum(axis=1))].astype(int)
    left = round(x2 - visible * (x2 - x1))
    cut = slide.view(left, y1 - 5, 25, y2 - y1 + 10).truth
    assert len(cut) == int(has_box)
    if has_box:
        assert cut.xyxy[0, 0] == 0
        assert cut.xyxy[0, 2] == min(x2 - left, 25)


def test_empty_slide_has_no_truth() -> None:
    assert len(SyntheticSlide(BARE).view(0, 0).truth) == 0


def test_red_cells_cover_about_what_is_asked() -> None:
    sparse, dense = (
        SyntheticSlide(replace(BARE, red_coverage=part)).view(0, 0, 600, 450).image[..., 1]
        for part in (0.15, 0.45)
    )
    covered = [float((image < 0.88 * np.percentile(image, 99)).mean()) for image in (sparse, dense)]
    assert covered[0] == pytest.approx(0.15, abs=0.06)
    assert covered[1] == pytest.approx(0.42, abs=0.09)


def test_defocus_blurs_and_leaves_the_truth() -> None:
    slide = SyntheticSlide(CROWDED)
    sharp, blurred = slide.view(0, 0, focus_blur=0), slide.view(0, 0, focus_blur=0.2)
    steepness = [np.abs(np.diff(v.image.astype(int), axis=1)).mean() for v in (sharp, blurred)]
    assert steepness[1] < 0.6 * steepness[0]
    np.testing.assert_array_equal(sharp.truth.xyxy, blurred.truth.xyxy)


@pytest.mark.parametrize(
    ("camera", "check"),
    [
        pytest.param({"gain": 0.4}, lambda i: 90 < np.percentile(i, 95) < 110, id="dim"),
        pytest.param(
            {"cast": (1.0, 0.9, 0.6)},
            lambda i: i[..., 2].mean() < 0.7 * i[..., 0].mean(),
            id="yellow cast",
        ),
        pytest.param(
            {"vignette": 0.5},
            lambda i: i[:20, :20].mean() < 0.75 * i[140:160, 170:190].mean(),
            id="dark corners",
        ),
        pytest.param(
            {"gradient": 0.4, "gradient_deg": 0},
            lambda i: i[:, -20:].mean() < 0.75 * i[:, :20].mean(),
            id="light falls to the right",
        ),
        pytest.param({"noise": 6}, lambda i: 4 < i[:40, :40, 1].std() < 9, id="noise"),
    ],
)
def test_camera(camera: dict[str, Any], check: Any) -> None:
    assert check(render(replace(BARE, camera=replace(STILL, **camera))).image)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        pytest.param(lambda: FieldSpec(width_px=60), "width_px", id="narrower than 3 red cells"),
        pytest.param(lambda: FieldSpec(height_px=10**6), "height_px", id="too high"),
        pytest.param(lambda: FieldSpec(red_cell_px=0), "red_cell_px", id="no scale"),
        pytest.param(lambda: FieldSpec(red_cell_px=float("nan")), "red_cell_px", id="nan"),
        pytest.param(lambda: FieldSpec(seed=-1), "seed", id="negative seed"),
        pytest.param(lambda: FieldSpec(blasts=-1), "blasts", id="negative count"),
        pytest.param(lambda: FieldSpec(blasts=1.5), "whole", id="half a cell"),  # type: ignore[arg-type]
        pytest.param(lambda: FieldSpec(blasts=900), "cover", id="does not fit"),
        pytest.param(lambda: FieldSpec(red_coverage=0.9), "red_coverage", id="too dense"),
        pytest.param(lambda: FieldSpec(clumping=2), "clumping", id="not a chance"),
        pytest.param(lambda: Stain(strength=0), "strength", id="no stain"),
        pytest.param(lambda: Camera(gain=3), "gain", id="brighter than white"),
        pytest.param(lambda: Camera(cast=(1, 1)), "cast", id="two colours"),  # type: ignore[arg-type]
        pytest.param(lambda: Camera(jpeg_quality=5), "jpeg_quality", id="poor JPEG"),
        pytest.param(
            lambda: SyntheticSlide(BARE).view(0, 0, 0, 5), "positive view", id="empty view"
        ),
        pytest.param(
            lambda: SyntheticSlide(BARE).view(0, 0, focus_blur=1), "focus_blur", id="far off"
        ),
        pytest.param(
            lambda: render_cell(Kind.BLAST, 0, np.random.default_rng(0)), "red_cell_px", id="paste"
        ),
    ],
)
def test_what_makes_no_sense_is_refused(build: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize("seed", range(4))
def test_random_fields_render(seed: int) -> None:
    spec = random_spec(seed, 224, 224)
    assert spec == random_spec(seed, 224, 224)
    field = render(spec)
    assert field.image.shape == (224, 224, 3)
    assert field.red_cell_px == spec.red_cell_px


def test_random_fields_are_sometimes_healthy_and_mostly_not() -> None:
    healthy = [random_spec(seed, 640, 480, 20).blasts == 0 for seed in range(80)]
    assert 0.2 < np.mean(healthy) < 0.7


def test_random_field_keeps_the_scale_it_is_given() -> None:
    assert random_spec(5, 224, 224, red_cell_px=17).red_cell_px == 17


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_sample_renders_and_says_that_it_is_synthetic(sample: Any) -> None:
    assert "synthetic" in sample.title
    assert sample.caption
    # A quarter of the field is enough to know that it renders.
    spec = sample.spec
    view = SyntheticSlide(spec).view(0, 0, spec.width_px // 2, spec.height_px // 2)
    assert view.image.std() > 5
    assert sum(spec.counts().values()) >= 5


def test_the_unknown_laboratory_has_brown_nuclei_and_cells_of_both_classes() -> None:
    field, known = (render(one) for one in (SEPIA.field(1), replace(SEPIA.field(1), stain=Stain())))
    np.testing.assert_array_equal(field.truth.xyxy, known.truth.xyxy)
    assert {BLAST, HEALTHY} <= set(field.truth.class_id.tolist())
    x, y = ((field.truth.xyxy[0, :2] + field.truth.xyxy[0, 2:]) / 2).astype(int)
    red, _, blue = field.image[y - 5 : y + 5, x - 5 : x + 5].reshape(-1, 3).mean(axis=0)
    assert red > 1.5 * blue, "brown"
    red, _, blue = known.image[y - 5 : y + 5, x - 5 : x + 5].reshape(-1, 3).mean(axis=0)
    assert blue > 1.2 * red, "violet"
    assert len({SEPIA.field(n) for n in range(1, 33)}) == 32


def test_there_are_six_samples_with_names_of_their_own() -> None:
    assert len({sample.name for sample in samples()}) == 6
