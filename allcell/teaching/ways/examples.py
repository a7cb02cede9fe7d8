"""What the last step of a network learns from: features of places, and what is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allcell.boxes import iou
from allcell.detections import Detections, FloatArray
from allcell.teaching.ways.graph import FIRST_STRIDE_PX

#: How places are given to cells: the places inside it whose box and score fit best, by score to
#: the one times overlap to the other power. Source: Feng et al., TOOD, ICCV 2021, with the numbers
#: of ultralytics' loss, by which the network was trained.
_SCORE_POWER, _OVERLAP_POWER, _PLACES_A_CELL = 0.5, 6.0, 10
#: A place that was not chosen counts neither way if its box lies on a cell as much as this.
_NEITHER = 0.45
#: Empty places with no score above this one are all alike: of them few are kept, and count more.
_EMPTY, _KEPT_SHARE = 0.02, 0.03


@dataclass(frozen=True, eq=False)
class Examples:
    """Places of one level.

    Attributes:
        features: Of each place, (N, features).
        wanted: Scores that it should have, (N, classes).
        weight: How much it counts, (N,).
    """

    features: FloatArray
    wanted: FloatArray
    weight: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Examples:
        """Those of several tiles."""
        return cls(
            np.concatenate([one.features for one in parts]),
            np.concatenate([one.wanted for one in parts]),
            np.concatenate([one.weight for one in parts]),
        )


def examples(
    output: FloatArray,
    truth: Detections,
    side_px: int,
    classes: int,
    levels: int,
    rng: np.random.Generator,
) -> list[Examples]:
    """What one tile teaches, for each level.

    Args:
        output: Of `OpenedGraph.features`, without its first axis.
        truth: The tile's cells.
        side_px: Width and height of the tile.
        classes: Number of classes.
        levels: Number of levels.
        rng: Chooses which empty places are kept.
    """
    strides = [FIRST_STRIDE_PX * 2**k for k in range(levels)]
    places = np.concatenate([_places(side_px, stride) for stride in strides])
    scores = output[4 : 4 + classes].T
    wanted, weight = _targets(output[:4].T, scores, places, truth)
    empty = (wanted.max(axis=1) == 0) & (scores.max(axis=1) < _EMPTY)
    weight = np.where(empty, weight / _KEPT_SHARE, weight).astype(np.float32)
    kept = (~empty | (rng.random(len(empty)) < _KEPT_SHARE)) & (weight > 0)
    found, start = [], 0
    for stride in strides:
        end = start + (side_px // stride) ** 2
        here = np.flatnonzero(kept[start:end]) + start
        found.append(Examples(output[4 + classes :, here].T, wanted[here], weight[here]))
        start = end
    return found


def _places(side_px: int, stride: int) -> FloatArray:
    """Centres (N, 2) of a level's grid, in tile pixels."""
    steps = (np.arange(side_px // stride, dtype=np.float32) + 0.5) * stride
    x, y = np.meshgrid(steps, steps)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _targets(
    cxcywh: FloatArray, scores: FloatArray, places: FloatArray, truth: Detections
) -> tuple[FloatArray, FloatArray]:
    """Scores that each place should have (N, classes), and how much it counts (N,)."""
    wanted = np.zeros_like(scores)
    weight = np.ones(len(scores), np.float32)
    if not len(truth):
        return wanted, weight
    half = cxcywh[:, 2:] / 2
    boxes = np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1)
    overlap = iou(boxes, truth.xyxy)
    x, y = places[:, :1], places[:, 1:]
    left, top, right, bottom = truth.xyxy.T
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    fit = overlap**_OVERLAP_POWER * scores[:, truth.class_id] ** _SCORE_POWER * inside
    chosen = np.zeros(fit.shape, bool)
    best = np.argsort(-fit, axis=0, kind="stable")[:_PLACES_A_CELL]
    np.put_along_axis(chosen, best, True, axis=0)
    chosen &= fit > 1e-12
    # A place is given to one cell only.
    several = chosen.sum(axis=1) > 1
    chosen[several] = False
    chosen[several, overlap[several].argmax(axis=1)] = True
    fit = fit * chosen
    share = fit / np.maximum(fit.max(axis=0), 1e-12) * (overlap * chosen).max(axis=0)
    cell, value = share.argmax(axis=1), share.max(axis=1)
    wanted[np.arange(len(wanted)), truth.class_id[cell]] = value
    weight[(overlap.max(axis=1) > _NEITHER) & (value < 0.2)] = 0
    return wanted, weight
