"""The table of laboratories, and what reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from allcell.data.laboratories import LABORATORIES, Laboratory, known_red_cell_px
from allcell.data.open_smears import OPEN_SMEARS
from allcell.models.registry import CLASSES
from allcell.training.recipe import Recipe, TileSource, load_recipe

EACH = pytest.mark.parametrize("lab", LABORATORIES.values(), ids=list(LABORATORIES))


@EACH
def test_each_laboratory_is_described(lab: Laboratory) -> None:
    assert lab.training == "train"
    assert lab.test in ("test", "held_out")
    assert lab.validation in (None, *lab.splits[1:-1])
    assert set(lab.labelled) <= set(CLASSES)
    assert lab.has_blasts == ("blast" in lab.labelled)
    assert lab.source.startswith("https://")
    for text in (lab.title, lab.material, lab.citation, lab.licence):
        assert text
        assert text == text.strip()


@EACH
def test_each_laboratory_is_credited_in_the_readme(lab: Laboratory) -> None:
    readme = Path("README.md").read_text(encoding="utf-8")
    section = readme.split("\n## Data\n")[1].split("\n## ")[0]
    (row,) = (line for line in section.splitlines() if line.startswith(f"| [{lab.title}]"))
    assert f"({lab.source})" in row
    assert lab.licence in row


def test_those_without_blasts_are_the_open_smears() -> None:
    assert tuple(lab.name for lab in LABORATORIES.values() if not lab.has_blasts) == OPEN_SMEARS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("bccd", 103.0, id="one microscope"),
        pytest.param("taleqani", 19.5, id="after stretching"),
        pytest.param("chula", None, id="measured in each field"),
        pytest.param("mine", None, id="somebody else's data set"),
    ],
)
def test_known_sizes(name: str, expected: float | None) -> None:
    assert known_red_cell_px(name) == expected
    assert TileSource(name=name, share=1).known_red_cell_px == expected


def test_a_recipe_may_state_another_size() -> None:
    assert TileSource(name="bccd", share=1, known_red_cell_px=50).known_red_cell_px == 50
    assert TileSource(name="bccd", share=1, known_red_cell_px=None).known_red_cell_px is None


def test_the_live_model_is_trained_at_the_sizes_of_the_table() -> None:
    recipe = load_recipe("live")
    assert isinstance(recipe, Recipe)
    sizes = {source.name: source.known_red_cell_px for source in recipe.sources}
    assert sizes["bccd"] == 103
    assert sizes["allidb1"] is None
