"""How each kind of white cell is painted: outline, nucleus, cytoplasm, granules.

Sizes, nuclear shapes and colours follow the usual descriptions of haematology atlases; a painter
works in micrometres, so a cell looks the same at every magnification.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from allcell.synth.palette import AZURE, BASOPHIL, CHROMATIN, ORANGE, ROSE
from allcell.synth.patch import Painted, Patch, Press, bell, soft_max, soft_min
from allcell.synth.scatter import F32
from allcell.synth.smudge import paint_smudge
from allcell.synth.spec import Kind

#: A painter gets the raster, the nominal radius (um) and the neighbours' pressure.
Painter = Callable[[Patch, float, Press], Painted]


def _membrane(nucleus: F32, depth: float) -> F32:
    """Chromatin lies denser under the nuclear membrane."""
    return depth * bell(nucleus - 0.25, 0.35)


def _vacuoles(patch: Patch, ink: F32, outline: F32, nucleus: F32, count: int) -> None:
    """Punch clear droplets into the cytoplasm."""
    rng = patch.rng
    open_ground = np.argwhere((outline > 0.9) & (nucleus < -0.1))
    if len(open_ground) == 0:
        return
    for _ in range(count):
        row, column = open_ground[rng.integers(len(open_ground))]
        x, y = float(patch.x_um[row, column]), float(patch.y_um[row, column])
        hole = patch.edge(patch.blob(x, y, rng.uniform(0.25, 0.65), wobble=0.04), 0.2)
        ink *= 1 - 0.8 * hole


def _nucleoli(patch: Patch, chromatin: F32, x: float, y: float, radius: float, count: int) -> None:
    for _ in range(count):
        dx, dy = patch.shift(radius * math.sqrt(patch.rng.uniform(0, 0.35)))
        size = patch.rng.uniform(0.6, 1.15)
        spot = patch.blob(x + dx, y + dy, size, stretch=patch.rng.uniform(1, 1.4), wobble=0.06)
        chromatin += 0.10 * bell(spot, 0.35) - 0.20 * patch.edge(spot, 0.7)


def _fill_nucleus(patch: Patch, ink: F32, nucleus: F32, chromatin: F32, softness_um: float) -> None:
    """Lay the nucleus over the cytoplasm; some nuclei take a redder violet than others."""
    inside = patch.edge(nucleus, softness_um)
    ink *= 1 - 0.92 * inside
    redder = patch.rng.uniform(0, 0.3)
    ink[CHROMATIN] = inside * chromatin * (1 - 0.7 * redder)
    ink[AZURE] += inside * chromatin * redder


def _dent(patch: Patch, nucleus: F32, x: float, y: float, radius: float) -> F32:
    """Notch a nucleus from one side: a shallow bay or a narrow fold."""
    rng = patch.rng
    turn, fold = rng.uniform(0, 2 * math.pi), rng.random() < 0.35
    c, s = math.cos(turn), math.sin(turn)
    width = rng.uniform(0.15, 0.3) if fold else rng.uniform(1.0, 2.0)
    inner = rng.uniform(0.4, 0.7) if fold else rng.uniform(0.95, 1.1)
    outer = (x + 1.25 * radius * c, y + 1.25 * radius * s)
    wiggle = rng.normal(0, 0.15) * radius
    tip = (x + inner * radius * c - wiggle * s, y + inner * radius * s + wiggle * c)
    bay = patch.capsule(outer, tip, width, 0.1 if fold else width)
    return soft_min(nucleus, -bay, 0.4 if fold else 1.2)


def paint_blast(patch: Patch, radius: float, press: Press) -> Painted:
    """Lymphoblast: large smooth nucleus, fine chromatin, scant deep-blue cytoplasm."""
    rng = patch.rng
    outline = press(patch.blob(0, 0, radius, stretch=rng.uniform(1, 1.22), wobble=0.034))
    if rng.random() < 0.12:
        tip = patch.shift(radius * rng.uniform(1.05, 1.22))
        tail = patch.capsule((0.5 * tip[0], 0.5 * tip[1]), tip, rng.uniform(1.2, 2.2), 0.5)
        outline = press(soft_max(outline, tail, 1.2))
    ratio = math.sqrt(rng.uniform(0.66, 0.95))
    x, y = patch.shift(radius * (1 - ratio) * rng.uniform(0.4, 1.3))
    nucleus = patch.blob(x, y, radius * ratio, stretch=rng.uniform(1, 1.14), wobble=0.03)
    nucleus = soft_min(nucleus, outline - rng.uniform(0.08, 0.25), 0.5)
    if rng.random() < 0.3:
        nucleus = _dent(patch, nucleus, x, y, radius * ratio)
    chromatin = (
        rng.uniform(0.74, 0.98)
        + 0.055 * patch.noise(0.32)
        + 0.065 * patch.noise(0.9)
        + 0.06 * patch.noise(0.8, along_um=3.0, turn=rng.uniform(0, math.pi))
        + 0.07 * patch.noise(2.6)
        + _membrane(nucleus, 0.07)
    )
    _nucleoli(patch, chromatin, x, y, radius * ratio, int(rng.choice([0, 0, 1, 1, 2])))
    ink = patch.ink()
    hof = bell(nucleus + 0.6, 0.9) * rng.uniform(0, 0.25)
    ink[BASOPHIL] = rng.uniform(0.5, 1.0) * (
        0.7 + 0.35 * bell(outline, 0.9) - hof + 0.12 * patch.noise(0.6) + 0.14 * patch.noise(1.8)
    )
    ink[ROSE] = 0.25
    if rng.random() < 0.12:
        _vacuoles(patch, ink, outline, nucleus, int(rng.integers(2, 9)))
    _fill_nucleus(patch, ink, nucleus, chromatin, 0.35)
    return patch.edge(outline, 0.3), ink


def paint_lymphocyte(patch: Patch, radius: float, press: Press) -> Painted:
    """Mature lymphocyte: dense round clumpy nucleus, thin sky-blue rim."""
    rng = patch.rng
    large = radius > 4.9
    outline = press(patch.blob(0, 0, radius, stretch=rng.uniform(1, 1.12), wobble=0.028))
    ratio = math.sqrt(rng.uniform(0.5, 0.72) if large else rng.uniform(0.7, 0.9))
    x, y = patch.shift(radius * (1 - ratio) * rng.uniform(0.3, 0.9))
    nucleus = patch.blob(x, y, radius * ratio, stretch=rng.uniform(1, 1.12), wobble=0.03)
    nucleus = soft_min(nucleus, outline - 0.2, 0.4)
    clumps = np.tanh(1.6 * patch.noise(1.0)) + 0.5 * patch.noise(0.5)
    chromatin = rng.uniform(0.92, 1.15) + 0.18 * clumps + _membrane(nucleus, 0.08)
    ink = patch.ink()
    ink[BASOPHIL] = rng.uniform(0.28, 0.6) * (
        0.8 + 0.3 * bell(outline, 0.6) + 0.12 * patch.noise(0.9)
    )
    ink[ROSE] = 0.15
    if large:
        ink[AZURE] = 0.5 * patch.edge(patch.noise(0.5) - 2.0, 0.6)
    _fill_nucleus(patch, ink, nucleus, chromatin, 0.25)
    return patch.edge(outline, 0.2), ink


def _lobes(patch: Patch, radius: float, outline: F32) -> F32:
    """Two to five lobes on a bent string (a band when the string is thick)."""
    rng = patch.rng
    count = int(rng.choice([1, 1, 2, 3, 3, 3, 3, 4, 4, 5]))
    turn, bend = rng.uniform(0, 2 * math.pi), rng.uniform(0.9, 1.55) * math.pi
    if count == 1:
        count, lobe, string = 6, 0.20 * radius, 0.18 * radius
    else:
        lobe, string = radius * (0.40 - 0.037 * count), rng.uniform(0.25, 0.6)
    if count == 2:
        bend = rng.uniform(0.5, 0.75) * math.pi
    orbit = radius * rng.uniform(0.42, 0.52)
    x0, y0 = patch.shift(0.10 * radius)
    spots = []
    for n in range(count):
        angle = turn + bend * n / (count - 1)
        away = orbit * rng.uniform(0.85, 1.12)
        spots.append((x0 + away * math.cos(angle), y0 + away * math.sin(angle)))
    nucleus = np.full(outline.shape, -99.0, dtype=np.float32)
    for n, (x, y) in enumerate(spots):
        size = lobe * rng.uniform(0.85, 1.18)
        body = patch.blob(x, y, size, stretch=rng.uniform(1, 1.35), wobble=0.05)
        nucleus = soft_max(nucleus, body, 0.6)
        if n:
            nucleus = soft_max(nucleus, patch.capsule(spots[n - 1], (x, y), string, string), 0.6)
    nucleus += 0.07 * patch.noise(1.2)
    return soft_min(nucleus, outline - 0.35, 0.4)


def paint_neutrophil(patch: Patch, radius: float, press: Press) -> Painted:
    """Neutrophil: lobes on thin strands in pale rose cytoplasm with fine granules."""
    rng = patch.rng
    outline = press(patch.blob(0, 0, radius, stretch=rng.uniform(1, 1.1), wobble=0.022))
    nucleus = _lobes(patch, radius, outline)
    chromatin = (
        rng.uniform(0.9, 1.15)
        + 0.22 * np.tanh(1.5 * patch.noise(1.0))
        + 0.05 * patch.noise(0.4)
        + _membrane(nucleus, 0.12)
    )
    ink = patch.ink()
    toxic = rng.uniform(0.06, 0.32)
    grains = np.clip(patch.noise(0.36) + 0.2, 0, 2.0)
    ink[ROSE] = rng.uniform(0.45, 0.75) * (1 + 0.12 * patch.noise(1.4))
    ink[AZURE] = toxic * grains * (1 + 0.25 * patch.noise(1.6)) + 0.06 * bell(outline, 0.35)
    _fill_nucleus(patch, ink, nucleus, chromatin, 0.25)
    return patch.edge(outline, 0.25), ink


def paint_eosinophil(patch: Patch, radius: float, press: Press) -> Painted:
    """Eosinophil: two lobes, cytoplasm packed with coarse orange granules."""
    rng = patch.rng
    outline = press(patch.blob(0, 0, radius, stretch=rng.uniform(1, 1.12), wobble=0.025))
    turn, apart = rng.uniform(0, 2 * math.pi), rng.uniform(0.30, 0.40) * radius
    x0, y0 = patch.shift(0.2 * radius)
    c, s = apart * math.cos(turn), apart * math.sin(turn)
    ends = [(x0 + c, y0 + s), (x0 - c, y0 - s)]
    nucleus = patch.capsule(ends[0], ends[1], 0.55, 0.55)
    for x, y in ends:
        body = patch.blob(
            x,
            y,
            radius * rng.uniform(0.34, 0.42),
            stretch=rng.uniform(1, 1.35),
            turn=turn + math.pi / 2 + rng.normal(0, 0.4),
            wobble=0.05,
        )
        nucleus = soft_max(nucleus, body, 0.8)
    nucleus = soft_min(nucleus, outline - 0.3, 0.4)
    chromatin = (
        rng.uniform(0.85, 1.05) + 0.2 * np.tanh(1.5 * patch.noise(1.0)) + _membrane(nucleus, 0.1)
    )
    ink = patch.ink()
    beads = np.clip(0.8 + 0.20 * patch.noise(0.55) + 0.08 * patch.noise(1.4), 0.25, 1.4)
    ink[ORANGE] = rng.uniform(0.7, 0.95) * beads
    ink[ROSE] = 0.35
    ink[BASOPHIL] = 0.05
    _fill_nucleus(patch, ink, nucleus, chromatin, 0.25)
    return patch.edge(outline + 0.06 * patch.noise(0.6), 0.3), ink


def paint_monocyte(patch: Patch, radius: float, press: Press) -> Painted:
    """Monocyte: kidney-shaped lacy nucleus, grey-blue cytoplasm with vacuoles."""
    rng = patch.rng
    outline = press(
        patch.blob(0, 0, radius, stretch=rng.uniform(1, 1.2), wobble=0.05, highest=8)
        + 0.10 * patch.noise(1.5)
    )
    turn, bend = rng.uniform(0, 2 * math.pi), rng.uniform(0.75, 1.35) * math.pi
    orbit, thick = radius * rng.uniform(0.36, 0.44), radius * rng.uniform(0.29, 0.37)
    x0, y0 = patch.shift(0.08 * radius)
    spots = [
        (
            x0 + orbit * math.cos(turn + bend * (t - 0.5)),
            y0 + orbit * math.sin(turn + bend * (t - 0.5)),
        )
        for t in np.linspace(0, 1, 5)
    ]
    widths = thick * rng.uniform(0.85, 1.15, 5)
    nucleus = np.full(outline.shape, -99.0, dtype=np.float32)
    for n in range(4):
        rod = patch.capsule(spots[n], spots[n + 1], float(widths[n]), float(widths[n + 1]))
        nucleus = soft_max(nucleus, rod, 0.5)
    nucleus = soft_min(nucleus + 0.22 * patch.noise(2.0), outline - 0.5, 0.6)
    lace = 0.45 - np.abs(patch.noise(0.85))
    chromatin = (
        rng.uniform(0.68, 0.88) + 0.16 * lace + 0.06 * patch.noise(1.8) + _membrane(nucleus, 0.12)
    )
    ink = patch.ink()
    ink[BASOPHIL] = rng.uniform(0.32, 0.5) * (1 + 0.14 * patch.noise(0.5) + 0.16 * patch.noise(1.7))
    ink[ROSE] = rng.uniform(0.3, 0.5)
    ink[AZURE] = 0.06 * np.clip(patch.noise(0.4), 0, 2)
    _vacuoles(patch, ink, outline, nucleus, int(rng.integers(0, 12)))
    _fill_nucleus(patch, ink, nucleus, chromatin, 0.3)
    return patch.edge(outline, 0.3), ink


PAINTERS: dict[Kind, Painter] = {
    Kind.BLAST: paint_blast,
    Kind.NEUTROPHIL: paint_neutrophil,
    Kind.LYMPHOCYTE: paint_lymphocyte,
    Kind.MONOCYTE: paint_monocyte,
    Kind.EOSINOPHIL: paint_eosinophil,
    Kind.SMUDGE: paint_smudge,
}
