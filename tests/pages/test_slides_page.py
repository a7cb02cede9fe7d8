"""The page Slides: what it offers, opens, refuses and lets go of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from allcell.detector import Detector
from allcell.imaging.images import encode_png
from allcell.models.registry import get_spec
from allcell.settings import settings
from allcell.synth.scan import SmearSpec, write_slide
from allcell.ui.slides import page, sample
from allcell.ui.slides.desk import SlideDesk
from allcell.ui.tiles.shown import SHOWN
from tests.pages.conftest import CountingEngine

DESK = "allcell.slide"


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> CountingEngine:
    """The network behind the page."""
    engine = CountingEngine()
    detector = Detector(get_spec("live"), engine)
    monkeypatch.setattr(page, "get_detector", lambda name: detector)
    return engine


@pytest.fixture(scope="session")
def slide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small rendered slide."""
    path = tmp_path_factory.mktemp("slides") / "smear.tif"
    write_slide(path, SmearSpec(1024, 1024, layout="monolayer"))
    return path


@pytest.fixture
def slides(app: AppTest, limits: Any, tmp_path: Path) -> Iterator[AppTest]:
    """The page, not run yet, with an empty cache."""
    limits(cache_dir=tmp_path / "cache")
    app.run()
    app.switch_page("pages/slides.py")
    before = len(SHOWN)
    yield app
    desk = app.session_state[DESK] if DESK in app.session_state else None  # noqa: SIM401 (no get)
    if isinstance(desk, SlideDesk):
        desk.close()
    assert len(SHOWN) == before, "a slide is still shown"


def desk_of(app: AppTest) -> SlideDesk:
    """What the session has open."""
    desk = app.session_state[DESK]
    assert isinstance(desk, SlideDesk)
    return desk


def words(app: AppTest) -> str:
    """All that the page says."""
    parts = (*app.title, *app.caption, *app.markdown, *app.error, *app.warning, *app.info)
    return " ".join(part.value for part in parts)


def give(app: AppTest, name: str, data: bytes) -> AppTest:
    """Upload a file."""
    return app.get("file_uploader")[0].set_value([(name, data, "")]).run()


def test_the_empty_page_says_what_it_is_for(slides: AppTest) -> None:
    """And offers a slide to whoever has none; no folder of the server unless the settings do."""
    slides.run()
    assert not slides.exception
    assert "Move over a whole slide" in words(slides)
    assert [button.label for button in slides.button if "sample" in button.label]
    assert not [box for box in slides.selectbox if "server" in box.label]


def test_a_slide_of_the_folder_is_opened(
    slides: AppTest, limits: Any, slide_file: Path, model: CountingEngine
) -> None:
    """By its name in the list; its facts and the component are shown, and a search has begun."""
    limits(slides_dir=slide_file.parent)
    slides.run()
    chosen = next(box for box in slides.selectbox if "server" in box.label)
    chosen.set_value("smear.tif").run()
    assert not slides.exception
    assert "smear.tif" in slides.title[0].value.replace("\\", "")
    assert "1,024 x 1,024 px, 0.25 µm a pixel" in words(slides)
    opened = desk_of(slides).opened
    assert opened is not None
    assert opened.looking is not None
    assert opened.tile(0, 1, 1)[0] == 2, "two of the slide's own tiles along a side"
    with pytest.raises(LookupError):
        opened.tile(0, 2, 0)
    slides.button(key="slides.close").click().run()
    assert desk_of(slides).opened is None
    assert "Move over a whole slide" in words(slides)


OUTSIDE = [
    pytest.param("../smear.tif", id="above the folder"),
    pytest.param("/etc/passwd", id="anywhere"),
    pytest.param("link.tif", id="a link out of it"),
    pytest.param("gone.tif", id="deleted meanwhile"),
]


@pytest.mark.parametrize("relative", OUTSIDE)
def test_nothing_outside_the_folder_is_opened(
    slides: AppTest,
    limits: Any,
    slide_file: Path,
    tmp_path: Path,
    relative: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a browser sends in place of a name in the list."""
    from allcell.slides.folder import Listed
    from allcell.ui.slides import choosing

    folder = tmp_path / "slides"
    folder.mkdir()
    (folder / "link.tif").symlink_to(slide_file)
    (tmp_path / "smear.tif").write_bytes(slide_file.read_bytes())
    limits(slides_dir=folder)
    monkeypatch.setattr(choosing, "slides_in", lambda _: [Listed(relative, 1)])
    slides.run()
    next(box for box in slides.selectbox if "server" in box.label).set_value(relative).run()
    assert "There is no such slide in the folder" in words(slides)
    assert desk_of(slides).opened is None


def test_an_upload_is_opened_and_its_file_goes_with_it(slides: AppTest, slide_file: Path) -> None:
    """It lies in a temporary folder for as long as it is open."""
    give(slides.run(), "patient name.svs", slide_file.read_bytes())
    desk = desk_of(slides)
    assert desk.opened is not None
    assert desk.would_be_lost
    folder = Path(desk.opened._folder.name)  # type: ignore[union-attr]
    assert folder.is_dir()
    desk.close()
    assert not folder.exists()


def test_what_is_no_slide_is_refused_in_words(slides: AppTest) -> None:
    """And leaves nothing behind."""
    give(slides.run(), "notes.svs", b"no slide at all")
    assert not slides.exception
    assert slides.error
    assert desk_of(slides).opened is None


def test_a_large_flat_picture_is_copied_only_after_consent(
    slides: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says how much disk it takes; who does not agree is back at the start."""
    from allcell.errors import NeedsPyramid
    from allcell.ui.slides import choosing

    def flat(path: Path, name: str) -> Any:
        raise NeedsPyramid("It has 40,000 x 10,000 pixels.", "Let a copy be made (1.6 GB).")

    monkeypatch.setattr(choosing, "open_slide", flat)
    give(slides.run(), "flat.png", encode_png(np.zeros((8, 8, 3), np.uint8)))
    assert "Let a copy be made" in words(slides)
    waiting = desk_of(slides).waiting
    assert waiting is not None
    assert waiting.run is None
    slides.button(key="slides.leave").click().run()
    assert desk_of(slides).waiting is None
    assert not Path(waiting.folder.name).exists()  # type: ignore[union-attr]
    assert "Move over a whole slide" in words(slides)


def test_the_sample_is_rendered_once(slides: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time with progress; then it is there."""
    monkeypatch.setattr(sample, "SAMPLE", SmearSpec(1024, 512, layout="monolayer"))
    slides.run()
    slides.button(key="slides.sample").click().run()
    waiting = desk_of(slides).waiting
    if waiting is not None and waiting.run is not None:
        waiting.run.wait(60)
        slides.run()
    assert not slides.exception
    opened = desk_of(slides).opened
    assert opened is not None
    assert opened.synthetic
    assert "Synthetic slide" in words(slides)
    assert sample.sample_path().is_file()
    assert settings().cache_dir in sample.sample_path().parents


def test_the_picture_needs_no_model(slides: AppTest, slide_file: Path, monkeypatch: Any) -> None:
    """Where none can be used the slide is shown all the same, and the page says what is missing."""
    monkeypatch.setattr(page, "catalog", lambda: ())
    give(slides.run(), "smear.tif", slide_file.read_bytes())
    assert not slides.exception
    assert "No model can be used here" in words(slides)
    assert desk_of(slides).opened is not None
