"""The only store of pictures in a browser session: pixels, red-cell sizes, models' results.

Detect, Live's frozen picture and Compare's side by side all keep theirs here, so that a picture is
decoded, measured and analysed once, wherever it is shown. All of it is in the session's memory and
freed with it; nothing is written to disk. For the script's own thread only, except what `Holder`
asks, and `image` and `scale`, which threads of that script may call that read ahead.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import streamlit as st

from allcell.classifier import FieldClassifier
from allcell.detections import Detections
from allcell.detector import Detector
from allcell.environment.provenance import Provenance
from allcell.errors import AllcellError
from allcell.imaging.images import RGBImage, decode, decoded_bytes
from allcell.imaging.scale import Scale, resolve_scale
from allcell.settings import settings
from allcell.ui.field.crops import display_jpeg
from allcell.ui.field.insistence import Insistence
from allcell.ui.field.lru import Lru
from allcell.ui.field.outcomes import Finished, Judged, Refused
from allcell.ui.sessions import budget
from allcell.ui.sessions.ledger import Held

__all__ = [
    "Finished",
    "Judged",
    "Origin",
    "Picture",
    "PictureMemory",
    "Refused",
    "picture_memory",
]

#: Decoded pictures kept; the others are decoded again from their files when they are shown.
MAX_IMAGES = 8
MAX_IMAGE_BYTES = 256 * 2**20
#: Results kept for each picture that fits on the bench: an analysis is a few kilobytes.
RESULTS_PER_IMAGE = 8

_KEY = "allcell.pictures"

Origin = Literal["upload", "camera", "sample", "set"]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it came in.

    Attributes:
        name: What the user calls it.
        data: The bytes of its file, in any format that `images.decode` reads.
        digest: The first 24 hexadecimal digits of the SHA-256 of these bytes.
        origin: How it came in; samples are synthetic and are labelled so wherever they appear.
        truth: Ground truth, in pixels of the picture, with the classes of
            `models.registry.CLASSES`; None if unknown.
    """

    name: str
    data: bytes = field(repr=False)
    digest: str
    origin: Origin = "upload"
    truth: Detections | None = None

    @classmethod
    def of(
        cls, name: str, data: bytes, origin: Origin = "upload", truth: Detections | None = None
    ) -> Picture:
        """A picture with the digest of its bytes."""
        return cls(name, data, hashlib.sha256(data).hexdigest()[:24], origin, truth)

    def forget(self) -> None:
        """Let go of its bytes: its session has ended.

        Callbacks of widgets refer to it from cycles, which only the collector frees.
        """
        if self.origin != "sample":  # all sessions share those
            object.__setattr__(self, "data", b"")

    @property
    def id(self) -> str:
        """Digest and name: the same bytes under another name are another picture in a list."""
        return f"{self.digest}/{self.name}"

    @property
    def synthetic(self) -> bool:
        """Whether it is one of our rendered samples."""
        return self.origin == "sample"


