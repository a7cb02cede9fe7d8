"""Fit the last step of a network: a logistic regression that is drawn towards what it was."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from allcell.teaching.ways.examples import Examples
from allcell.teaching.ways.graph import LastStep

_MOST_STEPS = 60
#: Cells are given to up to ten places each; so many count as one.
_PLACES_A_CELL = 8.0


def fit(found: Examples, before: LastStep, strength: float) -> LastStep:
    """Fit the last step of one level.

    Args:
        found: What it learns from.
        before: As it was.
        strength: How strongly it is drawn towards what it was, per cell and squared weight of a
            feature whose spread is one.
    """
    centre = found.features.mean(axis=0, dtype=np.float64)
    spread = found.features.std(axis=0, dtype=np.float64) + 1e-3
    features = found.features - centre.astype(np.float32)
    features /= spread.astype(np.float32)
    weight = found.weight[:, None]
    start = (before.weight * spread).T
    constant = before.bias + before.weight @ centre
    cells = float(found.wanted.sum()) / _PLACES_A_CELL + 1
    rows = len(start) + 1

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        values = flat.reshape(rows, -1).astype(np.float32)
        scores = features @ values[:-1] + values[-1]
        small = np.exp(-np.abs(scores))
        each = np.maximum(scores, 0) + np.log1p(small) - found.wanted * scores
        share = np.where(scores > 0, 1, small) / (1 + small)
        slope = (weight * (share - found.wanted) / cells).astype(np.float32)
        moved = flat.reshape(rows, -1)[:-1] - start
        drawn = strength * moved
        gradient = np.concatenate([features.T @ slope + drawn, slope.sum(axis=0)[None]])
        total = float((weight * each).sum(dtype=np.float64)) / cells
        return total + 0.5 * float((drawn * moved).sum()), gradient.astype(np.float64).ravel()

    first = np.concatenate([start, constant[None]]).ravel()
    # scipy's types leave out that a function may give its gradient, too.
    found_at = minimize(
        loss, first, jac=True, method="L-BFGS-B", options={"maxiter": _MOST_STEPS}
    ).x.reshape(rows, -1)
    new = found_at[:-1].T / spread
    return LastStep(new.astype(np.float32), (found_at[-1] - new @ centre).astype(np.float32))
