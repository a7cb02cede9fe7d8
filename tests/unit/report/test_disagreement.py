"""Models that say different things of one picture: a note, and nothing more."""

from __future__ import annotations

import numpy as np
import pytest

from allcell.cautions import Caution
from allcell.detections import Detections
from allcell.detector import Timing
from allcell.report.disagreement import models_disagree
from allcell.result import Result

NO_SMEAR = Caution("not_a_smear", "It is no smear.", "Use another.", withholds=True)
CLASSES = ("blast", "healthy")


def result(
    blasts: int, healthy: int, *warnings: Caution, classes: tuple[str, ...] = CLASSES
) -> Result:
    ids = [*[0] * blasts, *[len(classes) - 1] * healthy]
    xyxy = np.tile(np.array([[0, 0, 9, 9]], np.float32), (len(ids), 1))
    found = Detections(xyxy, np.full(len(ids), 0.8, np.float32), np.array(ids, np.int64))
    return Result("a", 40, 40, "m", found, classes, Timing(1.0, 1.0, 1.0, 3.0), warnings=warnings)


@pytest.mark.parametrize(
    ("results", "says"),
    [
        pytest.param({}, "", id="no model"),
        pytest.param({"A": result(5, 4)}, "", id="one model"),
        pytest.param({"A": result(5, 4), "B": result(5, 5)}, "", id="much the same"),
        pytest.param({"A": result(1, 0), "B": result(2, 1)}, "", id="few cells, two apart"),
        pytest.param(
            {"A": result(1, 4), "B": result(0, 5)},
            "whether there are blasts: A suggests some, B suggests none.",
            id="one yes, one no",
        ),
        pytest.param(
            {"A": result(1, 4), "B": result(0, 5), "C": result(0, 5)},
            "A suggests some, B and C suggest none.",
            id="one yes, two no",
        ),
        pytest.param(
            {"A": result(9, 4), "B": result(3, 10)},
            "how many blasts there are: from 3 to 9.",
            id="other classes",
        ),
        pytest.param(
            {"A": result(2, 10), "B": result(2, 2)},
            "how many white cells there are: from 4 to 12.",
            id="cells that one misses",
        ),
        pytest.param(
            {"A": result(1, 4), "B": result(0, 0, NO_SMEAR)}, "", id="what is withheld says nothing"
        ),
        pytest.param(
            {"A": result(4, 4), "B": result(0, 4, classes=("healthy",))},
            "",
            id="a model that knows no blasts has no say",
        ),
    ],
)
def test_what_models_disagree_on(results: dict[str, Result], says: str) -> None:
    note = models_disagree(results)
    assert (note is not None) == bool(says)
    if note is not None:
        assert says in note.message
        assert not note.withholds
        assert note.kind == "models_disagree"