class PictureMemory:
    """What one browser session knows about its pictures.

    Attributes:
        red_cells: Red-cell diameter in pixels that the user set, by digest of the picture.
        insistence: Pictures whose numbers the user wants even where they are withheld.
    """

    def __init__(self) -> None:
        self.red_cells: dict[str, float] = {}
        self.insistence = Insistence()
        self._owners: dict[str, set[str]] = {}
        results = RESULTS_PER_IMAGE * (settings().max_images + 1)
        self._images: Lru[str, RGBImage] = Lru(MAX_IMAGES, MAX_IMAGE_BYTES, lambda i: i.nbytes)
        self._jpegs: Lru[str, bytes] = Lru(MAX_IMAGES, MAX_IMAGE_BYTES, len)
        self._scales: Lru[tuple[str, float | None], Scale] = Lru(results)
        self._outcomes: Lru[tuple[str, str, float | None], Finished | Refused] = Lru(results)
        self._judged: Lru[tuple[str, str, float | None], Judged | Refused] = Lru(results)
        self._session = budget.session_id()

    def holds(self) -> list[Held]:
        """See `Holder.holds`."""
        return [*self._images.copy().values(), *self._jpegs.copy().values()]

    def spare(self) -> None:
        """See `Holder.spare`: pictures are decoded again from their files."""
        self._images.clear()
        self._jpegs.clear()

    def close(self) -> None:
        """See `Holder.close`."""
        for kept in (self._images, self._jpegs, self._scales, self._outcomes, self._judged):
            kept.clear()
        self._owners.clear()

    def image(self, picture: Picture) -> RGBImage:
        """Its pixels, RGB uint8 (H, W, 3), decoded again if they were evicted.

        Raises:
            ImageError: If it cannot be read, is outside the limits, or there is no memory for it.
        """
        known = self._images.get(picture.digest)
        if known is not None:
            return known
        size = decoded_bytes(picture.data, name=picture.name) or budget.decoding_bytes()
        with budget.room_for(self._session, size, f"'{picture.name}'"):
            return self._images.put(picture.digest, decode(picture.data, name=picture.name))

    def jpeg(self, picture: Picture) -> bytes:
        """The picture for the browser, a JPEG file.

        Raises:
            ImageError: If it cannot be read.
        """
        return self._jpegs.get_or(picture.digest, lambda: display_jpeg(self.image(picture)))

    def scale(self, picture: Picture) -> Scale:
        """Its red-cell size, the same for all models: set by the user, or else measured.

        Raises:
            ImageError: If it cannot be read.
        """
        given = self.red_cells.get(picture.digest)
        return self._scales.get_or(
            (picture.digest, given), lambda: resolve_scale(self.image(picture), given)
        )

    def outcome(self, picture: Picture, model: str) -> Finished | Refused | None:
        """A detector's outcome at the picture's present scale; None if it has not run yet."""
        found = self._outcomes.get(self._key(picture, model))
        # The same bytes may have come in under another name before.
        if isinstance(found, Finished):
            return replace(found, analysis=replace(found.analysis, name=picture.name))
        return found and replace(found, name=picture.name)

    def judged(self, picture: Picture, model: str) -> Judged | Refused | None:
        """A whole-field classifier's outcome at the present scale; None if it has not run yet."""
        found = self._judged.get(self._key(picture, model))
        return replace(found, name=picture.name) if isinstance(found, Refused) else found

    def analyse(
        self, picture: Picture, model: str, open_detector: Callable[[], Detector]
    ) -> Finished | Refused:
        """Run a detector now and keep its outcome, even if it is an error.

        Args:
            picture: The picture.
            model: Name of the model.
            open_detector: Loads the model; its errors are kept, too.
        """
        # Imported here: it pulls in the statistics, which the first page need not wait for.
        from allcell.analysis import analyse, file_cautions

        outcome: Finished | Refused
        try:
            detector = open_detector()
            start = time.perf_counter()
            image = self.image(picture)
            decoded = time.perf_counter()
            scale = self.scale(picture)
            measured = time.perf_counter()
            outcome = Finished(
                analyse(
                    detector,
                    image,
                    picture.name,
                    scale=scale,
                    about=file_cautions(picture.data),
                ),
                decode_ms=1e3 * (decoded - start),
                scale_ms=1e3 * (measured - decoded),
                runtime=detector.engine.description,
            )
        except AllcellError as error:
            outcome = Refused(picture.name, error.message, error.remedy)
        self.keep(picture, model, outcome)
        return outcome

    def keep(self, picture: Picture, model: str, outcome: Finished | Refused) -> None:
        """Keep what a detector, by the name of its model, found at the picture's present scale."""
        self._outcomes.put(self._key(picture, model), outcome)

    def judge(
        self, picture: Picture, model: str, open_classifier: Callable[[], FieldClassifier]
    ) -> Judged | Refused:
        """Run a whole-field classifier now and keep its outcome, even if it is an error.

        Args:
            picture: The picture.
            model: Name of the model.
            open_classifier: Loads the model; its errors are kept, too.
        """
        from allcell.analysis import file_cautions, picture_cautions

        try:
            image = self.image(picture)
            classifier = open_classifier()
            suggested, timing = classifier.classify(image)
            about = picture_cautions(image, self.scale(picture), whole_field=True)
            suggested = replace(suggested, warnings=(*about, *file_cautions(picture.data)))
            made = Provenance(classifier.spec.threshold, None, classifier.weights_sha256)
            said: Judged | Refused = Judged(suggested, timing.total_ms, made)
        except AllcellError as error:
            said = Refused(picture.name, error.message, error.remedy)
        return self._judged.put(self._key(picture, model), said)

    def forget_errors(self, picture: Picture, models: Iterable[str]) -> None:
        """Let models that failed on a picture be tried again."""
        for model in models:
            if isinstance(self.outcome(picture, model), Refused):
                self._outcomes.drop(self._key(picture, model))
            if isinstance(self.judged(picture, model), Refused):
                self._judged.drop(self._key(picture, model))

    def hold(self, owner: str, picture: Picture) -> None:
        """Keep what becomes known of a picture until its owners have let go of it.

        Args:
            owner: Who shows it, for example the list of the Detect page.
            picture: The picture.
        """
        self._owners.setdefault(picture.digest, set()).add(owner)

    def let_go(self, owner: str, picture: Picture | None = None) -> None:
        """Forget everything about a picture, red-cell sizes included, unless another owner has it.

        Args:
            owner: See `hold`.
            picture: The picture; all of this owner's if None.
        """
        mine = [d for d, owners in self._owners.items() if owner in owners]
        gone = set()
        for digest in mine if picture is None else [picture.digest]:
            owners = self._owners.get(digest, set())
            owners.discard(owner)
            if not owners:
                self._owners.pop(digest, None)
                gone.add(digest)
        for digest in gone:
            self.red_cells.pop(digest, None)
            self.insistence.drop(digest)
            self._images.drop(digest)
            self._jpegs.drop(digest)
        for kept in (self._scales, self._outcomes, self._judged):
            kept.drop_if(lambda key: key[0] in gone)

    def _key(self, picture: Picture, model: str) -> tuple[str, str, float | None]:
        return picture.digest, model, self.red_cells.get(picture.digest)


def picture_memory() -> PictureMemory:
    """The picture memory of this browser session."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = PictureMemory()
        budget.join(st.session_state[_KEY])
    memory: PictureMemory = st.session_state[_KEY]
    return memory
