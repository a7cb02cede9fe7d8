"""Which boxes of the newest result belong on a later frame."""

from __future__ import annotations

from allcell.detections import Detections
from allcell.stream.jobs import InferenceJob, Inferred
from allcell.stream.live_settings import LiveSettings
from allcell.stream.motion import shift_between

#: Boxes of a frame older than this are hidden, unless the model is slow.
_OLDEST_S = 0.25
#: With a slow model they may be this many latencies and one frame interval old.
_OLDEST_LATENCIES = 2.0


class NewestBoxes:
    """Moves the boxes of a result along with the stage. Only one thread may call `on`."""

    def __init__(self) -> None:
        self._chosen: tuple[Inferred, LiveSettings, Detections] | None = None

    def on(
        self, job: InferenceJob, inferred: Inferred | None, latency_s: float, interval_s: float
    ) -> Detections | None:
        """What to draw on a frame.

        Args:
            job: The frame.
            inferred: The newest result; None if there is none yet.
            latency_s: How long the model usually takes.
            interval_s: Time since the previous frame arrived.

        Returns:
            Boxes at the frame's settings; None if the result comes from another model, is too old,
            or is of a field that is out of view.
        """
        settings = job.settings
        if inferred is None or inferred.job.settings.worker is not settings.worker:
            return None
        own = inferred.job.frame is job.frame
        oldest_s = max(_OLDEST_S, _OLDEST_LATENCIES * latency_s + interval_s)
        if not own and job.asked_s - inferred.job.asked_s > oldest_s:
            return None
        chosen = self._chosen
        if chosen is None or chosen[0] is not inferred or chosen[1] != settings:
            chosen = (inferred, settings, settings.visible(inferred.candidates))
            self._chosen = chosen
        if own:
            return chosen[2]
        moved = shift_between(inferred.job.grey, job.grey, job.frame.shape[1])
        # Another field, or a new frame size: these boxes belong to other cells.
        return moved.applied_to(chosen[2]) if moved.trusted else None

    def forget(self) -> None:
        """Release the result and its frame."""
        self._chosen = None
