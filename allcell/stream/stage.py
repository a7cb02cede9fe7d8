"""How the stage of the virtual microscope moves; no pictures in here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: A change of field moves this many views away, where nothing of the old field is in view.
_JUMP_VIEWS = 7.0
_GLIDE_S = 0.18


@dataclass(frozen=True)
class Pose:
    """Where the stage is.

    Attributes:
        x: Left edge of the view, in widths of the view.
        y: Top edge, in heights of the view.
        defocus: 0 (sharp) to 1.
    """

    x: float
    y: float
    defocus: float


class Stage:
    """Motion over time. Not thread-safe, except for `auto`, `nudge` and `next_field`.

    Args:
        auto: Whether it wanders by itself: along rows as a haematologist does, with a refocus at
            the turns and a new field now and then.
        speed: Speed of the wandering; 1 crosses a view in about six seconds.
    """

    #: Seconds, then how far right, how far down (in views), and whether it refocuses.
    _TOUR = (
        (6.0, 1.0, 0.0, False),
        (2.4, 0.0, 0.0, True),
        (3.0, 0.0, 0.5, False),
        (6.0, -1.0, 0.0, False),
        (3.0, 0.0, 0.5, False),
    )
    _ROUNDS_A_FIELD = 2

    def __init__(self, *, auto: bool = True, speed: float = 1.0) -> None:
        self.auto = auto
        self.speed = speed
        self._time = 0.0
        self._asked = np.zeros(2)
        self._reached = np.zeros(2)
        self._jumped = 0.0

    def nudge(self, right: float, down: float) -> None:
        """Glide by fractions of a view."""
        self._asked = self._asked + np.array([right, down])

    def next_field(self) -> None:
        """Go where nothing of this field is in view."""
        self._jumped += _JUMP_VIEWS

    def peek(self, dt_s: float) -> tuple[float, npt.NDArray[np.float64], Pose]:
        """Time, glide offset and pose after another `dt_s` seconds; `take` applies them."""
        moment = self._time + (dt_s * self.speed if self.auto else 0.0)
        reached = self._asked + (self._reached - self._asked) * math.exp(-dt_s / _GLIDE_S)
        x, y, defocus = self._tour(moment)
        return (
            moment,
            reached,
            Pose(x + self._jumped + float(reached[0]), y + float(reached[1]), defocus),
        )

    def take(self, moment: float, reached: npt.NDArray[np.float64]) -> None:
        """Apply the time and glide offset that `peek` returned."""
        self._time, self._reached = moment, reached

    def _tour(self, moment: float) -> tuple[float, float, float]:
        length = sum(leg[0] for leg in self._TOUR)
        rounds, rest = divmod(moment, length)
        x = _JUMP_VIEWS * (rounds // self._ROUNDS_A_FIELD)
        y = rounds % self._ROUNDS_A_FIELD
        for seconds, right, down, refocus in self._TOUR:
            part = min(1.0, rest / seconds)
            x += right * part * part * (3 - 2 * part)
            y += down * part * part * (3 - 2 * part)
            if rest < seconds:
                return x, y, math.sin(math.pi * part) ** 2 if refocus else 0.0
            rest -= seconds
        return x, y, 0.0
