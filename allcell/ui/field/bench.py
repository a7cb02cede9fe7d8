"""What one browser session has on its bench: pictures, what was found in them, what is selected.

Everything lives in the memory of the session and goes with it; nothing is written to disk.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import streamlit as st

from allcell.detector import Detector
from allcell.errors import AllcellError, ImageError
from allcell.images import Limits, RGBImage, check_count, decode
from allcell.settings import settings
from allcell.ui.field.crops import display_jpeg
from allcell.ui.shell.lru import Lru

if TYPE_CHECKING:
    from allcell.analysis import Analysis

#: Decoded pictures kept; the others are decoded again from their files when they are shown.
MAX_IMAGES = 8
MAX_IMAGE_BYTES = 256 * 2**20
#: All files of a session together, in multiples of the largest file accepted.
MAX_FILES_OF_LARGEST = 4
#: Results kept for each picture that may be chosen in one go: an analysis is a few kilobytes.
ANALYSES_PER_IMAGE = 3

_KEY = "allcell.bench"


@dataclass(frozen=True)
class Source:
    """A picture as it came in.

    Attributes:
        name: What the user calls it.
        data: The bytes of its file.
        digest: SHA-256 of these bytes, shortened.
        origin: How it came in; samples are synthetic and are labelled so wherever they appear.
    """

    name: str
    data: bytes = field(repr=False)
    digest: str
    origin: Literal["upload", "camera", "sample"]

    @classmethod
    def of(
        cls, name: str, data: bytes, origin: Literal["upload", "camera", "sample"] = "upload"
    ) -> Source:
        """A source with the digest of its bytes."""
        return cls(name, data, hashlib.sha256(data).hexdigest()[:24], origin)

    @property
    def id(self) -> str:
        """The same picture under another name is another source."""
        return f"{self.digest}/{self.name}"

    @property
    def synthetic(self) -> bool:
        """Whether it is one of ours."""
        return self.origin == "sample"


@dataclass(frozen=True)
class RunChoice:
    """What decides the outcome of a run of the model, and so the key of its result.

    Attributes:
        model: Name of the model.
        red_cell_px: Red-cell diameter that the user insists on; measured if None.
    """

    model: str
    red_cell_px: float | None = None


@dataclass(frozen=True, eq=False)
class Finished:
    """An analysis, and the times that the detector itself does not know.

    Attributes:
        analysis: What was found.
        decode_ms: From the bytes of the file to pixels.
        scale_ms: Measuring the red cells.
        runtime: Runtime and device.
    """

    analysis: Analysis
    decode_ms: float
    scale_ms: float
    runtime: str

    @property
    def total_ms(self) -> float:
        """From the bytes of the file to its cells."""
        return self.decode_ms + self.scale_ms + self.analysis.timing.total_ms


@dataclass(frozen=True)
class Refused:
    """A picture that gave no result, with what to do about it."""

    name: str
    message: str
    remedy: str


Outcome = Finished | Refused


class Bench:
    """The pictures of one session and their results.

    Attributes:
        sources: The pictures by id, in the order they came.
        uploads: Ids of those that the uploader on the page holds now.
        refused_files: Why the last files were not taken, if they were not.
        red_cells: Red-cell diameter in pixels that the user set, by source id.
        shown: Id of the picture that is shown.
        selected: Id of the cell that is selected in it.
        focus: Goes up when the view is to move to the selected cell.
        archive: The last ZIP of everything, behind what it was made of.
        stopped: Whether the user stopped a run over many pictures.
        generation: Goes up when everything is cleared.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.focus = 0
        self.clear()

    def clear(self) -> None:
        """Forget every picture and every result."""
        limits = settings()
        self.generation += 1
        self.sources: dict[str, Source] = {}
        self.uploads: set[str] = set()
        self.refused_files = ""
        self.red_cells: dict[str, float] = {}
        self.shown: str | None = None
        self.selected: str | None = None
        self.archive: tuple[Hashable, bytes] | None = None
        self.stopped = False
        self._outcomes: Lru[tuple[str, RunChoice], Outcome] = Lru(
            ANALYSES_PER_IMAGE * limits.max_images
        )
        self._images: Lru[str, RGBImage] = Lru(MAX_IMAGES, MAX_IMAGE_BYTES, lambda i: i.nbytes)
        self._pictures: Lru[str, bytes] = Lru(MAX_IMAGES, MAX_IMAGE_BYTES, len)

    def add(self, source: Source) -> None:
        """Put a picture on the bench and show it.

        Raises:
            ImageError: If there are too many pictures, or too many bytes, with it.
        """
        if source.id not in self.sources:
            check_count(len(self.sources) + 1)
            allowed = MAX_FILES_OF_LARGEST * Limits.from_settings().max_bytes
            if sum(len(s.data) for s in self.sources.values()) + len(source.data) > allowed:
                raise ImageError(
                    f"The files together have more than {allowed / 2**20:,.0f} MB.",
                    "Clear the list, or process them in several rounds.",
                )
            self.sources[source.id] = source
        self.show(source.id)
        self.stopped = False

    def remove(self, source_id: str) -> None:
        """Take a picture off the bench."""
        self.sources.pop(source_id, None)
        self.red_cells.pop(source_id, None)
        if self.shown == source_id:
            self.shown = next(reversed(self.sources), None)
            self.selected = None

    def show(self, source_id: str) -> None:
        """Choose the picture that is shown."""
        if source_id != self.shown:
            self.shown, self.selected = source_id, None

    def choice(self, source: Source, model: str) -> RunChoice:
        """How this picture is to be analysed."""
        return RunChoice(model, self.red_cells.get(source.id))

    def outcome(self, source: Source, model: str) -> Outcome | None:
        """What is known of a picture; None if it has not been analysed so."""
        found = self._outcomes.get((source.digest, self.choice(source, model)))
        # The same bytes may have come in under another name before.
        if isinstance(found, Finished):
            return replace(found, analysis=replace(found.analysis, name=source.name))
        return found and replace(found, name=source.name)

    def image(self, source: Source) -> RGBImage:
        """Its pixels, decoded again if they had to make room.

        Raises:
            ImageError: If it cannot be read.
        """
        return self._images.get_or(source.digest, lambda: decode(source.data, name=source.name))

    def picture(self, source: Source) -> bytes:
        """The picture for the browser, a JPEG file.

        Raises:
            ImageError: If it cannot be read.
        """
        return self._pictures.get_or(source.digest, lambda: display_jpeg(self.image(source)))

    def run(self, source: Source, detector: Detector) -> Outcome:
        """Analyse a picture now and keep the outcome, be it an error."""
        # Imported here: it brings the statistics along, which the first page need not wait for.
        from allcell.analysis import analyse

        choice = self.choice(source, detector.spec.name)
        outcome: Outcome
        try:
            start = time.perf_counter()
            image = self.image(source)
            decoded = time.perf_counter()
            analysis = analyse(detector, image, source.name, red_cell_px=choice.red_cell_px)
            whole_ms = 1e3 * (time.perf_counter() - decoded)
            outcome = Finished(
                analysis,
                decode_ms=1e3 * (decoded - start),
                scale_ms=max(0.0, whole_ms - analysis.timing.total_ms),
                runtime=detector.engine.description,
            )
        except AllcellError as error:
            outcome = Refused(source.name, error.message, error.remedy)
        return self._outcomes.put((source.digest, choice), outcome)


def bench() -> Bench:
    """The bench of this browser session."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Bench()
    found = st.session_state[_KEY]
    if not isinstance(found, Bench):
        raise TypeError(f"expected a Bench in the session, got {type(found).__name__}")
    return found
