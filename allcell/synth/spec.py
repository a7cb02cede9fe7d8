"""What a synthetic field should show: plain, checked numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from allcell.models.registry import BLAST, HEALTHY, SMUDGE

#: Mean diameter of a red cell, the ruler of a smear; about 7.5 um in every textbook.
RED_CELL_UM = 7.5

#: A field narrower than this many red cells cannot hold a white cell and its neighbours.
MIN_SIDE_RED_CELLS = 3.0

#: White cells may fill this much of a field; beyond it there is no room to place them apart.
MAX_WHITE_COVERAGE = 0.40


class Kind(Enum):
    """The nucleated cells (and their remains) that are placed one by one."""

    BLAST = "blast"
    NEUTROPHIL = "neutrophil"
    LYMPHOCYTE = "lymphocyte"
    MONOCYTE = "monocyte"
    EOSINOPHIL = "eosinophil"
    SMUDGE = "smudge"


#: Smallest, commonest and largest radius in micrometres, on a dried and spread smear.
RADIUS_UM: dict[Kind, tuple[float, float, float]] = {
    Kind.BLAST: (5.0, 6.0, 8.0),
    Kind.NEUTROPHIL: (6.0, 6.6, 7.5),
    Kind.LYMPHOCYTE: (3.7, 4.4, 5.3),
    Kind.MONOCYTE: (7.0, 7.8, 9.0),
    Kind.EOSINOPHIL: (6.2, 6.8, 7.6),
    Kind.SMUDGE: (6.0, 7.5, 10.0),
}

#: Class of each kind, as the detectors name them.
CLASS_OF: dict[Kind, int] = {
    kind: {Kind.BLAST: BLAST, Kind.SMUDGE: SMUDGE}.get(kind, HEALTHY) for kind in Kind
}


def _within(owner: str, name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{owner}.{name}: expected {low:g} to {high:g}, got {value!r}")


def _whole(owner: str, name: str, value: int, low: int, high: int) -> None:
    if not math.isfinite(value) or int(value) != value:
        raise ValueError(f"{owner}.{name}: expected a whole number, got {value!r}")
    _within(owner, name, value, low, high)


class Dyes(Enum):
    """What a smear is stained with."""

    #: Wright's or May-Gruenwald-Giemsa's, as in every laboratory that the models know.
    GIEMSA = "giemsa"
    #: Invented: brown nuclei, mauve red cells. No laboratory stains so and no model was shown it.
    SEPIA = "sepia"


@dataclass(frozen=True)
class Stain:
    """How the smear took the dyes.

    Attributes:
        strength: Optical density of nuclei and cytoplasm relative to a typical stain, 0.3 to 1.8.
        hue: -1 (acid buffer: reddish) to 1 (alkaline: bluish).
        red_strength: Optical density of the red cells relative to a typical stain, 0.3 to 2.
        red_hue: -1 (orange) to 1 (grey-mauve) red cells.
        pallor: Depth of the red cells' pale centre, 0 (none) to 1 (hollow).
        haze: Stained plasma between the cells, 0 (clean) to 1.
        dyes: Which ones.
    """

    strength: float = 1.0
    hue: float = 0.0
    red_strength: float = 1.0
    red_hue: float = 0.0
    pallor: float = 0.5
    haze: float = 0.25
    dyes: Dyes = Dyes.GIEMSA

    def __post_init__(self) -> None:
        _within("Stain", "strength", self.strength, 0.3, 1.8)
        _within("Stain", "hue", self.hue, -1, 1)
        _within("Stain", "red_strength", self.red_strength, 0.3, 2)
        _within("Stain", "red_hue", self.red_hue, -1, 1)
        _within("Stain", "pallor", self.pallor, 0, 1)
        _within("Stain", "haze", self.haze, 0, 1)


@dataclass(frozen=True)
class Camera:
    """Lamp, lens and sensor.

    Attributes:
        gain: Brightness of the empty background, 0.2 to 1 of full scale.
        cast: Colour of the empty background: factors of red, green and blue, each 0.5 to 1.
        focus_blur: Sigma of the blur, as a fraction of the red-cell diameter, 0 to 0.25.
        sharpening: Halo that the camera draws around edges, 0 to 1.5.
        gradient: Loss of light from one side of the frame to the other, 0 to 0.5.
        gradient_deg: Direction in which the light falls off, in degrees.
        vignette: Loss of light in the corners of the frame, 0 to 0.6.
        noise: Standard deviation of the sensor noise in grey levels, 0 to 12.
        jpeg_quality: 30 to 100, or 0 for no compression.
    """

    gain: float = 0.86
    cast: tuple[float, float, float] = (1.0, 1.0, 0.98)
    focus_blur: float = 0.026
    sharpening: float = 0.35
    gradient: float = 0.04
    gradient_deg: float = 30.0
    vignette: float = 0.06
    noise: float = 1.2
    jpeg_quality: int = 90

    def __post_init__(self) -> None:
        _within("Camera", "gain", self.gain, 0.2, 1)
        if len(self.cast) != 3:
            raise ValueError(f"Camera.cast: expected 3 factors, got {len(self.cast)}")
        for value in self.cast:
            _within("Camera", "cast", value, 0.5, 1)
        _within("Camera", "focus_blur", self.focus_blur, 0, 0.25)
        _within("Camera", "sharpening", self.sharpening, 0, 1.5)
        _within("Camera", "gradient", self.gradient, 0, 0.5)
        _within("Camera", "gradient_deg", self.gradient_deg, -360, 360)
        _within("Camera", "vignette", self.vignette, 0, 0.6)
        _within("Camera", "noise", self.noise, 0, 12)
        if self.jpeg_quality != 0:
            _whole("Camera", "jpeg_quality", self.jpeg_quality, 30, 100)


@dataclass(frozen=True)
class FieldSpec:
    """One field of view, and by its seed the endless slide around it.

    The white-cell counts are exact for the centres inside the field. Cells whose centre lies
    outside may reach in over the edge, as they do under a microscope.

    Attributes:
        width_px: Width of the field, at least 3 red cells.
        height_px: Height of the field, at least 3 red cells.
        red_cell_px: Mean red-cell diameter in pixels, 8 to 160.
        seed: Decides everything that the other values leave open, 0 to 2**63 - 1.
        blasts: Number of lymphoblasts.
        neutrophils: Number of neutrophils, bands included.
        lymphocytes: Number of mature lymphocytes.
        monocytes: Number of monocytes.
        eosinophils: Number of eosinophils.
        smudges: Number of smudge cells.
        platelets: Mean number of single platelets.
        platelet_clumps: Mean number of platelet clumps.
        red_coverage: Fraction of the free area that red cells cover, 0 to 0.6.
        clumping: Chance that a white cell lies against another one, 0 to 1.
        stain: The dyes.
        camera: Lamp, lens and sensor.

    Raises:
        ValueError: If a value is outside its range or the white cells do not fit.
    """

    width_px: int = 1280
    height_px: int = 960
    red_cell_px: float = 40.0
    seed: int = 0
    blasts: int = 0
    neutrophils: int = 0
    lymphocytes: int = 0
    monocytes: int = 0
    eosinophils: int = 0
    smudges: int = 0
    platelets: float = 25.0
    platelet_clumps: float = 0.0
    red_coverage: float = 0.4
    clumping: float = 0.3
    stain: Stain = field(default_factory=Stain)
    camera: Camera = field(default_factory=Camera)

    def __post_init__(self) -> None:
        _within("FieldSpec", "red_cell_px", self.red_cell_px, 8, 160)
        shortest = math.ceil(MIN_SIDE_RED_CELLS * self.red_cell_px)
        for name in ("width_px", "height_px"):
            _whole("FieldSpec", name, getattr(self, name), shortest, 16384)
        _whole("FieldSpec", "seed", self.seed, 0, 2**63 - 1)
        for kind, count in self.counts().items():
            _whole("FieldSpec", f"{kind.value}s", count, 0, 5000)
        _within("FieldSpec", "platelets", self.platelets, 0, 50_000)
        _within("FieldSpec", "platelet_clumps", self.platelet_clumps, 0, 500)
        _within("FieldSpec", "red_coverage", self.red_coverage, 0, 0.6)
        _within("FieldSpec", "clumping", self.clumping, 0, 1)
        if self.white_coverage() > MAX_WHITE_COVERAGE:
            raise ValueError(
                f"FieldSpec: white cells would cover {self.white_coverage():.0%} of the field, "
                f"expected at most {MAX_WHITE_COVERAGE:.0%}: ask for fewer, or a larger field"
            )

    @property
    def px_per_um(self) -> float:
        """Pixels per micrometre on the slide."""
        return self.red_cell_px / RED_CELL_UM

    def counts(self) -> dict[Kind, int]:
        """How many cells of each kind have their centre in the field."""
        return {
            Kind.BLAST: self.blasts,
            Kind.NEUTROPHIL: self.neutrophils,
            Kind.LYMPHOCYTE: self.lymphocytes,
            Kind.MONOCYTE: self.monocytes,
            Kind.EOSINOPHIL: self.eosinophils,
            Kind.SMUDGE: self.smudges,
        }

    def white_coverage(self) -> float:
        """Approximate fraction of the field that the white cells will cover."""
        area_um2 = self.width_px * self.height_px / self.px_per_um**2
        return sum(n * mean_area_um2(kind) for kind, n in self.counts().items()) / area_um2


def mean_area_um2(kind: Kind) -> float:
    """Typical area of a cell of that kind in square micrometres."""
    low, mode, high = RADIUS_UM[kind]
    return math.pi * ((low + mode + high) / 3) ** 2
