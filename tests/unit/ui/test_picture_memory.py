"""The one memory of pictures: made once, forgotten when the picture goes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from allcell.analysis import finding
from allcell.classifier import FieldClassifier
from allcell.detector import Detector
from allcell.errors import AllcellError, ImageError, ModelError
from allcell.imaging.images import encode_png
from allcell.models.registry import get_classifier, get_spec
from allcell.ui.field import pictures
from allcell.ui.field.ahead import analyse_ahead
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Finished, Judged, Picture, PictureMemory, Refused

PNG = encode_png(np.full((64, 80, 3), 200, np.uint8))


class Nothing:
    """A network that sees no cell, and counts its runs."""

    description = "nothing"

    def __init__(self) -> None:
        self.runs = 0

    def run(self, image: Any) -> Any:
        self.runs += 1
        return np.zeros((7, 1), np.float32)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pictures that were decoded, in order."""
    names: list[str] = []
    decode = pictures.decode
    monkeypatch.setattr(
        pictures, "decode", lambda data, name: names.append(name) or decode(data, name=name)
    )
    return names


def test_one_decoding_and_one_measurement_serve_all_models(decoded: list[str]) -> None:
    memory, picture = PictureMemory(), Picture.of("a.png", PNG)
    engine = Nothing()
    for model in ("live", "yolov5s"):
        done = memory.analyse(picture, model, lambda: Detector(get_spec("live"), engine))
        assert isinstance(done, Finished)
    memory.jpeg(picture)
    assert decoded == ["a.png"]
    assert engine.runs == 2
    # The second model found the scale measured already.
    assert done.scale_ms < 1


def test_the_same_bytes_under_another_name_are_known_and_keep_their_own_name() -> None:
    memory = PictureMemory()
    memory.analyse(Picture.of("a.png", PNG), "live", lambda: Detector(get_spec("live"), Nothing()))
    found = memory.outcome(Picture.of("b.png", PNG), "live")
    assert isinstance(found, Finished)
    assert found.analysis.name == "b.png"


def test_another_size_of_red_cells_is_another_run() -> None:
    memory, picture, engine = PictureMemory(), Picture.of("a.png", PNG), Nothing()
    memory.analyse(picture, "live", lambda: Detector(get_spec("live"), engine))
    memory.red_cells[picture.digest] = 17.0
    assert memory.outcome(picture, "live") is None
    assert memory.scale(picture).red_cell_px == 17.0


def broken() -> Any:
    raise ModelError("It is broken.", "Choose another.")


def test_errors_are_kept_until_they_are_forgotten() -> None:
    memory, picture = PictureMemory(), Picture.of("a.png", PNG)
    assert memory.analyse(picture, "live", broken) == Refused(
        "a.png", "It is broken.", "Choose another."
    )
    assert isinstance(memory.judge(picture, "cnn", broken), Refused)
    memory.forget_errors(picture, ["live", "cnn"])
    assert memory.outcome(picture, "live") is None
    assert memory.judged(picture, "cnn") is None


def test_a_picture_that_goes_takes_everything_along(decoded: list[str]) -> None:
    memory = PictureMemory()
    desk = Bench(memory)
    a, b = Picture.of("a.png", PNG), Picture.of("b.png", PNG)
    for picture in (a, b):
        desk.add(picture)
    memory.analyse(a, "live", lambda: Detector(get_spec("live"), Nothing()))
    classifier = FieldClassifier(get_classifier("cnn"), SimpleNamespace(run=lambda _: np.zeros(2)))
    memory.red_cells[a.digest] = 20.0
    assert isinstance(memory.judge(a, "cnn", lambda: classifier), Judged)
    desk.remove(a.id)
    assert memory.judged(b, "cnn"), "b is made of the same bytes"
    desk.clear()
    assert memory.judged(a, "cnn") is None
    assert memory.red_cells == {}
    memory.red_cells[a.digest] = 20.0
    assert memory.judged(a, "cnn") is None, "at that size, too"
    memory.image(a)
    assert decoded == ["a.png", "a.png"], "its pixels were let go"


def test_what_another_owner_shows_is_kept() -> None:
    memory = PictureMemory()
    desk, picture = Bench(memory), Picture.of("a.png", PNG)
    desk.add(picture)
    memory.hold("set", picture)
    memory.red_cells[picture.digest] = 60.0
    memory.let_go("set")
    assert memory.red_cells == {picture.digest: 60.0}, "Detect still shows it"
    memory.hold("set", picture)
    desk.clear()
    assert memory.red_cells == {picture.digest: 60.0}, "the set still shows it"
    memory.let_go("set")
    assert memory.red_cells == {}


def _page(problem) -> None:
    from allcell.ui.shell.problems import show_problem

    show_problem(problem)
    show_problem(problem, of="YOLO_v5_s")


@pytest.mark.parametrize(
    ("problem", "first", "second"),
    [
        pytest.param(
            ImageError("a_b_c.png is no *picture*.", "Take [another](x)."),
            r"**a\_b\_c.png is no \*picture\*.**  " + "\n" + r"Take \[another\](x).",
            r"**YOLO\_v5\_s** a\_b\_c.png is no \*picture\*.  " + "\n" + r"Take \[another\](x).",
            id="file names act as no Markdown",
        ),
        pytest.param(
            AllcellError("Broken."), "**Broken.**", r"**YOLO\_v5\_s** Broken.", id="no remedy"
        ),
        pytest.param(
            "It is `so`.", r"It is \`so\`.", r"**YOLO\_v5\_s** It is \`so\`.", id="a text"
        ),
    ],
)
def test_a_problem_is_shown_in_one_way(problem: Any, first: str, second: str) -> None:
    app = AppTest.from_function(_page, args=(problem,)).run()
    assert [error.value for error in app.error] == [first, second]


@pytest.mark.parametrize("workers", [1, 3])
def test_pictures_read_ahead_are_kept_in_order_with_their_errors(
    monkeypatch: pytest.MonkeyPatch, decoded: list[str], workers: int
) -> None:
    monkeypatch.setattr(finding, "worker_count", lambda: workers)
    memory, engine = PictureMemory(), Nothing()
    some = [
        Picture.of(f"{n}.png", encode_png(np.full((64, 80, 3), 190 + n, np.uint8)))
        for n in range(5)
    ]
    some.insert(2, Picture.of("bad.png", PNG[:50]))
    detector = Detector(get_spec("live"), engine)
    assert list(analyse_ahead(memory, some, detector)) == some
    outcomes = [memory.outcome(picture, "live") for picture in some]
    assert [type(outcome) for outcome in outcomes] == [
        *(Finished, Finished, Refused, Finished, Finished, Finished)
    ]
    assert [outcome.analysis.name for outcome in outcomes if isinstance(outcome, Finished)] == [
        f"{n}.png" for n in range(5)
    ]
    assert engine.runs == 5
    assert sorted(decoded) == sorted(picture.name for picture in some)
