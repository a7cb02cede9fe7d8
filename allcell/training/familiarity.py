"""What the gate of still pictures knows: fitted to laboratories' smears and to what is none.

Two things are learned, both as a few hundred numbers: a logistic regression that tells smears from
other pictures, and where each laboratory lies among the traits of `imaging.familiarity.traits`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from allcell.data.dataset import LabelledImage, OnImage
from allcell.data.yolo_sets import read_yolo
from allcell.errors import DataError
from allcell.imaging.familiarity.reference import (
    KnownLaboratory,
    Reference,
    laboratory_traits,
    products,
)
from allcell.imaging.familiarity.traits import measure
from allcell.imaging.images import SUFFIXES, RGBImage, decode
from allcell.imaging.scale import resolve_scale
from allcell.synth import random_spec, render
from allcell.synth.others import KINDS, render_other, worn
from allcell.training.augment import Augmentation, vary

#: Pictures of a laboratory that are used at most.
MOST_FIELDS = 160
#: Rendered smears, pictures of each rendered kind of others, and crops of each photograph.
RENDERED, RENDERED_OTHERS, CROPS = 140, 28, 14
#: One in so many pictures is used in grey as well.
_GREY_EVERY = 4
#: How rendered smears are called, and what is no smear and comes as a file.
RENDERED_SMEARS = "synth"
PHOTOGRAPH = "photograph"
#: The latter counts as much as this many rendered kinds.
_PHOTOGRAPHS_WEIGH = 6.0
#: Weight of all smears, and of all that is none, in the regression.
_SIDE_WEIGHS = 500.0
#: Strength of the penalty on the weights of the regression.
_RIDGE = 0.5
#: A laboratory's spread is that of its fields, and this much of that of all laboratories: another
#: lamp or camera setting in the same laboratory is no stranger.
_MORE_SPREAD = 0.2
#: Rank, among fields that its fit has not seen, of the distance that is still usual.
_USUAL_PERCENT = 98.5
_FOLDS = 5


@dataclass(frozen=True)
class Traced:
    """The traits of one picture.

    Attributes:
        source: Name of a laboratory, `synth`, or a kind of what is no smear.
        role: `field` as it is; `copy` cropped, resized, compressed; `restained` as another
            laboratory might show it; `grey`; `other` if it is no smear.
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
    on_picture: OnImage | None = None,
) -> list[Traced]:
    """Measure all that the gate is fitted to.

    Args:
        laboratories: YOLO folders; the split `train` of each is used, and its folder's name.
        others: A folder of photographs, sections and screenshots, of which pieces are used.
        seed: Of the rendered pictures.
        on_picture: Called with the number of pictures done and their total; may raise to stop.

    Raises:
        DataError: If a folder has no picture.
        ImageError: If a picture cannot be read.
    """
    found = []
    listed = list(pictures(laboratories, others, seed))
    for done, (source, role, make) in enumerate(listed, 1):
        image = make()
        scale = resolve_scale(image)
        found.append(Traced(source, role, measure(image, scale.red_cell_px).values))
        if on_picture:
            on_picture(done, len(listed))
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
            yield folder.name, "field", fields[n].pixels
            if few or n % 2:
                yield folder.name, "copy", partial(_copy, fields[n], seed)
            if few or n % 2 == 0:
                yield folder.name, "restained", partial(_restained, fields[n], seed)
            if n % _GREY_EVERY == 0:
                yield folder.name, "grey", partial(_grey, fields[n].pixels)
    for n in range(RENDERED):
        make = partial(rendered_smear, seed + 10_000 + n)
        yield RENDERED_SMEARS, "field", make
        if n % _GREY_EVERY == 0:
            yield RENDERED_SMEARS, "grey", partial(_grey, make)
    for kind in KINDS:
        for n in range(RENDERED_OTHERS):
            make = partial(render_other, kind, seed + n)
            yield kind, "other", make
            if n % _GREY_EVERY == 0:
                yield kind, "other", partial(_grey, make)
    if others is not None:
        paths = sorted(path for path in others.iterdir() if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise DataError(f"There is no picture in {others}.", "Check --others.")
        for path in paths:
            for n in range(CROPS):
                make = partial(piece_of, path, seed + n)
                yield f"{PHOTOGRAPH} {path.stem}", "other", make
                if n % _GREY_EVERY == 0:
                    yield f"{PHOTOGRAPH} {path.stem}", "other", partial(_grey, make)


def rendered_smear(seed: int) -> RGBImage:
    """A rendered smear of any size."""
    rng = np.random.default_rng([seed, 1])
    width = int(np.exp(rng.uniform(np.log(220), np.log(1100))))
    height = int(max(200, width * rng.uniform(0.6, 1)))
    return render(random_spec(seed, width, height)).image


def _copy(field: LabelledImage, seed: int) -> RGBImage:
    return copied(field.pixels(), _dice(seed, field.path.name))


def _restained(field: LabelledImage, seed: int) -> RGBImage:
    rng = _dice(seed + 1, field.path.name)
    return vary(copied(field.pixels(), rng), rng, Augmentation())


def _dice(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _grey(make: Callable[[], RGBImage]) -> RGBImage:
    return np.asarray(
        cv2.cvtColor(cv2.cvtColor(make(), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8
    )


def piece_of(path: Path, seed: int) -> RGBImage:
    """Some part of a photograph in a file, see `piece`."""
    return piece(decode(path, name=path.name), _dice(seed, path.name))


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
    return Reference(mean, deviation, bias, weights, _laboratories(traced))


def _weights(traced: Sequence[Traced], smear: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Smears and others weigh the same, and so do the sources of each."""
    sources = np.array(
        [PHOTOGRAPH if one.source.startswith(f"{PHOTOGRAPH} ") else one.source for one in traced]
    )
    weight = np.zeros(len(traced))
    for source in np.unique(sources):
        share = _PHOTOGRAPHS_WEIGH if source == PHOTOGRAPH else 1.0
        weight[sources == source] = share / (sources == source).sum()
    for side in (smear, ~smear):
        weight[side] *= _SIDE_WEIGHS / weight[side].sum()
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


def _laboratories(traced: Sequence[Traced]) -> tuple[KnownLaboratory, ...]:
    """Mean and spread of each laboratory's fields and copies."""
    own = [one for one in traced if one.role in ("field", "copy") and one.source != RENDERED_SMEARS]
    sources = np.array([one.source for one in own])
    whole = np.array([one.role == "field" for one in own])
    traits = laboratory_traits(np.stack([one.traits for one in own]))
    floor = np.diag((_MORE_SPREAD * traits.std(axis=0)) ** 2)
    found = []
    for name in dict.fromkeys(sources.tolist()):
        mine, fields = traits[sources == name], whole[sources == name]
        # A field and its copy stay together, so that none is judged by itself.
        fold = np.cumsum(fields) % _FOLDS
        distances = np.zeros(len(mine))
        for left_out in range(_FOLDS):
            out = fold == left_out
            distances[out] = _around(name, mine[~out], floor).distances(mine[out])
        usual = float(np.percentile(distances[fields], _USUAL_PERCENT))
        found.append(replace(_around(name, mine, floor), usual=usual))
    return tuple(found)


def _around(
    name: str, traits: npt.NDArray[np.float64], floor: npt.NDArray[np.float64]
) -> KnownLaboratory:
    inverse = np.linalg.inv(np.cov(traits.T) + floor).astype(np.float64)
    return KnownLaboratory(name, traits.mean(axis=0).astype(np.float64), inverse, 1.0)
