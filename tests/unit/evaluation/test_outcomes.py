"""Found, false and missed, told apart as the scores count them."""

import numpy as np
import pytest

from allcell.detections import Detections
from allcell.evaluation.matching import ScoredImage, match
from allcell.evaluation.metrics import counts_at
from allcell.evaluation.outcomes import outcomes
from allcell.models.registry import BLAST, HEALTHY

CELL = (10.0, 10.0, 30.0, 30.0)
NEAR = (11.0, 10.0, 31.0, 30.0)
FAR = (60.0, 60.0, 80.0, 80.0)


def image(boxes, cells=((CELL, BLAST),), ignore=()):
    return ScoredImage(
        Detections(
            np.array([b for b, _, _ in boxes], np.float32).reshape(-1, 4),
            np.array([s for _, s, _ in boxes], np.float32),
            np.array([c for _, _, c in boxes], np.int64),
        ),
        Detections.truth([b for b, _ in cells], [c for _, c in cells]),
        np.array(ignore, np.float32).reshape(-1, 4),
    )


@pytest.mark.parametrize(
    ("item", "found", "false_alarms", "missed"),
    [
        pytest.param(image([(NEAR, 0.9, BLAST)]), [0.9], [], [], id="found"),
        pytest.param(image([(FAR, 0.9, BLAST)]), [], [0.9], [0.0], id="next to it"),
        pytest.param(image([(NEAR, 0.3, BLAST)]), [], [], [0.3], id="below the threshold"),
        pytest.param(image([]), [], [], [0.0], id="nothing seen"),
        pytest.param(
            image([(NEAR, 0.6, BLAST), (CELL, 0.9, BLAST)]), [0.9], [0.6], [], id="found twice"
        ),
        pytest.param(image([(CELL, 0.9, HEALTHY)]), [], [], [0.0], id="called another class"),
        pytest.param(
            image([(FAR, 0.9, BLAST)], ignore=[FAR]), [], [], [0.0], id="on one that is ignored"
        ),
        pytest.param(
            image([(CELL, 0.9, BLAST)], cells=((CELL, HEALTHY),)), [], [0.9], [], id="false"
        ),
    ],
)
def test_by_hand(item, found, false_alarms, missed):
    seen = outcomes(item, BLAST, 0.5)
    np.testing.assert_allclose(seen.found.confidence, found)
    np.testing.assert_allclose(seen.false_alarms.confidence, false_alarms)
    np.testing.assert_allclose(seen.missed_confidence, missed)
    assert len(seen.missed) == len(missed)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.8])
def test_as_many_as_the_scores_count(seed, threshold):
    rng = np.random.default_rng(seed)

    def some(n):
        corner = rng.uniform(0, 60, (n, 2))
        return np.concatenate([corner, corner + rng.uniform(10, 25, (n, 2))], axis=1)

    cells, ignore = some(12), some(3)
    boxes = np.concatenate([np.repeat(cells, 2, axis=0) + rng.normal(0, 3, (24, 4)), some(8)])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 2)
    item = ScoredImage(
        Detections(boxes, rng.uniform(size=32), rng.integers(0, 3, 32)),
        Detections.truth(cells, rng.integers(0, 3, 12)),
        ignore.astype(np.float32),
    )
    for class_id, matches in enumerate(match([item])):
        counts = counts_at(matches, threshold)
        seen = outcomes(item, class_id, threshold)
        got = len(seen.found), len(seen.false_alarms), len(seen.missed)
        assert got == (counts.tp, counts.fp, counts.fn)
