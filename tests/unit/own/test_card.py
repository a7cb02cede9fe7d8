"""A card is read as it was written, or not at all, and its error says why."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from allcell.errors import ModelError
from allcell.models.registry import get_spec
from allcell.own.card import Measured
from allcell.own.card_file import MAX_CARD_BYTES, _seal, card_json, read_card
from tests.own_models import card, laboratory


def sealed(**changes):
    """A card that somebody changed, with a seal that fits."""
    said = json.loads(card_json(card())) | changes
    said = {key: value for key, value in said.items() if value is not ... and key != "seal"}
    return json.dumps(said | {"seal": _seal(said)}).encode()


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(card(), id="everything on it"),
        pytest.param(card(familiarity=laboratory()), id="with its laboratory"),
        pytest.param(
            card(before=None, after=None, held_out=None, parents_laboratories=()), id="little on it"
        ),
        pytest.param(card("Łódź, nein: 東京".replace(",", "").replace(":", "")), id="letters"),
        pytest.param(
            card(
                training=replace(
                    card().training,
                    settings={"a": True, "b": 1, "c": 0.1 + 0.2, "d": "x", "e": None, "f": 1.0},
                )
            ),
            id="settings of all types",
        ),
    ],
)
def test_a_card_comes_back_as_it_was(one):
    again = read_card(card_json(one).encode(), "here")
    assert again == one
    types = [type(value) for value in again.training.settings.values()]
    assert types == [type(value) for value in one.training.settings.values()]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "cut or damaged", id="empty"),
        pytest.param(card_json(card()).encode()[:-200], "cut or damaged", id="cut"),
        pytest.param(b"[1]", "cut or damaged", id="no object"),
        pytest.param(b"\xff\xfe{", "cut or damaged", id="no text"),
        pytest.param(b"[" * 200_000, "cut or damaged", id="nested"),
        pytest.param(b" " * MAX_CARD_BYTES + b"{}", "cut or damaged", id="too large"),
        pytest.param(b'{"schema": true}', "cut or damaged", id="version of another type"),
        pytest.param(
            card_json(card()).replace("0.89", "0.99").encode(), "was altered", id="better scores"
        ),
        pytest.param(
            card_json(card()).replace('"seal"', '"steal"').encode(), "was altered", id="no seal"
        ),
        pytest.param(sealed(schema=2), "newer allcell.*Update", id="newer"),
        pytest.param(sealed(schema=2, surprise=1), "newer allcell.*Update", id="newer, unknown"),
        pytest.param(sealed(surprise=1), "does not fit: surprise", id="an unknown field"),
        pytest.param(sealed(parent=...), "does not fit: parent", id="a field missing"),
        pytest.param(sealed(confidence=1.5), "does not fit: confidence", id="out of range"),
        pytest.param(sealed(classes=[]), "does not fit: classes", id="no class"),
        pytest.param(sealed(id="../../etc"), "does not fit: id", id="a path as id"),
        pytest.param(sealed(name="x" * 500), "does not fit: name", id="a long name"),
        pytest.param(sealed(sha256="zz"), "does not fit: sha256", id="no hash"),
        pytest.param(sealed(made="yesterday"), "does not fit: made", id="no date"),
    ],
)
def test_a_card_that_is_not_whole_is_refused(content, said):
    with pytest.raises(ModelError, match=said) as refused:
        read_card(content, "lab-x")
    assert refused.value.remedy
    assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"confidence": 7}, id="out of range"),
        pytest.param({"confidence": math.nan}, id="no number"),
        pytest.param({"parent_sha256": "12"}, id="no hash"),
        pytest.param({"method": "magic"}, id="no method"),
        pytest.param({"training": None}, id="nothing it was made from"),
        pytest.param(
            {"before": replace(card().before, false_blasts_a_field=Measured(math.inf))},
            id="infinite",
        ),
    ],
)
def test_what_does_not_fit_is_never_written(wrong):
    with pytest.raises(ModelError, match="cannot be written"):
        card_json(card(**wrong))


def test_the_spec_is_that_of_the_parent_with_what_was_taught():
    one = card(familiarity=laboratory(), confidence=0.37, red_cell_px=22.0)
    spec, live = replace(one, id="lab-a-1").spec(), get_spec("live")
    assert (spec.name, spec.title) == ("lab-a-1", "Klinikum A")
    assert (spec.confidence, spec.red_cell_px) == (0.37, 22.0)
    assert (spec.output, spec.iou, spec.stride_px) == (live.output, live.iou, live.stride_px)
    assert spec.laboratory == one.familiarity
    assert spec.paper == ""
    assert "8 reviewed fields, for this laboratory" in spec.summary
    hash(spec)  # a key of caches


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"parent": "yolov99"}, "does not have", id="a parent of a newer allcell"),
        pytest.param({"classes": ("blast", "dragon")}, "does not know: dragon", id="a new class"),
    ],
)
def test_what_this_allcell_does_not_know_is_named(wrong, said):
    with pytest.raises(ModelError, match=said):
        card(**wrong).spec()
