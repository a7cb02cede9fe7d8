"""How the score grows with the number of reviewed fields, and what more of them would bring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Fields that are asked about.
MORE_FIELDS = 10
#: Steepest fall of the error that is believed: halved by twice the fields.
_STEEPEST = 1.0
#: A gain below this is called none.
_LITTLE = 0.01


@dataclass(frozen=True)
class CurvePoint:
    """One point of a learning curve.

    Attributes:
        fields: Fields learned from, on average; 0 for the parent.
        mean_ap: Mean AP@0.5 of blast and healthy on fields that were not, 0 to 1.
    """

    fields: float
    mean_ap: float


def expected(points: Sequence[CurvePoint], fields: float) -> float | None:
    """The score that a number of fields would probably give, 0 to 1.

    The error falls as a power of the number of fields, through the last two points. Source:
    Hestness et al., Deep learning scaling is predictable, empirically (2017).

    Args:
        points: By rising number of fields.
        fields: The number that is asked about, beyond the last point.

    Returns:
        None if fewer than two points have fields.
    """
    taught = [point for point in points if point.fields > 0]
    if len(taught) < 2:
        return None
    (n1, ap1), (n2, ap2) = ((point.fields, point.mean_ap) for point in taught[-2:])
    low = 1e-3
    error1, error2 = max(1 - ap1, low), max(1 - ap2, low)
    steepness = math.log(error1 / error2) / math.log(n2 / n1) if n2 > n1 else 0.0
    steepness = min(max(steepness, 0.0), _STEEPEST)
    return float(1 - error2 * (n2 / fields) ** steepness)


def curve_words(points: Sequence[CurvePoint], fields: int) -> str:
    """What more fields would bring, in a sentence; empty if that cannot be said.

    Args:
        points: See `expected`.
        fields: How many there are now.
    """
    now, then = expected(points, fields), expected(points, fields + MORE_FIELDS)
    if now is None or then is None:
        return ""
    if then - now < _LITTLE:
        return f"{MORE_FIELDS} more fields would probably change little."
    return (
        f"{MORE_FIELDS} more fields would probably raise the mean AP@0.5 from about {now:.2f} to "
        f"about {then:.2f}."
    )
