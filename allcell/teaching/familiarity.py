"""Where the smears of one laboratory lie, told from the few fields that were reviewed there.

The gate of stills (`allcell.imaging.familiarity`) is two things. What tells smears from other
pictures, a regression, needs thousands of pictures of both and stays as allcell comes with it. What
tells laboratories apart is a mean and a spread for each, and one more of those can be told from a
few fields: it is added to the known ones for the model that was taught, so that its own smears are
known and everybody else's are not. The parent's laboratories stay known beside it only if the
training rehearsed what the parent knew (`parents_known`).

A few fields cannot tell the 18 x 18 numbers of a spread by themselves. It is therefore drawn
towards the mean spread of the laboratories that allcell knows, which counts as much as
`_PRIOR_FIELDS` fields (J. H. Friedman, "Regularized discriminant analysis", JASA 1989: 84, 165).
Each field is joined by copies as somebody might pass them on: cropped, resized, compressed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from allcell.errors import DataError
from allcell.imaging.familiarity.reference import Reference, laboratory_traits, reference
from allcell.imaging.familiarity.traits import LABORATORY_TRAITS, measure, measure_colours
from allcell.imaging.images import RGBImage
from allcell.imaging.rim import part_within
from allcell.imaging.scale import resolve_scale
from allcell.models.laboratory import OwnLaboratory
from allcell.training.familiarity import copied

Numbers = npt.NDArray[np.float64]

#: Copies of each field.
_COPIES = 4
#: As many fields as the spread of the known laboratories counts. Told from 8 training fields of
#: each of five laboratories as if it were unknown (six draws), 91 to 100 % of its other training
#: fields were known then (20 fields: 99 to 100 %). Of the 20 pairs with another laboratory, 18 let
#: 8 % of that one's fields pass or less (20 fields: 19 let 2 %). ALL-IDB1, which is two kinds of
#: pictures, takes in 40 % of BCCD (27 %) and 16 % of PBC. With 4 or 8, more of others passed.
#: Measured once on test fields, with 8 training fields, three draws: Taleqani 98 to 100 % known (as
#: a stranger 0 %), ALL-IDB1 100 % (0 %).
_PRIOR_FIELDS = 16.0
#: Rank of the distance that is still usual, among pictures whose field the fit has not seen.
_USUAL_PERCENT = 98.5
#: Below this many fields that rank says little, and what is usual elsewhere is the least.
_FEW_FIELDS = 20
#: Log odds by which another picture of the laboratory may look less like a smear than these.
_SMEAR_MARGIN = 1.0


def fit_laboratory(
    fields: Sequence[RGBImage], *, parents_known: bool = True, seed: int = 0
) -> OwnLaboratory:
    """Tell where the smears of a laboratory lie.

    Args:
        fields: Its reviewed fields: RGB uint8 (H, W, 3), at least one.
        parents_known: See `OwnLaboratory`.
        seed: Of the copies.

    Raises:
        DataError: If there is no field.
    """
    if not fields:
        raise DataError("There is no field to tell a laboratory from.", "Review some first.")
    known = reference()
    whole, traits, of_field = _measured(fields, seed)
    places = laboratory_traits(traits)
    prior = _mean_spread(known)
    mean, inverse = _around(places, of_field, prior)
    return OwnLaboratory(
        traits=LABORATORY_TRAITS,
        mean=tuple(mean.tolist()),
        inverse=tuple(tuple(row) for row in inverse.tolist()),
        usual=_usual(places, of_field, prior, known),
        fields=len(fields),
        lowest_smear_score=float(known.smear_scores(whole).min()) - _SMEAR_MARGIN,
        parents_known=parents_known,
    )


def _measured(
    fields: Sequence[RGBImage], seed: int
) -> tuple[Numbers, Numbers, npt.NDArray[np.int64]]:
    """What is told of each field and its copies.

    Returns:
        All traits of each field and of one copy, (2 F, K); the colours of all pictures, (N, K);
        and which field each of those is of, (N,).
    """
    whole, colours, of_field = [], [], []
    for number, image in enumerate(fields):
        rng = np.random.default_rng([seed, number])
        field, _ = part_within(image)
        pictures = [field, *(copied(field, rng) for _ in range(_COPIES))]
        # Shapes take the size of the red cells, which is slow to measure; places are colours.
        whole += [measure(one, resolve_scale(one).red_cell_px).values for one in pictures[:2]]
        colours += [measure_colours(one).values for one in pictures]
        of_field += [number] * len(pictures)
    return np.stack(whole), np.stack(colours), np.array(of_field, np.int64)


def _mean_spread(known: Reference) -> Numbers:
    """Mean covariance of the known laboratories, (K, K)."""
    return np.asarray(
        np.mean([np.linalg.inv(lab.inverse) for lab in known.laboratories], axis=0), np.float64
    )


def _around(
    places: Numbers, of_field: npt.NDArray[np.int64], prior: Numbers
) -> tuple[Numbers, Numbers]:
    """Mean (K,) and inverse covariance (K, K) of pictures of some fields."""
    fields = len(np.unique(of_field))
    spread = np.cov(places.T)
    drawn = (fields * spread + _PRIOR_FIELDS * prior) / (fields + _PRIOR_FIELDS)
    return places.mean(axis=0).astype(np.float64), np.linalg.inv(drawn).astype(np.float64)


def _usual(
    places: Numbers, of_field: npt.NDArray[np.int64], prior: Numbers, known: Reference
) -> float:
    """The distance within which nearly all pictures lie whose field was left out."""
    elsewhere = float(np.mean([lab.usual for lab in known.laboratories]))
    numbers = np.unique(of_field)
    if len(numbers) == 1:
        return elsewhere
    distances = np.zeros(len(places))
    for number in numbers:
        out = of_field == number
        mean, inverse = _around(places[~out], of_field[~out], prior)
        off = places[out] - mean
        distances[out] = np.sqrt(np.einsum("ni,ij,nj->n", off, inverse, off))
    usual = float(np.percentile(distances, _USUAL_PERCENT))
    return max(usual, elsewhere) if len(numbers) < _FEW_FIELDS else usual
