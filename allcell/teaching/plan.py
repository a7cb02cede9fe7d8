"""What a teaching will do on this machine, and how long that takes, before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

#: Longest that a teaching should take, in seconds; where that is too short for the least, longer.
USUAL_S = 300.0
#: What a training takes besides its tiles: the export, its check and the held-out fields.
AROUND_S, A_FIELD_S = 4.0, 0.1
#: Rendering a field for the rehearsal, and what happens once: reading, scores.
_RENDER_S, _ONCE_S = 0.2, 20.0
#: Tiles of a training on few fields, and the number of fields from which on it is longer.
_TILES, _FEW_FIELDS, _MOST_TIMES = 3200, 20, 2.0


def usual_tiles(fields: int) -> int:
    """Tiles of a training on all of so many fields.

    Measured on Taleqani's validation fields (AP of blasts): with 40 fields .885 by 3,200 tiles and
    .923 by 6,400; with 20 fields .941 and .934.
    """
    return round(_TILES * min(_MOST_TIMES, max(1.0, fields / _FEW_FIELDS)))


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes:
        folds: Parts that are held out in turn.
        fold_tiles: Tiles of the training of each.
        curve: Whether two more trainings, on half of the fields each, give a learning curve.
        final_tiles: Tiles of the training on all fields.
        tile_s: How long a tile takes on this machine, in seconds.
        seconds: How long all of it takes, about.
    """

    folds: int
    fold_tiles: int
    curve: bool
    final_tiles: int
    tile_s: float
    seconds: float

    @property
    def half_tiles(self) -> int:
        """Tiles of a training on half of the fields: half as many as of one on nearly all."""
        return max(1, self.fold_tiles // 2)

    @property
    def words(self) -> str:
        """The same in sentences."""
        parts = [
            f"{self.folds} trainings of {self.fold_tiles:,} tiles, each judged on fields that it "
            "has not seen"
        ]
        if self.curve:
            parts.append("2 on half of the fields, to see what more fields would bring")
        parts.append(f"one of {self.final_tiles:,} tiles on all fields, whose result is kept")
        return f"About {duration(self.seconds)} on this computer: {'; '.join(parts)}."


def make_plan(
    most_folds: int,
    fields: int,
    tile_s: float,
    tiles: int,
    rendered: int,
    longest_s: float = USUAL_S,
    around_s: float = AROUND_S,
) -> Plan:
    """The most that fits into the time, and at least two halves.

    Args:
        most_folds: Parts that the fields can be cut into.
        fields: Number of fields.
        tile_s: How long a tile takes on this machine, in seconds.
        tiles: Tiles of the training on all fields.
        rendered: Rendered fields for the rehearsal.
        longest_s: How long it should take at most, in seconds.
        around_s: What a training takes besides its tiles, in seconds.
    """
    most_folds = max(2, most_folds)
    # What is judged is to be like what is made: trainings of full length come before many parts.
    few = min(4, most_folds)
    wanted: Sequence[tuple[int, float, bool]] = [
        (most_folds, 1.0, True),
        (few, 1.0, True),
        (few, 1.0, False),
        (few, 0.5, True),
        (few, 0.5, False),
        (min(3, most_folds), 0.5, False),
        (2, 0.5, False),
    ]
    plans = []
    for folds, share, curve in wanted:
        fold_tiles = max(1, round(tiles * share))
        plan = Plan(folds, fold_tiles, curve, tiles, tile_s, 0.0)
        seconds = _ONCE_S + _RENDER_S * rendered + (folds + 2 * curve + 1) * around_s
        seconds += (2 + curve) * fields * A_FIELD_S
        seconds += (folds * fold_tiles + 2 * curve * plan.half_tiles + tiles) * tile_s
        plans.append(replace(plan, seconds=seconds))
    return next((plan for plan in plans if plan.seconds <= longest_s), plans[-1])


def duration(seconds: float) -> str:
    """A time as people say it: `40 seconds`, `3 minutes`, `2 hours`."""
    if seconds < 55:
        return f"{max(10, round(seconds / 10) * 10)} seconds"
    minutes = round(seconds / 60)
    if minutes < 90:
        return "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"{round(minutes / 60)} hours"
