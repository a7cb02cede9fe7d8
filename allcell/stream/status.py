"""The live readout: frames that arrive and are inferred, how long it takes, and what is slow."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from allcell.statistics import Milliseconds
from allcell.stream.meters import Durations, Rate

#: Points of the sparkline.
_HISTORY = 60
#: A frame rate below this fraction of the one it is compared with is reported.
_FEWER = 0.8
#: Drawing should not take more than this fraction of the time between frames.
_DRAWING_PART = 0.5


@dataclass(frozen=True)
class LiveStatus:
    """One viewer's stream over the last seconds.

    Attributes:
        frame_px: Width and height of the newest frame; None before the first.
        frames_in: Frames per second that arrived.
        frames_inferred: Frames per second that were inferred.
        frames_shown: Frames per second that were returned with the newest boxes.
        frames_dropped: Frames per second that a newer one replaced before inference.
        inference: Time of a detection in the model's thread.
        latency: From the arrival of a frame to its finished boxes.
        drawing: Time that `Viewer.process` takes.
        history_ms: Latency of the latest inferences, oldest first: a sparkline.
        boxes_age_ms: Age of the frame whose boxes are shown; None when none are.
        model: Title of the model.
        runtime: Runtime, version and device.
        viewers: How many viewers share the model now.
        red_cell_px: Red-cell diameter in the frame, measured or given; None if unknown.
        input_px: Long side of the network's input; None before the first inference.
        slow: What is slow, in a sentence; empty if nothing is.
        error: The newest error, in a sentence; empty if there was none in the last ten seconds.
    """

    frame_px: tuple[int, int] | None
    frames_in: float
    frames_inferred: float
    frames_shown: float
    frames_dropped: float
    inference: Milliseconds | None
    latency: Milliseconds | None
    drawing: Milliseconds | None
    history_ms: tuple[float, ...]
    boxes_age_ms: float | None
    model: str
    runtime: str
    viewers: int
    red_cell_px: float | None
    input_px: int | None
    slow: str
    error: str


class Meters:
    """Counters of one viewer. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.arrived, self.inferred, self.shown, self.dropped = (Rate() for _ in range(4))
        self.inference, self.latency, self.drawing = (Durations() for _ in range(3))

    def note_frame(self, now_s: float) -> None:
        """A frame has arrived."""
        with self._lock:
            self.arrived.add(now_s)

    def note_dropped(self, now_s: float) -> None:
        """A waiting frame was replaced by a newer one."""
        with self._lock:
            self.dropped.add(now_s)

    def note_shown(self, now_s: float, took_s: float) -> None:
        """A frame was returned to be shown."""
        with self._lock:
            self.shown.add(now_s)
            self.drawing.add(now_s, took_s)

    def note_inferred(self, now_s: float, took_s: float, latency_s: float) -> None:
        """An inference is finished."""
        with self._lock:
            self.inferred.add(now_s)
            self.inference.add(now_s, took_s)
            self.latency.add(now_s, latency_s)

    def status(
        self,
        now_s: float,
        *,
        expected_fps: float | None,
        frame_px: tuple[int, int] | None,
        boxes_age_ms: float | None,
        model: str,
        runtime: str,
        viewers: int,
        red_cell_px: float | None,
        input_px: int | None,
        error: str,
    ) -> LiveStatus:
        """A snapshot; the arguments are what these counters do not know."""
        with self._lock:
            frames_in, frames_inferred, frames_shown, frames_dropped = (
                rate.per_second(now_s)
                for rate in (self.arrived, self.inferred, self.shown, self.dropped)
            )
            inference, latency, drawing = (
                kept.milliseconds(now_s) for kept in (self.inference, self.latency, self.drawing)
            )
            history = self.latency.history_ms(_HISTORY)
        return LiveStatus(
            frame_px,
            frames_in,
            frames_inferred,
            frames_shown,
            frames_dropped,
            inference,
            latency,
            drawing,
            history,
            boxes_age_ms,
            model,
            runtime,
            viewers,
            red_cell_px,
            input_px,
            what_is_slow(frames_in, frames_inferred, inference, drawing, viewers, expected_fps),
            error,
        )


def what_is_slow(
    frames_in: float,
    frames_inferred: float,
    inference: Milliseconds | None,
    drawing: Milliseconds | None,
    viewers: int,
    expected_fps: float | None,
) -> str:
    """Name the part that limits a stream.

    Args:
        frames_in: Frames per second that arrive.
        frames_inferred: Frames per second that are inferred.
        inference: Time of a detection; None if there was none.
        drawing: Time of drawing a frame; None if there was none.
        viewers: How many viewers share the model.
        expected_fps: Frames per second that the source sends; None if unknown.

    Returns:
        One or more sentences; empty if nothing is slow.
    """
    if frames_in <= 0:
        return ""
    found = []
    if drawing is not None and drawing.median > _DRAWING_PART * 1000 / frames_in:
        found.append(
            f"Drawing takes {drawing.median:.0f} ms a frame: fewer boxes or no labels help."
        )
    if expected_fps is not None and frames_in < _FEWER * expected_fps:
        found.append(
            f"Video coding or the network: {frames_in:.0f} of {expected_fps:.0f} frames a second "
            "arrive; a smaller picture helps."
        )
    if inference is None:
        found.append("The model has not answered for some seconds.")
    elif frames_inferred < _FEWER * frames_in:
        shared = f", shared by {viewers} viewers" if viewers > 1 else ""
        found.append(
            f"The model: it takes {inference.median:.0f} ms{shared} and infers "
            f"{frames_inferred:.0f} of {frames_in:.0f} frames a second; a smaller input or a "
            "faster model helps."
        )
    return " ".join(found)
