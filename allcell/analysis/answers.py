"""From a picture to its result: scale, detection, then the choice of what to show.

Still pictures of pages, commands and evaluations come through here; live video and benchmarks call
the detector. The model runs once; confidence, overlap and classes can be changed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from allcell.analysis.finding import Found, ImageDetector, Seen, Wish, find, find_many
from allcell.cautions import Caution
from allcell.detections import Detections
from allcell.detector import Detector, Timing, choose
from allcell.engines.picture import MAX_TILE_CANDIDATES
from allcell.environment.provenance import Provenance, now
from allcell.errors import AllcellError
from allcell.imaging.familiarity import judge
from allcell.imaging.familiarity.reference import reference_for
from allcell.imaging.scale import Scale
from allcell.imaging.stain import StainRuler
from allcell.models.laboratory import OwnLaboratory
from allcell.models.registry import ModelSpec
from allcell.result import Result

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything a model found in one image.

    Attributes:
        name: What the user calls the image.
        width_px: Width of the image.
        height_px: Height of the image.
        spec: The model.
        candidates: All boxes down to the detector's floor, overlapping ones included.
        scale: The red-cell size used, and where it came from.
        timing: Where the time went.
        stain: The colour of the red cells; None if it was not measured.
        about_picture: See `picture_cautions`.
        weights_sha256: SHA-256 of the model's weights (see `Provenance`); empty if unknown.
        analysed_at: When the model ran, in UTC.
    """

    name: str
    width_px: int
    height_px: int
    spec: ModelSpec
    candidates: Detections
    scale: Scale
    timing: Timing
    stain: StainRuler | None = None
    about_picture: tuple[Caution, ...] = ()
    weights_sha256: str = ""
    analysed_at: datetime = field(default_factory=now)

    def result(
        self,
        *,
        confidence: float | None = None,
        iou: float | None = None,
        classes: Collection[str] | None = None,
        insisted: bool = False,
    ) -> Result:
        """What is shown and exported at these settings.

        Args:
            confidence: Lowest confidence (0 to 1); the model's operating threshold if None.
            iou: Overlap above which two boxes are one cell, up to `MAX_IOU`; the model's if None.
            classes: Names of the classes to keep; all if None.
            insisted: Whether the user wants the numbers whatever speaks against them.
        """
        shown = choose(self.spec, self.candidates, confidence=confidence, iou=iou, classes=classes)
        return Result(
            self.name,
            self.width_px,
            self.height_px,
            self.spec.name,
            shown,
            self.spec.classes,
            self.timing,
            self.scale,
            made=Provenance(
                self.spec.confidence if confidence is None else confidence,
                self.spec.iou if iou is None else iou,
                self.weights_sha256,
                self.analysed_at,
            ),
            warnings=self.warnings,
            insisted=insisted,
        )

    @property
    def warnings(self) -> tuple[Caution, ...]:
        """Reasons not to trust the answer as it stands."""
        # A network with a fixed input size gets the whole picture, whatever the size of its cells.
        scale = () if self.spec.fixed_input_px else _scale_cautions(self.scale)
        stain = _STAIN_UNKNOWN if self.spec.normalise_stain and self.stain is None else ()
        return (*self.about_picture, *scale, *stain, *_limit_cautions(self.timing))


def analyse(
    detector: ImageDetector,
    image: npt.NDArray[np.uint8],
    name: str,
    *,
    scale: Scale | None = None,
    confidence: float | None = None,
    about: Sequence[Caution] = (),
) -> Analysis:
    """Measure and judge an image, and run the model once.

    Args:
        detector: The model.
        image: RGB uint8 (H, W, 3).
        name: What the user calls the image.
        scale: How large its red cells are; measured if None.
        confidence: Lowest confidence of a candidate; the detector's floor if None.
        about: What is known of its file: see `allcell.analysis.files`.

    Raises:
        ModelError: If the network fails.
    """
    seen = judged(detector.spec, image, scale=scale, about=about)
    return _assembled(detector, name, seen, find(detector, seen, Wish(confidence)))


