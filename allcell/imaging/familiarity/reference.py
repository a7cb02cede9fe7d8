"""What is known of smears in numbers: how they differ from other pictures, where laboratories lie.

`python -m allcell data familiarity` fits it and writes `reference.json` beside this file.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from allcell.imaging.familiarity.traits import LABORATORY_TRAITS, NAMES
from allcell.models.laboratory import OwnLaboratory

Numbers = npt.NDArray[np.float64]

#: Written by `data familiarity`, read when the first picture is judged.
REFERENCE_FILE = Path(__file__).with_name("reference.json")
#: Deviations from the mean beyond this count as this: no trait decides alone, however strange.
_MOST_DEVIATIONS = 4.0
#: How the laboratory that a model was taught for is called among the known ones.
OWN = "own"
_LABORATORY_INDEX = np.array([NAMES.index(name) for name in LABORATORY_TRAITS])


def products(deviations: Numbers) -> Numbers:
    """Traits (..., K) in standard deviations, and their products two by two: (..., K(K+3)/2)."""
    limited = np.clip(deviations, -_MOST_DEVIATIONS, _MOST_DEVIATIONS)
    first, second = np.triu_indices(limited.shape[-1])
    return np.concatenate([limited, limited[..., first] * limited[..., second] / 2], axis=-1)


def laboratory_traits(traits: Numbers) -> Numbers:
    """Those of all traits (..., K) by which laboratories are told apart (`LABORATORY_TRAITS`)."""
    return np.asarray(traits[..., _LABORATORY_INDEX], np.float64)


@dataclass(frozen=True, eq=False)
class KnownLaboratory:
    """Where one laboratory's smears lie.

    Attributes:
        name: Its short name.
        mean: Of `LABORATORY_TRAITS`, (K,).
        inverse: Inverse covariance, (K, K).
        usual: Distance within which nearly all of its smears lie.
    """

    name: str
    mean: Numbers
    inverse: Numbers
    usual: float

    def distances(self, traits: Numbers) -> Numbers:
        """Mahalanobis distances of pictures (N, K of `LABORATORY_TRAITS`), in usual ones: (N,)."""
        off = traits - self.mean
        squares = np.einsum("ni,ij,nj->n", off, self.inverse, off)
        return np.asarray(np.sqrt(squares) / self.usual, np.float64)


@dataclass(frozen=True, eq=False)
class Reference:
    """What the gate of stills is judged by.

    Attributes:
        mean: Of all traits, (K,).
        deviation: Standard deviation of all traits, (K,).
        bias: Of the logistic regression that tells smears from other pictures.
        weights: Its weights for `products`.
        laboratories: Those that the models were trained on.
        own: The one of them that the model in hand was taught for, if any.
        own_score: Lowest log odds that its smears have.
    """

    mean: Numbers
    deviation: Numbers
    bias: float
    weights: Numbers
    laboratories: tuple[KnownLaboratory, ...]
    own: KnownLaboratory | None = None
    own_score: float = math.inf

    def smear_scores(self, traits: Numbers) -> Numbers:
        """Log odds (N,) that pictures with these traits (N, K) are smears."""
        return np.asarray(
            products((traits - self.mean) / self.deviation) @ self.weights + self.bias, np.float64
        )

    def strangeness(self, traits: Numbers) -> Numbers:
        """Distances (N,) from the nearest laboratory, in usual ones: above 1 is unusual."""
        own = laboratory_traits(traits)
        every = np.stack([lab.distances(own) for lab in self.laboratories])
        return np.asarray(every.min(axis=0), np.float64)

    def without(self, name: str) -> Reference:
        """The same, as if a laboratory had not been seen: only its place is forgotten."""
        left = tuple(lab for lab in self.laboratories if lab.name != name)
        return replace(self, laboratories=left)

    def write(self, path: Path) -> None:
        """Write it as JSON, six digits a number."""
        content = {
            "traits": list(NAMES),
            "mean": _digits(self.mean),
            "deviation": _digits(self.deviation),
            "bias": round(self.bias, 6),
            "weights": _digits(self.weights),
            "laboratory_traits": list(LABORATORY_TRAITS),
            "laboratories": {
                lab.name: {
                    "mean": _digits(lab.mean),
                    "inverse": [_digits(row) for row in lab.inverse],
                    "usual": round(lab.usual, 6),
                }
                for lab in self.laboratories
            },
        }
        lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _digits(numbers: Numbers) -> list[float]:
    return [float(f"{number:.6g}") for number in numbers]


@cache
def reference() -> Reference:
    """The one that allcell comes with.

    Raises:
        ValueError: If it was made for other traits than those that are measured now.
    """
    content: dict[str, Any] = json.loads(REFERENCE_FILE.read_text("utf-8"))
    if content["traits"] != list(NAMES) or content["laboratory_traits"] != list(LABORATORY_TRAITS):
        raise ValueError(
            f"{REFERENCE_FILE.name}: made for other traits; run `allcell data familiarity`"
        )
    return Reference(
        np.array(content["mean"]),
        np.array(content["deviation"]),
        float(content["bias"]),
        np.array(content["weights"]),
        tuple(
            KnownLaboratory(
                name, np.array(lab["mean"]), np.array(lab["inverse"]), float(lab["usual"])
            )
            for name, lab in content["laboratories"].items()
        ),
    )


@lru_cache(maxsize=32)
def reference_for(own: OwnLaboratory | None) -> Reference:
    """What pictures are judged by that a model taught for one laboratory is to see.

    That laboratory is added to those that allcell knows, or takes their place if the teaching did
    not keep what the model had learned of them.

    Args:
        own: The laboratory; None, or one that was described by other traits than those that are
            measured now, for what allcell comes with.
    """
    known = reference()
    if own is None or own.traits != LABORATORY_TRAITS or not _is_whole(own):
        return known
    place = KnownLaboratory(OWN, np.array(own.mean), np.array(own.inverse), own.usual)
    others = known.laboratories if own.parents_known else ()
    return replace(
        known, laboratories=(*others, place), own=place, own_score=own.lowest_smear_score
    )


def _is_whole(own: OwnLaboratory) -> bool:
    size = len(LABORATORY_TRAITS)
    inverse = np.array(own.inverse, np.float64) if _square(own, size) else None
    # A distance is the root of what this matrix gives, which may not be negative.
    return (
        inverse is not None
        and np.allclose(inverse, inverse.T, rtol=1e-3)
        and bool((np.linalg.eigvalsh((inverse + inverse.T) / 2) > 0).all())
    )


def _square(own: OwnLaboratory, size: int) -> bool:
    return len(own.mean) == len(own.inverse) == size and all(
        len(row) == size for row in own.inverse
    )
