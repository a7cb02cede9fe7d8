"""Names from outside never leave their folder, their line or their cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allcell.text import names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("../../etc/passwd", "passwd", id="climbs out"),
        pytest.param("C:\\Users\\me\\a.jpg", "a.jpg", id="Windows path"),
        pytest.param("a\x00b\n\u202ec.png", "abc.png", id="control and direction characters"),
        pytest.param("\udce4.jpg", "image.jpg", id="bytes that are no text"),
        pytest.param("..", "image", id="dots only"),
        pytest.param("folder/", "image", id="a folder"),
        pytest.param("", "image", id="nothing"),
        pytest.param('a<b>:"c|?*.tif', "a_b___c___.tif", id="forbidden on Windows"),
        pytest.param("CON.png", "_CON.png", id="a Windows device"),
        pytest.param("Färbung 3.jpg", "Färbung 3.jpg", id="accents and spaces stay"),
        pytest.param("x" * 500 + ".jpg", "x" * 196 + ".jpg", id="too long, suffix kept"),
        pytest.param("a." + "y" * 300, "a." + "y" * 198, id="endless suffix"),
    ],
)
def test_safe_name(name: str, expected: str) -> None:
    assert names.safe_name(name) == expected


@given(st.text(st.characters(), max_size=300))
def test_any_name_becomes_a_file(name: str) -> None:
    safe = names.safe_name(name)
    assert safe == names.safe_name(safe)
    assert safe not in {"", ".", ".."}
    assert not set(safe) & set('/\\<>:"|?*\x00\n')
    assert len(safe.encode()) < 255 - len("-200.png")


@pytest.mark.parametrize(
    ("given_names", "expected"),
    [
        pytest.param(["a.jpg", "a.jpg"], ["a.jpg", "a-2.jpg"], id="twice"),
        pytest.param(["a.jpg", "A.JPG"], ["a.jpg", "A-2.JPG"], id="by case only"),
        pytest.param(
            ["a.jpg", "a.jpg", "a-2.jpg"], ["a.jpg", "a-3.jpg", "a-2.jpg"], id="number is taken"
        ),
        pytest.param([], [], id="none"),
    ],
)
def test_unique_names(given_names: list[str], expected: list[str]) -> None:
    assert names.unique_names(given_names) == expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param(["/d/a.jpg", "/d/b.jpg"], ["a.jpg", "b.jpg"], id="names tell"),
        pytest.param(["/d/1/a.jpg", "/d/2/A.jpg"], ["1/a.jpg", "2/A.jpg"], id="folders tell"),
        pytest.param(["/1/x/a", "/2/x/a", "/2/y/a"], ["1/x/a", "2/x/a", "y/a"], id="no longer"),
        pytest.param(["C:\\1\\a.jpg", "C:\\2\\a.jpg"], ["1/a.jpg", "2/a.jpg"], id="Windows"),
        pytest.param(["a.jpg", "a.jpg", "../a.jpg"], ["a.jpg", "a-2.jpg", "a-3.jpg"], id="nothing"),
        pytest.param(["1/a.jpg", "1/a.jpg"], ["1/a.jpg", "1/a-2.jpg"], id="the same path"),
        pytest.param(["/", ""], ["image", "image-2"], id="no name"),
        pytest.param([], [], id="none"),
    ],
)
def test_telling_names(paths: list[str], expected: list[str]) -> None:
    assert names.telling_names(paths) == expected


@given(st.lists(st.sampled_from(["a", "A", "a-2", "a-2-2", "a-3"]), max_size=12))
def test_unique_names_always_are(given_names: list[str]) -> None:
    found = names.unique_names(given_names)
    assert len({name.casefold() for name in found}) == len(given_names)
