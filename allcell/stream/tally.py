"""Counts each cell once: identities that survive a moving stage, and the running counts.

A smear is rigid and only the stage moves, so one shift explains the whole picture. Cells are stored
by their place *on the slide*; the accumulated shifts from frame to frame relate it to the view.
This finds a cell again after a fast move, a blurred moment or a short trip out of view, where
ByteTrack, which models each box as moving by itself, loses it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allcell.counts import Counts
from allcell.detections import BoolArray, Detections, FloatArray, IntArray
from allcell.formats.pixels import RGBImage
from allcell.models.registry import CLASSES
from allcell.statistics import Proportion
from allcell.stream.motion import GreyImage, shift_between

Float64Array = npt.NDArray[np.float64]

#: A cell counts once it has been seen whole in this many inferred frames.
MIN_FRAMES = 3
#: Two boxes are one cell if their centres are nearer than this fraction of their mean side.
_NEAR = 0.5
#: A box this close to the edge of the frame may be a part of a cell.
_EDGE_PX = 3.0
#: A cell out of view is remembered this long.
_REMEMBERED_S = 120.0
#: Fraction by which the known cells in view correct its place: accumulated shifts drift.
_PULL = 0.5
#: A cell's place is a running average over this many views, so that it can follow a drifting slide.
_AVERAGED = 20


@dataclass(frozen=True)
class TallyState:
    """The running counts.

    Attributes:
        counts: Different cells of each class so far.
        in_view: How many of them the newest counted frame shows whole.
        frames: Inferred frames whose cells were counted.
        fields: Fields of view between which no shift was found; a cell seen again after such a
            jump counts again.
        paused: Why nothing is being counted, in a sentence; empty while counting.
    """

    counts: Counts
    in_view: int
    frames: int
    fields: int
    paused: str

    @property
    def share(self) -> Proportion:
        """See `Counts.blast_share`: it covers sampling error only."""
        return self.counts.blast_share


class Tally:
    """Tracks the cells of one stream. Other threads may read and reset it.

    Args:
        classes: Class names by class index.
        min_frames: How often a cell must be seen whole before it counts.

    Attributes:
        fields: See `TallyState`.
    """

    def __init__(self, classes: tuple[str, ...], *, min_frames: int = MIN_FRAMES) -> None:
        self.classes = classes
        self._min_frames = min_frames
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._before: GreyImage | None = None
        self._frame_size = (0, 0)
        #: What to add to a place on the slide to get pixels of the frame.
        self._offset = np.zeros(2)
        self._places = np.zeros((0, 2))
        self._sides = np.zeros(0)
        self._views = np.zeros(0, np.int64)
        self._votes = np.zeros((0, len(self.classes)))
        self._last_seen_s = np.zeros(0)
        self._ids = np.zeros(0, np.int64)
        self._next_id = 1
        self._gone = np.zeros(len(self.classes), np.int64)
        self._in_view = 0
        self._frames = 0
        self.fields = 0
        self._paused = ""

    def reset(self) -> None:
        """Reset the counts to zero."""
        with self._lock:
            self._clear()

    def update(
        self,
        detections: Detections,
        frame: RGBImage,
        thumbnail: GreyImage,
        now_s: float,
        paused: str = "",
    ) -> IntArray:
        """Track and count the cells of a frame.

        Args:
            detections: Its boxes at the operating threshold, in pixels of the frame.
            frame: RGB uint8 (H, W, 3); only its size is used.
            thumbnail: See `motion.thumbnail`.
            now_s: Seconds of a monotonic clock.
            paused: Why its cells must not be counted; empty to count. The stage is followed all
                the same, so that cells keep their identity through a pause.

        Returns:
            Identity (N,) of each box, from 1 upwards; 0 for boxes at the edge and while paused.
        """
        with self._lock:
            self._paused = paused
            self._follow_stage(frame, thumbnail)
            ids = np.zeros(len(detections), np.int64)
            if paused:
                return ids
            self._frames += 1
            whole = np.flatnonzero(_whole(detections.xyxy, frame.shape[1], frame.shape[0]))
            seen = detections[whole]
            centres = (seen.xyxy[:, :2] + seen.xyxy[:, 2:]).astype(np.float64) / 2
            sides = (seen.xyxy[:, 2:] - seen.xyxy[:, :2]).mean(axis=1).astype(np.float64)
            known = self._match(centres, sides)
            self._correct_drift(centres, known)
            known = self._with_new(known, centres - self._offset, sides)
            self._learn(known, centres - self._offset, sides, seen, now_s)
            ids[whole] = self._ids[known]
            self._in_view = int((self._views[known] >= self._min_frames).sum())
            self._forget(now_s)
            return ids

    def state(self) -> TallyState:
        """The counts at this moment."""
        with self._lock:
            counts = dict(zip(self.classes, (self._gone + self._counted()).tolist(), strict=True))
            return TallyState(
                Counts({name: count for name, count in counts.items() if name in CLASSES}),
                self._in_view,
                self._frames,
                self.fields,
                self._paused,
            )

    def _follow_stage(self, frame: RGBImage, thumbnail: GreyImage) -> None:
        size = (frame.shape[1], frame.shape[0])
        moved = None
        if self._before is not None and size == self._frame_size:
            moved = shift_between(self._before, thumbnail, size[0])
        if moved is not None and moved.trusted:
            self._offset += (moved.x_px, moved.y_px)
        else:
            # Another field: nothing ties its cells to the ones before.
            self._retire(np.ones(len(self._ids), dtype=bool))
            self._offset[:] = 0
            self.fields += 1
        self._before, self._frame_size = thumbnail, size

    def _match(self, centres: Float64Array, sides: Float64Array) -> IntArray:
        """Index (N,) of the cell that each box shows, -1 for a new one; nearest pairs first."""
        known = np.full(len(centres), -1, np.int64)
        if len(centres) == 0 or len(self._ids) == 0:
            return known
        apart = np.linalg.norm(centres[:, None] - (self._places + self._offset), axis=2)
        apart /= (sides[:, None] + self._sides) / 2
        while True:
            box, cell = np.unravel_index(int(np.argmin(apart)), apart.shape)
            if apart[box, cell] >= _NEAR:
                return known
            known[box] = cell
            apart[box], apart[:, cell] = np.inf, np.inf

    def _correct_drift(self, centres: Float64Array, known: IntArray) -> None:
        found = known >= 0
        if found.sum() >= 2:
            error = centres[found] - (self._places[known[found]] + self._offset)
            self._offset += _PULL * np.median(error, axis=0)

    def _with_new(self, known: IntArray, places: Float64Array, sides: Float64Array) -> IntArray:
        """The indices, with a new cell added for each -1."""
        new = np.flatnonzero(known < 0)
        count = len(new)
        first = len(self._ids)
        self._places = np.concatenate([self._places, places[new]])
        self._sides = np.concatenate([self._sides, sides[new]])
        self._views = np.concatenate([self._views, np.zeros(count, np.int64)])
        self._votes = np.concatenate([self._votes, np.zeros((count, len(self.classes)))])
        self._last_seen_s = np.concatenate([self._last_seen_s, np.zeros(count)])
        self._ids = np.concatenate([self._ids, np.arange(count) + self._next_id])
        self._next_id += count
        complete = known.copy()
        complete[new] = first + np.arange(count)
        return complete

    def _learn(
        self,
        known: IntArray,
        places: Float64Array,
        sides: Float64Array,
        seen: Detections,
        now_s: float,
    ) -> None:
        self._views[known] += 1
        weight = 1.0 / np.minimum(self._views[known], _AVERAGED)
        self._places[known] += weight[:, None] * (places - self._places[known])
        self._sides[known] += weight * (sides - self._sides[known])
        self._votes[known, seen.class_id] += seen.confidence
        self._last_seen_s[known] = now_s

    def _counted(self) -> IntArray:
        """Counts (classes,) of the cells still remembered, each by its highest-voted class."""
        counting = self._views >= self._min_frames
        votes = self._votes[counting]
        return np.bincount(votes.argmax(axis=1), minlength=len(self.classes)).astype(np.int64)

    def _forget(self, now_s: float) -> None:
        old = self._last_seen_s < now_s - _REMEMBERED_S
        if old.any():
            self._retire(old)

    def _retire(self, which: BoolArray) -> None:
        before = self._counted()
        keep = ~which
        self._places, self._sides = self._places[keep], self._sides[keep]
        self._views, self._votes = self._views[keep], self._votes[keep]
        self._last_seen_s, self._ids = self._last_seen_s[keep], self._ids[keep]
        self._gone += before - self._counted()


def _whole(xyxy: FloatArray, width_px: int, height_px: int) -> BoolArray:
    """Which boxes (N,) lie inside the frame and not at its edge."""
    inside = (xyxy[:, :2] > _EDGE_PX).all(axis=1)
    limit = np.array([width_px - _EDGE_PX, height_px - _EDGE_PX], np.float32)
    return np.asarray(inside & (xyxy[:, 2:] < limit).all(axis=1), dtype=bool)
