"""From a specification to a photograph with its truth, and specifications at random."""

from __future__ import annotations

import math

import numpy as np

from allcell.synth.camera import expose
from allcell.synth.slide import SyntheticField, SyntheticSlide
from allcell.synth.spec import Camera, FieldSpec, Kind, Stain, mean_area_um2


def render(spec: FieldSpec) -> SyntheticField:
    """Photograph the specified field: the view at (0, 0) of its slide.

    Args:
        spec: What to show.

    Returns:
        The image, its exact truth and its scale; the same for the same specification.
    """
    seen = SyntheticSlide(spec).view(0, 0)
    return SyntheticField(expose(seen.image, spec.camera, spec.seed), seen.truth, seen.red_cell_px)


def random_spec(
    seed: int, width_px: int, height_px: int, red_cell_px: float | None = None
) -> FieldSpec:
    """A field drawn from a wide range of smears, laboratories and cameras, for training.

    About a third of the fields show a healthy smear, without blasts and with few smudges.

    Args:
        seed: Decides everything, 0 to 2**63 - 1.
        width_px: Width of the field.
        height_px: Height of the field.
        red_cell_px: Red-cell diameter in pixels; if None, drawn from 12 to 60 as far as the field
            allows.

    Raises:
        ValueError: If the field is too small for the red cells.
    """
    rng = np.random.default_rng([seed, 23])
    if red_cell_px is None:
        largest = min(60.0, min(width_px, height_px) / 4)
        red_cell_px = float(np.exp(rng.uniform(math.log(min(12.0, largest)), math.log(largest))))
    bare = FieldSpec(width_px=width_px, height_px=height_px, red_cell_px=red_cell_px, seed=seed)
    area_um2 = width_px * height_px / bare.px_per_um**2
    counts = _random_counts(rng, area_um2)
    red_cells = area_um2 / 44.0
    return FieldSpec(
        width_px=width_px,
        height_px=height_px,
        red_cell_px=red_cell_px,
        seed=seed,
        blasts=counts[Kind.BLAST],
        neutrophils=counts[Kind.NEUTROPHIL],
        lymphocytes=counts[Kind.LYMPHOCYTE],
        monocytes=counts[Kind.MONOCYTE],
        eosinophils=counts[Kind.EOSINOPHIL],
        smudges=counts[Kind.SMUDGE],
        platelets=red_cells * float(np.exp(rng.uniform(math.log(0.002), math.log(0.12)))),
        platelet_clumps=red_cells / 400 * float(rng.choice([0.0, 0.0, 0.5, 2.0])),
        red_coverage=float(rng.uniform(0.03, 0.55)),
        clumping=float(rng.beta(1, 1.6)),
        stain=Stain(
            strength=float(np.exp(rng.uniform(math.log(0.4), math.log(1.5)))),
            hue=float(np.clip(rng.normal(0, 0.5), -1, 1)),
            red_strength=float(np.exp(rng.uniform(math.log(0.5), math.log(1.7)))),
            red_hue=float(np.clip(rng.normal(0, 0.55), -1, 1)),
            pallor=float(rng.beta(1.6, 1.4)),
            haze=float(rng.beta(1.2, 3)),
        ),
        camera=_random_camera(rng),
    )


def _random_counts(rng: np.random.Generator, area_um2: float) -> dict[Kind, int]:
    """White cells that cover 1 to 28 % of the area, in a random mixture."""
    coverage = float(np.exp(rng.uniform(math.log(0.01), math.log(0.28))))
    healthy = rng.random() < 0.35
    shares = {
        Kind.BLAST: 0.0 if healthy else rng.gamma(1.5, 3),
        Kind.NEUTROPHIL: rng.gamma(1, 1),
        Kind.LYMPHOCYTE: rng.gamma(1, 1.4),
        Kind.MONOCYTE: rng.gamma(0.7, 0.6),
        Kind.EOSINOPHIL: rng.gamma(0.5, 0.4),
        Kind.SMUDGE: rng.gamma(0.5, 0.3 if healthy else 1.6),
    }
    total = sum(shares.values())
    counts = {}
    room_um2 = 0.38 * area_um2
    for kind, share in sorted(shares.items(), key=lambda item: -item[1]):
        each = mean_area_um2(kind)
        wanted = int(rng.poisson(coverage * area_um2 * share / total / each))
        counts[kind] = min(wanted, int(room_um2 / each))
        room_um2 -= counts[kind] * each
    return counts


def _random_camera(rng: np.random.Generator) -> Camera:
    warm = rng.normal(0, 0.5)
    cast = np.array([1 + 0.07 * warm, 1 - abs(rng.normal(0, 0.03)), 1 - 0.14 * warm])
    cast = np.clip(cast / cast.max(), 0.55, 1)
    return Camera(
        gain=float(rng.uniform(0.4, 1.0)),
        cast=(float(cast[0]), float(cast[1]), float(cast[2])),
        focus_blur=float(np.clip(0.012 + rng.exponential(0.018), 0, 0.12)),
        sharpening=float(rng.uniform(0, 1.0)),
        gradient=min(0.3, abs(float(rng.normal(0, 0.08)))),
        gradient_deg=float(rng.uniform(0, 360)),
        vignette=min(0.45, abs(float(rng.normal(0, 0.12)))),
        noise=float(np.clip(rng.exponential(2.0), 0, 8)),
        jpeg_quality=int(rng.choice([0, int(rng.integers(50, 97))])),
    )
