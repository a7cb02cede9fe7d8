"""The gate of stills: what is no smear, not good enough or strange is told, a good smear passes."""

from functools import cache

import cv2
import numpy as np
import pytest

from allcell.imaging.familiarity import judge
from allcell.imaging.familiarity.reference import Reference, reference
from allcell.imaging.familiarity.traits import LABORATORY_TRAITS, NAMES, measure
from allcell.imaging.scale import RedCellEstimate, Scale, resolve_scale
from allcell.synth import FieldSpec, render
from allcell.synth.others import KINDS, render_other
from allcell.synth.samples import EXAMPLE, samples

GOOD = FieldSpec(640, 480, red_cell_px=28, seed=11, blasts=5, neutrophils=2, lymphocytes=2)


@cache
def smear():
    return render(GOOD).image


def found(image, scale=None):
    return {f.kind: f for f in judge(image, scale or resolve_scale(image))}


def withheld(image, scale=None):
    return any(finding.severe for finding in found(image, scale).values())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_smear_is_withheld(kind):
    passed = [seed for seed in (70_001, 70_002) if not withheld(render_other(kind, seed, 500, 400))]
    assert not passed, f"seeds {passed} pass as smears"


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.zeros((300, 400, 3), np.uint8), id="black"),
        pytest.param(np.full((300, 400, 3), 255, np.uint8), id="white"),
        pytest.param(np.full((300, 400, 3), 225, np.uint8), id="empty slide"),
        pytest.param(np.full((16, 16, 3), 200, np.uint8), id="tiny"),
        pytest.param(np.full((1, 3000, 3), 200, np.uint8), id="one line"),
    ],
)
def test_nothing_to_see_is_withheld(image):
    assert withheld(image)


@pytest.mark.parametrize(
    "spec", [pytest.param(EXAMPLE, id="example"), pytest.param(GOOD, id="good")]
)
def test_a_good_smear_passes(spec):
    image = render(spec).image
    assert not withheld(image)
    assert "blurred" not in found(image)
    assert "exposure" not in found(image)
    assert "grey" not in found(image)


