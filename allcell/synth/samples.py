"""Six fields for the gallery, and a laboratory that no model knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allcell.synth.spec import Camera, Dyes, FieldSpec, Stain


@dataclass(frozen=True)
class Sample:
    """A field that a visitor can open without a microscope.

    Attributes:
        name: Its name in URLs.
        title: Display title; says that it is synthetic.
        caption: One sentence about what is in it.
        spec: What to render.
    """

    name: str
    title: str
    caption: str
    spec: FieldSpec


@dataclass(frozen=True)
class UnknownLaboratory:
    """Rendered smears of a stain that no model was shown, to try teaching with.

    Attributes:
        name: Its name in commands.
        title: Display title; says that it is synthetic.
        caption: One sentence about what is in its fields.
    """

    name: str
    title: str
    caption: str

    def field(self, number: int) -> FieldSpec:
        """One of its fields, all of the same size, stain and camera.

        Args:
            number: Which one, from 1 on. Those up to `TAUGHT` are for teaching.
        """
        rng = np.random.default_rng([number, 31])
        return FieldSpec(
            640,
            480,
            red_cell_px=32,
            seed=5000 + number,
            blasts=int(rng.integers(4, 8)),
            neutrophils=int(rng.integers(1, 4)),
            lymphocytes=int(rng.integers(1, 4)),
            monocytes=int(rng.integers(0, 2)),
            platelets=12,
            red_coverage=0.34,
            clumping=0.2,
            stain=Stain(dyes=Dyes.SEPIA),
            camera=Camera(gain=0.9, cast=(1.0, 0.97, 0.9)),
        )


#: How many fields of a laboratory are reviewed, and how many others tell what it was worth.
TAUGHT, TESTED = 8, 24

#: Of its 24 test fields `live` finds blasts with an AP@0.5 of about .45.
SEPIA = UnknownLaboratory(
    "sepia",
    "Eight fields of an unknown stain (synthetic)",
    "Brown nuclei, which no model has seen, so that most cells are missed: to correct on Review, "
    "and to teach a model with.",
)


#: A small field for a first try, every cell of it known; the README shows it.
EXAMPLE = FieldSpec(
    640, 480, red_cell_px=28, seed=11, blasts=5, neutrophils=2, lymphocytes=2, smudges=2
)


def samples() -> tuple[Sample, ...]:
    """The gallery, in the order to show it."""
    return (
        Sample(
            "healthy",
            "Healthy smear (synthetic)",
            "Neutrophils, lymphocytes, a monocyte and an eosinophil among red cells; no blast.",
            FieldSpec(
                seed=60,
                red_cell_px=44,
                neutrophils=5,
                lymphocytes=3,
                monocytes=1,
                eosinophils=1,
                platelets=34,
                red_coverage=0.40,
                clumping=0.0,
                camera=Camera(gain=0.97, cast=(1.0, 0.93, 0.84)),
            ),
        ),
        Sample(
            "many-blasts",
            "Many blasts (synthetic)",
            "Lymphoblasts alone and in groups, a few smudges, hardly any platelets.",
            FieldSpec(
                seed=4,
                red_cell_px=36,
                blasts=30,
                lymphocytes=3,
                neutrophils=2,
                smudges=4,
                platelets=4,
                red_coverage=0.36,
                clumping=0.62,
                stain=Stain(red_strength=0.85, red_hue=0.35, pallor=0.35, haze=0.3),
                camera=Camera(gain=0.80, cast=(1.0, 1.0, 0.99)),
            ),
        ),
        Sample(
            "few-blasts",
            "Few blasts among lymphocytes (synthetic)",
            "Three lymphoblasts between lymphocytes: size, chromatin and rim tell them apart.",
            FieldSpec(
                seed=25,
                red_cell_px=42,
                blasts=3,
                lymphocytes=11,
                neutrophils=3,
                monocytes=1,
                platelets=14,
                red_coverage=0.34,
                clumping=0.2,
                stain=Stain(hue=0.2, red_hue=0.3),
                camera=Camera(gain=0.9, cast=(0.98, 1.0, 1.0)),
            ),
        ),
        Sample(
            "smudges-and-clumps",
            "Smudge cells and platelet clumps (synthetic)",
            "What is easily mistaken for a cell: burst cells with strands, and heaps of platelets.",
            FieldSpec(
                seed=8,
                red_cell_px=40,
                blasts=2,
                lymphocytes=4,
                neutrophils=2,
                smudges=9,
                platelets=40,
                platelet_clumps=6,
                red_coverage=0.33,
                clumping=0.15,
                camera=Camera(gain=0.86, cast=(1.0, 0.97, 0.90)),
            ),
        ),
        Sample(
            "dim-lamp",
            "Dim lamp and colour cast (synthetic)",
            "Blasts under a yellow, uneven lamp and slightly out of focus.",
            FieldSpec(
                seed=114,
                red_cell_px=38,
                blasts=9,
                lymphocytes=3,
                neutrophils=4,
                smudges=1,
                platelets=30,
                red_coverage=0.42,
                stain=Stain(strength=0.85, red_strength=1.25, red_hue=-0.6, pallor=0.6),
                camera=Camera(
                    gain=0.52,
                    cast=(1.0, 0.97, 0.80),
                    focus_blur=0.035,
                    gradient=0.16,
                    vignette=0.28,
                    noise=2.4,
                    jpeg_quality=80,
                ),
            ),
        ),
        Sample(
            "high-magnification",
            "High magnification (synthetic)",
            "A few large cells with visible chromatin: blasts, a lymphocyte, a neutrophil.",
            FieldSpec(
                seed=19,
                red_cell_px=104,
                blasts=3,
                lymphocytes=1,
                neutrophils=1,
                platelets=5,
                red_coverage=0.36,
                clumping=0.4,
                stain=Stain(strength=0.95, hue=0.1),
                camera=Camera(gain=0.95, cast=(1.0, 0.97, 0.94), focus_blur=0.012),
            ),
        ),
    )
