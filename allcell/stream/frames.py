"""The frame worker: inference runs on the newest frame, every frame is shown, nothing blocks.

`Viewer.process` is what a video callback calls. It leaves the frame in a one-slot mailbox of the
model's thread, draws the newest finished boxes on it, moved along with the stage, and returns.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from allcell.detections import Detections
from allcell.detector import MAX_IOU, Detector
from allcell.engines.base import RunInterrupted
from allcell.formats.pixels import RGBImage
from allcell.imaging.draw import draw_into
from allcell.imaging.preprocess import input_scale
from allcell.stream.census import Census
from allcell.stream.faults import Faults
from allcell.stream.freeze import Freeze
from allcell.stream.jobs import InferenceJob, Inferred
from allcell.stream.live_settings import LiveSettings
from allcell.stream.magnification import working_size_px
from allcell.stream.motion import shift_between
from allcell.stream.newest_boxes import NewestBoxes
from allcell.stream.recorder import Recorder
from allcell.stream.snapshots import Snapshot
from allcell.stream.status import LiveStatus, Meters
from allcell.stream.tally import TallyState

log = logging.getLogger(__name__)

#: How long a frame waits for its own boxes from a fast model: half a frame interval.
PATIENCE_S = 0.016
#: Counting waits no longer than this for a frame to be drawn.
_DRAWN_WITHIN_S = 0.005


class Viewer:
    """One viewer's stream. Thread-safe, but only one thread may call `process`.

    Args:
        settings: The initial settings; `configure` changes them.
        clock: A monotonic clock, in seconds.

    Attributes:
        recorder: Gets every shown frame, if it is set.
    """

    def __init__(
        self, settings: LiveSettings, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.recorder: Recorder | None = None
        self._clock = clock
        self._settings = settings
        self._owner = object()
        self._news = threading.Condition()
        self._meters = Meters()
        self._census = Census(settings.spec.classes)
        self._faults = Faults(clock)
        self._usual_latency_s = 0.0
        #: When the newest frame arrived, and how long after the previous one.
        self._came_s = self._interval_s = 0.0
        #: Numbers of the newest jobs that were submitted, have their boxes, and are done.
        self._asked = self._boxed = self._answered = 0
        #: Number of the frame that waits for its boxes or is being drawn with them; 0 for none.
        self._awaited = 0
        self._running: InferenceJob | None = None
        #: The previous job was cancelled: the next is not, or a fast stage would never get boxes.
        self._gave_up = False
        self._inferred: Inferred | None = None
        self._newest = NewestBoxes()
        self._freeze = Freeze()
        self._frame_px: tuple[int, int] | None = None
        self._shown_from_s: float | None = None
        self._closed = False

    # --- what the page does -----------------------------------------------------------------------

    @property
    def settings(self) -> LiveSettings:
        """What the next frame will be drawn with."""
        return self._settings

    def configure(self, settings: LiveSettings) -> None:
        """Replace the settings, from the next frame on. Another model starts a new tally."""
        with self._news:
            before, self._settings = self._settings, settings
            if before.worker is not settings.worker:
                self._inferred = None
                self._census.start_anew(settings.spec.classes)
        if before.worker is not settings.worker:
            before.worker.drop(self._owner)

    @property
    def error(self) -> str:
        """See `LiveStatus.error`."""
        return self._faults.shown

    def status(self, expected_fps: float | None = None) -> LiveStatus:
        """The readout of the last seconds.

        Args:
            expected_fps: Frames per second that the source sends; None if unknown.
        """
        now_s = self._clock()
        settings, inferred, shown_from_s = self._settings, self._inferred, self._shown_from_s
        return self._meters.status(
            now_s,
            expected_fps=expected_fps,
            frame_px=self._frame_px,
            boxes_age_ms=None if shown_from_s is None else 1e3 * (now_s - shown_from_s),
            model=settings.spec.title,
            runtime=settings.worker.detector.engine.description,
            viewers=settings.worker.owners(),
            red_cell_px=inferred.red_cell_px if inferred else settings.red_cell_px,
            input_px=inferred.input_px if inferred else None,
            error=self.error,
        )

    def tally(self) -> TallyState:
        """The running counts."""
        return self._census.tally.state()

    def reset_tally(self) -> None:
        """Reset the counts to zero."""
        self._census.tally.reset()

    def start_over(self) -> None:
        """Reset the counts and what was measured in the picture, for another source."""
        self._census.start_over()

    def snapshot(self) -> Snapshot | None:
        """The newest inferred frame, or the frozen one, at full resolution with its own boxes.

        Returns:
            None before the first inference, or while a frozen frame waits for its boxes.
        """
        with self._news:
            settings, inferred, frozen = self._settings, self._inferred, self._freeze.frame
        if inferred is None or (frozen is not None and inferred.job.frame is not frozen):
            return None
        return Snapshot.of(settings, inferred)

    def frozen_frame(self) -> RGBImage | None:
        """The frozen frame (H, W, 3) without boxes, for the Detect page's analysis; or None."""
        return self._freeze.frame

    def settle(self, timeout_s: float) -> bool:
        """Wait until the newest frame is inferred and counted, or has failed; for benchmarks.

        Returns:
            Whether that happened in time.
        """
        with self._news:
            return self._news.wait_for(lambda: self._answered >= self._asked, timeout_s)

    def close(self) -> None:
        """Leave the model's queue and release all frames; `process` then changes no frame."""
        with self._news:
            self._closed = True
            self._inferred = self._shown_from_s = None
            self._newest.forget()
            self._freeze.let_go()
        self._settings.worker.drop(self._owner)

    # --- what the video callback does -------------------------------------------------------------

    def process(self, frame: RGBImage, patience_s: float = 0.0) -> RGBImage:
        """Take a frame and return what to show. Never raises.

        Args:
            frame: RGB uint8 (H, W, 3); it must not be written to afterwards.
            patience_s: Longest wait for the frame's own boxes, if the model is usually that fast;
                with a slower model, and by default, nothing waits.

        Returns:
            A copy with the newest boxes; the frame itself where there is nothing to draw, or when
            something failed, which `status` then reports.
        """
        start_s = self._clock()
        self._meters.note_frame(start_s)
        try:
            shown = frame if self._closed else self._process(frame, start_s, patience_s)
        except Exception as error:  # a callback that raises silently stops the video
            self._faults.note("A frame could not be drawn", error)
            shown = frame
        if (recorder := self.recorder) is not None:
            recorder.show(shown)
        end_s = self._clock()
        self._meters.note_shown(end_s, end_s - start_s)
        return shown

    def _process(self, frame: RGBImage, now_s: float, patience_s: float) -> RGBImage:
        settings = self._settings
        self._frame_px = (frame.shape[1], frame.shape[0])
        self._interval_s, self._came_s = now_s - self._came_s, now_s
        frame = self._freeze.shown(frame, settings)
        job = InferenceJob(frame, self._asked + 1, now_s, settings)
        waits = self._freeze.frame is None and 0 < self._usual_latency_s < patience_s
        shown = None
        if waits:
            self._awaited = job.number
            self._ask(job)
            # Copied while the model runs, which hides the time it takes.
            shown = frame.copy()
            with self._news:
                self._news.wait_for(lambda: self._boxed >= self._asked, patience_s)
        boxes = self._boxes_for(job)
        if len(boxes) > 0:
            shown = frame.copy() if shown is None else shown
            draw_into(
                shown, boxes, settings.spec.classes, style=settings.style, labels=settings.labels
            )
        if waits:
            with self._news:
                self._awaited = 0
                self._news.notify_all()
        # Submitted last: the model uses every core, and drawing meanwhile would take 5 ms, not 1.
        if not waits and self._freeze.asks_anew(settings):
            self._give_up_another_field(job)
            self._ask(job)
        return frame if len(boxes) == 0 or shown is None else shown

    def _give_up_another_field(self, job: InferenceJob) -> None:
        """Interrupt a slow model on a field that is out of view: its boxes would not be shown."""
        running = self._running
        if running is None or running.frame is job.frame or self._gave_up:
            return
        if not shift_between(running.grey, job.grey, job.frame.shape[1]).trusted:
            with self._news:
                # The job may have ended in the meantime, and the next one begun.
                if self._running is running:
                    self._gave_up = running.settings.worker.interrupt(self._owner)

    def _ask(self, job: InferenceJob) -> None:
        """Leave a frame in the mailbox."""
        with self._news:
            self._asked = job.number
        if job.settings.worker.submit(self._owner, lambda detector: self._answer(detector, job)):
            self._meters.note_dropped(job.asked_s)

    def _boxes_for(self, job: InferenceJob) -> Detections:
        """The newest boxes at a frame's settings, moved to where their cells are in it."""
        inferred = self._inferred
        boxes = self._newest.on(job, inferred, self._usual_latency_s, self._interval_s)
        if inferred is None or boxes is None:
            self._shown_from_s = None
            return Detections.empty()
        self._shown_from_s = inferred.job.asked_s
        return boxes

    # --- what the model's thread does -------------------------------------------------------------

    def _answer(self, detector: Detector, job: InferenceJob) -> None:
        try:
            if not self._closed:
                self._running = job
                self._infer(detector, job)
        except RunInterrupted:
            log.debug("A frame was given up for a newer one.")
        except Exception as error:  # whatever a model raises, the video goes on
            self._faults.note("The model failed on a frame", error)
        finally:
            with self._news:
                if self._running is job:
                    self._running = None
                self._boxed = max(self._boxed, job.number)
                self._answered = max(self._answered, job.number)
                self._news.notify_all()

    def _infer(self, detector: Detector, job: InferenceJob) -> None:
        settings, frame, spec = job.settings, job.frame, detector.spec
        height, width = frame.shape[:2]
        red_cell_px = self._census.red_cell_px(job, self._clock())
        working_px = working_size_px(spec, width, height, red_cell_px, settings.long_side_px)
        stain = self._census.stain(job, red_cell_px, self._clock())
        start_s = self._clock()
        candidates, timing = detector.detect(
            frame, red_cell_px=working_px, iou=MAX_IOU, stain=stain
        )
        now_s = self._clock()
        latency_s = now_s - job.asked_s
        self._meters.note_inferred(now_s, now_s - start_s, latency_s)
        self._usual_latency_s += 0.2 * (latency_s - self._usual_latency_s)
        scale = input_scale(spec, width, height, working_px)
        inferred = Inferred(job, candidates, timing, red_cell_px, scale)
        with self._news:
            current, tally = self._settings, self._census.tally
            if self._closed or settings.worker is not current.worker:
                return
            self._inferred = inferred
            self._gave_up = False
            self._boxed = max(self._boxed, job.number)
            self._news.notify_all()
            # Drawn first, then counted: at once, both threads would contend for the GIL.
            self._news.wait_for(lambda: self._awaited != job.number, _DRAWN_WITHIN_S)
        self._census.look_on(tally, current, inferred, now_s)