@pytest.mark.parametrize(
    ("side", "says"),
    [
        pytest.param(100, "3.6 red cells wide", id="a cell cut out of its field"),
        pytest.param(150, "", id="five red cells, as in fields that show one white cell"),
        pytest.param(480, "", id="a field"),
    ],
)
def test_a_cell_that_was_cut_out_is_no_field(side, says):
    field = render(GOOD)
    x, y = field.truth.xyxy.reshape(-1, 2, 2).mean(axis=1)[0].astype(int)
    left, top = (int(np.clip(at - side // 2, 0, end - side)) for at, end in ((x, 640), (y, 480)))
    image = field.image[top : top + side, left : left + side]
    cut = found(image, Scale(28.0, "given")).get("cut_out")
    assert bool(cut) == bool(says)
    if cut:
        assert says in cut.message
        assert not cut.severe


@pytest.mark.slow
@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_the_samples_of_the_app_pass(sample):
    assert not withheld(render(sample.spec).image)


def compressed(image, quality):
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ("spoil", "kind", "severe"),
    [
        pytest.param(lambda i: cv2.GaussianBlur(i, (0, 0), 2.8), "blurred", False, id="soft"),
        pytest.param(lambda i: cv2.GaussianBlur(i, (0, 0), 7.0), "blurred", True, id="blurred"),
        pytest.param(lambda i: (i * 0.2).astype(np.uint8), "exposure", True, id="dark"),
        pytest.param(lambda i: (i * 0.36).astype(np.uint8), "exposure", False, id="dim"),
        pytest.param(
            lambda i: np.clip(i * 3.5, 0, 255).astype(np.uint8), "exposure", True, id="burnt"
        ),
        pytest.param(
            lambda i: compressed(cv2.GaussianBlur(i, (0, 0), 1.2), 3),
            "compressed",
            True,
            id="nothing but blocks",
        ),
        pytest.param(lambda i: compressed(i, 4), "compressed", True, id="hardly recognised"),
        pytest.param(lambda i: compressed(i, 7), "compressed", False, id="compressed"),
        pytest.param(
            lambda i: np.repeat(i.mean(axis=2, keepdims=True).astype(np.uint8), 3, 2),
            "grey",
            False,
            id="grey",
        ),
    ],
)
def test_a_spoilt_smear_is_told(spoil, kind, severe):
    # The size is known: what is tested is the picture, not whether its cells can be measured.
    finding = found(spoil(smear()), Scale(28.0, "given"))
    assert kind in finding
    assert finding[kind].severe == severe
    assert severe or not any(f.severe for f in finding.values())


@pytest.mark.parametrize(
    ("scale", "severe"),
    [
        pytest.param(Scale(4.0, "given"), True, id="too small to see anything"),
        pytest.param(Scale(400.0, "measured"), True, id="hardly one fits"),
        pytest.param(Scale(60.0, "given", RedCellEstimate(28.0, 0.9)), False, id="not as measured"),
        pytest.param(Scale(28.0, "given", RedCellEstimate(60.0, 0.01)), None, id="measured weakly"),
        pytest.param(Scale(30.0, "given", RedCellEstimate(28.0, 0.9)), None, id="as measured"),
    ],
)
def test_sizes_that_cannot_be(scale, severe):
    finding = found(smear(), scale).get("scale_implausible")
    assert (finding.severe if finding else None) == severe


def moved(known, factor):
    """A reference whose laboratories lie elsewhere."""
    strange = tuple(
        type(lab)(lab.name, lab.mean + factor, lab.inverse, lab.usual) for lab in known.laboratories
    )
    return Reference(known.mean, known.deviation, known.bias + 1e6, known.weights, strange)


@pytest.mark.parametrize(
    ("away", "severe"), [pytest.param(0.02, False, id="unlike"), pytest.param(9.0, True, id="far")]
)
def test_a_strange_laboratory_is_told(away, severe):
    known = moved(reference(), away)
    told = {f.kind: f for f in judge(smear(), resolve_scale(smear()), known=known)}
    assert told["unlike"].severe == severe


def test_red_and_blue_exchanged_are_told():
    exchanged = found(np.ascontiguousarray(smear()[..., ::-1]))
    assert exchanged["unlike"].severe
    assert "Red and blue seem to be exchanged" in exchanged["unlike"].message


@pytest.mark.parametrize("share", [0, 0.25, 0.5])
def test_a_bluer_stain_is_not_taken_for_exchanged_colours(share):
    field = smear().astype(np.float32)
    bluer = np.rint((1 - share) * field + share * field[..., ::-1]).astype(np.uint8)
    assert not any("exchanged" in finding.message for finding in found(bluer).values())


def test_size_of_the_picture_is_no_sign_of_the_laboratory():
    image = smear()
    twice = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    one, two = measure(image, 28.0), measure(twice, 56.0)
    for name in LABORATORY_TRAITS:
        assert abs(one[name] - two[name]) < 0.08, name


def test_every_message_says_what_to_do():
    for image in (np.zeros((300, 400, 3), np.uint8), render_other("text", 1, 400, 300)):
        for finding in judge(image, Scale(None, "default")):
            assert finding.message.endswith(".")
            assert finding.remedy.endswith(".")


def test_the_reference_is_of_these_traits():
    known = reference()
    assert known.mean.shape == (len(NAMES),)
    assert {lab.name for lab in known.laboratories} == {
        "allidb1",
        "taleqani",
        "bccd",
        "pbc",
        "chula",
    }
    assert "chula" not in {lab.name for lab in known.without("chula").laboratories}


def test_a_reference_is_read_as_it_was_written(tmp_path, monkeypatch):
    known = reference()
    known.write(tmp_path / "reference.json")
    monkeypatch.setattr(
        "allcell.imaging.familiarity.reference.REFERENCE_FILE", tmp_path / "reference.json"
    )
    again = reference.__wrapped__()
    np.testing.assert_allclose(again.weights, known.weights, rtol=1e-5)
    (tmp_path / "reference.json").write_text('{"traits": [], "laboratory_traits": []}')
    with pytest.raises(ValueError, match="data familiarity"):
        reference.__wrapped__()
