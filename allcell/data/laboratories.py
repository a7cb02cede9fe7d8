"""The laboratories whose smears allcell was trained or judged on: one table for all that asks.

Importers, recipes and scores take names, splits and known sizes from here. No picture of any of
them is part of allcell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Laboratory:
    """One data set of one laboratory.

    Attributes:
        name: Name of the data set's folder below the data folder.
        title: Short name, as shown to people.
        material: Whose blood it shows and how, in a few words.
        source: Where the pictures come from: an address or a DOI.
        citation: Whom to credit.
        licence: Of the pictures.
        redistributable: Whether that licence lets anybody pass the pictures on.
        splits: Splits as the importer writes them. The first is for training, the last is never
            trained on and never used to choose anything.
        labelled: Classes that have boxes; a class that is not named here may be in the pictures
            without a box only if `caveat` says so.
        known_red_cell_px: Red-cell diameter in pixels, the same in all its pictures as imported;
            None if each picture has to be measured.
        caveat: What to keep in mind when a score on it is read; may be empty.
    """

    name: str
    title: str
    material: str
    source: str
    citation: str
    licence: str
    redistributable: bool
    splits: tuple[str, ...]
    labelled: tuple[str, ...]
    known_red_cell_px: float | None = None
    caveat: str = ""

    @property
    def about(self) -> str:
        """What it shows, and what to keep in mind, in sentences."""
        return f"{self.material}. {self.caveat}".strip()

    @property
    def training(self) -> str:
        """The split for training."""
        return self.splits[0]

    @property
    def validation(self) -> str | None:
        """The split for choosing thresholds and epochs; None if there is none."""
        return "val" if "val" in self.splits else None

    @property
    def test(self) -> str:
        """The split that is never trained on and never used to choose anything."""
        return self.splits[-1]

    @property
    def has_blasts(self) -> bool:
        """Whether some of its patients have leukemia; otherwise each blast called is false."""
        return "blast" in self.labelled


_ALL = (
    Laboratory(
        name="allidb1",
        title="ALL-IDB1",
        material="fields of patients with ALL and of healthy persons, one microscope",
        source="https://homes.di.unimi.it/scotti/all/",
        citation="R. Donida Labati, V. Piuri, F. Scotti: ALL-IDB: the acute lymphoblastic leukemia "
        "image database for image processing. IEEE ICIP 2011",
        licence="research only, on request",
        redistributable=False,
        splits=("train", "val", "test"),
        labelled=("blast", "healthy", "smudge"),
        caveat="It names no patients, so fields of one patient may be on both sides of the split.",
    ),
    Laboratory(
        name="taleqani",
        title="Taleqani",
        material="fields of 89 patients suspected of ALL, squeezed to 224 x 224 pixels",
        source="https://doi.org/10.34740/KAGGLE/DSV/2175623",
        citation="M. Aria, M. Ghaderzadeh, D. Bashash, H. Abolghasemi, F. Asadi, A. Hosseini: "
        "Acute Lymphoblastic Leukemia (ALL) image dataset. Kaggle, 2021, "
        "DOI 10.34740/KAGGLE/DSV/2175623",
        licence="credit the authors; nothing allows passing the pictures on",
        redistributable=False,
        splits=("train", "val", "test"),
        labelled=("blast", "healthy", "smudge"),
        known_red_cell_px=19.5,
        caveat="Blasts rest on one stage a field, not on a mark a cell. Its boxes are ours: those "
        "for validation and test were looked at field by field, those for training mostly were "
        "not (allcell/data/annotations). It names no patients.",
    ),
    Laboratory(
        name="bccd",
        title="BCCD",
        material="fields of healthy persons",
        source="https://github.com/Shenggan/BCCD_Dataset",
        citation="Shenggan: BCCD Dataset. GitHub",
        licence="MIT",
        redistributable=True,
        splits=("train", "held_out"),
        labelled=("healthy",),
        known_red_cell_px=103.0,
    ),
    Laboratory(
        name="pbc",
        title="PBC",
        material="single cells of healthy donors, CellaVision DM96",
        source="https://doi.org/10.17632/snkd93bnjr.1",
        citation="A. Acevedo, A. Merino, S. Alférez, Á. Molina, L. Boldú, J. Rodellar: A dataset "
        "of microscopic peripheral blood cell images for development of automatic recognition "
        "systems. Data in Brief 30, 2020. Boxes of 1,320 of its pictures: "
        "medmabcf/White-Blood-Cell-Detection-Dataset, GitHub",
        licence="CC BY 4.0",
        redistributable=True,
        splits=("train", "held_out"),
        labelled=("healthy",),
        known_red_cell_px=77.0,
        caveat="One cell a picture, in its middle.",
    ),
    Laboratory(
        name="chula",
        title="Chula",
        material="fields of healthy blood, Chulalongkorn University",
        source="https://github.com/singgihbekti/WBC_Dataset",
        citation="singgihbekti: WBC_Dataset. Chulalongkorn University, 2022. GitHub",
        licence="MIT",
        redistributable=True,
        splits=("train", "held_out"),
        labelled=("healthy",),
        caveat="In about 5 % of its pictures a second white cell has no box, so a right box there "
        "is counted as wrong.",
    ),
)

#: All laboratories by name; those with blasts come first.
LABORATORIES: Mapping[str, Laboratory] = MappingProxyType({lab.name: lab for lab in _ALL})


def known_red_cell_px(name: str) -> float | None:
    """Red-cell diameter in the pictures of a data set; None if it is not known or not constant.

    Args:
        name: Name of the data set's folder; a data set of somebody else's is not known.
    """
    laboratory = LABORATORIES.get(name)
    return laboratory.known_red_cell_px if laboratory else None
