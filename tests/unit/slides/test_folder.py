"""allcell.slides.folder: what visitors may open, and no way out of it."""

from __future__ import annotations

import os

import pytest

from allcell.errors import SlideError
from allcell.settings import settings
from allcell.slides.folder import allowed_folder, resolve, slides_in


@pytest.fixture
def folder(tmp_path):
    """An allowed folder beside one that is not."""
    allowed, secret = tmp_path / "slides", tmp_path / "secret"
    for path in (allowed / "ward" / "deep", allowed / "m", allowed / ".hidden", secret):
        path.mkdir(parents=True)
    for path in (
        *(allowed / "a.svs", allowed / "B.TIF", allowed / "ward" / "c.ndpi", allowed / "notes.txt"),
        *(allowed / ".x.tif", allowed / ".hidden" / "d.tif", allowed / "m.mrxs"),
        *(allowed / "m" / "Data0001.jpg", secret / "s.tif", allowed / "ward" / "deep" / "e f.tiff"),
    ):
        path.write_bytes(b"x" * 7)
    (allowed / "link.tif").symlink_to(secret / "s.tif")
    (allowed / "out").symlink_to(secret)
    (allowed / "inside.tif").symlink_to(allowed / "a.svs")
    (tmp_path / "slides-of-others").mkdir()
    (tmp_path / "slides-of-others" / "s.tif").write_bytes(b"x")
    return allowed


def test_the_list_holds_slides_of_the_folder_and_nothing_else(folder):
    found = slides_in(folder)
    assert [each.relative for each in found] == [
        *("B.TIF", "a.svs", "m.mrxs", "ward/c.ndpi", "ward/deep/e f.tiff"),
    ]
    assert {each.size_bytes for each in found} == {7}


def test_each_that_is_listed_can_be_opened(folder):
    for each in slides_in(folder):
        assert resolve(folder, each.relative) == folder / each.relative


@pytest.mark.parametrize(
    "relative",
    [
        pytest.param("../secret/s.tif", id="up"),
        pytest.param("ward/../../secret/s.tif", id="down and up"),
        pytest.param("ward/../a.svs", id="up, though it stays inside"),
        pytest.param("../slides/a.svs", id="up and back"),
        pytest.param("../slides-of-others/s.tif", id="a folder whose name begins alike"),
        pytest.param("link.tif", id="a link out of it"),
        pytest.param("out/s.tif", id="a folder that is a link out of it"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("//etc/passwd", id="absolute, twice"),
        pytest.param("C:/a.svs", id="a drive"),
        pytest.param("..\\secret\\s.tif", id="backslashes"),
        pytest.param("a.svs\0.tif", id="a null byte"),
        pytest.param("", id="nothing"),
        pytest.param(".", id="the folder itself"),
        pytest.param("ward", id="a folder in it"),
        pytest.param("nothing.tif", id="no such file"),
        pytest.param("a.svs/b.tif", id="below a file"),
        pytest.param(".x.tif", id="hidden"),
        pytest.param(".hidden/d.tif", id="in a hidden folder"),
        pytest.param("a" * 5000, id="a name longer than any"),
    ],
)
def test_there_is_no_way_out(folder, relative):
    with pytest.raises(SlideError) as caught:
        resolve(folder, relative)
    # One message for all, so that nothing is learned about what lies elsewhere.
    assert caught.value.message == "There is no such slide in the folder."


def test_a_link_to_a_slide_of_the_folder_may_be_followed(folder):
    assert resolve(folder, "inside.tif") == folder / "a.svs"


def test_a_folder_that_is_a_link_itself_is_allowed(folder, tmp_path):
    (tmp_path / "alias").symlink_to(folder)
    assert resolve(tmp_path / "alias", "a.svs") == folder / "a.svs"


def test_links_that_lead_in_a_circle(folder):
    (folder / "x.tif").symlink_to(folder / "y.tif")
    (folder / "y.tif").symlink_to(folder / "x.tif")
    with pytest.raises(SlideError):
        resolve(folder, "x.tif")
    assert "x.tif" not in [each.relative for each in slides_in(folder)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_no_slide(folder):
    os.mkfifo(folder / "p.tif")
    assert "p.tif" not in [each.relative for each in slides_in(folder)]
    with pytest.raises(SlideError):
        resolve(folder, "p.tif")


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(SlideError, match="folder with slides is missing"):
        slides_in(tmp_path / "none")
    with pytest.raises(SlideError, match="no such slide"):
        resolve(tmp_path / "none", "a.svs")


@pytest.mark.parametrize("given", [None, "slides"])
def test_the_settings_allow_a_folder_or_none(monkeypatch, tmp_path, given):
    if given:
        monkeypatch.setenv("ALLCELL_SLIDES_DIR", str(tmp_path / given))
    settings.cache_clear()
    assert allowed_folder() == (tmp_path / given if given else None)
    settings.cache_clear()
