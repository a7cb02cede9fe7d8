"""Pigments of a stain as optical densities (Beer-Lambert)."""

from __future__ import annotations

import numpy as np

from allcell.synth.scatter import F32
from allcell.synth.spec import Dyes, Stain

#: Rows of the pigment table; a cell is painted as a stack of their concentrations.
CHROMATIN, BASOPHIL, ROSE, ORANGE, AZURE, HAEMOGLOBIN = range(6)
PIGMENTS = 6

# Decadic optical density of red, green and blue at concentration 1 against the empty background.
# Giemsa's was chosen by looking at cluster centres of optical density in smears of three
# laboratories; sepia's is invented.
_DENSITY = {
    Dyes.GIEMSA: np.array(
        [
            [0.40, 0.90, 0.17],  # chromatin: deep violet
            [0.40, 0.40, 0.06],  # basophil: the blue of ribosome-rich cytoplasm
            [0.10, 0.24, 0.09],  # rose: neutral cytoplasm
            [0.11, 0.38, 0.23],  # orange: eosinophil granules
            [0.30, 0.52, 0.12],  # azure: platelets, azurophil granules
            [0.075, 0.165, 0.135],  # haemoglobin of one red cell's rim
        ],
        dtype=np.float32,
    ),
    Dyes.SEPIA: np.array(
        [
            [0.28, 0.62, 0.62],  # chromatin: reddish brown
            [0.25, 0.33, 0.28],  # basophil: dull brown
            [0.08, 0.18, 0.17],  # neutral cytoplasm: sand
            [0.11, 0.33, 0.39],  # granules: ochre
            [0.24, 0.45, 0.41],  # platelets: brown
            [0.09, 0.14, 0.09],  # red cells: mauve
        ],
        dtype=np.float32,
    ),
}


def absorbance(stain: Stain) -> F32:
    """Optical density (PIGMENTS, 3) of each pigment at concentration 1 under a stain."""
    density = _DENSITY[stain.dyes]
    table = density * np.float32(stain.strength)
    bluish = stain.hue
    table *= np.array([1 + 0.28 * bluish, 1 - 0.12 * bluish, 1 - 0.65 * bluish], np.float32)
    table[ORANGE] *= np.float32(1 / np.sqrt(stain.strength))
    mauve = stain.red_hue
    table[HAEMOGLOBIN] = density[HAEMOGLOBIN] * np.float32(stain.red_strength)
    table[HAEMOGLOBIN] *= np.array([1 + 0.45 * mauve, 1 - 0.05 * mauve, 1 - 0.3 * mauve])
    return table
