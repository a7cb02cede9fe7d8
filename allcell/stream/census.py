"""What is measured in a stream besides its boxes: red-cell size, picture quality, tally."""

from __future__ import annotations

import threading
from dataclasses import replace

from allcell.imaging.stain import StainRuler
from allcell.stream.jobs import InferenceJob, Inferred
from allcell.stream.live_settings import LiveSettings
from allcell.stream.magnification import Magnification
from allcell.stream.quality import Watch, scale_objection
from allcell.stream.staining import Staining
from allcell.stream.tally import Tally

#: The tally is updated at most this often: cells do not change faster, and the model needs the CPU.
_COUNT_EVERY_S = 0.04


class Census:
    """Measures and counts in the frames of one stream. Thread-safe.

    Args:
        classes: Names of the model's classes.

    Attributes:
        tally: The running counts; another model starts a new one (`start_anew`).
    """

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.tally = Tally(classes)
        self._magnification = Magnification()
        self._staining = Staining()
        self._watch = Watch()
        #: A model that hangs may still be measuring when its successor starts.
        self._lock = threading.Lock()
        self._counted_s = -_COUNT_EVERY_S

    def start_anew(self, classes: tuple[str, ...]) -> None:
        """Start a new tally, for a model with these classes."""
        self.tally = Tally(classes)

    def start_over(self) -> None:
        """Reset the counts and what was measured in the picture: the source has changed."""
        with self._lock:
            self.tally.reset()
            self._magnification.start_over()
            self._staining.start_over()
            self._watch = Watch()

    def red_cell_px(self, job: InferenceJob, now_s: float) -> float | None:
        """Red-cell diameter in a frame: as given, already known or just measured.

        Args:
            job: The frame.
            now_s: Seconds of a monotonic clock.

        Returns:
            The diameter in pixels of the frame; None if no red cell is seen.
        """
        with self._lock:
            return (
                job.settings.red_cell_px
                or self._magnification.known_px(job.frame)
                or self._magnification.follow(job.frame, now_s)
            )

    def stain(
        self, job: InferenceJob, red_cell_px: float | None, now_s: float
    ) -> StainRuler | None:
        """The stain to normalise a frame by, for a model that wants it; None if it is unknown.

        Args:
            job: The frame.
            red_cell_px: Diameter of its red cells in pixels; None if unknown.
            now_s: Seconds of a monotonic clock.
        """
        if not job.settings.spec.normalise_stain:
            return None
        with self._lock:
            return self._staining.follow(job.frame, red_cell_px, now_s)

    def look_on(
        self, tally: Tally, settings: LiveSettings, inferred: Inferred, now_s: float
    ) -> None:
        """Count the cells of a frame, and measure its red cells for later frames, where due.

        Args:
            tally: The tally of the model that found the boxes.
            settings: The current settings.
            inferred: The frame with its boxes.
            now_s: Seconds of a monotonic clock.
        """
        if not inferred.job.settings.frozen:
            self._count(tally, settings, inferred, now_s)
        if inferred.job.settings.red_cell_px is None:
            with self._lock:
                self._magnification.follow(inferred.job.frame, now_s)

    def _count(
        self, tally: Tally, settings: LiveSettings, inferred: Inferred, now_s: float
    ) -> None:
        with self._lock:
            if now_s - self._counted_s < _COUNT_EVERY_S:
                return
            self._counted_s = now_s
            frame, grey = inferred.job.frame, inferred.job.grey
            # Hidden classes are counted too: hiding affects the display only.
            boxes = replace(settings, classes=None).visible(inferred.candidates)
            paused = self._watch.objection(frame, now_s, inferred.red_cell_px) or scale_objection(
                settings.spec, inferred.red_cell_px, inferred.input_scale
            )
            fields = tally.fields
            tally.update(boxes, frame, grey, now_s, paused)
            if tally.fields != fields:
                self._magnification.start_over()
                self._staining.look_again()
