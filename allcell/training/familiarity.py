"""What the gate of still pictures knows: fitted to laboratories' smears and to what is none.

Two things are learned, both as a few hundred numbers: a logistic regression that tells smears from
other pictures, and where each laboratory lies among the traits of `imaging.familiarity.traits`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from allcell.data.dataset import LabelledImage, read_yolo
from allcell.errors import DataError
from allcell.imaging.familiarity.reference import Laboratory, Reference, products
from allcell.imaging.familiarity.traits import LABORATORY_TRAITS, NAMES, measure
from allcell.imaging.images import SUFFIXES, RGBImage, decode
from allcell.imaging.scale import resolve_scale
from allcell.synth import random_spec, render
from allcell.synth.others import KINDS, render_other, worn
from allcell.training.augment import Augmentation, vary

#: Pictures of a laboratory that are used at most.
MOST_FIELDS = 160
#: Rendered smears, pictures of each rendered kind of others, and crops of each photograph.
RENDERED, RENDERED_OTHERS, CROPS = 140, 28, 14
#: How what is no smear and comes as a file is called.
PHOTOGRAPH = "photograph"
#: It counts as much as this many rendered kinds.
_PHOTOGRAPHS_WEIGH = 6.0
#: Strength of the penalty on the weights of the regression.
_RIDGE = 0.3
#: A laboratory's spread is that of its fields, and this much more (of that of all smears), so that
#: another lamp or camera setting of the same laboratory is not a stranger.
_MORE_SPREAD = 0.05
#: Rank, among fields that its fit has not seen, of the distance that is still usual.
_USUAL_PERCENT = 97.5
#: Beyond this many times the usual distance a picture is far off.
_FAR = 4.0


@dataclass(frozen=True)
class Traced:
    """The traits of one picture.

    Attributes:
        source: Laboratory, `synth`, or a kind of what is no smear.
        role: `field` as it is; `copy` cropped, resized, compressed; `restained` as another
            laboratory might show it; `other` if it is no smear.
        traits: In the order of `NAMES`.
    """

    source: str
    role: str
    traits: npt.NDArray[np.float64]


def trace(
    laboratories: Sequence[Path],
    others: Path | None = None,
    *,
    seed: int = 0,
    on_picture: Callable[[int], None] = lambda done: None,
) -> list[Traced]:
    """Measure all that the gate is fitted to.

    Args:
        laboratories: YOLO folders; the split `train` of each is used, and its folder's name.
        others: A folder of photographs, sections and screenshots, of which pieces are used.
        seed: Of the rendered pictures.
        on_picture: Called with the number of pictures done; may raise to stop.

    Raises:
        DataError: If a folder has no picture.
        ImageError: If a picture cannot be read.
    """
    found = []
    for done, (source, role, make) in enumerate(pictures(laboratories, others, seed), 1):
        image = make()
        scale = resolve_scale(image)
        found.append(Traced(source, role, measure(image, scale.red_cell_px).values))
        on_picture(done)
    return found


def pictures(
    laboratories: Sequence[Path], others: Path | None = None, seed: int = 0
) -> Iterator[tuple[str, str, Callable[[], RGBImage]]]:
    """All pictures that the gate is fitted to: source, role (see `Traced`), what makes it."""
    for folder in laboratories:
        fields = read_yolo(folder, "train")
        chosen = np.random.default_rng(seed).permutation(len(fields))[:MOST_FIELDS]
        few = len(chosen) < MOST_FIELDS
        for n in sorted(chosen):
            field = fields[n]
            rng = np.random.default_rng([seed, zlib.crc32(field.path.name.encode())])
            yield folder.name, "field", field.pixels
            if few or rng.random() < 0.5:
                yield folder.name, "copy", partial(_copy, field, rng)
            if few or rng.random() < 0.5:
                yield folder.name, "restained", partial(_restained, field, rng)
    for n in range(RENDERED):
        yield "synth", "field", partial(rendered_smear, seed + 10_000 + n)
    for kind in KINDS:
        for n in range(RENDERED_OTHERS):
            yield kind, "other", partial(render_other, kind, seed + n)
    if others is not None:
        paths = sorted(path for path in others.iterdir() if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise DataError(f"There is no picture in {others}.", "Check --others.")
        for path in paths:
            for n in range(CROPS):
                rng = np.random.default_rng([seed, n, zlib.crc32(path.name.encode())])
                yield f"{PHOTOGRAPH} {path.stem}", "other", partial(_piece_of, path, rng)


def rendered_smear(seed: int) -> RGBImage:
    """A rendered smear of any size."""
    rng = np.random.default_rng([seed, 1])
    width = int(np.exp(rng.uniform(np.log(220), np.log(1100))))
    height = int(max(200, width * rng.uniform(0.6, 1)))
    return render(random_spec(seed, width, height)).image


def _copy(field: LabelledImage, rng: np.random.Generator) -> RGBImage:
    return copied(field.pixels(), rng)


def _restained(field: LabelledImage, rng: np.random.Generator) -> RGBImage:
    return vary(copied(field.pixels(), rng), rng, Augmentation())


def _piece_of(path: Path, rng: np.random.Generator) -> RGBImage:
    return piece(decode(path, name=path.name), rng)


def copied(image: RGBImage, rng: np.random.Generator) -> RGBImage:
    """A part of a smear as somebody might pass it on: cropped, resized, turned, compressed."""
    height, width = image.shape[:2]
    share = rng.uniform(0.65, 1)
    part = _part(image, int(height * share), int(width * share), rng)
    factor = float(np.exp(rng.uniform(np.log(0.6), np.log(1.4))))
    part = _resized(part, factor)
    part = np.rot90(part, int(rng.integers(4)))
    out = np.clip(part * rng.uniform(0.9, 1.05), 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
        _, data = cv2.imencode(".jpg", np.ascontiguousarray(out), quality)
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(out)


def piece(image: RGBImage, rng: np.random.Generator) -> RGBImage:
    """Some part of a photograph, turned, resized and worn."""
    height, width = image.shape[:2]
    if min(height, width) < 220:
        image = _resized(image, 220 / min(height, width))
        height, width = image.shape[:2]
    if rng.random() < 0.4:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-30, 30)), 1.5)
        image = np.asarray(
            cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8
        )
    side = int(max(200, rng.uniform(0.3, 1) * min(height, width)))
    part = _part(image, side, min(width, int(side * rng.uniform(0.8, 1.5))), rng)
    factor = float(np.exp(rng.uniform(np.log(0.6), np.log(2.0))))
    if min(part.shape[:2]) * factor > 180:
        part = _resized(part, factor)
    return worn(np.rot90(part, int(rng.integers(4))).astype(np.float32), rng)


def _part(image: RGBImage, height: int, width: int, rng: np.random.Generator) -> RGBImage:
    top = int(rng.integers(image.shape[0] - height + 1))
    left = int(rng.integers(image.shape[1] - width + 1))
    return image[top : top + height, left : left + width]


def _resized(image: RGBImage, factor: float) -> RGBImage:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def fit(traced: Sequence[Traced]) -> Reference:
    """Fit the gate.

    Args:
        traced: From `trace`; at least one laboratory and something that is no smear.
    """
    traits = np.stack([one.traits for one in traced])
    smear = np.array([one.role != "other" for one in traced])
    weight = _weights(traced, smear)
    mean = np.average(traits, axis=0, weights=weight)
    deviation = np.sqrt(np.average((traits - mean) ** 2, axis=0, weights=weight)) + 1e-6
    bias, weights = _regression(products((traits - mean) / deviation), smear, weight)
    return Reference(mean, deviation, bias, weights, *_laboratories(traced))


def _weights(traced: Sequence[Traced], smear: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Smears and others weigh the same, and so do the sources of each."""
    sources = np.array([one.source.split(" ")[0] if one.role == "other" and one.source.startswith("photograph ") else one.source for one in traced])
    weight = np.zeros(len(traced))
    for source in np.unique(sources):
        share = _PHOTOGRAPHS_WEIGH if source == "photograph" else 1.0
        weight[sources == source] = share / (sources == source).sum()
    for side in (smear, ~smear):
        weight[side] *= 500 / weight[side].sum()
    return weight


def _regression(
    terms: npt.NDArray[np.float64],
    smear: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64],
) -> tuple[float, npt.NDArray[np.float64]]:
    """Bias and weights of a logistic regression with a ridge penalty."""
    sign = np.where(smear, 1.0, -1.0)

    def loss(at: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margin = sign * (terms @ at[1:] + at[0])
        slope = -weight * sign / (1 + np.exp(np.clip(margin, -500, 500)))
        value = float((weight * np.logaddexp(0, -margin)).sum() + _RIDGE * (at[1:] ** 2).sum())
        return value, np.r_[slope.sum(), terms.T @ slope + 2 * _RIDGE * at[1:]]

    start = np.zeros(terms.shape[1] + 1)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 400}).x
    return float(best[0]), np.asarray(best[1:], np.float64)
