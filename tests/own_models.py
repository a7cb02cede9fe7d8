"""Own-laboratory models for the tests: cards, and the live network changed a little."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from allcell.models.registry import get_spec
from allcell.own.card import (
    Card,
    ClassScore,
    Forgotten,
    HeldOut,
    Measured,
    OwnLaboratory,
    Scores,
    Training,
)
from tests.conftest import ROOT

#: Stands for an ONNX file where none is opened.
BYTES = b"an ONNX file"


@dataclass(frozen=True)
class Person:
    """Who acts."""

    name: str
    logged_in: bool = True
    reader: bool = False


def scores(ap: float) -> Scores:
    """Scores of both classes, with intervals."""
    one = ClassScore(Measured(ap, ap - 0.1, ap + 0.05), Measured(0.8), Measured(None))
    return Scores({"blast": one, "healthy": one}, Measured(0.25, 0.1, 0.5))


def card(name: str = "Klinikum A", **more: Any) -> Card:
    """A card with everything on it, as a training would make it."""
    live = get_spec("live")
    told: dict[str, Any] = {
        "name": name,
        "made": date(2026, 11, 28),
        "parent": "live",
        "parent_sha256": "ab" * 32,
        "classes": live.classes,
        "confidence": 0.4,
        "method": "full",
        "training": Training(8, {"blast": 40, "healthy": 26}, 170.5, 1, {"rehearsal": True}),
        "normalise_stain": live.normalise_stain,
        "before": scores(0.59),
        "after": scores(0.89),
        "held_out": HeldOut(8, {"blast": 40, "healthy": 26}, "by field, in 4 parts"),
        "verdict": "Better on blasts.",
        "parents_laboratories": (Forgotten("allidb1", "blast", 0.97, 0.93),),
        "app_version": "0.3.0",
    }
    return Card(**(told | more))


def laboratory(number: int = 2, **more: Any) -> OwnLaboratory:
    """A laboratory told by a few made-up traits."""
    rows = tuple(tuple(float(i == j) for j in range(number)) for i in range(number))
    told: dict[str, Any] = {
        "traits": tuple(f"trait {n}" for n in range(number)),
        "mean": (0.5,) * number,
        "inverse": rows,
        "usual": 5.0,
        "fields": 8,
    }
    return OwnLaboratory(**(told | more))


@cache
def taught(nudge: float = 0.02) -> bytes:
    """The live network with one bias moved, as a training would move many."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(ROOT / "weights" / "live.onnx"))
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 1 and values.size > 8:
            tensor.CopyFrom(numpy_helper.from_array(values + np.float32(nudge), tensor.name))
            return bytes(model.SerializeToString())
    raise AssertionError("live.onnx has no bias")
