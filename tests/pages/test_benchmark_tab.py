"""Models, Benchmark, through app.py without a browser and without a network."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from allcell.errors import ModelError
from allcell.runs.runtime_speeds import RuntimeComparison, Speed, Way
from allcell.statistics import Milliseconds
from allcell.ui.models import benchmark

TIME = Milliseconds.of([4.0, 5.0, 6.0])


def comparison() -> RuntimeComparison:
    """Two runtimes that work and one that is not here."""
    works = [
        Speed(
            Way("cpu", "onnx", "int8"),
            f"ONNX Runtime {n}",
            *(TIME, TIME),
            fps=200.0 * n,
            times_first=1.0 * n,
            images_per_s=8.0,
            viewers_fps={1: 200.0, 4: 60.0, 16: 15.0},
        )
        for n in (1, 2)
    ]
    missing = Speed(Way("intel-gpu", "openvino", "full"), failed="There is no Intel GPU.")
    return RuntimeComparison(
        *("live", "a processor", ("avx2",), {"numpy": "2"}),
        *((1280, 720), (640, 352), (2592, 1944), 100, 80.0, 300.0),
        (*works, missing),
    )


@pytest.fixture
def tab(app: AppTest) -> AppTest:
    """The Models page with that tab open."""
    app.run()
    app.session_state["models.tab"] = "Benchmark"
    app.switch_page("pages/models.py").run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    """All that the page says."""
    groups = (app.title, app.subheader, app.markdown, app.caption, app.info, app.error)
    return "\n".join(str(element.value) for group in groups for element in group)


def measured(app: AppTest) -> AppTest:
    """The page once its run has ended."""
    app.button(key="models.benchmark.start").click().run()
    run = app.session_state["models.benchmark.run"]
    run.wait(20)
    return app.run()


def test_before_anything_is_measured_it_says_what_will_be(tab: AppTest) -> None:
    assert "Nothing has been measured" in words(tab)
    assert "ONNX Runtime · CPU" in words(tab)
    assert "80 frames a second" in words(tab)
    assert not tab.get("plotly_chart")


def test_the_result_is_drawn_beside_the_papers_and_can_be_downloaded(
    tab: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        benchmark, "compare", lambda *a, **more: asked.append((a, more)) or comparison()
    )
    measured(tab)
    assert not tab.exception
    ((model, _), more) = asked[0]
    assert model == "live"
    assert (more["frames"], more["photos"], more["viewing_s"]) == (100, 12, 2.0)
    said = words(tab)
    assert "Fastest here: **ONNX Runtime 2**, 400 frames a second, 5.0 times" in said
    assert "Not here: OpenVINO · Intel GPU: There is no Intel GPU." in said
    assert len(tab.get("plotly_chart")) == 2
    assert "the paper: YOLOv5s" in tab.get("plotly_chart")[0].proto.spec
    table = tab.dataframe[0].value
    assert list(table["Frames a second"]) == [200, 400]
    assert list(table["Each of 16 viewers"]) == [15.0, 15.0]
    assert len(tab.get("download_button")) == 2
    assert "Nothing has been measured" not in said


def test_a_run_can_be_stopped(tab: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def never_ends(model: str, those: Any, *, on_step: Any, **_: Any) -> RuntimeComparison:
        while True:
            begun.set()
            on_step(0.3, "frames")

    monkeypatch.setattr(benchmark, "compare", never_ends)
    tab.button(key="models.benchmark.start").click().run()
    assert begun.wait(10)
    tab.button(key="models.benchmark.stop").click().run()
    tab.session_state["models.benchmark.run"].wait(10)
    tab.run()
    assert "Stopped before everything was measured" in words(tab)
    assert not tab.get("plotly_chart")


def test_what_fails_is_said(tab: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> RuntimeComparison:
        raise ModelError("The network failed.", "Choose another.")

    monkeypatch.setattr(benchmark, "compare", fails)
    measured(tab)
    assert "The network failed. Choose another." in words(tab)


def test_the_result_is_still_there_after_another_page(
    tab: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "compare", lambda *_, **__: comparison())
    measured(tab)
    tab.switch_page("pages/detect.py").run()
    tab.switch_page("pages/models.py").run()
    assert "Fastest here: **ONNX Runtime 2**" in words(tab)