def judged(
    spec: ModelSpec,
    image: npt.NDArray[np.uint8],
    *,
    scale: Scale | None = None,
    about: Sequence[Caution] = (),
) -> Seen:
    """Measure and judge an image, as `analyse` does before the model runs.

    Args:
        spec: The model that it is for.
        image: RGB uint8 (H, W, 3).
        scale: How large its red cells are; measured if None.
        about: What is known of its file: see `allcell.analysis.files`.
    """
    seen = Seen.of(spec, image, scale)
    cautions = picture_cautions(
        image,
        seen.scale,
        whole_field=spec.fixed_input_px is not None,
        laboratory=spec.laboratory,
    )
    return replace(seen, about=(*cautions, *about))


def analyse_many(
    detector: ImageDetector,
    items: Iterable[Item],
    see: Callable[[Item], Seen],
    name: Callable[[Item], str],
    *,
    confidence: float | None = None,
    pixels: Callable[[Item], float] = lambda _: 0.0,
    own_streams: bool = True,
) -> Generator[tuple[Item, tuple[Seen, Analysis] | AllcellError], None, None]:
    """Analyse many images, read ahead in threads; each is answered or has its error, in order.

    Args:
        detector: The model.
        items: What stands for the images, such as their paths.
        see: Reads and judges one, see `judged`; called in threads.
        name: What the user calls one.
        confidence: Lowest confidence of a candidate; the detector's floor if None.
        pixels: See `allcell.analysis.finding.find_many`.
        own_streams: See `allcell.analysis.finding.find_many`.

    Yields:
        An item with its picture and the analysis, or with the error that spoilt it.
    """
    found = find_many(
        detector, items, see, Wish(confidence), pixels=pixels, own_streams=own_streams
    )
    with closing(found):
        for item, answer in found:
            if isinstance(answer, AllcellError):
                yield item, answer
            else:
                seen, boxes = answer
                yield item, (seen, _assembled(detector, name(item), seen, boxes))


def _assembled(detector: ImageDetector, name: str, seen: Seen, found: Found) -> Analysis:
    height, width = seen.image.shape[:2]
    return Analysis(
        name,
        width,
        height,
        detector.spec,
        found.candidates,
        found.scale,
        found.timing,
        found.stain,
        seen.about,
        detector.weights_sha256 if isinstance(detector, Detector) else "",
    )


def picture_cautions(
    image: npt.NDArray[np.uint8],
    scale: Scale,
    *,
    whole_field: bool = False,
    laboratory: OwnLaboratory | None = None,
) -> tuple[Caution, ...]:
    """What speaks against a model's answer on a picture (see `allcell.imaging.familiarity`).

    Args:
        image: RGB uint8 (H, W, 3).
        scale: How large its red cells are.
        whole_field: Whether the model sees the whole picture at one size, whatever that of its
            cells.
        laboratory: Whose smears the model was taught with, which it knows besides the others.
    """
    return tuple(
        Caution(finding.kind, finding.message, finding.remedy, withholds=finding.severe)
        for finding in judge(image, scale, known=reference_for(laboratory))
        if finding.kind != "scale_implausible" or not whole_field
    )


#: A grey picture, one of nuclei without red cells, a thick part of a smear.
_STAIN_UNKNOWN = (
    Caution(
        "stain_unknown",
        "The colour of the red cells could not be measured, so the stain is taken as it is.",
        "Choose a part of the smear where red cells lie side by side next to empty slide.",
    ),
)


def _scale_cautions(scale: Scale) -> tuple[Caution, ...]:
    if scale.origin == "default":
        return (
            Caution(
                "scale_unknown",
                "The red cells could not be measured; the model's default size is used.",
                "Cells seen at the wrong size are missed: set the red-cell diameter.",
            ),
        )
    estimate = scale.estimate
    if scale.origin == "measured" and estimate is not None and not estimate.reliable:
        return (
            Caution(
                "scale_weak",
                f"The red-cell diameter is uncertain: {estimate.diameter_px:.0f} px.",
                "Check it against the picture, and set the diameter if it is wrong.",
            ),
        )
    return ()


def _limit_cautions(timing: Timing) -> tuple[Caution, ...]:
    if not timing.full_tiles:
        return ()
    return (
        Caution(
            "limit_reached",
            f"In {timing.full_tiles} of {timing.tiles} parts of the picture the model suggests "
            f"more than {MAX_TILE_CANDIDATES:,} boxes; the least confident were left out, so cells "
            "may be missing.",
            "Use a part of the picture, or a model trained on such smears.",
        ),
    )
